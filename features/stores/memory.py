"""The in-memory twin of the online feature store: same contract, nothing durable."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from features.store import ENTITIES, Entity, States
from features.stores.checks import check_entities, check_utc


class MemoryStore:
    """Keeps states in dictionaries; safe to share between threads. Implements `features.store.FeatureStore`."""

    def __init__(self) -> None:
        self._states: dict[Entity, dict[str, bytes]] = {entity: {} for entity in ENTITIES}
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Nothing to pay."""

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> dict[Entity, dict[str, bytes]]:
        """Return the states found, by entity and key; every entity asked for is present, unknown keys are absent."""
        check_entities(keys)
        with self._lock:
            return {
                entity: {key: self._states[entity][key] for key in wanted if key in self._states[entity]}
                for entity, wanted in keys.items()
            }

    def write(self, states: States, as_of: datetime) -> None:
        """Replace states in one micro-batch; a concurrent ``read`` sees all of it or none."""
        check_entities(states)
        check_utc(as_of)
        with self._lock:
            for entity, rows in states.items():
                self._states[entity].update((key, bytes(state)) for key, state in rows.items())

    def bulk_load(self, states: States, as_of: datetime, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Write a back-filled history; return how many states it held. ``progress`` hears (done, total)."""
        self.write(states, as_of)
        rows = sum(len(entity_states) for entity_states in states.values())
        if progress is not None and rows:
            progress(rows, rows)
        return rows

    def close(self) -> None:
        """Nothing to release."""

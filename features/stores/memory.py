"""The in-memory twin of the online feature store: same contract, nothing durable."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

from features.progress import Progress
from features.store import ENTITIES, Entity, Found, States
from features.stores.checks import check_entities, check_utc


class MemoryStore:
    """Keeps states in dictionaries; safe to share between threads. Implements `features.store.FeatureStore`."""

    def __init__(self) -> None:
        self._states: dict[Entity, dict[str, bytes]] = {entity: {} for entity in ENTITIES}
        self._owner: str | None = None
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Nothing to pay."""

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> Found:
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

    def replace(self, states: States, read: States, as_of: datetime) -> Found:
        """Replace what is as it was read; return the rest as it is."""
        check_entities(states)
        check_utc(as_of)
        conflicts: Found = {}
        with self._lock:
            for entity, rows in states.items():
                present, expected = self._states[entity], read.get(entity, {})
                for key, state in rows.items():
                    if key in present and present[key] != expected.get(key):
                        conflicts.setdefault(entity, {})[key] = present[key]
                    else:
                        present[key] = bytes(state)
        return conflicts

    def bulk_load(self, states: States, as_of: datetime, *, progress: Progress | None = None) -> int:
        """Write a back-filled history; return how many states it held. ``progress`` hears (done, total)."""
        self.write(states, as_of)
        rows = sum(len(entity_states) for entity_states in states.values())
        if progress is not None and rows:
            progress(rows, rows)
        return rows

    def owner(self) -> str | None:
        """Return who claimed the states."""
        return self._owner

    def claim(self, owner: str) -> None:
        """Say whose states these are."""
        self._owner = owner

    def refill(self) -> bool:
        """Nobody else fills it."""
        return True

    def close(self) -> None:
        """Nothing to release."""

"""The feature engine: folds transactions and labels into entity states, and reads features on the way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.batch import Batch, distinct_keys, make_batch
from features.catalogue import NAMES
from features.errors import StateError
from features.events import Event
from features.state import Arena, open_state
from features.state_layout import F_APPLIED, F_LATE, F_TOO_LATE, I_KIND, TRANSACTION
from features.store import ENTITIES, Entity, States

_FLAG_NAMES = {
    F_LATE: "late",
    F_TOO_LATE: "too_late",
    **{F_APPLIED << code: f"already_applied:{entity}" for code, entity in enumerate(ENTITIES)},
}


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What a fold gives back.

    ``features`` (transactions, features) float32, in the order of the batch's transactions; ``states`` of every entity
    touched, after the fold; ``flags`` a set for each transaction:

    - ``late``: older than the newest transaction of its card. It lands in its own window.
    - ``too_late``: more than a day older than the newest transaction of one of its entities, so that what lay in its
      window may be forgotten.
    - ``already_applied:<entity>``: that state holds this event or a later one already and was left alone. Features
      read from it then include the transaction itself; the decision on record is the one that counts.
    - ``corrupt_state:<entity>``: the stored bytes could not be used, and the entity was taken as unknown.
    """

    features: NDArray[np.float32]
    states: dict[Entity, dict[str, bytes]]
    flags: tuple[frozenset[str], ...]


class FeatureEngine:
    """Computes features and states. Pure: the same events on the same states give the same bytes.

    A transaction's features are as of just before it: of the events folded earlier, those at or before its event time,
    in windows (T - window, T]; labels count from their label time on. A state remembers the ``seq`` it has applied, so
    events up to it change nothing; an event with ``seq`` 0 only reads, it is never applied.
    """

    names: tuple[str, ...] = NAMES

    def warm_up(self) -> None:
        """Load the compiled kernel, or compile it (tens of seconds, once per installation)."""
        self.fold((), {})

    def keys(self, events: Sequence[Event]) -> dict[Entity, list[str]]:
        """Return the entity keys whose states `fold` needs, each once; an entity that no event names is absent."""
        return distinct_keys(events)

    def fold(self, events: Sequence[Event], states: States) -> FoldResult:
        """Compute the features of the batch's transactions and the states after the batch.

        ``events`` are in order of ``seq``. A key without a state is unknown and starts empty. Never raises for what a
        store returns: bytes that are damaged or of another version are flagged and replaced.
        """
        from features.kernel import compiled_kernel  # noqa: PLC0415  numba takes 0.4 s to import: only folding pays

        batch = make_batch(events)
        opened, corrupt = _open(batch, states)
        arena = Arena.load(opened, batch.entities, batch.transactions, batch.labels)
        transactions = len(batch.integers) - int(np.count_nonzero(batch.integers[:, I_KIND]))
        out = np.empty((transactions, len(NAMES)), np.float64)
        bits = np.zeros(transactions, np.int64)
        compiled_kernel()(arena.words, arena.table, batch.integers, batch.reals, batch.slots, out, bits)
        after: dict[Entity, dict[str, bytes]] = {}
        for (entity, key), state in zip(batch.keys, arena.pack(), strict=True):
            after.setdefault(entity, {})[key] = state
        return FoldResult(out.astype(np.float32), after, _flags(batch, bits.tolist(), corrupt))


def _open(batch: Batch, states: States) -> tuple[list[bytes | None], set[int]]:
    """Return each slot's state, None where there is none or it is unusable, and the slots where it is unusable."""
    opened: list[bytes | None] = []
    corrupt: set[int] = set()
    for slot, (entity, key) in enumerate(batch.keys):
        data = states.get(entity, {}).get(key)
        if data is not None:
            try:
                data = open_state(data, entity)
            except StateError:
                corrupt.add(slot)
                data = None
        opened.append(data)
    return opened, corrupt


def _flags(batch: Batch, bits: list[int], corrupt: set[int]) -> tuple[frozenset[str], ...]:
    """Spell out the kernel's flags and add those of unusable states."""
    spelled = {value: frozenset(n for bit, n in _FLAG_NAMES.items() if value & bit) for value in set(bits)}
    flags = [spelled[value] for value in bits]
    if corrupt:
        touched = batch.slots[batch.integers[:, I_KIND] == TRANSACTION].tolist()
        for at, slots in enumerate(touched):
            flags[at] |= {f"corrupt_state:{batch.keys[slot][0]}" for slot in slots if slot in corrupt}
    return tuple(flags)

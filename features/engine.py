"""The feature engine: folds transactions and labels into entity states, and reads features on the way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.batch import Batch, distinct_keys, make_batch
from features.catalogue import NAMES
from features.events import Event
from features.flags import spelled, with_unusable
from features.state import Arena, Defect, find_defect, up_to_date
from features.state_layout import I_KIND, TRANSACTION
from features.store import Entity, States


class UnusableState(NamedTuple):
    """A stored state that could not be used and was replaced by an empty one."""

    entity: Entity
    key: str
    defect: Defect


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What a fold gives back.

    ``features`` (transactions, features) float32, in the order of the batch's transactions; ``states`` of every entity
    touched, after the fold; ``flags`` a set for each transaction, in the words of `features.flags`; ``unusable`` the
    stored states that were given up, whether a transaction met them or a label.
    """

    features: NDArray[np.float32]
    states: dict[Entity, dict[str, bytes]]
    flags: tuple[frozenset[str], ...]
    unusable: tuple[UnusableState, ...]


class FeatureEngine:
    """Computes features and states. Pure: the same events on the same states give the same bytes.

    A transaction's features are as of just before it: of the events folded earlier, those at or before its event time,
    in windows (T - window, T]; labels count from their label time on. A state remembers for each source the ``seq`` it
    has applied, so events up to it change nothing; an event with ``seq`` 0 only reads, it is never applied.
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

        ``events`` are in order of ``seq`` within each source. A key without a state is unknown and starts empty. Never
        raises for what a store returns: bytes that are damaged or of another version are reported, flagged, replaced.
        """
        from features.kernel import compiled_kernel  # noqa: PLC0415  numba takes 0.4 s to import: only folding pays

        batch = make_batch(events)
        opened, unusable = _open(batch, states)
        arena = Arena.load(opened, batch.entities, batch.transactions, batch.labels, batch.sources)
        transactions = len(batch.integers) - int(np.count_nonzero(batch.integers[:, I_KIND]))
        out = np.empty((transactions, len(NAMES)), np.float64)
        bits = np.zeros(transactions, np.int64)
        compiled_kernel()(arena.words, arena.table, batch.integers, batch.reals, batch.slots, out, bits)
        after: dict[Entity, dict[str, bytes]] = {}
        for (entity, key), state in zip(batch.keys, arena.pack(), strict=True):
            after.setdefault(entity, {})[key] = state
        flags = _flags(batch, bits.tolist(), unusable)
        return FoldResult(out.astype(np.float32), after, flags, tuple(unusable.values()))


def _open(batch: Batch, states: States) -> tuple[list[bytes | None], dict[int, UnusableState]]:
    """Return each slot's state, None where there is none or it is unusable, and the unusable ones by slot."""
    opened: list[bytes | None] = []
    unusable: dict[int, UnusableState] = {}
    for slot, (entity, key) in enumerate(batch.keys):
        data = states.get(entity, {}).get(key)
        if data is not None and (defect := find_defect(data, entity)) is not None:
            unusable[slot] = UnusableState(entity, key, defect)
            data = None
        if data is not None:
            data = up_to_date(data, entity)
        opened.append(data)
    return opened, unusable


def _flags(batch: Batch, bits: list[int], unusable: Collection[int]) -> tuple[frozenset[str], ...]:
    """Spell out the kernel's flags and add those of the slots with unusable states."""
    flags = [spelled(value) for value in bits]
    if unusable:
        touched = batch.slots[batch.integers[:, I_KIND] == TRANSACTION].tolist()
        for at, slots in enumerate(touched):
            entities = frozenset(batch.keys[slot][0] for slot in slots if slot in unusable)
            flags[at] = with_unusable(flags[at], entities)
    return tuple(flags)

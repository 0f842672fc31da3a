"""A stretch of a history that can be folded by itself, given the states that its entities had before it."""

from dataclasses import dataclass

import numpy as np

from features.history import History, Integers, count_slots


@dataclass(frozen=True, slots=True)
class Chunk:
    """``history`` holds only what the stretch touches; its transactions are rows ``first`` to ``last`` of the table."""

    history: History
    first: int
    last: int


def take_chunk(history: History, begin: int, end: int) -> Chunk:
    """Cut the events from ``begin`` to before ``end`` out of the history's order."""
    places = history.order[begin:end]
    is_label = places >= history.rows
    rows, at = np.unique(np.where(is_label, places - history.rows, places), return_inverse=True)
    touched, slots = _renumbered(history.slots[rows])
    transactions = places[~is_label]
    part = History(
        rows=len(rows),
        columns={index: values[rows] for index, values in history.columns.items()},
        reals=history.reals[rows],
        slots=slots,
        order=np.where(is_label, at + len(rows), at),
        keys=tuple(history.keys[slot] for slot in touched.tolist()),
        entities=history.entities[touched],
        transactions=count_slots(slots[at[~is_label]], len(touched)),
        labels=count_slots(slots[at[is_label]], len(touched)),
    )
    first = int(transactions[0]) if len(transactions) else 0
    return Chunk(part, first, first + len(transactions))


def _renumbered(slots: Integers) -> tuple[Integers, Integers]:
    """Return the slots that occur, ascending, and ``slots`` as places among them; -1 stays."""
    touched = np.unique(slots[slots >= 0])
    return touched, np.where(slots >= 0, np.searchsorted(touched, slots), -1)

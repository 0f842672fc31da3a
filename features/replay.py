"""Replay: folds a whole history in event time with the very kernel that serves live."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features import state_layout as layout
from features.catalogue import NAMES
from features.history import History, make_history
from features.progress import Progress
from features.state import Arena
from features.store import Entity

CHUNK = 16_384  # events folded at a time: bounds memory and paces the progress


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay gives back.

    ``features`` (rows, features) float32 in the table's order; ``states`` after the last event, with marker 0, so that
    live events follow with any ``seq`` from 1; ``labels`` how many labels were applied.
    """

    features: NDArray[np.float32]
    states: dict[Entity, dict[str, bytes]]
    labels: int


def replay(table: pd.DataFrame, *, progress: Progress | None = None, until: datetime | None = None) -> Replay:
    """Fold a canonical table (see `features.table`) as if it had arrived live, in order.

    A label is applied before the first transaction at or after its ``label_time``; labels that became known after the
    last transaction, or after ``until`` where that is given, are not applied. ``progress`` is called with rows done
    and rows in all. Raises `DataError` if the table is not sorted by event time.
    """
    history = make_history(table, until)
    arena = make_arena(history)
    features = np.empty((history.rows, len(NAMES)), np.float32)
    done = 0
    for chunk in fold_history(history, arena):
        features[done : done + len(chunk)] = chunk
        done += len(chunk)
        if progress is not None:
            progress(done, history.rows)
    arena.reset_markers()
    states: dict[Entity, dict[str, bytes]] = {}
    for (entity, key), state in zip(history.keys, arena.pack(), strict=True):
        states.setdefault(entity, {})[key] = state
    return Replay(features, states, len(history.order) - history.rows)


def make_arena(history: History) -> Arena:
    """Return empty states for everything that the history touches."""
    return Arena.load([None] * len(history.keys), history.entities, history.transactions, history.labels)


def fold_history(history: History, arena: Arena) -> Iterator[NDArray[np.float64]]:
    """Yield the features (transactions of the chunk, features) before they are rounded to float32, in order."""
    from features.kernel import compiled_kernel  # noqa: PLC0415  numba takes 0.4 s to import: only folding pays

    kernel = compiled_kernel()
    for begin in range(0, len(history.order), CHUNK):
        places = history.order[begin : begin + CHUNK]
        is_label = places >= history.rows
        rows = np.where(is_label, places - history.rows, places)
        integers = np.zeros((len(rows), layout.INTEGERS), np.int64)
        for index, values in history.columns.items():
            integers[:, index] = values[rows]
        integers[:, layout.I_KIND] = np.where(is_label, layout.LABEL, layout.TRANSACTION)
        integers[:, layout.I_SEQ] = np.arange(begin + 1, begin + 1 + len(rows))
        transactions = int((~is_label).sum())
        out = np.empty((transactions, len(NAMES)), np.float64)
        flags = np.zeros(transactions, np.int64)
        kernel(arena.words, arena.table, integers, history.reals[rows], history.slots[rows], out, flags)
        yield out

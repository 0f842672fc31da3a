"""The leakage test: features of the past must not know the future.

Everything after a moment is changed, the history folded again, and every feature at or before the moment must come out
bit by bit as before. It runs on anybody's data, through the very fold that trains and serves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import NAMES
from features.replay import replay
from features.table import OPTIONAL_NUMBERS, OPTIONAL_TEXT

FUTURE_ROWS = 50_000  # of the changed future that are kept; that the rest is gone is a change as well
DROPPED = 0.1
SHOWN = 5
_DRAWN = ("card_id", "merchant_id", "currency", *OPTIONAL_TEXT, *OPTIONAL_NUMBERS)

Matrix = NDArray[np.float32]
Fold = Callable[[pd.DataFrame], Matrix]


@dataclass(frozen=True, slots=True)
class Leakage:
    """Outcome of a test: ``features`` (rows, features) of the past as folded before another future.

    ``differing`` values of the past changed, in the features ``names`` (the first few); ``moved`` rows of the kept
    future changed, which a test that can fail needs.
    """

    features: Matrix
    differing: int
    names: tuple[str, ...]
    moved: int


def leakage_test(
    table: pd.DataFrame,
    features: Matrix,
    moment: pd.Timestamp,
    *,
    seed: int = 0,
    fold: Fold | None = None,
    names: Sequence[str] = NAMES,
) -> Leakage:
    """Fold ``table`` before another future than its own after ``moment`` (UTC) and compare with its ``features``.

    ``features`` (n, f) float32 are those of the table as it is, ``names`` theirs, ``fold`` what computes them (a
    replay).
    """
    changed, kept = another_future(table, moment, seed)
    again = (fold or _replayed)(changed)
    past = int((table["event_time"] <= moment).sum())
    different = _bits(features[:past]) != _bits(again[:past])
    columns = np.flatnonzero(different.any(axis=0))
    moved = (_bits(features[kept]) != _bits(again[past:])).any(axis=1)
    return Leakage(
        features=again[:past],
        differing=int(different.sum()),
        names=tuple(names[column] for column in columns[:SHOWN]),
        moved=int(moved.sum()),
    )


def another_future(table: pd.DataFrame, moment: pd.Timestamp, seed: int = 0) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Return the table with everything changed that became known after ``moment``, and the future rows kept.

    Amounts, entities, places and times of later transactions change, some of them are gone; labels that arrive later
    say the opposite and arrive later still, or never, also those of earlier transactions.
    """
    random = np.random.default_rng(seed)
    past = int((table["event_time"] <= moment).sum())
    later = np.arange(past, min(len(table), past + FUTURE_ROWS))
    later = later[random.random(len(later)) >= DROPPED]
    future = table.iloc[later].copy()
    for name in _DRAWN:
        future[name] = table[name].take(random.integers(len(table), size=len(later))).to_numpy()
        future[name] = future[name].astype(table[name].dtype)
    future["amount"] = (future["amount"] + 1.0) * random.lognormal(1.0, 2.0, len(later))  # none may stay, not even 0
    jitter = pd.to_timedelta(random.integers(1, 3_600_000_000, len(later)), unit="us")
    future["event_time"] = np.sort(future["event_time"] + jitter)
    changed = pd.concat([table.iloc[:past], future], ignore_index=True).astype(table.dtypes.to_dict())
    unknown = (changed["label_time"] > moment).to_numpy()
    changed.loc[unknown, "is_fraud"] = 1 - changed.loc[unknown, "is_fraud"]
    changed.loc[unknown, "label_time"] += pd.Timedelta(hours=5)
    never = unknown & (random.random(len(changed)) < DROPPED)
    changed.loc[never, ["is_fraud"]] = pd.NA
    changed.loc[never, ["label_time"]] = pd.NaT
    return changed, later


def _replayed(table: pd.DataFrame) -> Matrix:
    return replay(table).features


def _bits(matrix: Matrix) -> NDArray[np.uint32]:
    return np.ascontiguousarray(matrix).view(np.uint32)

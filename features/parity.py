"""Parity: holds features computed one way against the same features computed another way, bit by bit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.catalogue import FEATURES, NAMES

EXAMPLES = 5
Features = NDArray[np.float32]
Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Example:
    """A value that differs without an explanation."""

    transaction_id: str
    feature: str
    offline: float
    online: float


@dataclass(frozen=True, slots=True)
class Parity:
    """What a comparison found.

    ``differing`` counts features, ``values_differing`` single values. Where ``late`` transactions were delivered late,
    a value that they may change is ``explained`` (see `features.lateness`); every other one is ``unexplained``.
    """

    transactions: int
    features: int
    differing: int
    values_differing: int
    late: int
    explained: int
    unexplained: int
    differing_features: dict[str, int]
    differing_windows: dict[str, int]
    unexplained_features: dict[str, int]
    unexplained_examples: list[Example]


class Comparison:
    """Collects which values differ, some rows at a time.

    ``expected`` is (transactions, features); ``explained``, of the same shape, marks values that may differ.
    """

    def __init__(self, ids: Sequence[str], expected: Features, explained: Marks | None = None) -> None:
        self._ids = ids
        self._expected = expected
        self._explained = explained
        self._differing = np.zeros(len(NAMES), np.int64)
        self._unexplained = np.zeros(len(NAMES), np.int64)
        self._examples: list[Example] = []

    def add(self, rows: NDArray[np.int64], features: Features) -> None:
        """Hold ``features`` (n, features) against what is expected of ``rows`` (n,)."""
        expected = self._expected[rows]
        differing = differs(expected, features)
        unexplained = differing if self._explained is None else differing & ~self._explained[rows]
        self._differing += differing.sum(axis=0)
        self._unexplained += unexplained.sum(axis=0)
        for at, column in np.argwhere(unexplained)[: EXAMPLES - len(self._examples)].tolist():
            values = float(expected[at, column]), float(features[at, column])
            self._examples.append(Example(self._ids[rows[at]], NAMES[column], *values))

    def report(self, late: int = 0) -> Parity:
        """Sum up; ``late`` is how many transactions were delivered late."""
        by_feature = _named(self._differing)
        windows: dict[str, int] = {}
        for feature in FEATURES:
            if feature.name in by_feature:
                window = f"{feature.entity} {feature.window}".rstrip()
                windows[window] = windows.get(window, 0) + by_feature[feature.name]
        total, unexplained = int(self._differing.sum()), int(self._unexplained.sum())
        return Parity(
            transactions=len(self._ids),
            features=len(NAMES),
            differing=len(by_feature),
            values_differing=total,
            late=late,
            explained=total - unexplained,
            unexplained=unexplained,
            differing_features=by_feature,
            differing_windows=windows,
            unexplained_features=_named(self._unexplained),
            unexplained_examples=self._examples,
        )


def differs(one: Features, other: Features) -> Marks:
    """Say where two arrays of float32 differ in any bit; NaN equals NaN."""
    same_bits = np.ascontiguousarray(one).view(np.uint32) == np.ascontiguousarray(other).view(np.uint32)
    return np.asarray(~(same_bits | (np.isnan(one) & np.isnan(other))))


def _named(counts: NDArray[np.int64]) -> dict[str, int]:
    return {name: count for name, count in zip(NAMES, counts.tolist(), strict=True) if count}

"""Performance by segment: where a model does well, where badly, and where nobody can tell."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import metrics
from models.outcomes import Outcomes
from models.segments import AMOUNT_NAMES

LARGEST = 8  # values of a column shown on their own; the rest are one segment
MIN_FRAUDS = 20  # below this, one fraud more or less moves recall by more than five points
NOT_GIVEN = "not given"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of the evaluated transactions, ``kind`` saying by what they were divided.

    ``average_precision``, ``caught`` (share of frauds reviewed or declined), ``false_alarms`` (share of genuine
    payments reviewed or declined) and ``expected_to_observed`` (mean score over fraud rate) are None in a segment with
    fewer than `MIN_FRAUDS` frauds: too small to judge.
    """

    kind: str
    name: str
    transactions: int
    frauds: int
    average_precision: float | None = None
    caught: float | None = None
    false_alarms: float | None = None
    expected_to_observed: float | None = None

    @property
    def too_small(self) -> bool:
        """Whether it holds too few frauds to say anything."""
        return self.average_precision is None


def segment_figures(found: Outcomes, divisions: Mapping[str, NDArray[np.str_]]) -> list[Segment]:
    """Measure outcomes by segment: ``divisions`` name each evaluated row's segment, see `models.segments.segments`.

    Of a division's segments the largest are measured on their own, the others as one. Amounts go up, other segments
    from the largest to the smallest.
    """
    return [
        _segment(kind, name, found, rows)
        for kind, names in divisions.items()
        for name, rows in _divided(kind, names)
        if rows.any()
    ]


def _divided(kind: str, names: NDArray[np.str_]) -> list[tuple[str, NDArray[np.bool_]]]:
    found, counts = np.unique(names[names != ""], return_counts=True)
    largest = found[np.argsort(-counts, kind="stable")][:LARGEST].tolist()
    if kind == "amount":
        largest.sort(key=AMOUNT_NAMES.index)
    others = ~np.isin(names, ["", *largest])
    return [*((name, names == name) for name in largest), ("all others", others), (NOT_GIVEN, names == "")]


def _segment(kind: str, name: str, found: Outcomes, rows: NDArray[np.bool_]) -> Segment:
    truth, score, flagged = found.truth[rows], found.score[rows], found.flagged[rows]
    count, frauds = len(truth), int(truth.sum())
    if frauds < MIN_FRAUDS or frauds == count:
        return Segment(kind, name, count, frauds)
    return Segment(
        kind,
        name,
        count,
        frauds,
        average_precision=metrics.average_precision(truth, score),
        caught=float(flagged[truth].mean()),
        false_alarms=float(flagged[~truth].mean()),
        expected_to_observed=float(score.sum()) / frauds,
    )

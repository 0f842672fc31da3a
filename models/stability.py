"""Stability: how a model's ranking and the distribution of its scores hold over the weeks."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike

from models import metrics
from models.outcomes import Outcomes
from models.scorer import Vector

DAYS = 7
MIN_FRAUDS = 10  # in one week
PSI_BINS = 10
SHIFTED = 0.25  # a PSI above this is commonly taken for a shift that asks for action; up to 0.1 for none
SLIGHTLY_SHIFTED = 0.1
EMPTY_SHARE = 1e-4  # what an empty bin counts as, so that the logarithm stays finite


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from ``start`` (UTC; the last week may be shorter).

    ``average_precision`` and ``caught`` (share of frauds reviewed or declined) are None with fewer than `MIN_FRAUDS`
    frauds; ``psi`` compares the week's scores with the reference's.
    """

    start: date
    transactions: int
    frauds: int
    average_precision: float | None
    caught: float | None
    psi: float


def weeks(found: Outcomes, reference: Vector) -> list[Week]:
    """Measure outcomes week by week from their first day on; ``reference`` are scores to compare with, shape (m,)."""
    first = int(found.day.min())
    number = (found.day - first) // DAYS
    made = []
    for week in range(int(number.max()) + 1):
        rows = number == week
        truth, score = found.truth[rows], found.score[rows]
        if not len(truth):
            continue
        frauds = int(truth.sum())
        enough = MIN_FRAUDS <= frauds < len(truth)
        made.append(
            Week(
                start=(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=first + week * DAYS)).date(),
                transactions=len(truth),
                frauds=frauds,
                average_precision=metrics.average_precision(truth, score) if enough else None,
                caught=float(found.flagged[rows][truth].mean()) if enough else None,
                psi=population_stability_index(reference, score),
            )
        )
    return made


def population_stability_index(reference: ArrayLike, current: ArrayLike, bins: int = PSI_BINS) -> float:
    """Population stability index: the sum over bins of (current - reference share) * ln(current / reference share).

    Bins hold as many reference values each; equal values never part, so there may be fewer. 0 means the same shares.
    """
    expected, actual = np.asarray(reference, float), np.asarray(current, float)
    edges = np.unique(np.quantile(expected, np.arange(1, bins) / bins))
    shares = [
        np.maximum(np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1), 0) / len(values)
        for values in (expected, actual)
    ]
    before, now = (np.maximum(share, EMPTY_SHARE) for share in shares)
    return float(np.sum((now - before) * np.log(now / before)))

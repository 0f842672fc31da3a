"""The bootstrap over cards: how far a figure, or the difference of two models, could be chance.

Whole cards are drawn, since the frauds of one card are not independent. Both models are measured on the same draws, so
that what makes a draw hard or easy for both drops out of their difference.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.scorer import Vector

Bools = NDArray[np.bool_]
Cards = NDArray[np.intp]

CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
RESAMPLES = 500


class Ranking:
    """Ranking metrics of one model's scores under many weightings of the rows: sorted once, hence fast.

    ``truth`` and ``score`` have shape (n,). Metrics are those of `models.metrics`, equal scores counting as one
    threshold.
    """

    def __init__(self, truth: Bools, score: Vector) -> None:
        self._order = np.argsort(-score, kind="stable")
        self._truth = truth[self._order].astype(np.float64)
        ordered = score[self._order]
        self._last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # of each run of equal scores

    def metrics(self, weights: Vector, rates: tuple[float, ...]) -> Vector:
        """Return the average precision, the AUC and the recall at each false-positive rate of ``rates``."""
        weight = weights[self._order]
        caught = np.cumsum(weight * self._truth)[self._last]
        flagged = np.cumsum(weight)[self._last]
        false = flagged - caught
        recall, false_rate = caught / caught[-1], false / false[-1]
        precision = np.divide(caught, flagged, out=np.zeros_like(caught), where=flagged > 0)
        average_precision = float(np.sum(np.diff(recall, prepend=0.0) * precision))
        auc = float(np.trapezoid(np.append(0.0, recall), np.append(0.0, false_rate)))
        at = np.searchsorted(false_rate, np.asarray(rates) + 1e-12, side="right")
        return np.array([average_precision, auc, *np.append(0.0, recall)[at]])


def draws(cards: Cards, truth: Bools, resamples: int, seed: int) -> Iterator[Vector]:
    """Yield row weights, shape (n,): how often each row's card was drawn. Draws that lack a class are drawn again.

    ``cards`` are codes from 0, one a row.
    """
    count = int(cards.max()) + 1
    random = np.random.default_rng(seed)
    done = 0
    while done < resamples:
        weights = np.bincount(random.integers(count, size=count), minlength=count)[cards].astype(np.float64)
        if 0 < weights[truth].sum() < weights.sum():
            done += 1
            yield weights


def interval(drawn: Vector) -> tuple[float, float]:
    """Return the 95 % percentile interval of drawn figures, shape (draws,)."""
    low, high = np.quantile(drawn, TAILS)
    return float(low), float(high)

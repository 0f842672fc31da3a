"""Is a model calibrated, as far as so many rows can tell?

A perfectly calibrated model shows a slope other than 1 and an error above 0 on any finite sample. Both are therefore
judged against what chance alone would do, with the rows of one card moving together.
"""

from dataclasses import dataclass

import numpy as np

from models.calibration_fit import logistic
from models.resampling import RESAMPLES, TAILS, Bools, Cards
from models.scorer import Vector

BINS = 15  # as `models.metrics.expected_calibration_error`
_NORMAL_95 = 1.959964  # 97.5 % quantile of the normal distribution
_EDGE = 1e-12  # keeps log-odds finite


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of a logistic recalibration with its 95 % interval: 1 when scores mean what they say.

    Below 1 scores are too extreme, above 1 too timid.
    """

    value: float
    low: float
    high: float


def recalibration_slope(truth: Bools, score: Vector, cards: Cards) -> Slope:
    """Fit log-odds(fraud) = intercept + slope * log-odds(score) (Cox 1958), unpenalised.

    The interval comes from the cluster-robust covariance (Liang and Zeger 1986), a card being a cluster.
    """
    clipped = np.clip(score, _EDGE, 1 - _EDGE)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    (slope,), intercept = logistic(log_odds[:, np.newaxis], truth)
    design = np.column_stack([np.ones(len(log_odds)), log_odds])
    fitted = 1 / (1 + np.exp(-(design @ np.array([intercept, slope]))))
    bread = np.linalg.inv((design * (fitted * (1 - fitted))[:, np.newaxis]).T @ design)
    residual = design * (truth - fitted)[:, np.newaxis]
    by_card = np.column_stack([np.bincount(cards, weights=residual[:, column]) for column in (0, 1)])
    error = float(np.sqrt((bread @ (by_card.T @ by_card) @ bread)[1, 1]))
    return Slope(slope, slope - _NORMAL_95 * error, slope + _NORMAL_95 * error)


def calibration_noise(truth: Bools, score: Vector, cards: Cards, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Return the calibration error that a calibrated model stays below 97.5 % of the time on such rows.

    Wild cluster bootstrap (Cameron, Gelbach and Miller 2008): the differences between outcome and score change sign
    card by card at random, which leaves their size and their ties within a card and takes any bias out of them.
    """
    order = np.argsort(score, kind="stable")
    residual, card = (truth - score)[order], cards[order]
    sizes = [len(part) for part in np.array_split(order, min(BINS, len(order)))]
    starts = np.cumsum([0, *sizes[:-1]])
    random = np.random.default_rng(seed)
    count = int(cards.max()) + 1
    errors = [
        np.abs(np.add.reduceat(residual * random.choice([-1.0, 1.0], count)[card], starts)).sum() / len(order)
        for _ in range(resamples)
    ]
    return float(np.quantile(errors, TAILS[1]))

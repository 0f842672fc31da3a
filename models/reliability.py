"""Reliability: whether a score of 2 % means that 2 of 100 such payments are fraud."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.calibration_fit import logistic
from models.metrics import equal_mass_bins

Z95 = 1.959964  # 97.5 % quantile of the normal distribution
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Bin:
    """Transactions of similar score: mean score, share that was fraud, and its 95 % Wilson interval."""

    transactions: int
    frauds: int
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """Logistic regression of the outcome on the score's log-odds (Cox 1958): slope 1 and intercept 0 are perfect.

    A slope below 1 says that scores are too extreme, above 1 that they are too timid.
    """

    slope: float
    intercept: float


def reliability_bins(is_fraud: ArrayLike, probabilities: ArrayLike, bins: int) -> list[Bin]:
    """Return at most ``bins`` bins of as many rows each, from the lowest scores up."""
    truth, values = np.asarray(is_fraud, bool), np.asarray(probabilities, float)
    return [_bin(truth[part], values[part]) for part in equal_mass_bins(values, bins)]


def calibration_line(is_fraud: ArrayLike, probabilities: ArrayLike) -> Line:
    """Fit the line; both classes must occur."""
    values = np.clip(np.asarray(probabilities, float), TINY, 1 - TINY)
    log_odds = np.log(values) - np.log1p(-values)
    (slope,), intercept = logistic(log_odds[:, np.newaxis], np.asarray(is_fraud, bool))
    return Line(slope, intercept)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), which stays within 0 to 1 for no or all hits."""
    share, square = hits / count, Z95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _bin(truth: NDArray[np.bool_], values: NDArray[np.float64]) -> Bin:
    count, frauds = len(truth), int(truth.sum())
    return Bin(count, frauds, float(values.mean()), frauds / count, *wilson(frauds, count))

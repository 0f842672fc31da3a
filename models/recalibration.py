"""Re-calibration: how far served log-odds are off on later data, and the way back.

Logistic recalibration (Cox 1958) regresses the outcome on the log-odds: slope 1 and intercept 0 is a calibrated
model, a slope below 1 one whose scores are too extreme, an intercept below 0 one that expects too much fraud.
"""

import math
from dataclasses import dataclass

import numpy as np

from features.errors import DataError
from models import metrics
from models.calibration import Calibration, probability
from models.calibration_choice import choose_calibration
from models.calibration_fit import Bools, logistic
from models.scorer import Vector

FEW_FRAUDS = 100  # below, a slope is known to no better than about a tenth: only the intercept is refitted
_STEPS, _CLOSE = 100, 1e-12


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well log-odds agree with outcomes: slope 1, intercept 0 and no error is perfect.

    ``in_the_large`` is the intercept when the slope is held at 1: the log of the ratio of observed to expected odds.
    ``expected_calibration_error`` is over 15 bins of equal mass; ``fraud_rate`` is what to hold it against.
    """

    slope: float
    intercept: float
    in_the_large: float
    expected_calibration_error: float
    fraud_rate: float
    rows: int
    frauds: int


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """A new calibration, and which ``rule`` made it: "intercept" or "refit"."""

    calibration: Calibration
    rule: str


def agreement(is_fraud: Bools, log_odds: Vector, weights: Vector | None = None) -> Agreement:
    """Hold log-odds against outcomes, shape (n,); raises `DataError` unless both classes occur."""
    (slope,), intercept = logistic(log_odds[:, np.newaxis], is_fraud, weights)
    return Agreement(
        slope=slope,
        intercept=intercept,
        in_the_large=offset(is_fraud, log_odds, weights),
        expected_calibration_error=metrics.expected_calibration_error(is_fraud, probability(log_odds), weights=weights),
        fraud_rate=float(np.average(is_fraud, weights=weights)),
        rows=len(is_fraud),
        frauds=int(np.count_nonzero(is_fraud)),
    )


def prior_shift(before: float, after: float) -> float:
    """Return what to add to log-odds when the fraud rate moves from ``before`` to ``after`` and nothing else does.

    Saerens, Latinne and Decaestecker 2002: the change in prior log-odds.
    """
    if not (0 < before < 1 and 0 < after < 1):
        raise DataError(f"Fraud rates must lie between 0 and 1, not {before} and {after}.", remedy="Check the labels.")
    return math.log(after / (1 - after)) - math.log(before / (1 - before))


def offset(is_fraud: Bools, log_odds: Vector, weights: Vector | None = None) -> float:
    """Return the number that, added to all log-odds, makes them expect as many frauds as there were.

    That is the maximum-likelihood intercept with the slope held at 1. Raises `DataError` unless both classes occur.
    """
    observed = float(np.average(is_fraud, weights=weights))
    if not 0 < observed < 1:
        raise DataError(
            f"{np.count_nonzero(is_fraud)} of {len(is_fraud)} rows are fraud: re-calibrating needs both classes.",
            remedy="Wait for more labels, or give a longer window.",
        )
    low, high = -50.0, 50.0
    for _ in range(_STEPS):  # bisection: expected frauds rise with the offset
        middle = (low + high) / 2
        if np.average(probability(log_odds + middle), weights=weights) < observed:
            low = middle
        else:
            high = middle
        if high - low < _CLOSE:
            break
    return (low + high) / 2


def recalibrated(
    calibration: Calibration, margin: Vector, is_fraud: Bools, weights: Vector | None = None
) -> Recalibrated:
    """Return the calibration for recent rows in order of time.

    With `FEW_FRAUDS` frauds or more it is chosen and fitted anew (`models.calibration_choice`); with fewer, the present
    one keeps its shape and moves by its `offset`.
    """
    if np.count_nonzero(is_fraud) >= FEW_FRAUDS:
        return Recalibrated(choose_calibration(margin, is_fraud, weights).calibration, "refit")
    move = offset(is_fraud, calibration.log_odds(margin), weights)
    return Recalibrated(calibration.adjusted(1.0, move), "intercept")

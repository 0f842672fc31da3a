"""Re-calibration: how far served log-odds are off on later data, and the way back.

Logistic recalibration (Cox 1958) regresses the outcome on the log-odds: slope 1 and intercept 0 is a calibrated
model, a slope below 1 one whose scores are too extreme, an intercept below 0 one that expects too much fraud.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.errors import DataError
from models import metrics
from models.calibration import Calibration, probability
from models.calibration_choice import choose_calibration, log_losses
from models.calibration_fit import Bools, logistic
from models.scorer import Vector

Rule = Literal["intercept", "refit"]
FEW_FRAUDS = 100  # below, a slope is known to no better than about a tenth: only the intercept is refitted
LEAST_FRAUDS = 10  # below, not even that
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
    """A new calibration for recent rows, which ``rule`` made it, and what it is worth.

    ``before`` is the old calibration on the later part of the rows, ``after`` one made the same way from the earlier
    part alone, on the same later part; ``helps`` says whether its log loss there is lower.
    """

    calibration: Calibration
    rule: Rule
    before: Agreement
    after: Agreement
    helps: bool


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
    calibration: Calibration,
    margin: Vector,
    is_fraud: Bools,
    weights: Vector | None = None,
    *,
    rule: Rule | None = None,
) -> Recalibrated:
    """Re-calibrate on recent rows in order of time, and try the same out of time: the rows are cut at half the frauds.

    With `FEW_FRAUDS` frauds or more the calibration is chosen and fitted anew (`models.calibration_choice`, "refit");
    with fewer, the present one keeps its shape and moves by its `offset` ("intercept"); ``rule`` chooses otherwise.
    Raises `DataError` with fewer than `LEAST_FRAUDS`, or with frauds alone.
    """
    frauds = np.flatnonzero(is_fraud)
    if len(frauds) < LEAST_FRAUDS or len(frauds) == len(is_fraud):
        raise DataError(
            f"{len(frauds)} of the {len(is_fraud)} recent labelled rows are fraud: re-calibrating needs at least "
            f"{LEAST_FRAUDS} frauds, and genuine payments.",
            remedy="Wait for more labels, or give an earlier --since.",
        )
    if rule is None:
        rule = "refit" if len(frauds) >= FEW_FRAUDS else "intercept"
    cut = int(frauds[len(frauds) // 2])
    early, late = slice(None, cut), slice(cut, None)
    of_early, of_late = (None if weights is None else weights[part] for part in (early, late))
    tried = _made(rule, calibration, margin[early], is_fraud[early], of_early)
    before, after = (one.log_odds(margin[late]) for one in (calibration, tried))
    losses = [np.average(log_losses(is_fraud[late], log_odds), weights=of_late) for log_odds in (before, after)]
    return Recalibrated(
        calibration=_made(rule, calibration, margin, is_fraud, weights),
        rule=rule,
        before=agreement(is_fraud[late], before, of_late),
        after=agreement(is_fraud[late], after, of_late),
        helps=bool(losses[1] < losses[0]),
    )


def _made(rule: Rule, calibration: Calibration, margin: Vector, is_fraud: Bools, weights: Vector | None) -> Calibration:
    if rule == "refit":
        return choose_calibration(margin, is_fraud, weights).calibration
    return calibration.adjusted(1.0, offset(is_fraud, calibration.log_odds(margin), weights))

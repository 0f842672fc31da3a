"""Choosing the kind of calibration out of time: fitted on the first part of the window, judged on the later part."""

from dataclasses import dataclass

import numpy as np

from features.errors import DataError
from models import metrics
from models.calibration import Calibration, probability
from models.calibration_fit import FITS, Bools, fit_platt
from models.scorer import Vector

MIN_FRAUDS = 20  # in each part: with fewer, a comparison would be a lottery


@dataclass(frozen=True, slots=True)
class CalibrationTrial:
    """How one kind did on the later part: mean log loss, expected calibration error, and whether it was chosen."""

    kind: str
    log_loss: float
    expected_calibration_error: float
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class CalibrationChoice:
    """The winner, fitted on the whole window; ``trials`` is empty when frauds were too few to compare."""

    calibration: Calibration
    trials: tuple[CalibrationTrial, ...]


def choose_calibration(margin: Vector, is_fraud: Bools, weights: Vector | None = None) -> CalibrationChoice:
    """Compare Platt, beta and isotonic calibration on rows in order of time, and refit the best on all of them.

    The window is cut where half of its frauds have happened. Platt, the simplest, keeps its place unless another kind's
    log loss on the later part is lower by more than a standard error of the difference. With fewer than
    `MIN_FRAUDS` frauds in a part, it is Platt without a comparison. Raises `DataError` like the fits themselves.
    """
    frauds = np.flatnonzero(is_fraud)
    if len(frauds) < 2 * MIN_FRAUDS:
        return CalibrationChoice(fit_platt(margin, is_fraud, weights), ())
    cut = int(frauds[len(frauds) // 2])
    early, late = slice(None, cut), slice(cut, None)
    of_early, of_late = (None if weights is None else weights[part] for part in (early, late))
    losses, errors = {}, {}
    for kind, fit in FITS.items():
        try:
            fitted = fit(margin[early], is_fraud[early], of_early)
        except DataError:
            if kind == "platt":
                raise
            continue  # not the shape of this window
        log_odds = fitted.log_odds(margin[late])
        losses[kind] = log_losses(is_fraud[late], log_odds)
        errors[kind] = metrics.expected_calibration_error(is_fraud[late], probability(log_odds), weights=of_late)
    means = {kind: float(np.average(loss, weights=of_late)) for kind, loss in losses.items()}
    best = min(means, key=means.__getitem__)
    if best != "platt" and not _better(losses["platt"] - losses[best], of_late):
        best = "platt"
    trials = tuple(CalibrationTrial(kind, means[kind], errors[kind], kind == best) for kind in losses)
    return CalibrationChoice(FITS[best](margin, is_fraud, weights), trials)


def log_losses(is_fraud: Bools, log_odds: Vector) -> Vector:
    """Return each row's log loss, shape (n,), in nats."""
    return np.logaddexp(0.0, np.where(is_fraud, -log_odds, log_odds))


def _better(gain: Vector, weights: Vector | None) -> bool:
    weight = np.ones(len(gain)) if weights is None else weights
    mean = np.average(gain, weights=weight)
    error = np.sqrt(np.sum((weight * (gain - mean)) ** 2)) / weight.sum()
    return bool(mean > error)

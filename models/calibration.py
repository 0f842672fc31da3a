"""Calibration: from a scorer's margin to log-odds that mean what they say.

A calibration is a small struct that knows how to apply itself and is stored as tagged JSON in the bundle's manifest.
Another kind (isotonic, beta) is another struct in the `Calibration` union with the same two methods.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # scikit-learn ships no types

from features.errors import DataError
from models.scorer import Vector


class Platt(msgspec.Struct, frozen=True, tag="platt", tag_field="kind", forbid_unknown_fields=True):
    """Platt scaling (Platt 1999): log-odds = ``slope`` * margin + ``intercept``.

    Linear in log-odds, so attributions times the slope still add up to the served log-odds.
    """

    slope: float
    intercept: float

    def log_odds(self, margin: Vector) -> Vector:
        """Calibrated log-odds of each margin, shape (n,)."""
        return self.slope * margin + self.intercept

    def spread(self, margin: Vector, base: float) -> Vector:
        """What each row's attributions are multiplied by, shape (n,), so that they add up to its log-odds.

        It is (log_odds(margin) - log_odds(base)) / (margin - base): the slope, here.
        """
        del base
        return np.full(len(margin), self.slope)


Calibration = Platt

IDENTITY = Platt(1.0, 0.0)


def probability(log_odds: Vector) -> Vector:
    """1 / (1 + exp(-x)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(log_odds, dtype=np.float64)))


def fit_platt(margin: Vector, is_fraud: NDArray[np.bool_]) -> Platt:
    """Fit the two numbers by maximum likelihood on a window later than the training data, at its own fraud rate.

    Raises `DataError` if the window lacks a class, or if higher margins do not mean more fraud there.
    """
    frauds = int(np.count_nonzero(is_fraud))
    if frauds == 0 or frauds == len(is_fraud):
        raise DataError(
            f"The calibration window has {len(is_fraud)} rows of which {frauds} are fraud: both classes are needed.",
            remedy="Give a longer history, or move the split so that the last window holds frauds.",
        )
    # Practically unpenalised; the tiny penalty keeps separable windows finite.
    fit = LogisticRegression(C=1e6, solver="newton-cholesky").fit(margin.reshape(-1, 1), is_fraud)
    slope, intercept = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    if not (np.isfinite(slope) and np.isfinite(intercept)) or slope <= 0:
        raise DataError(
            f"Calibration found slope {slope:.3g}: on the later window the model ranks no better than chance.",
            remedy="Check the labels of that window, or train on a longer history.",
        )
    return Platt(slope, intercept)

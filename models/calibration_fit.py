"""Fitting calibrations on a window later than the training data, at its own fraud rate.

Each takes margins, truth and weights (None: all alike), shape (n,), and raises `DataError` if the window lacks a class
or if higher margins do not mean more fraud there.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]  # scikit-learn ships no types
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # scikit-learn ships no types

from features.errors import DataError
from models.calibration import Beta, Calibration, Isotonic, Platt
from models.scorer import Vector

Bools = NDArray[np.bool_]
CalibrationFit = Callable[[Vector, Bools, Vector | None], Calibration]

END_WEIGHT = 0.5  # of the payment made up at either end of an isotonic calibration


def fit_platt(margin: Vector, is_fraud: Bools, weights: Vector | None = None) -> Platt:
    """Fit the two numbers by maximum likelihood."""
    (slope,), intercept = logistic(margin[:, np.newaxis], is_fraud, weights)
    _check_rising(slope)
    return Platt(slope, intercept)


def fit_beta(margin: Vector, is_fraud: Bools, weights: Vector | None = None) -> Beta:
    """Fit the three numbers by maximum likelihood; a slope that comes out negative is 0, as its authors advise."""
    bend = np.column_stack((-np.logaddexp(0.0, -margin), np.logaddexp(0.0, margin)))
    (low, high), intercept = logistic(bend, is_fraud, weights)
    if low < 0 <= high:
        (high,), intercept = logistic(bend[:, 1:], is_fraud, weights)
        low = 0.0
    elif high < 0 <= low:
        (low,), intercept = logistic(bend[:, :1], is_fraud, weights)
        high = 0.0
    _check_rising(min(low, high) if min(low, high) < 0 else max(low, high))
    return Beta(low, high, intercept)


def fit_isotonic(margin: Vector, is_fraud: Bools, weights: Vector | None = None) -> Isotonic:
    """Fit the steps by pooling adjacent violators, then join their centres.

    Half a fraud made up at the lowest margin and half a genuine payment at the highest keep both ends finite.
    """
    slope = fit_platt(margin, is_fraud, weights).slope
    weight = np.ones(len(margin)) if weights is None else weights
    order = np.argsort(margin, kind="stable")
    order = order[weight[order] > 0]
    x = np.concatenate(([margin[order[0]]], margin[order], [margin[order[-1]]]))
    y = np.concatenate(([1.0], is_fraud[order].astype(np.float64), [0.0]))
    weight = np.concatenate(([END_WEIGHT], weight[order], [END_WEIGHT]))
    rates = IsotonicRegression(y_min=0.0, y_max=1.0).fit(x, y, sample_weight=weight).predict(x)
    levels, step = np.unique(rates, return_inverse=True)
    mass = np.bincount(step, weight)
    centres = np.bincount(step, weight * x) / mass
    # Steps that rounding alone tells apart are one.
    kept = np.flatnonzero(np.concatenate(([True], (np.diff(levels) > 0) & (np.diff(centres) > 0))))
    kept = kept[(levels[kept] > 0) & (levels[kept] < 1)]
    values = np.log(levels[kept]) - np.log1p(-levels[kept])
    rising = np.concatenate(([True], np.diff(values) > 0))
    return Isotonic(tuple(centres[kept][rising].tolist()), tuple(values[rising].tolist()), slope)


FITS: dict[str, CalibrationFit] = {"platt": fit_platt, "beta": fit_beta, "isotonic": fit_isotonic}


def logistic(inputs: Vector, is_fraud: Bools, weights: Vector | None = None) -> tuple[tuple[float, ...], float]:
    """Return slopes and intercept of a logistic regression on ``inputs`` (n, k) by maximum likelihood."""
    frauds = int(np.count_nonzero(is_fraud))
    if frauds == 0 or frauds == len(is_fraud):
        raise DataError(
            f"The calibration window has {len(is_fraud)} rows of which {frauds} are fraud: both classes are needed.",
            remedy="Give a longer history, or move the split so that the last window holds frauds.",
        )
    # Practically unpenalised; the tiny penalty keeps separable windows finite.
    fit = LogisticRegression(C=1e6, solver="newton-cholesky").fit(inputs, is_fraud, sample_weight=weights)
    return tuple(fit.coef_[0].tolist()), float(fit.intercept_[0])


def _check_rising(slope: float) -> None:
    if not np.isfinite(slope) or slope <= 0:
        raise DataError(
            f"Calibration found slope {slope:.3g}: on the later window the model ranks no better than chance.",
            remedy="Check the labels of that window, or train on a longer history.",
        )

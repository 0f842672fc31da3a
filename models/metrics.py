"""Fraud metrics as functions of (truth, scores): always at the natural fraud rate, never on resampled rows.

Truth is a bool array of shape (n,), scores a float array of shape (n,), higher meaning more suspicious.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk  # type: ignore[import-untyped]  # scikit-learn ships no types

from features.errors import DataError
from models.card_precision import CardDays

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def auc(is_fraud: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the chance that a fraud outranks a genuine payment, ties counting half."""
    truth, values = _two_classes(is_fraud, scores)
    return float(sk.roc_auc_score(truth, values, sample_weight=weights))


def average_precision(is_fraud: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Average precision: the sum over thresholds of precision times the gain in recall (area under the PR curve)."""
    truth, values = _two_classes(is_fraud, scores)
    return float(sk.average_precision_score(truth, values, sample_weight=weights))


def recall_at_fpr(
    is_fraud: ArrayLike, scores: ArrayLike, rates: Sequence[float], weights: ArrayLike | None = None
) -> list[float]:
    """Largest share of frauds caught by a threshold that flags at most each of ``rates`` of genuine payments."""
    truth, values = _two_classes(is_fraud, scores)
    false_positive, true_positive, _ = sk.roc_curve(truth, values, drop_intermediate=False, sample_weight=weights)
    last = np.searchsorted(false_positive, rates, side="right") - 1
    return [float(recall) for recall in true_positive[last]]


def value_detection_rate(
    is_fraud: ArrayLike, amounts: ArrayLike, flagged: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Share of the fraudulent amount that was flagged; amounts in one currency."""
    truth, caught = np.asarray(is_fraud, bool), np.asarray(flagged, bool)
    money = np.asarray(amounts, float) * _weights(weights, len(truth))
    at_stake = float(money[truth].sum())
    if at_stake <= 0:
        raise DataError("No fraudulent amount to detect.", remedy="Evaluate on a window that contains frauds.")
    return float(money[truth & caught].sum()) / at_stake


def brier(is_fraud: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean squared difference between probability and outcome (Brier 1950)."""
    truth, values = np.asarray(is_fraud, float), np.asarray(probabilities, float)
    return float(np.average((values - truth) ** 2, weights=_weights(weights, len(truth))))


def equal_mass_bins(probabilities: ArrayLike, bins: int) -> list[NDArray[np.intp]]:
    """Split rows into at most ``bins`` parts of as many rows each, in order of probability; positions, none empty."""
    order = np.argsort(np.asarray(probabilities, float), kind="stable")
    return [part for part in np.array_split(order, min(bins, len(order))) if len(part)]


def expected_calibration_error(
    is_fraud: ArrayLike, probabilities: ArrayLike, bins: int = 15, weights: ArrayLike | None = None
) -> float:
    """Mean |observed rate - mean probability| over ``bins`` bins of as many rows each, weighted by their rows."""
    truth, values = np.asarray(is_fraud, float), np.asarray(probabilities, float)
    weight = _weights(weights, len(truth))
    gaps = weight * (truth - values)
    return float(sum(abs(gaps[part].sum()) for part in equal_mass_bins(values, bins))) / float(weight.sum())


def card_precision_at_k(
    days: ArrayLike, cards: ArrayLike, scores: ArrayLike, is_fraud: ArrayLike, k: int = 100
) -> float:
    """Card precision@k as `models.card_precision` defines it: the mean over days; ``cards`` may be names or numbers."""
    _, card = np.unique(np.asarray(cards), return_inverse=True)
    return CardDays(days, card, scores, is_fraud).precision_at(k)


def _weights(weights: ArrayLike | None, count: int) -> Floats:
    return np.ones(count) if weights is None else np.asarray(weights, float)


def _two_classes(is_fraud: ArrayLike, scores: ArrayLike) -> tuple[Bools, Floats]:
    truth, values = np.asarray(is_fraud, bool), np.asarray(scores, float)
    frauds = int(truth.sum())
    if frauds in {0, len(truth)}:
        raise DataError(
            f"Ranking metrics need both classes; {frauds} of {len(truth)} rows are fraud.",
            remedy="Evaluate on a longer window.",
        )
    if not np.isfinite(values).all():
        raise DataError("Scores contain NaN or infinity.", remedy="Check the features and the model bundle.")
    return truth, values

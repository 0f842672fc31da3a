"""The two curves that show a ranking: precision over recall, and recall over low false-positive rates."""

from dataclasses import dataclass

import numpy as np
from sklearn import metrics as sk  # type: ignore[import-untyped]  # scikit-learn ships no types

from models.outcomes import Bools
from models.scorer import Vector

LOW_FPR = 0.02
POINTS = 400  # enough for a plot a page wide


@dataclass(frozen=True, slots=True)
class Curve:
    """Points from left to right, shape (m,) each."""

    x: Vector
    y: Vector


def precision_recall(is_fraud: Bools, scores: Vector) -> Curve:
    """Precision (y) over recall (x), thinned for plotting."""
    precision, recall, _ = sk.precision_recall_curve(is_fraud, scores, drop_intermediate=True)
    return _thin(recall[::-1], precision[::-1])


def low_roc(is_fraud: Bools, scores: Vector) -> Curve:
    """Recall (y) over false-positive rates (x) of 0 to `LOW_FPR`, thinned for plotting."""
    false_positive, true_positive, _ = sk.roc_curve(is_fraud, scores, drop_intermediate=False)
    low = false_positive <= LOW_FPR
    end = np.interp(LOW_FPR, false_positive, true_positive)
    return _thin(np.append(false_positive[low], LOW_FPR), np.append(true_positive[low], end))


def _thin(x: Vector, y: Vector) -> Curve:
    keep = np.unique(np.linspace(0, len(x) - 1, min(POINTS, len(x))).round().astype(int))
    return Curve(x[keep], y[keep])

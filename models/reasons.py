"""Reason codes: the features that raised a score most, in words an analyst can use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from features.catalogue import FEATURES
from models.rings.column import REASON, RING_SCORE

HISTORY_MISSING = "HISTORY_MISSING"  # the reason code of a payment that is reviewed only because a stage was missing
_TEXTS = {feature.name: feature.reason for feature in FEATURES} | {RING_SCORE: REASON}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. ``code`` is stable and machine-readable; a missing value is None.

    ``attribution`` is in log-odds; in bits where a payment is reviewed for being unusual (see `models.anomaly`).
    """

    code: str
    text: str
    attribution: float
    value: float | None


def reason_code(name: str) -> str:
    """The stable code of a feature: ``merchant_fraud_rate_7d`` becomes ``MERCHANT_FRAUD_RATE_7D``."""
    return name.upper()


def feature_reason(name: str, attribution: float, value: float) -> Reason:
    """Return a feature as a reason; a NaN ``value`` is missing."""
    text = _TEXTS.get(name, name.replace("_", " "))
    return Reason(reason_code(name), text, attribution, None if np.isnan(value) else value)


def reason_codes(attributions: ArrayLike, values: ArrayLike, names: Sequence[str], k: int = 3) -> list[Reason]:
    """Return up to ``k`` reasons for a high score, strongest first; attributions that lower it are no reasons.

    ``attributions`` and ``values`` are one row of `models.calibrated_model.Explanation` and of the feature matrix,
    shape (f,), in the order of ``names``. Features that say the same thing in words (one habit over several windows)
    count once, by the strongest: an analyst who reads one phrase three times has learnt one thing.
    """
    strength, value = np.asarray(attributions, float), np.asarray(values, float)
    reasons: dict[str, Reason] = {}
    for index in np.argsort(-strength, kind="stable"):
        if len(reasons) == k or strength[index] <= 0:
            break
        reason = feature_reason(names[index], float(strength[index]), float(value[index]))
        reasons.setdefault(reason.text, reason)
    return list(reasons.values())

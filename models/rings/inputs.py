"""What the head sees of a transaction beside its embeddings: a few features of the catalogue, made to one scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.errors import DataError
from models.scorer import Matrix

FEATURES = (
    "amount_log",
    "is_night",
    "channel",
    "card_age_days",
    "card_hours_since_last",
    "merchant_age_days",
    "device_age_days",
    "ip_age_days",
    "card_count_24h",
    "card_velocity_24h",
    "amount_to_card_mean",
    "card_new_merchant",
    "card_new_device",
    "device_count_24h",
    "device_distinct_cards_7d",
    "ip_count_24h",
    "ip_distinct_cards_7d",
    "card_labelled_30d",
    "card_fraud_rate_all",
    "device_fraud_rate_all",
    "ip_fraud_rate_all",
    "merchant_fraud_rate_30d",
)
BOUND = 5.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """Means and deviations (f,) of the features on a logarithmic scale that keeps their sign."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def __call__(self, features: Matrix) -> Matrix:
        """Scale (n, f) to mean 0 and deviation 1, within `BOUND`; a missing value becomes the mean."""
        scaled = (_logarithmic(features) - self.mean) / self.deviation
        return np.asarray(np.clip(np.nan_to_num(scaled, nan=0.0), -BOUND, BOUND), dtype=np.float32)


def fit_scaling(features: Matrix) -> Scaling:
    """Measure the scale of features (n, f); one that is always missing or never changes is left as it is."""
    values = _logarithmic(features).astype(np.float64)
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, values, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(there, values - mean, 0.0) ** 2).sum(axis=0) / count)
    return Scaling(mean.astype(np.float32), np.where(spread > 1e-6, spread, 1.0).astype(np.float32))


def columns_of(names: Sequence[str]) -> NDArray[np.intp]:
    """Return where `FEATURES` are among the columns ``names``; raises `DataError` for one that is not there."""
    missing = [name for name in FEATURES if name not in names]
    if missing:
        raise DataError(
            f"The ring score needs the feature {missing[0]}, which these data lack.",
            remedy="Compute the features with this version's catalogue.",
        )
    return np.array([names.index(name) for name in FEATURES], dtype=np.intp)


def _logarithmic(features: Matrix) -> Matrix:
    return np.sign(features) * np.log1p(np.abs(features))

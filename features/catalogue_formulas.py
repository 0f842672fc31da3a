"""Features that are one entry each: what they mean and how they are computed, in one place.

To add a feature, add an entry here, and its definition to the test oracle (``tests/unit/features/feature_oracle.py``).
It is then part of training, streaming, REST and back-fill, of `ringfence features` and of the reasons that analysts
read. Models trained before are refused until they are trained again; docs/features.md says what else happens.
"""

import numpy as np
from numpy.typing import NDArray

from features.feature import NAN, Feature
from features.formula import Formula, Past, Payment, formula
from features.state_layout import E_TIME, MICROSECONDS

_BURST_US = 10 * 60 * MICROSECONDS
_MONTH_DAYS = 30.0
_LEAST_SPREAD = 0.05  # deviations count as at least this share of the mean, so that constant amounts divide by > 0


@formula(
    Feature(
        "amount_to_merchant_mean",
        "merchant",
        "30d",
        NAN,
        "Amount divided by the merchant's mean amount of the last 30 days.",
        "amount far above what is usual at this merchant",
    ),
    uses=("merchant_mean_30d",),
)
def amount_to_merchant_mean(payment: Payment, past: Past, used: NDArray[np.float64]) -> float:
    """NaN without history, or when all of it is account verifications of amount 0."""
    return payment.amount / used[0] if used[0] != 0.0 else np.nan


@formula(
    Feature(
        "merchant_amount_zscore",
        "merchant",
        "30d",
        NAN,
        "Amount less the merchant's 30-day mean, in standard deviations (missing below 2 transactions).",
        "amount far above what is usual at this merchant",
    ),
    uses=("merchant_count_30d", "merchant_mean_30d", "merchant_std_30d"),
)
def merchant_amount_zscore(payment: Payment, past: Past, used: NDArray[np.float64]) -> float:
    """In units of the standard deviation, or of a twentieth of the mean where that is more."""
    count, mean, deviation = used
    spread = max(deviation, _LEAST_SPREAD * mean)
    return (payment.amount - mean) / spread if count >= 2.0 and spread != 0.0 else np.nan


@formula(
    Feature(
        "merchant_velocity_24h",
        "merchant",
        "30d",
        1.0,
        "1 + the merchant's transactions in the last 24 hours, divided by 1 + a thirtieth of its last 30 days.",
        "far more payments than usual at this merchant",
    ),
    uses=("merchant_count_24h", "merchant_count_30d"),
)
def merchant_velocity_24h(payment: Payment, past: Past, used: NDArray[np.float64]) -> float:
    """1 is the merchant's own usual rate."""
    return float((1.0 + used[0]) / (1.0 + used[1] / _MONTH_DAYS))


@formula(
    Feature(
        "card_burst_count_10m",
        "card",
        "10m",
        0.0,
        "Number of transactions of this card in the last 10 minutes, among those remembered.",
        "a burst of payments within minutes, as when a card is tested",
    )
)
def card_burst_count_10m(payment: Payment, past: Past, used: NDArray[np.float64]) -> float:
    """Count backwards from the newest."""
    count = 0
    at = past.end - past.width
    while at >= past.begin and past.words[at + E_TIME] > payment.time - _BURST_US:
        count += 1
        at -= past.width
    return float(count)


FORMULAS: tuple[Formula, ...] = (
    amount_to_merchant_mean,
    merchant_amount_zscore,
    merchant_velocity_24h,
    card_burst_count_10m,
)

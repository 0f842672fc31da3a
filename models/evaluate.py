"""Evaluation of a model on labelled transactions it has not seen, always at their own fraud rate."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.progress import Progress
from models import metrics
from models.card_precision import CardDays
from models.outcomes import Model, Outcomes, outcomes
from models.policy import Policy
from models.savings import saved_by_transaction
from models.scorer import Matrix, Vector

FALSE_POSITIVE_RATES = {"0.1pct": 0.001, "0.5pct": 0.005, "1pct": 0.01}
TOP_CARDS = 100
CALIBRATION_BINS = 15
RESAMPLES = 100
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures by name, and for the metrics among them their 95 % interval (low, high)."""

    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    def flat(self) -> dict[str, float | list[float]]:
        """Return both in one, the interval of a metric as ``<metric>_interval``: [low, high]."""
        return {**self.values, **{f"{name}_interval": list(pair) for name, pair in self.intervals.items()}}


def evaluate(
    model: Model,
    table: pd.DataFrame,
    features: Matrix,
    policy: Policy | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, float | list[float]]:
    """Return the `figures`, flat, of ``model`` on the labelled rows of a canonical table and its features (n, f)."""
    found = outcomes(model, table, features, policy)
    return figures(found, policy, resamples=resamples, seed=seed, progress=progress).flat()


def figures(
    found: Outcomes,
    policy: Policy | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
) -> Figures:
    """Return n, n_fraud, fraud_rate and the metrics, with a 95 % bootstrap interval each.

    Metrics: auc, average_precision, card_precision_at_100 (by UTC day), recall_at_fpr_0.1pct / _0.5pct / _1pct, ece
    (15 bins of as many rows each), brier; with a policy also value_detection_rate, review_rate, decline_rate,
    money_saved and money_saved_per_1000 transactions (`models.savings`), in the amounts' currency.

    Intervals are drawn over cards, since the payments of one card are not independent; ``resamples=0`` leaves them
    out. Noise can only add to ece, so its interval lies rather high. ``progress`` hears resamples done and in all.
    Where labels are a selection all but card precision, which counts cards that were looked at, is weighted. Raises
    `DataError` when a class is missing.
    """
    measure = _Measure(found, policy)
    counts = {
        "n": len(found.truth),
        "n_fraud": int(found.truth.sum()),
        "fraud_rate": float(np.average(found.truth, weights=found.weight)),
    }
    values = {**counts, **measure(None)}  # first: what cannot be measured at all has no resample either
    return Figures(values, _intervals(measure, resamples, seed, progress) if resamples else {})


class _Measure:
    """All metrics of some outcomes, as they are or with each card counted as often as it was drawn."""

    def __init__(self, found: Outcomes, policy: Policy | None) -> None:
        order = np.argsort(found.score, kind="stable")  # sorted once: sorting again is then cheap in each resample
        self.truth, self.score, self.card = found.truth[order], found.score[order], found.card[order]
        self._card_days = CardDays(found.day, found.card, found.score, found.truth)
        self._weight = None if found.weight is None else found.weight[order]
        self._policy = policy
        if policy is not None:
            self._amount, self._verdict = found.amount[order], found.verdict[order]
            self._saved = saved_by_transaction(self._verdict, self._amount, self.truth, policy.costs)

    @property
    def cards(self) -> int:
        """How many cards there are."""
        return self._card_days.cards

    def is_measurable(self, copies: NDArray[np.int64]) -> bool:
        """Tell whether a resample holds both classes and, under a policy, a fraudulent amount."""
        present = copies[self.card] > 0
        frauds = self.truth & present
        both = 0 < np.count_nonzero(frauds) < np.count_nonzero(present)
        return bool(both) and (self._policy is None or float(self._amount[frauds].sum()) > 0)

    def __call__(self, copies: NDArray[np.int64] | None) -> dict[str, float]:
        """Measure with ``copies`` (cards,) of each card, or one of each."""
        weights = self._weights(copies)
        recalls = metrics.recall_at_fpr(self.truth, self.score, tuple(FALSE_POSITIVE_RATES.values()), weights)
        return {
            "auc": metrics.auc(self.truth, self.score, weights),
            "average_precision": metrics.average_precision(self.truth, self.score, weights),
            f"card_precision_at_{TOP_CARDS}": self._card_days.precision_at(TOP_CARDS, copies),
            **{f"recall_at_fpr_{name}": recall for name, recall in zip(FALSE_POSITIVE_RATES, recalls, strict=True)},
            "ece": metrics.expected_calibration_error(self.truth, self.score, CALIBRATION_BINS, weights),
            "brier": metrics.brier(self.truth, self.score, weights),
            **(self._under_policy(weights) if self._policy else {}),
        }

    def _weights(self, copies: NDArray[np.int64] | None) -> Vector | None:
        if copies is None:
            return self._weight
        drawn: Vector = copies[self.card].astype(np.float64)
        return drawn if self._weight is None else np.asarray(drawn * self._weight, dtype=np.float64)

    def _under_policy(self, weights: Vector | None) -> dict[str, float]:
        total = len(self.truth) if weights is None else weights.sum()
        saved = self._saved.sum() if weights is None else self._saved @ weights
        flagged = self._verdict != "approve"
        return {
            "value_detection_rate": metrics.value_detection_rate(self.truth, self._amount, flagged, weights),
            "review_rate": float(np.average(self._verdict == "review", weights=weights)),
            "decline_rate": float(np.average(self._verdict == "decline", weights=weights)),
            "money_saved": float(saved),
            "money_saved_per_1000": float(saved / total * 1000),
        }


def _intervals(
    measure: _Measure, resamples: int, seed: int, progress: Progress | None
) -> dict[str, tuple[float, float]]:
    random = np.random.default_rng(seed)
    drawn: list[dict[str, float]] = []
    while len(drawn) < resamples:
        copies = np.bincount(random.integers(measure.cards, size=measure.cards), minlength=measure.cards)
        if measure.is_measurable(copies):
            drawn.append(measure(copies))
            if progress is not None:
                progress(len(drawn), resamples)
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    return {
        name: (float(low), float(high))
        for name in drawn[0]
        for low, high in [np.quantile([one[name] for one in drawn], tails)]
    }

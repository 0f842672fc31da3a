"""Evaluation of a model on labelled transactions it has not seen, always at their own fraud rate."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from models import metrics
from models.policy import Policy
from models.scorer import Matrix, Vector

FALSE_POSITIVE_RATES = {"0.1pct": 0.001, "0.5pct": 0.005, "1pct": 0.01}
RESAMPLES = 100
CONFIDENCE = 0.95


class Model(Protocol):
    """Whatever scores like a bundle."""

    def score(self, features: Matrix) -> Vector:
        """Calibrated probability of fraud, shape (n,)."""


def evaluate(
    model: Model,
    table: pd.DataFrame,
    features: Matrix,
    policy: Policy | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float | list[float]]:
    """Return the metrics of ``model`` on the labelled rows of a canonical table and its features (n, f).

    Keys: n, n_fraud, fraud_rate, auc, average_precision, recall_at_fpr_0.1pct / _0.5pct / _1pct, ece (15 equal-mass
    bins), brier; with a policy also value_detection_rate, review_rate and decline_rate. ``<metric>_interval`` is the
    95 % bootstrap interval [low, high] of a ranking metric, drawn over cards, since the frauds of one card are not
    independent; ``resamples=0`` leaves intervals out. Raises `DataError` when a class is missing.
    """
    if len(table) != len(features):
        raise DataError(
            f"{len(table)} transactions but {len(features)} feature rows.", remedy="Compute features from this table."
        )
    rows = np.flatnonzero(table["is_fraud"].notna())
    if not len(rows):
        raise DataError("No row to evaluate on has a label.", remedy="Map the label column, or wait for labels.")
    truth = table["is_fraud"].iloc[rows].to_numpy(dtype=bool)
    score = model.score(features[rows])
    ranking = _ranking(truth, score)
    report: dict[str, float | list[float]] = {
        "n": len(rows),
        "n_fraud": int(truth.sum()),
        "fraud_rate": float(truth.mean()),
        **ranking,
        "ece": metrics.expected_calibration_error(truth, score),
        "brier": metrics.brier(truth, score),
    }
    if policy is not None:
        report |= _under_policy(policy, score, table["amount"].iloc[rows].to_numpy(dtype=float), truth)
    if resamples:
        report |= _intervals(truth, score, table["card_id"].iloc[rows], resamples, seed)
    return report


def _ranking(truth: NDArray[np.bool_], score: Vector, weights: Vector | None = None) -> dict[str, float]:
    recalls = metrics.recall_at_fpr(truth, score, tuple(FALSE_POSITIVE_RATES.values()), weights)
    return {
        "auc": metrics.auc(truth, score, weights),
        "average_precision": metrics.average_precision(truth, score, weights),
        **{f"recall_at_fpr_{name}": recall for name, recall in zip(FALSE_POSITIVE_RATES, recalls, strict=True)},
    }


def _under_policy(policy: Policy, score: Vector, amount: Vector, truth: NDArray[np.bool_]) -> dict[str, float]:
    verdicts = np.array([policy.decide(p, a) for p, a in zip(score.tolist(), amount.tolist(), strict=True)])
    return {
        "value_detection_rate": metrics.value_detection_rate(truth, amount, verdicts != "approve"),
        "review_rate": float(np.mean(verdicts == "review")),
        "decline_rate": float(np.mean(verdicts == "decline")),
    }


def _intervals(
    truth: NDArray[np.bool_], score: Vector, cards: Sequence[str] | pd.Series, resamples: int, seed: int
) -> dict[str, list[float]]:
    order = np.argsort(score, kind="stable")  # sorted once: sorting again is then cheap in each resample
    truth, score = truth[order], score[order]
    card = pd.factorize(np.asarray(cards))[0][order]
    count = int(card.max()) + 1
    random = np.random.default_rng(seed)
    drawn: list[dict[str, float]] = []
    while len(drawn) < resamples:
        weights = np.bincount(random.integers(count, size=count), minlength=count)[card].astype(float)
        if 0 < weights[truth].sum() < weights.sum():
            drawn.append(_ranking(truth, score, weights))
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    return {
        f"{name}_interval": [float(bound) for bound in np.quantile([one[name] for one in drawn], tails)]
        for name in drawn[0]
    }

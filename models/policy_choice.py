"""Choosing the policy: the two thresholds that would have cost least on a window with known outcomes."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import DataError
from models.policy import Costs, Policy

ANOMALY_BUDGET = 0.001  # share of payments that are reviewed for nothing but being unlike the traffic of training
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def cost(verdicts: ArrayLike, amounts: ArrayLike, is_fraud: ArrayLike, costs: Costs) -> float:
    """What these verdicts ("approve", "review", "decline") cost in total, in the amounts' currency."""
    return float(cost_by_transaction(verdicts, amounts, is_fraud, costs).sum())


def cost_by_transaction(verdicts: ArrayLike, amounts: ArrayLike, is_fraud: ArrayLike, costs: Costs) -> Floats:
    """What each verdict costs, shape (n,).

    Approved fraud loses its share of the amount; a review costs the analyst's time and misses 1 - catch rate of that
    loss; a declined genuine payment costs the false decline.
    """
    verdict, truth = np.asarray(verdicts, str), np.asarray(is_fraud, bool)
    approve, review, decline = _costs_by_verdict(np.asarray(amounts, float), truth, costs)
    return np.select([verdict == "approve", verdict == "review"], [approve, review], decline)


def choose_policy(
    scores: ArrayLike, amounts: ArrayLike, is_fraud: ArrayLike, costs: Costs, weights: ArrayLike | None = None
) -> Policy:
    """Return the thresholds of least total cost over all pairs, exactly, in O(n log n).

    ``scores`` are calibrated probabilities of a window that the model was not trained on, ``amounts`` in one currency,
    ``weights`` how many transactions each row stands for, if not one; all of shape (n,). Among equal costs the highest
    thresholds win: the fewest payments touched.
    Raises `DataError` on an empty window, NaN, negative amounts, or scores that are no probabilities.
    """
    score, amount, truth = np.asarray(scores, float), np.asarray(amounts, float), np.asarray(is_fraud, bool)
    _check(score, amount, truth)
    order = np.argsort(score, kind="stable")
    by_verdict = _costs_by_verdict(amount[order], truth[order], costs)
    weight = 1.0 if weights is None else np.asarray(weights, float)[order]
    approve, review, decline = (np.concatenate(([0.0], np.cumsum(weight * part))) for part in by_verdict)
    # Cut i: the i lowest scores lie below the threshold. Only between different scores can a threshold stand.
    ordered = score[order]
    cuts = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]))
    below_review = (approve - review)[cuts]
    below_decline = (review - decline)[cuts]
    # For each decline cut, the best review cut at or below it; the last of equals is the highest threshold.
    best, at = np.inf, 0
    best_pair, best_cost = (0, 0), np.inf
    for index in range(len(cuts)):
        if below_review[index] <= best:
            best, at = below_review[index], index
        if best + below_decline[index] <= best_cost:
            best_cost, best_pair = best + below_decline[index], (at, index)
    thresholds = np.append(ordered, 1.0)
    low, high = (float(thresholds[cuts[index]]) for index in best_pair)
    tiny = float(np.finfo(np.float64).tiny)
    return Policy(review=max(low, tiny), decline=max(high, tiny), costs=costs)


def with_anomaly_review(
    policy: Policy,
    scores: ArrayLike,
    amounts: ArrayLike,
    anomalies: ArrayLike,
    weights: ArrayLike | None = None,
    budget: float = ANOMALY_BUDGET,
) -> Policy:
    """Return the policy with the lowest anomaly threshold that sends at most ``budget`` more of the window to review.

    ``scores``, ``amounts`` and anomaly percentiles, all of shape (n,), are a window's that neither was trained on;
    ``weights`` as for `choose_policy`.
    """
    score, amount, unusual = (np.asarray(each, float) for each in (scores, amounts, anomalies))
    weight = np.ones(len(score)) if weights is None else np.asarray(weights, float)
    approved = [policy.decide(p, a) == "approve" for p, a in zip(score.tolist(), amount.tolist(), strict=True)]
    candidates, place = np.unique(unusual[approved], return_inverse=True)
    counts = np.bincount(place, weight[approved], len(candidates))
    fits = np.cumsum(counts[::-1])[::-1] <= budget * weight.sum()
    threshold = float(candidates[fits][0]) if fits.any() else 1.0
    return msgspec.structs.replace(policy, anomaly_review=max(threshold, float(np.finfo(np.float64).tiny)))


def _costs_by_verdict(amount: Floats, truth: Bools, costs: Costs) -> tuple[Floats, Floats, Floats]:
    loss = np.where(truth, amount * costs.fraud_loss_share, 0.0)
    goodwill = costs.false_decline_cost + costs.false_decline_share * amount
    return loss, costs.review_cost + loss * (1 - costs.catch_rate), np.where(truth, 0.0, goodwill)


def _check(score: Floats, amount: Floats, truth: Bools) -> None:
    if not len(score) or not len(score) == len(amount) == len(truth):
        raise DataError(
            f"A policy needs scores, amounts and labels of the same transactions; got {len(score)}, {len(amount)} and "
            f"{len(truth)}.",
            remedy="Choose it on a labelled window.",
        )
    if not (np.isfinite(score).all() and np.isfinite(amount).all() and (amount >= 0).all()):
        raise DataError("Scores or amounts are missing, infinite or negative.", remedy="Check the data of that window.")
    if score.min() < 0 or score.max() > 1:
        raise DataError("Scores must be calibrated probabilities.", remedy="Calibrate the model first.")

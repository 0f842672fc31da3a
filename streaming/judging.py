"""From scores to verdicts, and the reasons of those that are not an approval."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.transaction import Transaction
from models.bundle import Bundle
from models.decision import Verdict
from models.fallback import Fallback
from models.policy import Policy
from models.reasons import HISTORY_MISSING, reason_codes


def judge(
    bundle: Bundle,
    scorer: Bundle | Fallback,
    policy: Policy,
    features: NDArray[np.float32],
    scores: NDArray[np.float64],
    transactions: Sequence[Transaction],
    degraded: Sequence[tuple[str, ...]],
    anomalies: Sequence[float | None],
) -> tuple[list[Verdict], list[tuple[str, ...]]]:
    """Return the verdict on each of n transactions, and its reason codes.

    An approval needs no reasons, and attributions are dear. While a store is away every payment is reviewed for that
    reason alone: attributions of defaults would say nothing, and take the time that catching up needs.

    Args:
        bundle: the model in use.
        scorer: what scored: the bundle, or its fallback.
        policy: what decides.
        features: (n, f) values in the bundle's order.
        scores: (n,) calibrated probabilities.
        transactions: what is judged.
        degraded: the stages that each of them lacks.
        anomalies: how unlike training each of them is, None where that is not known.

    """
    verdicts: list[Verdict] = []
    reasons: list[tuple[str, ...]] = []
    flagged = []  # rows that their score sends to review or declines
    rows = zip(scores.tolist(), transactions, degraded, anomalies, strict=True)
    for row, (score, transaction, missing, anomaly) in enumerate(rows):
        verdict = policy.decide(score, transaction.amount, missing, anomaly)
        verdicts.append(verdict)
        reasons.append(())
        if verdict == "approve":
            continue
        if policy.decide(score, transaction.amount, missing) == "approve":  # its anomaly alone sends it to review
            if bundle.anomaly is not None:
                reasons[row] = tuple(reason.code for reason in bundle.anomaly.reasons(features[row]))
        elif missing and policy.decide(score, transaction.amount) == "approve":  # what is missing alone does
            reasons[row] = (HISTORY_MISSING,)
        else:
            flagged.append(row)
    if flagged:
        attributions = scorer.explain(features[flagged]).attributions
        for row, attribution in zip(flagged, attributions, strict=True):
            reasons[row] = tuple(
                reason.code for reason in reason_codes(attribution, features[row], bundle.feature_names)
            )
    return verdicts, reasons

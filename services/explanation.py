"""The explanation as it goes over the wire, and the request for it."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from features.label import Identifier
from features.transaction import Transaction
from models.decision import Ring, ScoredBy, Verdict
from models.reasons import Reason
from services import examples
from streaming.explaining import Attribution, Explained


class ExplainRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either the id of a transaction that was decided, or a transaction to explain as if it came now."""

    transaction_id: Identifier | UnsetType = UNSET
    transaction: Transaction | UnsetType = UNSET


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a transaction got its score.

    ``attributions`` are in log-odds, largest absolute value first; with ``base`` they add up to ``log_odds``.
    ``reasons`` are what raised the score most, ``reason_codes`` the decision's own. ``recorded`` tells whether
    ``decision`` was made (true) or is what would be decided now (false). ``degraded`` names stages that fell back
    when the features were computed, ``scored_by`` the part of the bundle that is explained here, its model or its
    fallback. ``anomaly`` is the decision's; reasons that begin with UNLIKE_TRAINING are the anomaly score's, in bits.
    ``ring`` is the fraud ring that the payment touches, with the evidence; it has no part in the score.
    """

    transaction_id: str
    recorded: bool
    decision: Verdict
    score: float
    log_odds: float
    base: float
    attributions: list[Attribution]
    reasons: list[Reason]
    reason_codes: tuple[str, ...]
    model_version: str
    policy_version: str
    degraded: tuple[str, ...]
    scored_by: ScoredBy
    anomaly: float | None
    ring: Ring | None = None
    event_time: datetime
    decided_at: datetime


def answer(explained: Explained, *, recorded: bool) -> Explanation:
    """Return an explanation in its wire form."""
    decision = explained.decision
    return Explanation(
        transaction_id=decision.transaction_id,
        recorded=recorded,
        decision=decision.decision,
        score=decision.score,
        log_odds=explained.log_odds,
        base=explained.base,
        attributions=explained.attributions,
        reasons=explained.reasons,
        reason_codes=decision.reason_codes,
        model_version=decision.model_version,
        policy_version=decision.policy_version,
        degraded=decision.degraded,
        scored_by=decision.scored_by,
        anomaly=decision.anomaly,
        ring=decision.ring,
        event_time=decision.event_time,
        decided_at=decision.decided_at,
    )


EXAMPLE = answer(
    Explained(
        examples.DECISION,
        base=-6.1,
        log_odds=-0.5,
        attributions=[
            Attribution("amount_just_under", 1.0, 3.4, "1 if at most 5 % below 50, 100, 250, 500 or more, else 0."),
            Attribution("amount", 499.0, 2.3, "Amount in major units of its currency."),
            Attribution("is_night", 0.0, -0.1, "1 from 0:00 to 6:59 UTC, else 0."),
        ],
        reasons=[
            Reason("AMOUNT_JUST_UNDER", "amount just under a common limit", 3.4, 1.0),
            Reason("AMOUNT", "the amount of this payment", 2.3, 499.0),
        ],
    ),
    recorded=True,
)

"""The decision: what Ringfence answers, and everything needed to stand by it later."""

from datetime import datetime
from typing import Literal

import msgspec

Verdict = Literal["approve", "review", "decline"]


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """The fraud ring that a transaction touches."""

    ring_id: str
    ring_score: float


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one transaction.

    ``score`` is the calibrated probability of fraud; ``features`` the named vector as scored (missing values are null);
    ``stage_ms`` the latency ledger in milliseconds per stage; ``degraded`` names stages that fell back; ``flags`` says
    what the features went without: ``cold:<entity>``, ``missing:<field>``, ``unusable:<entity>``.
    """

    transaction_id: str
    decision: Verdict
    score: float
    reason_codes: tuple[str, ...]
    ring: Ring | None = None
    model_version: str
    policy_version: str
    features: dict[str, float | None]
    stage_ms: dict[str, float]
    degraded: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    event_time: datetime
    decided_at: datetime

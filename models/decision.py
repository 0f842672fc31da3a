"""The decision: what Ringfence answers, and everything needed to stand by it later."""

from datetime import datetime
from typing import Literal

import msgspec

Verdict = Literal["approve", "review", "decline"]
ScoredBy = Literal["model", "fallback"]


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """The fraud ring that a transaction touches, and in ``evidence`` the words for what they share."""

    ring_id: str
    ring_score: float
    evidence: str = ""  # decisions of before it was kept have none


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one transaction.

    ``score`` is the calibrated probability of fraud; ``features`` the named vector as scored (missing values are null);
    ``stage_ms`` the latency ledger in milliseconds per stage; ``degraded`` names stages that fell back; ``flags`` says
    what the features went without: ``cold:<entity>``, ``missing:<field>``, ``unusable:<entity>``. ``scored_by`` says
    which part of the bundle gave the score: its model, or its fallback where no history could be read. ``anomaly`` is
    the share of recent genuine payments that are less unusual; null where that could not be told. ``ring_score`` is the
    probability of fraud by the ring network alone, as the model took it: null where the model takes none, or where it
    could not be told; that of ``ring`` is another, the community's.
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
    scored_by: ScoredBy = "model"
    anomaly: float | None = None
    ring_score: float | None = None
    event_time: datetime
    decided_at: datetime

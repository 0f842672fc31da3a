"""Counts what micro-batches held and how long they took, those of the worker and those of requests."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from features.engine import UnusableState
from features.flags import COLD, MISSING
from models.anomaly import UNLIKE_TRAINING
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import TRANSACTIONS, Record
from streaming.intake import Intake
from streaming.ledger import Recorded
from streaming.scoring import LATE_EVENT, Scored


def observe_stream(
    metrics: Metrics,
    records: Sequence[Record],
    intake: Intake,
    scored: Scored,
    stage_ms: Mapping[str, float],
    now: datetime,
) -> None:
    """Count a micro-batch of the worker that has come through; ``stage_ms`` is how many milliseconds each step took."""
    decisions = scored.decisions
    metrics.batch_size(len(records))
    metrics.stages_ms({**stage_ms, **(decisions[0].stage_ms if decisions else {})})
    metrics.duplicates(len(intake.repeats))
    for _, reason in intake.dead:
        metrics.dead_letter(reason.code)
    for label in intake.labels:
        metrics.labels(label.source)
    own = [one for arrival, one in zip(intake.arrivals, decisions, strict=True) if arrival.known is None]
    _decisions(metrics, own, "stream")  # what REST decided, REST has counted
    observe_unusable(metrics, scored.unusable)
    reference = now.timestamp()
    for record in records:
        if record.topic == TRANSACTIONS:
            metrics.end_to_end(reference - record.timestamp_ms / 1000)
    if decisions:
        metrics.event_time_lag((now - max(decision.event_time for decision in decisions)).total_seconds())


def observe_request(
    metrics: Metrics, fresh: Sequence[Recorded], *, repeated: int, unusable: Sequence[UnusableState] = ()
) -> None:
    """Count a request that has been answered: its ``fresh`` decisions, and how many it got that were made before."""
    metrics.duplicates(repeated)
    _decisions(metrics, [recorded.decision for recorded in fresh], "rest")
    observe_unusable(metrics, unusable)
    if fresh:  # one micro-batch: its decisions share their times
        metrics.batch_size(len(fresh))
        metrics.stages_ms(fresh[0].decision.stage_ms)


def observe_unusable(metrics: Metrics, unusable: Iterable[UnusableState]) -> None:
    """Count stored feature states that were given up."""
    for entity, _, defect in unusable:
        metrics.feature_state_error(entity, defect.kind)


def _decisions(metrics: Metrics, decisions: Sequence[Decision], origin: str) -> None:
    """Count decisions, and what was amiss while they were made."""
    for verdict, count in Counter(decision.decision for decision in decisions).items():
        metrics.decided(verdict, origin, count)
    for decision in decisions:
        for stage in decision.degraded:
            metrics.degraded(stage)
        if LATE_EVENT in decision.reason_codes:
            metrics.late_events()
        if decision.scored_by == "fallback":
            metrics.fallback()
        if UNLIKE_TRAINING in decision.reason_codes:
            metrics.anomaly_reviews()
    for flag, count in Counter(flag for decision in decisions for flag in decision.flags).items():
        if flag.startswith(COLD):
            metrics.cold_entities(flag.removeprefix(COLD), count)
        elif flag.startswith(MISSING):
            metrics.missing_fields(flag.removeprefix(MISSING), count)

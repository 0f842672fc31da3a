"""Counts what micro-batches held and how long they took, those of the worker and those of requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import TRANSACTIONS, Record
from streaming.intake import Intake
from streaming.ledger import Recorded
from streaming.scoring import LATE_EVENT


def observe_stream(
    metrics: Metrics,
    records: Sequence[Record],
    intake: Intake,
    decisions: Sequence[Decision],
    stage_ms: Mapping[str, float],
    now: datetime,
) -> None:
    """Count a micro-batch of the worker that has come through; ``stage_ms`` is how many milliseconds each step took."""
    metrics.batch_size(len(records))
    metrics.stages_ms({**stage_ms, **(decisions[0].stage_ms if decisions else {})})
    metrics.duplicates(len(intake.repeats))
    for _, reason in intake.dead:
        metrics.dead_letter(reason.code)
    for label in intake.labels:
        metrics.labels(label.source)
    for arrival, decision in zip(intake.arrivals, decisions, strict=True):
        if arrival.known is None:
            metrics.decided(decision.decision, "stream")
        _circumstances(metrics, decision)
    for record in records:
        if record.topic == TRANSACTIONS:
            metrics.end_to_end(now.timestamp() - record.timestamp_ms / 1000)
    if decisions:
        metrics.event_time_lag((now - max(decision.event_time for decision in decisions)).total_seconds())


def observe_request(metrics: Metrics, fresh: Sequence[Recorded], *, repeated: int) -> None:
    """Count a request that has been answered: its ``fresh`` decisions, and how many it got that were made before."""
    metrics.duplicates(repeated)
    for recorded in fresh:
        metrics.decided(recorded.decision.decision, "rest")
        _circumstances(metrics, recorded.decision)
    if fresh:  # one micro-batch: its decisions share their times
        metrics.batch_size(len(fresh))
        metrics.stages_ms(fresh[0].decision.stage_ms)


def _circumstances(metrics: Metrics, decision: Decision) -> None:
    """Count what was amiss while a transaction was scored."""
    for stage in decision.degraded:
        metrics.degraded(stage)
    if LATE_EVENT in decision.reason_codes:
        metrics.late_events()

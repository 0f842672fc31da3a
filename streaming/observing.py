"""Counts what a micro-batch of the worker held and how long it took."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import TRANSACTIONS, Record
from streaming.intake import Intake
from streaming.scoring import LATE_EVENT


def observe(
    metrics: Metrics,
    records: Sequence[Record],
    intake: Intake,
    decisions: Sequence[Decision],
    stage_ms: Mapping[str, float],
    now: datetime,
) -> None:
    """Count a micro-batch that has come through; ``stage_ms`` is how many milliseconds each step took."""
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
        for stage in decision.degraded:
            metrics.degraded(stage)
        if LATE_EVENT in decision.reason_codes:
            metrics.late_events()
    for record in records:
        if record.topic == TRANSACTIONS:
            metrics.end_to_end(now.timestamp() - record.timestamp_ms / 1000)
    if decisions:
        metrics.event_time_lag((now - max(decision.event_time for decision in decisions)).total_seconds())

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from features.engine import UnusableState
from features.errors import InvalidTransaction
from features.label import Label
from features.state import Defect
from features.transaction import Transaction
from models.anomaly import UNLIKE_TRAINING
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import LABELS, TRANSACTIONS, Record
from streaming.intake import Arrival, Intake
from streaming.ledger import Recorded
from streaming.observing import observe_request, observe_stream
from streaming.scoring import LATE_EVENT, Scored

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return Metrics(registry)


@pytest.fixture
def value(registry):
    return lambda name, **labels: registry.get_sample_value(name, labels)


def payment(name, minutes):
    return Transaction(
        transaction_id=name, event_time=NOW - timedelta(minutes=minutes), card_id="c", merchant_id="m", amount=1.0,
        currency="EUR",
    )  # fmt: skip


UNUSABLE = (UnusableState("card", "c", Defect("version", "Another version.")),)


def decided(transaction, verdict, *, reasons=(), degraded=(), flags=(), scored_by="model", origin="rest"):
    decision = Decision(
        transaction_id=transaction.transaction_id, decision=verdict, score=0.5, reason_codes=reasons,
        model_version="m", policy_version="p", features={}, stage_ms={"fold": 3.0, "model": 4.0}, degraded=degraded,
        flags=flags, scored_by=scored_by, event_time=transaction.event_time, decided_at=NOW,
    )  # fmt: skip
    return Recorded(transaction, "hash", decision, origin, None)


def record(topic, seconds_ago):
    return Record(topic, 0, 0, b"", b"", (), int((NOW.timestamp() - seconds_ago) * 1000))


def test_a_micro_batch_of_the_worker_is_counted(metrics, value):
    old, new = payment("old", 30), payment("new", 10)
    amiss = {"degraded": ("features",), "flags": ("cold:card", "missing:ip", "unusable:merchant")}
    by_rest = decided(old, "review", reasons=(LATE_EVENT,), **amiss)
    by_stream = decided(new, "decline", reasons=("AMOUNT", LATE_EVENT), origin="stream", **amiss)
    intake = Intake(
        arrivals=[Arrival(old, "hash", 1, known=by_rest), Arrival(new, "hash", 1)],
        repeats=["seen before"],
        labels=[Label(transaction_id="old", is_fraud=True, source="analyst", label_time=NOW)],
        dead=[(record(TRANSACTIONS, 0), InvalidTransaction("not_json", "The message is not JSON."))],
    )
    records = [record(TRANSACTIONS, 2), record(TRANSACTIONS, 1), record(LABELS, 50)]
    scored = Scored([by_rest.decision, by_stream.decision], {}, {}, UNUSABLE)
    observe_stream(metrics, records, intake, scored, {"intake": 2.0, "fold": 9.0}, NOW)

    assert value("fraud_decisions_total", decision="decline", origin="stream") == 1
    for origin in ("stream", "rest"):  # what REST decided, REST has counted
        assert value("fraud_decisions_total", decision="review", origin=origin) == 0
    assert value("fraud_degraded_decisions_total", stage="features") == 1
    assert value("fraud_late_events_total") == 1
    assert value("fraud_cold_entities_total", entity="card") == 1
    assert value("fraud_missing_fields_total", field="ip") == 1
    assert value("fraud_feature_state_errors_total", entity="card", kind="version") == 1
    assert value("fraud_duplicates_total") == 1
    assert value("fraud_labels_total", source="analyst") == 1
    assert value("fraud_dead_letters_total", code="not_json") == 1
    assert value("fraud_batch_transactions_sum") == 3
    assert value("fraud_end_to_end_seconds_count") == 2
    assert value("fraud_end_to_end_seconds_sum") == pytest.approx(3.0)
    assert value("fraud_event_time_lag_seconds") == 600
    assert value("fraud_stage_seconds_sum", stage="intake") == pytest.approx(0.002)
    assert value("fraud_stage_seconds_sum", stage="fold") == pytest.approx(0.003)  # the decision knows it better


def test_a_micro_batch_without_transactions_leaves_the_lag_alone(metrics, value):
    metrics.event_time_lag(7)
    observe_stream(metrics, [record(LABELS, 1)], Intake(), Scored([], {}, None), {"intake": 2.0}, NOW)
    assert value("fraud_event_time_lag_seconds") == 7
    assert value("fraud_end_to_end_seconds_count") == 0
    assert value("fraud_batch_transactions_sum") == 1


def test_a_request_is_counted(metrics, value):
    fresh = [
        decided(payment("a", 1), "approve", flags=("cold:card", "cold:ip")),
        decided(
            payment("b", 1),
            "review",
            reasons=(LATE_EVENT,),
            degraded=("features", "ring"),
            flags=("cold:card",),
            scored_by="fallback",
        ),
        decided(payment("c", 1), "review", reasons=(UNLIKE_TRAINING, "AMOUNT")),
        decided(payment("d", 1), "review", reasons=(UNLIKE_TRAINING, "SPEED_KMH")),
    ]
    observe_request(metrics, fresh, repeated=3, unusable=UNUSABLE)
    assert value("fraud_decisions_total", decision="approve", origin="rest") == 1
    assert value("fraud_decisions_total", decision="review", origin="rest") == 3
    assert value("fraud_degraded_decisions_total", stage="ring") == 1
    assert value("fraud_fallback_decisions_total") == 1
    assert value("fraud_anomaly_reviews_total") == 2
    assert value("fraud_late_events_total") == 1
    assert value("fraud_cold_entities_total", entity="card") == 2
    assert value("fraud_cold_entities_total", entity="ip") == 1
    assert value("fraud_feature_state_errors_total", entity="card", kind="version") == 1
    assert value("fraud_duplicates_total") == 3
    assert value("fraud_batch_transactions_sum") == 4
    assert value("fraud_stage_seconds_count", stage="model") == 1


def test_a_request_of_repeats_is_no_micro_batch(metrics, value):
    observe_request(metrics, [], repeated=2)
    assert value("fraud_duplicates_total") == 2
    assert value("fraud_batch_transactions_count") == 0

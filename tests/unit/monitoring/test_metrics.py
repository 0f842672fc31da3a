import pytest
from prometheus_client import CollectorRegistry

from monitoring.metrics import STAGES, Metrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def test_what_alerts_look_at_starts_at_zero(metrics: Metrics, registry: CollectorRegistry) -> None:
    for origin in ("stream", "rest"):
        for decision in ("approve", "review", "decline"):
            assert registry.get_sample_value("fraud_decisions_total", {"decision": decision, "origin": origin}) == 0
    for source in ("chargeback", "analyst", "customer"):
        assert registry.get_sample_value("fraud_labels_total", {"source": source}) == 0
    for kind in ("unreadable", "foreign", "version", "corrupt"):
        assert registry.get_sample_value("fraud_feature_state_errors_total", {"entity": "ip", "kind": kind}) == 0
    assert registry.get_sample_value("fraud_cold_entities_total", {"entity": "ip"}) == 0
    assert registry.get_sample_value("fraud_duplicates_total") == 0
    for outcome in ("swapped", "refused"):
        assert registry.get_sample_value("fraud_model_swaps_total", {"outcome": outcome}) == 0


def test_each_event_is_counted_under_its_label(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.decided("decline", "rest", 3)
    metrics.dead_letter("not_json")
    metrics.duplicates(2)
    metrics.late_events()
    metrics.labels("analyst", 4)
    metrics.degraded("features", 5)
    metrics.model_swap("refused")
    metrics.fallback(6)
    metrics.anomaly_reviews(7)
    metrics.feature_state_error("card", "version")
    metrics.cold_entities("device", 2)
    metrics.missing_fields("ip", 3)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("fraud_decisions_total", decision="decline", origin="rest") == 3
    assert value("fraud_decisions_total", decision="decline", origin="stream") == 0
    assert value("fraud_dead_letters_total", code="not_json") == 1
    assert value("fraud_duplicates_total") == 2
    assert value("fraud_late_events_total") == 1
    assert value("fraud_labels_total", source="analyst") == 4
    assert value("fraud_degraded_decisions_total", stage="features") == 5
    assert value("fraud_model_swaps_total", outcome="refused") == 1
    assert value("fraud_fallback_decisions_total") == 6
    assert value("fraud_anomaly_reviews_total") == 7
    assert value("fraud_feature_state_errors_total", entity="card", kind="version") == 1
    assert value("fraud_cold_entities_total", entity="device") == 2
    assert value("fraud_missing_fields_total", field="ip") == 3


def test_times_are_in_seconds_whatever_they_come_in(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.stages_ms({"fold": 40.0, "model": 0.3})
    metrics.stage("fold", 0.09)
    assert registry.get_sample_value("fraud_stage_seconds_sum", {"stage": "fold"}) == pytest.approx(0.13)
    assert registry.get_sample_value("fraud_stage_seconds_bucket", {"stage": "fold", "le": "0.05"}) == 1
    assert registry.get_sample_value("fraud_stage_seconds_bucket", {"stage": "model", "le": "0.0005"}) == 1
    metrics.end_to_end(0.099)
    metrics.end_to_end(0.101)
    assert registry.get_sample_value("fraud_end_to_end_seconds_bucket", {"le": "0.1"}) == 1  # the budget has a bucket
    assert registry.get_sample_value("fraud_end_to_end_seconds_count") == 2
    metrics.batch_size(64)
    assert registry.get_sample_value("fraud_batch_transactions_bucket", {"le": "64.0"}) == 1
    metrics.event_time_lag(1.5)
    assert registry.get_sample_value("fraud_event_time_lag_seconds") == 1.5


def test_every_stage_of_a_decision_is_exported() -> None:
    decided = {"intake", "store_read", "fold", "model", "policy"}
    assert decided | {"ledger", "publish", "store_write"} <= set(STAGES)


def test_lag_of_positions_that_went_elsewhere_disappears(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.consumer_lag({("transactions", 0): 7, ("transactions", 1): 9})
    metrics.consumer_lag({("transactions", 1): 2})
    name = "fraud_consumer_lag_messages"
    assert registry.get_sample_value(name, {"topic": "transactions", "partition": "0"}) is None
    assert registry.get_sample_value(name, {"topic": "transactions", "partition": "1"}) == 2


def test_only_the_model_in_use_is_shown(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.model(model_version="m1", policy_version="p1", family="lightgbm")
    metrics.model(model_version="m2", policy_version="p1", family="xgboost")
    shown = [
        sample.labels for family in registry.collect() for sample in family.samples if sample.name == "fraud_model_info"
    ]
    assert shown == [{"model_version": "m2", "policy_version": "p1", "family": "xgboost"}]


def test_readiness_and_requests(metrics: Metrics, registry: CollectorRegistry) -> None:
    assert registry.get_sample_value("fraud_ready") == 0
    metrics.ready(True)
    assert registry.get_sample_value("fraud_ready") == 1
    metrics.ready(False)
    assert registry.get_sample_value("fraud_ready") == 0
    metrics.request("POST", "/v1/score", 200, 0.02)
    labels = {"method": "POST", "route": "/v1/score"}
    assert registry.get_sample_value("fraud_http_requests_total", {**labels, "status": "200"}) == 1
    assert registry.get_sample_value("fraud_http_request_seconds_sum", labels) == pytest.approx(0.02)


def test_names_follow_the_convention_and_labels_identify_nobody(metrics: Metrics, registry: CollectorRegistry) -> None:
    families = list(registry.collect())
    assert len(families) == 26
    for family in families:
        assert family.name.startswith("fraud_")
        assert family.documentation
        for sample in family.samples:
            assert not {"transaction_id", "card_id", "customer_id", "merchant_id"} & sample.labels.keys()


def test_without_a_registry_the_process_is_measured_too() -> None:
    registry = Metrics().registry
    assert (registry.get_sample_value("process_resident_memory_bytes") or 0) > 0

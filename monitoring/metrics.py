"""Every instrument of Ringfence, in one place.

Names are ``fraud_<thing>_<unit>[_total]`` in base units (seconds, messages). Labels take few values each: never a
card, customer, merchant or transaction id.
"""

from collections.abc import Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from features.flags import MISSING_FIELDS
from features.state import DefectKind
from features.store import ENTITIES

STAGES = (
    "catch_up",
    "intake",
    "store_read",
    "fold",
    "ring_network",
    "model",
    "policy",
    "rings",
    "ledger",
    "publish",
    "store_write",
    "commit",
    "total",
)

# Dense around 100 ms, the budget of a decision; fine below it, because a stage has a few milliseconds.
_STAGE_BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5),
)
# The whole way also waits in topics: up to a minute while a worker restarts.
_JOURNEY_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Records what happens; reading is `monitoring.exposition.render`'s. Every method is safe in any thread.

    Without a ``registry`` it makes one of its own, with the process's memory, CPU and open files besides.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
        self.registry = registry
        self._pipeline(registry)
        self._service(registry)
        # Series that exist from the start at 0, so that a rate sees the first increase.
        for origin in ("stream", "rest"):
            for decision in ("approve", "review", "decline"):
                self._decisions.labels(decision, origin)
        for source in ("chargeback", "analyst", "customer"):
            self._labels.labels(source)
        for outcome in ("swapped", "refused"):
            self._swaps.labels(outcome)
        for field in MISSING_FIELDS:
            self._missing_fields.labels(field)
        for entity in ENTITIES:
            self._cold_entities.labels(entity)
            for kind in get_args(DefectKind):
                self._state_errors.labels(entity, kind)

    def _pipeline(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "fraud_decisions_total", "Transactions decided.", ["decision", "origin"], registry=registry
        )
        self._dead_letters = Counter(
            "fraud_dead_letters_total", "Messages put into the dead-letter queue.", ["code"], registry=registry
        )
        self._duplicates = Counter(
            "fraud_duplicates_total", "Transactions delivered again, answered as before.", registry=registry
        )
        self._late_events = Counter(
            "fraud_late_events_total", "Transactions later than the allowed lateness.", registry=registry
        )
        self._labels = Counter("fraud_labels_total", "Labels recorded.", ["source"], registry=registry)
        self._degraded = Counter(
            "fraud_degraded_decisions_total", "Decisions made without a stage.", ["stage"], registry=registry
        )
        self._fallback = Counter(
            "fraud_fallback_decisions_total", "Decisions scored by the fallback model.", registry=registry
        )
        self._anomaly_reviews = Counter(
            "fraud_anomaly_reviews_total", "Payments reviewed for their anomaly score alone.", registry=registry
        )
        self._stage_seconds = Histogram(
            "fraud_stage_seconds",
            "Time a micro-batch spends in a stage.",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self._end_to_end = Histogram(
            "fraud_end_to_end_seconds",
            "From publishing a transaction to its decision.",
            buckets=_JOURNEY_BUCKETS,
            registry=registry,
        )
        self._batch = Histogram(
            "fraud_batch_transactions", "Transactions in a micro-batch.", buckets=_BATCH_BUCKETS, registry=registry
        )
        self._event_time_lag = Gauge(
            "fraud_event_time_lag_seconds", "Processing time less the newest event time decided.", registry=registry
        )
        self._consumer_lag = Gauge(
            "fraud_consumer_lag_messages", "Messages not yet read.", ["topic", "partition"], registry=registry
        )
        self._freshness = Histogram(
            "fraud_feature_freshness_seconds",
            "From a decision to the moment when every worker's features count it.",
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self._conflicts = Counter(
            "fraud_feature_state_conflicts_total",
            "Feature states folded again because another worker had changed them.",
            registry=registry,
        )
        self._behind = Gauge(
            "fraud_feature_states_behind", "1 while decisions are made without history.", registry=registry
        )
        self._state_errors = Counter(
            "fraud_feature_state_errors_total",
            "Feature states that could not be used and start anew.",
            ["entity", "kind"],
            registry=registry,
        )
        self._cold_entities = Counter(
            "fraud_cold_entities_total", "Entities never seen before, by payment.", ["entity"], registry=registry
        )
        self._missing_fields = Counter(
            "fraud_missing_fields_total", "Optional fields absent, by payment.", ["field"], registry=registry
        )

    def _service(self, registry: CollectorRegistry) -> None:
        self._model = Gauge(
            "fraud_model_info",
            "The model and the policy in use; always 1.",
            ["model_version", "policy_version", "family"],
            registry=registry,
        )
        self._refreshed = Gauge(
            "fraud_rings_refreshed_timestamp_seconds",
            "When fraud rings (find) or embeddings (embed) were last brought up to date.",
            ["job"],
            registry=registry,
        )
        self._refresh_failures = Counter(
            "fraud_rings_refresh_failures_total", "Attempts at that which failed.", ["job"], registry=registry
        )
        self._swaps = Counter(
            "fraud_model_swaps_total",
            "Models and policies taken into service while running, and refused.",
            ["outcome"],
            registry=registry,
        )
        self._ready = Gauge("fraud_ready", "1 while the process takes work.", registry=registry)
        self._requests = Counter(
            "fraud_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "fraud_http_request_seconds",
            "Time to answer a request.",
            ["method", "route"],
            buckets=_JOURNEY_BUCKETS,
            registry=registry,
        )

    def decided(self, decision: str, origin: str, count: int = 1) -> None:
        """Count decisions; ``origin`` is stream or rest."""
        self._decisions.labels(decision, origin).inc(count)

    def dead_letter(self, code: str, count: int = 1) -> None:
        """Count dead letters by error code."""
        self._dead_letters.labels(code).inc(count)

    def duplicates(self, count: int = 1) -> None:
        """Count transactions that were decided before."""
        self._duplicates.inc(count)

    def late_events(self, count: int = 1) -> None:
        """Count transactions later than the allowed lateness."""
        self._late_events.inc(count)

    def labels(self, source: str, count: int = 1) -> None:
        """Count labels by source."""
        self._labels.labels(source).inc(count)

    def degraded(self, stage: str, count: int = 1) -> None:
        """Count decisions that a stage was missing from."""
        self._degraded.labels(stage).inc(count)

    def fallback(self, count: int = 1) -> None:
        """Count decisions that the fallback scored."""
        self._fallback.inc(count)

    def anomaly_reviews(self, count: int = 1) -> None:
        """Count payments that are reviewed only because they are unlike the traffic of training."""
        self._anomaly_reviews.inc(count)

    def stage(self, stage: str, seconds: float) -> None:
        """Record the time of one stage, one of `STAGES`."""
        self._stage_seconds.labels(stage).observe(seconds)

    def stages_ms(self, stage_ms: Mapping[str, float]) -> None:
        """Record a latency ledger, in milliseconds by stage, as a decision carries it."""
        for stage, milliseconds in stage_ms.items():
            self.stage(stage, milliseconds / 1000)

    def end_to_end(self, seconds: float) -> None:
        """Record the time from publishing a transaction to its decision."""
        self._end_to_end.observe(seconds)

    def batch_size(self, transactions: int) -> None:
        """Record the size of a micro-batch."""
        self._batch.observe(transactions)

    def event_time_lag(self, seconds: float) -> None:
        """Set how far the newest event time decided is behind processing time."""
        self._event_time_lag.set(seconds)

    def consumer_lag(self, lag: Mapping[tuple[str, int], int]) -> None:
        """Set the unread messages by (topic, partition); positions that are no longer assigned disappear."""
        self._consumer_lag.clear()
        for (topic, partition), messages in lag.items():
            self._consumer_lag.labels(topic, str(partition)).set(messages)

    def feature_freshness(self, seconds: float) -> None:
        """Record the time from a micro-batch's decisions to the moment when its states were written."""
        self._freshness.observe(seconds)

    def state_conflicts(self, count: int) -> None:
        """Count states that another worker had changed since they were read."""
        self._conflicts.inc(count)

    def states_behind(self, behind: bool) -> None:
        """Set whether decisions are made without history."""
        self._behind.set(behind)

    def feature_state_error(self, entity: str, kind: str, count: int = 1) -> None:
        """Count unusable feature states; ``kind`` is unreadable, foreign, version or corrupt."""
        self._state_errors.labels(entity, kind).inc(count)

    def cold_entities(self, entity: str, count: int = 1) -> None:
        """Count payments whose ``entity`` was never seen before."""
        self._cold_entities.labels(entity).inc(count)

    def missing_fields(self, field: str, count: int = 1) -> None:
        """Count payments without an optional field."""
        self._missing_fields.labels(field).inc(count)

    def model(self, *, model_version: str, policy_version: str, family: str) -> None:
        """Set what decides now."""
        self._model.clear()
        self._model.labels(model_version, policy_version, family).set(1)

    def model_swap(self, outcome: str) -> None:
        """Count an attempt to take another model or policy into service; ``outcome`` is swapped or refused."""
        self._swaps.labels(outcome).inc()

    def refreshed(self, job: str, *, ok: bool) -> None:
        """Note that fraud rings or embeddings were brought up to date just now, or count that it failed."""
        if ok:
            self._refreshed.labels(job).set_to_current_time()
        else:
            self._refresh_failures.labels(job).inc()

    def ready(self, ready: bool) -> None:
        """Set whether the process takes work."""
        self._ready.set(ready)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record one request; ``route`` is the path's template, never the path itself."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

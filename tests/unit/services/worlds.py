"""The two REST services over the memory twins."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from features.engine import FeatureEngine
from features.stores.memory import MemoryStore
from monitoring.metrics import Metrics
from services.explain_app import create_explain_app
from services.score_app import create_score_app
from streaming.direct import DirectScoring
from streaming.explaining import Explaining
from streaming.ledgers.memory import MemoryLedger
from streaming.scoring import Scoring
from tests.fakes import FakeBundle, fake_policy
from tests.unit.services.client import TOKEN, Client

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
ENGINE = FeatureEngine()
CARD_NUMBER = "4111111111111111"


class World:
    """Everything behind the services; ``bundles`` are found by version besides the one in use."""

    def __init__(self, *, fault=None, reasons=(), bundle=None, bundles=(), refuse_future=True):
        self.ledger, self.store = MemoryLedger(fault), MemoryStore()
        self.registry = CollectorRegistry()
        self.reasons = list(reasons)
        metrics = Metrics(self.registry)
        self.scoring = Scoring(ENGINE, self.store, bundle or FakeBundle(), fake_policy(), clock=lambda: NOW)
        found = {b.version: b for b in bundles}
        self.direct = DirectScoring(self.scoring, self.ledger, metrics=metrics)
        self.explaining = Explaining(self.scoring, self.ledger, bundle_for=found.get)
        options = {"clock": lambda: NOW, "refuse_future": refuse_future}
        self.score = Client(create_score_app(self.direct, metrics, TOKEN, lambda: self.reasons, **options))
        self.explain = Client(create_explain_app(self.explaining, metrics, TOKEN, lambda: self.reasons, **options))

    def metric(self, name, **labels):
        return self.registry.get_sample_value(name, labels) or 0


def payment(n=1, **changes):
    """A valid payment as JSON would carry it; a change to None leaves the field out."""
    fields = {
        "transaction_id": f"t{n}",
        "event_time": (NOW - timedelta(hours=1) + timedelta(seconds=n)).isoformat(),
        "card_id": "card-1",
        "merchant_id": "shop-1",
        "amount": 20.0,
        "currency": "EUR",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}

"""The use case that every transport shares: degradation, flags and named features."""

from datetime import UTC, datetime, timedelta
from threading import Event as Flag

import numpy as np
import pytest

from features.engine import FeatureEngine
from features.errors import StoreUnavailable
from features.events import TransactionEvent
from features.stores.memory import MemoryStore
from features.transaction import Transaction
from streaming.bounded_store import BoundedStore
from streaming.scoring import LATE_EVENT, Scoring, named_features
from tests.fakes import FakeBundle, fake_policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENGINE = FeatureEngine()


def payment(n, **changes):
    fields = {
        "transaction_id": f"t{n}",
        "event_time": NOW + timedelta(minutes=n),
        "card_id": "card",
        "merchant_id": "shop",
        "amount": 10.0,
        "currency": "EUR",
    }
    return Transaction(**(fields | changes))


def decide(scoring, *payments):
    scored = scoring.decide([TransactionEvent(n + 1, p) for n, p in enumerate(payments)])
    return scored.decisions


def new_scoring(store, **options):
    return Scoring(ENGINE, store, FakeBundle(), fake_policy(), clock=lambda: NOW, **options)


class SlowStore(MemoryStore):
    """Answers reads only when it is let go."""

    def __init__(self):
        super().__init__()
        self.release = Flag()

    def read(self, keys):
        self.release.wait(10)
        return super().read(keys)


def test_a_slow_store_is_cut_off_and_the_payment_goes_to_review():
    store = SlowStore()
    (decision,) = decide(new_scoring(store, store_timeout_s=0.01), payment(0, amount=1.0))
    store.release.set()
    assert decision.degraded == ("features",)
    assert decision.decision == "review"


def test_a_slow_store_costs_its_time_once():
    store = SlowStore()
    bounded = BoundedStore(store, 0.01)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            bounded.read({"card": ["c"]})
    store.release.set()
    assert bounded.read_patiently({"card": ["c"]}) == {"card": {}}
    assert bounded.read({"card": ["c"]}) == {"card": {}}
    bounded.close()


def test_nothing_is_written_when_states_could_not_be_read():
    store = SlowStore()
    scored = new_scoring(store, store_timeout_s=0.01).decide([TransactionEvent(1, payment(0))])
    store.release.set()
    assert scored.states is None


def test_corrupt_state_is_flagged_and_the_payment_not_approved():
    store = MemoryStore()
    store.write({"card": {"card": b"garbage"}}, NOW)
    (decision,) = decide(new_scoring(store), payment(0, amount=1.0))
    assert decision.degraded == ("features",)
    assert decision.decision == "review"


def test_an_event_beyond_the_allowed_lateness_is_decided_and_flagged():
    on_time, late = decide(new_scoring(MemoryStore()), payment(0), payment(-3 * 24 * 60))
    assert LATE_EVENT not in on_time.reason_codes
    assert LATE_EVENT in late.reason_codes


def test_what_is_not_approved_says_why():
    small, large = decide(new_scoring(MemoryStore()), payment(0, amount=1.0), payment(1, amount=5000.0))
    assert small.decision == "approve"
    assert not small.reason_codes
    assert large.decision == "decline"
    assert "AMOUNT" in large.reason_codes


def test_features_are_named_and_missing_ones_null():
    assert named_features(["a", "b"], np.array([1.5, np.nan], np.float32)) == {"a": 1.5, "b": None}


class SwappingBundle(FakeBundle):
    """Has ``scoring`` swapped for another model in the middle of a micro-batch."""

    def score(self, features):
        self.scoring.swap(FakeBundle("new"), fake_policy(review=0.9, decline=0.95))
        return super().score(features)


def test_a_micro_batch_goes_on_with_the_model_and_policy_it_began_with():
    bundle = SwappingBundle("old")
    scoring = bundle.scoring = Scoring(ENGINE, MemoryStore(), bundle, fake_policy(), clock=lambda: NOW)
    before = decide(scoring, payment(0), payment(1))
    after = decide(scoring, payment(2))
    assert [(d.model_version, d.policy_version) for d in before] == [("old", fake_policy().version)] * 2
    assert after[0].model_version == scoring.bundle.version == "new"
    assert after[0].policy_version == scoring.policy.version == fake_policy(review=0.9, decline=0.95).version

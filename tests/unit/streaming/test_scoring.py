"""The use case that every transport shares: degradation, flags and named features."""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event as Flag
from threading import Timer
from time import sleep

import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from features.catalogue import NAMES
from features.engine import FeatureEngine, UnusableState
from features.errors import StateError, StoreUnavailable
from features.events import LabelEvent, TransactionEvent
from features.state import Defect
from features.stores.memory import MemoryStore
from models.anomaly import UNLIKE_TRAINING, Anomaly, AnomalyTables
from streaming import unusable_states
from streaming.bounded_store import OPEN_S, BoundedStore
from streaming.explaining import explain
from streaming.scoring import LATE_EVENT, Scoring, named_features
from streaming.unusable_states import UnusableStates, key_digest
from tests.fakes import FakeBundle, fake_payment, fake_policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENGINE = FeatureEngine()
payment = partial(fake_payment, begin=NOW, amount=10.0, card_id="card", merchant_id="shop")


def decide(scoring, *payments):
    scored = scoring.decide([TransactionEvent(n + 1, p) for n, p in enumerate(payments)])
    return scored.decisions


def new_scoring(store, bundle=None, policy=None, *, store_timeout_s=10.0):
    """Time enough for the store on a busy machine, unless a test is about that."""
    bundle, policy = bundle or FakeBundle(), policy or fake_policy()
    return Scoring(ENGINE, store, bundle, policy, clock=lambda: NOW, store_timeout_s=store_timeout_s)


class Fallback(FakeBundle):
    """Scores high enough for a review, unlike the model on the same features."""

    def log_odds(self, features):
        return super().log_odds(features) + 3.0


class AwayStore(MemoryStore):
    def read(self, keys):
        raise StoreUnavailable("away")


def watching(threshold=0.9):
    """An anomaly score that knows bursts of up to two payments, and a policy that reviews from ``threshold`` up."""
    tables = AnomalyTables(features=("card_burst_count_10m",), knots=[[1.0, 3.0]], less_unusual=[0.0, 0.5, 1.0])
    policy = msgspec.structs.replace(fake_policy(), anomaly_review=threshold)
    return Anomaly(tables, NAMES), policy


class SlowStore(MemoryStore):
    """Answers only when it is let go."""

    def __init__(self):
        super().__init__()
        self.release = Flag()

    def read(self, keys):
        self.release.wait(10)
        return super().read(keys)

    def replace(self, states, read, as_of):
        self.release.wait(10)
        return super().replace(states, read, as_of)


def test_a_slow_store_is_cut_off_and_the_payment_goes_to_review():
    store = SlowStore()
    (decision,) = decide(new_scoring(store, store_timeout_s=0.01), payment(0, amount=1.0))
    store.release.set()
    assert decision.degraded == ("features",)
    assert decision.decision == "review"


def test_a_slow_store_costs_its_time_once():
    store, now = SlowStore(), [100.0]
    bounded = BoundedStore(store, 0.2, now=lambda: now[0])  # no less: it has to be in time at last
    with pytest.raises(StoreUnavailable, match="more than 200 ms"):
        bounded.read({"card": ["c"]})
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="a moment ago"):
            bounded.read({"card": ["c"]})
    now[0] += OPEN_S
    assert bounded.is_open  # the call that was cut off still runs
    store.release.set()
    assert bounded.patient.read({"card": ["c"]}) == {"card": {}}
    while bounded.is_open:
        sleep(0.001)
    assert bounded.read({"card": ["c"]}) == {"card": {}}
    bounded.close()


def test_a_store_that_is_slow_to_write_is_cut_off_too():
    store = SlowStore()
    bounded = BoundedStore(store, 0.01)
    with pytest.raises(StoreUnavailable, match="to write"):
        bounded.replace({"card": {"c": b"1"}}, {}, NOW)
    assert bounded.is_open
    store.release.set()
    bounded.close()
    assert store.read({"card": ["c"]}) == {"card": {"c": b"1"}}  # it was done nevertheless


def test_a_write_that_no_reply_waits_for_may_take_longer():
    store = SlowStore()
    bounded = BoundedStore(store, 0.2)
    Timer(0.3, store.release.set).start()
    assert bounded.replace_beside({"card": {"c": b"1"}}, {}, NOW) == {}
    store.release.clear()
    hasty = BoundedStore(store, 0.01)
    with pytest.raises(StoreUnavailable, match="more than 50 ms to write"):
        hasty.replace_beside({"card": {"c": b"2"}}, {"card": {"c": b"1"}}, NOW)
    store.release.set()
    hasty.close()
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
    assert set(decision.flags) >= {"unusable:card", "cold:merchant"}
    assert "cold:card" not in decision.flags


def test_what_the_features_went_without_is_flagged_once_the_states_were_read():
    store = SlowStore()
    store.release.set()
    missing = ("channel", "country", "customer_id", "device_id", "entry_mode", "ip", "latitude", "longitude", "mcc")
    absent = tuple(f"missing:{field}" for field in missing)
    first, second = decide(new_scoring(store), payment(0), payment(1, merchant_id="other"))
    assert first.flags == ("cold:card", "cold:merchant", *absent)
    assert second.flags == ("cold:merchant", *absent)
    store.release.clear()
    (unread,) = decide(new_scoring(store, store_timeout_s=0.01), payment(2))
    store.release.set()
    assert unread.degraded == ("features",)
    assert unread.flags == absent  # nobody knows whether its entities are new


def test_only_the_payments_of_a_corrupt_state_are_reviewed():
    store = MemoryStore()
    store.write({"card": {"card": b"garbage"}}, NOW)
    hit, other = decide(new_scoring(store), payment(0, amount=1.0), payment(1, amount=1.0, card_id="another"))
    assert (hit.decision, hit.degraded) == ("review", ("features",))
    assert (other.decision, other.degraded) == ("approve", ())


def test_an_unusable_state_is_named_in_the_log_once_and_without_its_key():
    store, card = MemoryStore(), "4111111111111111"
    store.write({"card": {card: b"garbage"}, "merchant": {"shop": b""}}, NOW)
    scoring = new_scoring(store)
    with capture_logs() as logged:
        for n in range(3):
            decide(scoring, payment(n, card_id=card))
    assert [(entry["entity"], entry["kind"], entry["key_sha256"]) for entry in logged] == [
        ("card", "corrupt", hashlib.sha256(card.encode()).hexdigest()[:12]),
        ("merchant", "unreadable", hashlib.sha256(b"shop").hexdigest()[:12]),
    ]
    assert card not in str(logged)


def test_the_log_does_not_drown_in_unusable_states(monkeypatch):
    monkeypatch.setattr(unusable_states, "LIMIT", 2)
    found = [UnusableState("card", f"c{n}", Defect("version", "Another version.")) for n in range(5)]
    with capture_logs() as logged:
        UnusableStates().log(found)
    assert [entry.get("key_sha256", entry.get("logged")) for entry in logged] == [key_digest("c0"), key_digest("c1"), 2]


def test_refolding_tells_which_states_it_gave_up_whoever_meets_them():
    store = MemoryStore()
    scoring = new_scoring(store)
    first = TransactionEvent(1, payment(0))
    scoring.refold([first])
    store.write({"merchant": {"shop": b"garbage"}}, NOW)
    label = LabelEvent(2, "t0", True, NOW + timedelta(minutes=1), NOW, "card", "shop")
    assert [(each.entity, each.key) for each in scoring.refold([label])] == [("merchant", "shop")]
    assert scoring.refold([TransactionEvent(3, payment(2))]) == ()


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
    assert named_features(["a", "b"], np.array([[1.5, np.nan]], np.float32)) == [{"a": 1.5, "b": None}]


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


def test_without_the_store_the_fallback_scores_and_explains():
    bundle = FakeBundle(fallback=Fallback())
    (away,) = decide(new_scoring(AwayStore(), bundle), payment(0))
    (there,) = decide(new_scoring(MemoryStore(), bundle), payment(0))
    assert (away.scored_by, away.degraded, away.decision) == ("fallback", ("features",), "review")
    assert (there.scored_by, there.degraded) == ("model", ())
    assert away.score > there.score
    assert away.model_version == there.model_version
    explained = explain(bundle, away)
    assert 1 / (1 + np.exp(-explained.log_odds)) == pytest.approx(away.score)
    with pytest.raises(StateError, match="do not give its score"):
        explain(FakeBundle(), away)


def test_without_the_store_and_without_a_fallback_the_model_scores_on_defaults():
    (decision,) = decide(new_scoring(AwayStore()), payment(0))
    assert (decision.scored_by, decision.degraded, decision.decision) == ("model", ("features",), "review")


def test_one_unusable_state_leaves_the_model_in_place():
    store = MemoryStore()
    store.write({"card": {"card": b"garbage"}}, NOW)
    anomaly, policy = watching(threshold=0.001)
    bundle = FakeBundle(fallback=Fallback(), anomaly=anomaly)
    damaged, other = decide(new_scoring(store, bundle, policy), payment(0), payment(1, card_id="other"))
    assert (damaged.scored_by, damaged.degraded, damaged.anomaly) == ("model", ("features",), None)
    assert (other.scored_by, other.degraded, other.anomaly) == ("model", (), 0.0)


def test_a_payment_unlike_training_is_reviewed_for_that_alone_and_says_so():
    anomaly, policy = watching()
    bundle = FakeBundle(anomaly=anomaly)
    burst = [payment(0, transaction_id=f"t{n}", event_time=NOW + timedelta(seconds=n)) for n in range(4)]
    decided = decide(new_scoring(MemoryStore(), bundle, policy), *burst)
    assert [decision.anomaly for decision in decided] == [0.0, 0.5, 0.5, 1.0]
    assert [decision.decision for decision in decided] == ["approve", "approve", "approve", "review"]
    assert decided[3].reason_codes == (UNLIKE_TRAINING, "CARD_BURST_COUNT_10M")
    assert [reason.code for reason in explain(bundle, decided[3]).reasons] == list(decided[3].reason_codes)


def test_an_unusual_payment_that_is_suspicious_anyway_keeps_the_reasons_of_its_score():
    anomaly, policy = watching()
    burst = [payment(0, transaction_id=f"t{n}", event_time=NOW + timedelta(seconds=n)) for n in range(3)]
    dear = payment(0, transaction_id="dear", event_time=NOW + timedelta(seconds=3), amount=5000.0)
    *_, last = decide(new_scoring(MemoryStore(), FakeBundle(anomaly=anomaly), policy), *burst, dear)
    assert (last.anomaly, last.decision) == (1.0, "decline")
    assert UNLIKE_TRAINING not in last.reason_codes


def test_without_the_store_nothing_is_called_unusual():
    anomaly, policy = watching(threshold=0.001)
    (decision,) = decide(new_scoring(AwayStore(), FakeBundle(anomaly=anomaly), policy), payment(0))
    assert decision.anomaly is None
    assert UNLIKE_TRAINING not in decision.reason_codes

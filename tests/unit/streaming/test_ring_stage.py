"""Rings in decisions: what they carry, and what becomes of rings that are slow, failing or old."""

from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event as Flag

import pytest

from features.engine import FeatureEngine
from features.errors import StoreUnavailable
from features.events import TransactionEvent
from features.stores.memory import MemoryStore
from models.decision import Ring
from models.rings.touch import Touch
from streaming.ring_stage import RingStage
from streaming.scoring import Scoring
from tests.fakes import FakeBundle, fake_payment, fake_policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RING = Ring(ring_id="ring-1", ring_score=0.8, evidence="device shared with 7 other cards")
payment = partial(fake_payment, begin=NOW, amount=10.0, merchant_id="shop")


class Rings:
    """Knows one device; ``reply`` is called before each answer."""

    def __init__(self, reply=lambda: None, at=NOW):
        self.asked, self._reply, self._at = 0, reply, at

    def touch(self, transactions):
        self.asked += 1
        self._reply()
        return [Touch(RING, "RING_DEVICE") if transaction.device_id == "bad" else None for transaction in transactions]

    def is_stale(self, now):
        return now - self._at > timedelta(days=2)


class AwayStore(MemoryStore):
    def read(self, keys):
        raise StoreUnavailable("away")


@pytest.fixture
def decide():
    opened = []

    def decide(rings, *payments, store=None, timeout_s=10.0):
        if not opened:
            stage = RingStage(rings, timeout_s)
            opened.append(
                Scoring(
                    FeatureEngine(),
                    store or MemoryStore(),
                    FakeBundle(),
                    fake_policy(),
                    rings=stage,
                    store_timeout_s=10.0,
                    clock=lambda: NOW,
                )
            )
        return opened[0].decide([TransactionEvent(n + 1, p) for n, p in enumerate(payments)]).decisions

    yield decide
    for scoring in opened:
        scoring.close()


def test_a_decision_carries_the_ring_that_its_payment_touches_and_why(decide):
    touching, apart = decide(Rings(), payment(1, device_id="bad"), payment(2, device_id="good"))
    assert (touching.ring, touching.reason_codes) == (RING, ("RING_DEVICE",))
    assert (apart.ring, apart.reason_codes) == (None, ())
    assert touching.degraded == apart.degraded == ()
    assert "rings" in touching.stage_ms


def test_rings_that_nobody_has_looked_for_yet_are_not_missing(decide):
    [decision] = decide(None, payment(1, device_id="bad"))
    assert (decision.ring, decision.degraded) == (None, ())


def test_rings_that_take_too_long_are_left_out_and_left_alone_until_they_answer(decide):
    answer = Flag()
    rings = Rings(reply=answer.wait)
    [first] = decide(rings, payment(1, device_id="bad"), timeout_s=0.02)
    [second] = decide(rings, payment(2, device_id="bad"))
    assert (first.ring, first.degraded, second.degraded, rings.asked) == (None, ("rings",), ("rings",), 1)
    assert first.decision == "approve"  # what the verdict depends on was there
    answer.set()
    while (decision := decide(rings, payment(3, device_id="bad"))[0]).ring is None:
        pass
    assert decision.degraded == ()


def test_rings_that_fail_are_left_out(decide):
    def fail():
        raise RuntimeError("no such ring")

    [decision] = decide(Rings(reply=fail), payment(1, device_id="bad"))
    assert (decision.ring, decision.degraded) == (None, ("rings",))


def test_rings_that_are_too_old_are_left_out(decide):
    [decision] = decide(Rings(at=NOW - timedelta(days=3)), payment(1, device_id="bad"))
    assert (decision.ring, decision.degraded) == (None, ("rings",))


def test_rings_are_told_without_a_feature_store(decide):
    [decision] = decide(Rings(), payment(1, device_id="bad"), store=AwayStore())
    assert (decision.ring, decision.degraded, decision.decision) == (RING, ("features",), "review")
    assert decision.reason_codes[-1] == "RING_DEVICE"

"""The demo's counts add up, whatever comes back."""

from datetime import UTC, datetime

from models.decision import Decision
from services.demo.tally import Tally

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def decision(key, verdict="approve", score=0.1):
    return Decision(
        transaction_id=key,
        decision=verdict,
        score=score,
        reason_codes=(),
        model_version="m",
        policy_version="p",
        features={},
        stage_ms={"model": 1.0},
        event_time=NOW,
        decided_at=NOW,
    )


def test_every_transaction_is_decided_dead_or_lost():
    tally = Tally(fraud={"a": True, "b": False, "c": False})
    for key in ("a", "b", "c", ""):
        tally.sent(key, 0.0)
    tally.decided(decision("a", "decline", 0.9))
    tally.decided(decision("b"))
    tally.decided(decision("a", "decline", 0.9))
    tally.decided(decision("from an earlier run"))
    tally.dead()
    summary = tally.summary()
    assert (summary["transactions"], summary["decisions"], summary["dead_lettered"]) == (4, 2, 1)
    assert (summary["lost"], summary["duplicates"]) == (1, 1)
    assert (summary["frauds"], summary["fraud_caught"], summary["average_precision"]) == (1, 1, 1.0)


def test_a_label_waits_for_its_payment_and_not_for_others():
    tally = Tally(fraud={"a": True})
    assert not tally.is_decided("a")
    assert tally.is_decided("of the history")
    tally.sent("a", 0.0)
    tally.decided(decision("a"))
    assert tally.is_decided("a")

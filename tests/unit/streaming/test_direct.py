"""Request/reply scoring against the memory twins: one decision each, recorded, states left alone."""

import threading
from datetime import UTC, datetime
from functools import partial

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from features.engine import FeatureEngine
from features.errors import DuplicateConflict, LedgerUnavailable
from features.stores.memory import MemoryStore
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.direct import DirectScoring
from streaming.ledger import LedgerBatch, Recorded
from streaming.ledgers.memory import MemoryLedger
from streaming.scoring import Scoring
from tests.fakes import FakeBundle, fake_payment, fake_policy

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
ENGINE = FeatureEngine()
payment = partial(fake_payment, begin=START)


def make(ledger=None, store=None, **options):
    scoring = Scoring(ENGINE, store or MemoryStore(), FakeBundle(), fake_policy(), store_timeout_s=10.0)
    return DirectScoring(scoring, ledger or MemoryLedger(), **options)


def test_decisions_come_in_order_and_are_recorded_as_rest_without_a_place_in_the_fold():
    ledger = MemoryLedger()
    decisions = make(ledger).score([payment(1), payment(2, amount=500.0)])
    assert [d.transaction_id for d in decisions] == ["t1", "t2"]
    assert [d.decision for d in decisions] == ["approve", "decline"]
    found = ledger.find(["t1", "t2"])
    assert [(r.decision, r.origin, r.seq) for r in found.values()] == [(d, "rest", None) for d in decisions]
    assert [t.transaction_id for t in ledger.unforwarded(10)] == ["t1", "t2"]


def test_earlier_transactions_of_a_request_count_for_later_ones_but_states_are_not_written():
    store = MemoryStore()
    direct = make(store=store)
    decisions = direct.score([payment(n) for n in range(1, 4)])
    assert [decision.features["card_count_1h"] for decision in decisions] == [0, 1, 2]
    assert store.read({"card": ["card1"]}).get("card", {}) == {}
    [later] = direct.score([payment(4)])
    assert later.features["card_count_1h"] == 0


def test_an_unusable_state_costs_a_review_is_counted_and_left_to_the_worker():
    store, registry = MemoryStore(), CollectorRegistry()
    store.write({"card": {"card1": b"garbage"}}, START)
    direct = make(store=store, metrics=Metrics(registry))
    hit, other = direct.score([payment(1), payment(2, card_id="card2")])
    assert (hit.decision, hit.degraded) == ("review", ("features",))
    assert "unusable:card" in hit.flags
    assert (other.decision, other.degraded) == ("approve", ())
    assert registry.get_sample_value("fraud_feature_state_errors_total", {"entity": "card", "kind": "corrupt"}) == 1
    assert registry.get_sample_value("fraud_cold_entities_total", {"entity": "card"}) == 1
    assert registry.get_sample_value("fraud_missing_fields_total", {"field": "ip"}) == 2
    assert store.read({"card": ["card1"]}) == {"card": {"card1": b"garbage"}}
    assert direct.score([payment(1)]) == [hit]
    assert registry.get_sample_value("fraud_degraded_decisions_total", {"stage": "features"}) == 1


def test_the_same_content_gets_the_first_decision_back():
    direct = make()
    [first] = direct.score([payment(1)])
    assert direct.score([payment(1)]) == [first]
    again, new = direct.score([payment(1), payment(2)])
    assert again == first
    assert new.transaction_id == "t2"


def test_a_transaction_twice_in_one_request_is_decided_once():
    ledger = MemoryLedger()
    first, second = make(ledger).score([payment(1), payment(1)])
    assert first is second
    assert ledger.count() == 1


def test_different_content_under_a_known_id_is_refused_by_name_and_nothing_is_recorded():
    ledger = MemoryLedger()
    direct = make(ledger)
    direct.score([payment(1)])
    with pytest.raises(DuplicateConflict, match="Transaction t1 was decided before") as refusal:
        direct.score([payment(2), payment(1, amount=21.0)])
    assert refusal.value.remedy
    assert ledger.count() == 1


def test_different_content_under_one_id_in_one_request_is_refused():
    ledger = MemoryLedger()
    with pytest.raises(DuplicateConflict, match="Transaction t1 comes twice"):
        make(ledger).score([payment(1), payment(1, amount=21.0)])
    assert ledger.count() == 0


def test_no_transactions_no_decisions():
    assert make().score([]) == []


def racing_ledger(*rivals):
    """A ledger in which the stream worker records ``rivals`` just before our first commit."""
    waiting = list(rivals)

    def fault(step):
        if step == "commit" and waiting:
            mine, waiting[:] = waiting[:], []
            ledger.commit(LedgerBatch(decisions=mine))

    ledger = MemoryLedger(fault)
    return ledger


def recorded_by_stream(transaction, **changes):
    source = MemoryLedger()
    make(source).score([transaction])
    [found] = source.find([transaction.transaction_id]).values()
    decision = msgspec.structs.replace(found.decision, policy_version="the worker's")
    return Recorded(transaction, changes.get("content_hash", found.content_hash), decision, "stream", 1)


def test_a_race_with_the_worker_is_resolved_by_looking_again():
    rival = recorded_by_stream(payment(1))
    ledger = racing_ledger(rival)
    first, second = make(ledger).score([payment(1), payment(2)])
    assert first == rival.decision
    assert second.transaction_id == "t2"
    assert ledger.count() == 2


def test_a_race_lost_to_different_content_is_a_conflict():
    ledger = racing_ledger(recorded_by_stream(payment(1), content_hash="0" * 64))
    with pytest.raises(DuplicateConflict, match="t1"):
        make(ledger).score([payment(1)])


def test_a_ledger_that_keeps_refusing_is_given_up():
    def fault(step):
        if step == "commit":
            raise DuplicateConflict("again")

    with pytest.raises(LedgerUnavailable, match="keeps refusing"):
        make(MemoryLedger(fault)).score([payment(1)])


def test_a_ledger_that_is_away_decides_nothing():
    def fault(step):
        if step == "commit":
            raise LedgerUnavailable("gone")

    woken = []
    with pytest.raises(LedgerUnavailable, match="gone"):
        make(MemoryLedger(fault), on_recorded=lambda: woken.append(1)).score([payment(1)])
    assert woken == []


def test_the_outbox_is_woken_once_for_new_decisions_and_not_for_old_ones():
    woken = []
    direct = make(on_recorded=lambda: woken.append(1))
    direct.score([payment(1), payment(2)])
    direct.score([payment(1)])
    assert woken == [1]


def test_threads_that_send_the_same_transaction_get_the_same_decision():
    ledger = MemoryLedger()
    direct = make(ledger)
    answers = []
    threads = [threading.Thread(target=lambda: answers.extend(direct.score([payment(1)]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len({msgspec.json.encode(d) for d in answers}) == 1
    assert ledger.count() == 1


def test_looking_up_finds_decisions_of_any_origin():
    ledger = MemoryLedger()
    rival = recorded_by_stream(payment(1))
    ledger.commit(LedgerBatch(decisions=[rival]))
    assert make(ledger).look_up("t1") == rival.decision
    assert make(ledger).look_up("t2") is None


def test_the_time_before_the_decision_is_booked_as_intake():
    [decision] = make().score([payment(1)])
    assert next(iter(decision.stage_ms)) == "intake"
    assert {"store_read", "fold", "model", "policy"} <= decision.stage_ms.keys()


def test_separate_requests_scored_together_are_each_decided_and_recorded_once():
    ledger = MemoryLedger()
    first, other, again = payment(1), payment(2), payment(1)
    found = make(ledger).score_each([first, other, again])
    assert [decision.transaction_id for decision in found] == ["t1", "t2", "t1"]
    assert found[2] == found[0]
    assert [decision.features["card_count_1h"] for decision in found[:2]] == [0, 1]
    assert {key: recorded.decision for key, recorded in ledger.find(["t1", "t2"]).items()} == {
        "t1": found[0],
        "t2": found[1],
    }


def test_a_conflict_refuses_its_own_request_and_no_other():
    direct = make()
    direct.score([payment(1)])
    found = direct.score_each([payment(0), payment(1, amount=21.0), payment(2), payment(2, amount=22.0), payment(3)])
    kinds = [answer.transaction_id if isinstance(answer, Decision) else str(answer) for answer in found]
    assert [kinds[0], kinds[2], kinds[4]] == ["t0", "t2", "t3"]
    assert "t1 was decided before" in kinds[1]
    assert "t2 was decided before" in kinds[3]


def test_together_nothing_is_answered_that_is_not_recorded():
    def fault(step):
        if step == "commit":
            raise LedgerUnavailable("gone")

    with pytest.raises(LedgerUnavailable):
        make(MemoryLedger(fault)).score_each([payment(1), payment(2)])

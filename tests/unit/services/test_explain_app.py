"""The explain service: attributions that add up, of the features as scored, and nothing recorded."""

import json
import math

import msgspec
import pytest

from features.catalogue import FEATURES, NAMES
from features.codec import decode_transaction
from features.errors import BundleError, StateError
from features.events import TransactionEvent
from models.decision import Ring
from models.rings.touch import Touch
from services.explanation import EXAMPLE
from streaming.explaining import Explaining, explain
from streaming.ledger import LedgerBatch, Recorded
from tests.fakes import FakeBundle, fake_policy
from tests.unit.services.test_score_app import check_problem
from tests.unit.services.worlds import CARD_NUMBER, World, payment

KEYS = {"card": ["card-1"], "merchant": ["shop-1"]}


@pytest.fixture
def world():
    return World()


def check_sums(body):
    total = body["base"] + math.fsum(item["attribution"] for item in body["attributions"])
    assert total == pytest.approx(body["log_odds"], abs=1e-6)
    assert body["score"] == pytest.approx(1 / (1 + math.exp(-body["log_odds"])), abs=1e-9)


def test_a_decided_transaction_is_explained_from_its_features_as_scored(world):
    decision = world.score.post("/v1/score", json=payment(amount=500.0)).json()
    body = world.explain.post("/v1/explain", json={"transaction_id": "t1"}).json()
    check_sums(body)
    assert body["recorded"] is True
    for name in (
        "transaction_id",
        "decision",
        "score",
        "model_version",
        "policy_version",
        "reason_codes",
        "decided_at",
    ):
        assert body[name] == decision[name]
    assert {item["feature"]: item["value"] for item in body["attributions"]} == decision["features"]
    meanings = {feature.name: feature.meaning for feature in FEATURES}
    assert all(item["meaning"] == meanings[item["feature"]] for item in body["attributions"])
    sizes = [abs(item["attribution"]) for item in body["attributions"]]
    assert sizes == sorted(sizes, reverse=True)
    assert [reason["code"] for reason in body["reasons"]] == decision["reason_codes"]
    assert body["reasons"][0]["text"] == "the amount of this payment"


class OneRing:
    """Every payment touches the same ring."""

    def touch(self, transactions):
        ring = Ring(ring_id="ring-1", ring_score=0.8, evidence="device shared with 7 other cards")
        return [Touch(ring, "RING_DEVICE")] * len(transactions)

    def is_stale(self, _now):
        return False


def test_the_ring_that_a_payment_touches_is_told_with_its_evidence(world):
    world.score.post("/v1/score", json=payment())
    assert world.explain.post("/v1/explain", json={"transaction_id": "t1"}).json()["ring"] is None
    world.scoring.rings.use(OneRing())
    told = {"ring_id": "ring-1", "ring_score": 0.8, "evidence": "device shared with 7 other cards"}
    assert world.explain.post("/v1/explain", json={"transaction": payment(2)}).json()["ring"] == told
    decision = world.score.post("/v1/score", json=payment(2)).json()
    body = world.explain.post("/v1/explain", json={"transaction_id": "t2"}).json()
    check_sums(body)
    assert body["ring"] == decision["ring"] == told
    assert "RING_DEVICE" in body["reason_codes"]


def test_the_explanation_does_not_move_with_later_states(world):
    world.score.post("/v1/score", json=payment())
    first = world.explain.post("/v1/explain", json={"transaction_id": "t1"}).content
    folded = world.scoring.decide(_events([payment(n) for n in range(2, 9)]))
    world.scoring.write(folded.states, folded.read, _events([payment(n) for n in range(2, 9)]))
    assert world.explain.post("/v1/explain", json={"transaction_id": "t1"}).content == first


def test_a_raw_transaction_is_explained_against_the_present_states_and_leaves_no_trace(world):
    past = _events([payment(n) for n in range(2, 9)])
    folded = world.scoring.decide(past)
    world.scoring.write(folded.states, folded.read, past)
    before = world.store.read(KEYS)
    assert before["card"]["card-1"]
    body = world.explain.post("/v1/explain", json={"transaction": payment(30, amount=120.0)}).json()
    check_sums(body)
    values = {item["feature"]: item["value"] for item in body["attributions"]}
    assert (body["recorded"], values["card_count_1h"]) == (False, 7)
    assert world.ledger.count() == 0
    assert world.store.read(KEYS) == before
    decided = world.score.post("/v1/score", json=payment(30, amount=120.0)).json()
    assert (decided["score"], decided["features"]) == (body["score"], values)


@pytest.mark.parametrize(
    ("sent", "status", "code", "field"),
    [
        (b"nonsense", 400, "not_json", None),
        (b"", 400, "not_json", None),
        ({}, 422, "one_of", None),
        ({"transaction_id": "t1", "transaction": payment()}, 422, "one_of", None),
        ({"transaction_id": 5}, 422, "wrong_type", "transaction_id"),
        ({"transaction_id": None}, 422, "wrong_type", "transaction_id"),
        ({"transaction": None}, 422, "wrong_type", "transaction"),
        ({"transaction": payment(amount=-5)}, 422, "out_of_range", "transaction.amount"),
        ({"transaction": payment(card_id=CARD_NUMBER)}, 422, "card_number", "transaction.card_id"),
        ({"transaction": payment(event_time="2026-02-02T00:00:00Z")}, 422, "future_time", "transaction.event_time"),
        ({"card": CARD_NUMBER}, 422, "unknown_field", "card"),
        ([], 422, "wrong_type", None),
        ({"transaction_id": "nobody"}, 404, "unknown_transaction", "transaction_id"),
        ({"transaction_id": CARD_NUMBER}, 404, "unknown_transaction", "transaction_id"),
        (b" " * 1_000_000, 413, "too_large", None),
    ],
)
def test_bad_requests(world, sent, status, code, field):
    response = world.explain.post("/v1/explain", content=sent if isinstance(sent, bytes) else json.dumps(sent))
    check_problem(response, status, code, field)
    assert CARD_NUMBER not in response.text


def decided_by(world, version):
    world.score.post("/v1/score", json=payment())
    [recorded] = world.ledger.find(["t1"]).values()
    decision = msgspec.structs.replace(recorded.decision, transaction_id="t2", model_version=version)
    transaction = msgspec.structs.replace(recorded.transaction, transaction_id="t2")
    world.ledger.commit(LedgerBatch(decisions=[Recorded(transaction, "0" * 64, decision, "rest", None)]))


def test_a_decision_of_another_model_is_explained_by_that_model_where_it_is_at_hand():
    world = World(bundles=[FakeBundle("fake-0")])
    decided_by(world, "fake-0")
    body = world.explain.post("/v1/explain", json={"transaction_id": "t2"}).json()
    check_sums(body)
    assert body["model_version"] == "fake-0"


def test_a_decision_of_another_model_that_is_gone_is_a_conflict_that_names_both(world):
    decided_by(world, "fake-0")
    body = check_problem(world.explain.post("/v1/explain", json={"transaction_id": "t2"}), 409, "other_model")
    assert "fake-0" in body["detail"]
    assert "fake-1" in body["detail"]


def test_decisions_from_before_a_swap_and_from_after_it_are_explained_by_their_own_models():
    world = World(bundle=FakeBundle("old"), bundles=[FakeBundle("old")])
    before = world.score.post("/v1/score", json=payment(1, amount=500.0)).json()
    world.scoring.swap(FakeBundle("new"), fake_policy())
    after = world.score.post("/v1/score", json=payment(2, amount=500.0)).json()
    for decision, version in ((before, "old"), (after, "new")):
        body = world.explain.post("/v1/explain", json={"transaction_id": decision["transaction_id"]}).json()
        check_sums(body)
        assert body["model_version"] == decision["model_version"] == version
        assert body["score"] == decision["score"]


def test_a_swap_while_a_transaction_is_decided_does_not_mix_its_explanation():
    class Swapping(FakeBundle):
        def score(self, features):
            world.scoring.swap(FakeBundle("new"), fake_policy())
            return super().score(features)

    world = World(bundle=Swapping("old"))
    body = world.explain.post("/v1/explain", json={"transaction": payment(1, amount=500.0)}).json()
    check_sums(body)
    assert body["model_version"] == "old"


def test_other_bundles_are_loaded_once_in_a_row_and_a_damaged_one_counts_as_gone(world):
    decided_by(world, "fake-0")
    asked = []

    def bundle_for(version):
        asked.append(version)
        if version == "broken":
            raise BundleError("no such bundle")
        return FakeBundle(version)

    explaining = Explaining(world.scoring, world.ledger, bundle_for=bundle_for)
    decision = explaining.recorded("t2")
    assert explaining.explain(decision) is not None
    assert explaining.explain(decision) is not None
    assert asked == ["fake-0"]
    assert explaining.explain(msgspec.structs.replace(decision, model_version="broken")) is None


def test_features_that_do_not_give_the_recorded_score_are_not_explained(world):
    decided_by(world, "fake-1")
    [recorded] = world.ledger.find(["t1"]).values()
    changed = msgspec.structs.replace(recorded.decision, transaction_id="t3", score=0.9)
    transaction = msgspec.structs.replace(recorded.transaction, transaction_id="t3")
    world.ledger.commit(LedgerBatch(decisions=[Recorded(transaction, "0" * 64, changed, "rest", None)]))
    body = check_problem(world.explain.post("/v1/explain", json={"transaction_id": "t3"}), 500, "state")
    assert "t3" not in body["detail"]


def test_a_bundle_with_other_features_is_not_used_for_an_explanation(world):
    decided_by(world, "fake-0")
    [recorded] = world.ledger.find(["t2"]).values()
    with pytest.raises(StateError, match="do not give its score"):
        explain(FakeBundle("fake-0", NAMES[:5]), recorded.decision)


def test_the_documented_example_adds_up():
    check_sums(msgspec.to_builtins(EXAMPLE))


def _events(payments):
    return [TransactionEvent(seq, decode_transaction(json.dumps(p).encode())) for seq, p in enumerate(payments, 1)]

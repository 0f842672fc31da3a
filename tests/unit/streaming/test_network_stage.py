"""The ring network's score in decisions, and what becomes of payments that it cannot be told of in time."""

from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event as Flag

import numpy as np
import pytest

from features.catalogue import NAMES
from features.engine import FeatureEngine
from features.errors import StoreUnavailable
from features.events import TransactionEvent
from features.stores.memory import MemoryStore
from features.stores.memory_embeddings import MemoryEmbeddings
from models.rings.column import RING_SCORE, with_ring_score
from models.rings.scorer import ServedNetwork
from models.rings.stored import ModelEmbeddings
from streaming.network_stage import NETWORK_STAGE, NetworkStage, StoredScores
from streaming.scoring import Scoring
from tests.fakes import FakeBundle, fake_payment, fake_policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL = "rings-0123456789ab"
payment = partial(fake_payment, begin=NOW, amount=10.0, merchant_id="shop")


class ByCard:
    """Says of a payment the first number of its card's embedding, 0.125 without one."""

    def score(self, transactions, features, embeddings):
        assert features.shape == (len(transactions), len(NAMES))
        found = [embeddings["card"].get(transaction.card_id) for transaction in transactions]
        return np.array([0.125 if one is None else float(one.vector[0]) for one in found])


class Watched(MemoryEmbeddings):
    """Counts how often it is read; ``reply`` is called before each answer."""

    def __init__(self):
        super().__init__()
        self.asked, self.reply = 0, lambda: None

    def read(self, keys):
        self.asked += 1
        self.reply()
        return super().read(keys)


class AwayStore(MemoryStore):
    def read(self, keys):
        raise StoreUnavailable("away")


@pytest.fixture
def store():
    return Watched()


@pytest.fixture
def embedded(store):
    """The store, with an embedding of one card, as of an hour ago."""
    own = ModelEmbeddings(store, MODEL)
    own.write({"card": {"mule": np.array([0.75, 0.0], np.float32)}}, NOW - timedelta(hours=1))
    own.finish(NOW - timedelta(hours=1))
    return store


@pytest.fixture
def new_scoring():
    opened = []

    def new_scoring(embeddings, *, network=True, model=MODEL, timeout_s=10.0, states=None):
        served = ServedNetwork(model, ByCard()) if network else None
        bundle = FakeBundle(names=with_ring_score(NAMES) if network else NAMES, network=served)
        opened.append(
            Scoring(
                FeatureEngine(),
                states or MemoryStore(),
                bundle,
                fake_policy(),
                network=NetworkStage(lambda: StoredScores(embeddings), timeout_s),
                store_timeout_s=10.0,
                clock=lambda: NOW,
            )
        )
        return opened[-1]

    yield new_scoring
    for scoring in opened:
        scoring.close()


def decide(scoring, *payments):
    return scoring.decide([TransactionEvent(n + 1, p) for n, p in enumerate(payments)]).decisions


def assert_missing(decision, degraded=("rings",)):
    assert (decision.ring_score, decision.features[RING_SCORE], decision.degraded) == (None, None, degraded)


def test_the_score_is_a_feature_of_the_model_and_told_by_itself(new_scoring, embedded):
    scoring = new_scoring(embedded)
    mule, other = decide(scoring, payment(1, card_id="mule"), payment(2, card_id="other"))
    assert (mule.ring_score, other.ring_score) == (0.75, 0.125)
    assert list(mule.features) == [*NAMES, RING_SCORE]
    assert mule.features[RING_SCORE] == 0.75
    assert mule.degraded == other.degraded == ()
    assert NETWORK_STAGE in mule.stage_ms
    row = np.array([list(mule.features.values())], np.float32)
    assert scoring.bundle.score(row)[0] == mule.score
    row[0, -1] = 0.125
    assert scoring.bundle.score(row)[0] < mule.score


def test_a_micro_batch_reads_embeddings_once(new_scoring, embedded):
    decide(new_scoring(embedded), *(payment(n, card_id=f"c{n}") for n in range(5)))
    assert embedded.asked == 1


def test_a_bundle_without_the_score_reads_nothing(new_scoring, embedded):
    [decision] = decide(new_scoring(embedded, network=False), payment(1, card_id="mule"))
    assert (list(decision.features), decision.ring_score, decision.degraded) == (list(NAMES), None, ())
    assert NETWORK_STAGE not in decision.stage_ms
    assert embedded.asked == 0


def test_before_the_first_embeddings_the_score_is_missing_and_the_verdict_stands(new_scoring, store):
    scoring = new_scoring(store)
    [decision] = decide(scoring, payment(1))
    assert_missing(decision)
    assert decision.decision == "approve"
    row = np.array([list(decision.features.values())], np.float32)
    assert scoring.bundle.score(row)[0] == decision.score


def test_embeddings_of_another_model_are_none(new_scoring, embedded):
    [decision] = decide(new_scoring(embedded, model="rings-0123456789ff"), payment(1, card_id="mule"))
    assert_missing(decision)


@pytest.mark.parametrize(("hours", "stale"), [(24, False), (25, True)])
def test_embeddings_that_are_too_old_are_left_out(new_scoring, store, hours, stale):
    ModelEmbeddings(store, MODEL).finish(NOW - timedelta(hours=hours))
    [decision] = decide(new_scoring(store), payment(1))
    assert decision.degraded == (("rings",) if stale else ())


def test_a_store_that_is_away_is_asked_again_with_the_next_payment(new_scoring, embedded):
    def fail():
        raise StoreUnavailable("away")

    scoring, embedded.reply = new_scoring(embedded), fail
    [decision] = decide(scoring, payment(1, card_id="mule"))
    assert_missing(decision)
    embedded.reply = lambda: None
    [decision] = decide(scoring, payment(2, card_id="mule"))
    assert (decision.ring_score, decision.degraded) == (0.75, ())


def test_a_store_that_cannot_be_opened_does_not_hold_up_anything(new_scoring):
    def refuse():
        raise StoreUnavailable("no such directory")

    scoring = new_scoring(None)
    scoring.network = NetworkStage(refuse, 10.0)
    scoring.warm_up()
    [decision] = decide(scoring, payment(1))
    assert_missing(decision)


def test_a_slow_store_is_cut_off_and_left_alone_until_it_answers(new_scoring, embedded):
    answer = Flag()
    embedded.reply = answer.wait
    scoring = new_scoring(embedded, timeout_s=0.02)
    for n in range(2):
        [decision] = decide(scoring, payment(n, card_id="mule"))
        assert_missing(decision)
    assert embedded.asked == 1
    answer.set()
    while (decision := decide(scoring, payment(3, card_id="mule"))[0]).ring_score is None:
        pass
    assert (decision.ring_score, decision.degraded) == (0.75, ())


def test_without_history_the_network_is_not_asked(new_scoring, embedded):
    [decision] = decide(new_scoring(embedded, states=AwayStore()), payment(1, card_id="mule"))
    assert_missing(decision, degraded=("features", "rings"))
    assert embedded.asked == 0

"""The head as it is served: numpy only, whatever the store holds."""

import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from features.catalogue import NAMES
from features.embeddings import NODE_TYPES, Embedding
from features.stores.memory_embeddings import MemoryEmbeddings
from features.transaction import Transaction
from models.rings.head import Head
from models.rings.inputs import BOUND, FEATURES, columns_of, fit_scaling
from models.rings.scorer import HeadScorer, entity_keys, score_stored

WIDTH, AT = 4, datetime(2030, 1, 1, tzinfo=UTC)


def payment(number, **given):
    return Transaction(
        transaction_id=f"t{number}",
        event_time=AT,
        card_id=f"c{number}",
        merchant_id="m",
        amount=1.0,
        currency="EUR",
        **given,
    )


@pytest.fixture
def scorer():
    random = np.random.default_rng(0)
    types, features = len(NODE_TYPES), len(FEATURES)

    def array(*shape):
        return random.normal(size=shape).astype(np.float32)

    scaling = fit_scaling(array(50, features))
    head = Head(
        array(types, WIDTH, types, WIDTH),
        array(types, WIDTH),
        array(types * (WIDTH + 2) + features, 8),
        array(8),
        array(8),
        array(1),
        scaling,
    )
    return HeadScorer(head, NAMES)


FEATURE_ROWS = np.random.default_rng(1).normal(size=(6, len(NAMES))).astype(np.float32)
ROWS = [payment(0), payment(1, device_id="d", ip="i"), payment(2, device_id="d"), payment(3, counterparty_id="c3")]


def stored(keys):
    store = MemoryEmbeddings()
    vectors = {
        kind: {key: np.full(WIDTH, 0.5 + place, np.float32) for key in of_kind}
        for place, (kind, of_kind) in enumerate(keys.items())
    }
    store.write(vectors, AT)
    return store


def test_a_score_is_a_probability_and_does_not_depend_on_the_batch(scorer):
    store = stored({"card": ["c0", "c1"], "device": ["d"]})
    together = score_stored(scorer, store, ROWS, FEATURE_ROWS[:4])
    assert ((together > 0) & (together < 1)).all()
    alone = [score_stored(scorer, store, [row], FEATURE_ROWS[at : at + 1])[0] for at, row in enumerate(ROWS)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_nothing_stored_still_gives_scores(scorer):
    scores = score_stored(scorer, MemoryEmbeddings(), ROWS, FEATURE_ROWS[:4])
    assert np.isfinite(scores).all()


def test_a_new_device_is_judged_by_the_card_that_uses_it(scorer):
    """One hop: the same new device scores otherwise beside another card."""
    rows = [payment(1, device_id="new"), payment(2, device_id="new")]
    store = MemoryEmbeddings()
    store.write({"card": {"c1": np.full(WIDTH, 2.0, np.float32), "c2": np.full(WIDTH, 0.1, np.float32)}}, AT)
    same = np.repeat(FEATURE_ROWS[:1], 2, axis=0)
    filled = score_stored(scorer, store, rows, same)
    assert filled[0] != filled[1]


def test_an_embedding_of_another_width_counts_as_none(scorer):
    odd = {"card": {"c0": Embedding(np.ones(WIDTH + 1, np.float32), AT)}}
    assert scorer.score(ROWS[:1], FEATURE_ROWS[:1], odd) == scorer.score(ROWS[:1], FEATURE_ROWS[:1], {})


def test_every_entity_is_asked_for_once():
    assert entity_keys(ROWS) == {
        "card": ["c0", "c1", "c2", "c3"],
        "merchant": ["m"],
        "device": ["d"],
        "ip": ["i"],
        "account": ["c3"],
    }


def test_missing_features_count_as_usual_ones():
    features = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [1e30, 5.0]], np.float32)
    scaled = fit_scaling(features[:3])(features)
    assert scaled[2].tolist() == [0.0, 0.0]
    assert np.isfinite(scaled).all()
    assert scaled[3, 0] == BOUND
    assert len(columns_of(NAMES)) == len(FEATURES)


def test_serving_needs_no_pytorch():
    code = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torch_geometric", "safetensors"):
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import features.stores.memory_embeddings, models.rings.bundle, models.rings.scorer, services.cli.app
import models.rings.stored, services.champion, streaming.network_stage, streaming.scoring
"""
    subprocess.run([sys.executable, "-c", code], check=True)

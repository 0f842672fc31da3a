"""The gate, with scores whose worth is known: the truth, and chance."""

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models.rings.evaluation import ALL, OTHER, RINGS, compare, out_of_fold
from models.rings.graph import build_graph
from models.rings.payments import Payments
from models.splits import time_split
from tests.unit.models.rings.histories import START, random_table


@pytest.fixture(scope="module")
def data():
    table = random_table(count=3000, seed=9, cards=200, hours=2000)
    random = np.random.default_rng(0)
    chance = random.random(len(table)) < 0.12
    table["is_fraud"] = pd.array(chance.astype("int8"), dtype="Int8")
    table["label_time"] = table["event_time"] + pd.Timedelta(hours=20)
    features = random.normal(size=(len(table), 6)).astype(np.float32)
    graph = build_graph(table)
    payments = Payments(graph.nodes, graph.nodes >= 0, graph.time, features)
    return table, features, time_split(table), graph, payments, chance


def asked(data, scores, is_ring=None):
    table, features, split, graph, payments, _ = data
    return compare(
        table, features, split, graph, payments, scores, is_ring=is_ring, rounds=20, resamples=100, step=silent
    )


def silent(_what):
    return lambda done, total: None


def test_a_score_that_tells_frauds_apart_passes(data):
    truth = data[-1]
    random = np.random.default_rng(1)
    is_ring = random.random(len(truth)) < 0.5
    report = asked(data, truth * 2.0 + random.normal(size=len(truth)), is_ring)
    assert report.passed
    assert set(report.uplift) == {ALL, RINGS, OTHER}
    assert report.uplift[RINGS].frauds + report.uplift[OTHER].frauds == report.uplift[ALL].frauds
    assert report.uplift[RINGS].network_over_aggregates.low > 0


def test_a_score_that_knows_nothing_is_refused(data):
    report = asked(data, np.random.default_rng(2).normal(size=len(data[-1])))
    assert not report.passed
    assert [check.name for check in report.checks if not check.passed] == ["uplift"]


def test_what_helps_with_rings_at_the_cost_of_other_fraud_is_refused(data):
    truth = data[-1]
    random = np.random.default_rng(3)
    is_ring = random.random(len(truth)) < 0.5
    helpful = random.normal(size=len(truth)) + 3.0 * truth
    table, features, split, graph, payments, _ = data
    features = features.copy()
    features[:, 0] = np.where(truth & ~is_ring, 3.0, 0.0) + random.normal(size=len(truth))  # trees find other fraud
    seen = np.concatenate([split.train.rows, split.validation.rows])
    misled = np.where(is_ring, helpful, random.normal(size=len(truth)))
    misled[seen] = helpful[seen]  # as if it helped with all fraud, while the trees are fitted
    report = compare(
        table, features, split, graph, payments, misled, is_ring=is_ring, rounds=20, resamples=100, step=silent
    )
    assert "no_loss" in [check.name for check in report.checks if not check.passed]


def test_every_score_is_of_a_network_that_saw_earlier_transactions_only(data):
    _, _, split, _, payments, truth = data
    fitted = []

    def train(some, some_truth, seed):
        newest = some.moments.max()
        fitted.append((len(some_truth), seed))

        def score(scored):
            assert (scored.moments >= newest).all()
            return np.full(len(scored.moments), float(len(some_truth)))

        return score

    scores = out_of_fold(split, payments, truth, train, 7, silent)
    rows = split.train.rows
    assert np.isnan(scores[rows[: len(rows) // 3]]).all()
    assert (scores[split.test.rows] == len(rows)).all()
    assert [seed for _, seed in fitted] == [7, 8, 9]
    assert not np.isnan(scores[split.validation.rows]).any()


def test_without_a_test_window_there_is_nothing_to_say(data):
    table, features, _, graph, payments, truth = data
    split = time_split(table, as_of=START + pd.Timedelta(hours=5000))
    assert split.test is None
    with pytest.raises(DataError, match="no test window"):
        compare(table, features, split, graph, payments, truth * 1.0, step=silent)

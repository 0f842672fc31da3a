"""A graph that grew is the graph that the whole history gives."""

from dataclasses import fields

import numpy as np
import pytest

from features.embeddings import NODE_TYPES
from features.epoch import from_epoch_us
from models.rings.graph import build_graph
from models.rings.live_graph import LiveGraph
from streaming.simulator import CampaignMix, Scenario, simulate
from tests.unit.models.rings.events import label, labels_of, payments_of

ARRAYS = ("time", "amount", "label", "label_time", "nodes", "starts", "rows", "events")


@pytest.fixture(scope="module")
def table():
    return simulate(
        Scenario(transactions=600, fraud_rate=0.1, campaigns=CampaignMix(mule_ring=1.0), seed=4)
    ).transactions


def assert_same(found, expected):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    for ours, theirs in zip(found.names, expected.names, strict=True):
        assert [ours[n] for n in range(len(ours))] == theirs.tolist()


def test_payments_and_labels_taken_in_as_they_come_give_the_graph_of_the_history(table):
    live = LiveGraph(keep=10_000)
    events = payments_of(table)
    live.take(events[:200])
    live.graph()
    live.take(events[200:])
    live.take(labels_of(table))
    assert_same(live.graph(), build_graph(table))
    assert {field.name for field in fields(live.graph())} == {*ARRAYS, "names"}


def test_what_comes_later_or_again_changes_no_graph_made_before(table):
    live = LiveGraph(keep=10_000)
    events = payments_of(table)
    live.take(events[:300])
    before = live.graph()
    kept = {name: getattr(before, name).copy() for name in ARRAYS}
    new = next(one.transaction for one in events[300:] if one.transaction.card_id not in before.names[0]._numbers)
    live.take([*events, *labels_of(table)])
    live.take(events)
    assert len(live) == len(events)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(before, name), kept[name])
    keys = {node_type: [None] for node_type in NODE_TYPES}
    assert before.find(keys | {"card": [new.card_id]})[0, 0] == -1
    assert live.graph().find(keys | {"card": [new.card_id]})[0, 0] >= 0


def test_payments_that_come_late_stand_where_they_belong(table):
    live = LiveGraph(keep=10_000)
    events = payments_of(table)
    live.take(reversed(events))
    found, expected = live.graph(), build_graph(table)
    np.testing.assert_array_equal(found.time, expected.time)
    card = NODE_TYPES.index("card")
    ours = [found.name(int(node)) for node in found.nodes[:, card]]
    assert ours == [expected.name(int(node)) for node in expected.nodes[:, card]]


def test_the_label_known_last_counts(table):
    [event] = payments_of(table)[:1]
    live = LiveGraph(keep=10)
    early, late = (from_epoch_us(int(hour * 3.6e9)) for hour in (500_001, 500_002))
    live.take([event, label(event.transaction, is_fraud=True, at=late)])
    live.take([label(event.transaction, is_fraud=False, at=early)])
    assert live.graph().label.tolist() == [1]
    live.take([label(event.transaction, is_fraud=False, at=late)])
    assert live.graph().label.tolist() == [0]


def test_labels_of_payments_that_are_not_here_are_passed_over(table):
    live = LiveGraph(keep=10)
    live.take(labels_of(table))
    assert (len(live), len(live.graph().time)) == (0, 0)


def test_only_the_newest_payments_are_kept_and_only_their_keys(table):
    live = LiveGraph(keep=250)
    events = payments_of(table)
    for begin in range(0, len(events), 50):
        live.take(events[begin : begin + 50])
        graph = live.graph()
        assert len(graph.time) <= 500
    live.take(labels_of(table))
    newest = len(live)
    assert 250 <= newest <= 500
    assert_same(live.graph(), build_graph(table.iloc[-newest:]))

import numpy as np
import pytest

pytest.importorskip("torch")

from models.rings.changes import changed_nodes
from models.rings.embedding import embed_all, embed_changed, log_odds
from models.rings.graph import build_graph
from models.rings.inputs import FEATURES
from models.rings.payments import Payments
from models.rings.training import train_network
from tests.unit.models.rings.histories import moment, perturbed_from, random_table, table_of
from tests.unit.models.rings.test_network import encoder_of


def named(graph, found):
    """Return embeddings by type and key."""
    return {graph.name(int(node)): vector for node, vector in zip(found.nodes, found.vectors, strict=True)}


@pytest.mark.parametrize("hours", [120, 300])
def test_another_future_leaves_every_embedding_bit_by_bit_as_it_is(hours):
    table = random_table(seed=6)
    encoder, at = encoder_of(), moment(hours)
    before, after = (build_graph(one) for one in (table, perturbed_from(table, hours)))
    assert len(before.time) != len(after.time)
    first, second = (named(graph, embed_all(encoder, graph, at)) for graph in (before, after))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_another_future_leaves_every_score_bit_by_bit_as_it_is():
    table = random_table(seed=7)
    features = np.random.default_rng(0).normal(size=(len(table), len(FEATURES))).astype(np.float32)
    graph = build_graph(table)
    payments = Payments(graph.nodes, graph.nodes >= 0, graph.time, features)
    rows = np.flatnonzero(graph.time < moment(350))
    truth = np.random.default_rng(1).random(len(table)) < 0.2
    network = train_network(graph, payments.take(rows), truth[rows], epochs=1)
    other = build_graph(perturbed_from(table, 350))
    again = Payments(other.nodes[rows], other.nodes[rows] >= 0, graph.time[rows], features[rows])
    assert np.array_equal(
        log_odds(network.encoder, network.head, graph, payments.take(rows)),
        log_odds(network.encoder, network.head, other, again),
    )


@pytest.mark.parametrize(("before", "now"), [(100, 103), (250, 330), (400, 400.5)])
def test_what_did_not_change_need_not_be_computed_again(before, now):
    """Old embeddings, with those that changed in their place, are all embeddings of now."""
    graph, encoder = build_graph(random_table(count=600, seed=8, cards=120)), encoder_of()
    old = named(graph, embed_all(encoder, graph, moment(before)))
    changed = named(graph, embed_changed(encoder, graph, moment(before), moment(now)))
    wanted = named(graph, embed_all(encoder, graph, moment(now)))
    found = old | changed
    assert found.keys() == wanted.keys()
    for name, vector in wanted.items():
        np.testing.assert_allclose(found[name], vector, rtol=1e-4, atol=1e-5, err_msg=str(name))


def test_a_change_reaches_two_hops_and_no_further():
    """A chain of cards that share a device with the next: what happens to one reaches its neighbours' neighbours."""
    rows = [
        (number, f"c{number // 2}", f"m{number}", f"d{(number + 1) // 2}", None, None, None, None)
        for number in range(20)
    ]
    graph = build_graph(table_of([*rows, (50, "c0", "m0", None, None, None, None, None)]))
    changed = {graph.name(int(node)) for node in changed_nodes(graph, moment(40), moment(60))}
    assert changed == {
        (kind, key)
        for kind, key in [
            ("card", "c0"),
            ("card", "c1"),
            ("device", "d0"),
            ("device", "d1"),
            ("merchant", "m0"),
            ("merchant", "m1"),
        ]
    }
    assert len(changed_nodes(graph, moment(51), moment(60))) == 0


def test_a_label_that_becomes_known_is_a_change():
    graph = build_graph(table_of([(0, "c0", "m0", None, None, None, 1, 30), (1, "c1", "m1", None, None, None, 1, 80)]))
    for before, now, expected in ((20, 30, set()), (30, 31, {"c0", "m0"}), (31, 70, set())):
        assert {graph.name(int(node))[1] for node in changed_nodes(graph, moment(before), moment(now))} == expected

import numpy as np
import pytest

from models.rings.graph import CARD, build_graph
from models.rings.sampler import FANOUTS, HUB, edges_into, neighbourhood, start
from tests.unit.models.rings.histories import moment, random_table, table_of


def brute_edges(graph, node, at, fanout):
    """Return (source, type, known genuine, known fraud) of the edges into a node before ``at``, by plain loops."""
    code = int(graph.types(np.array([node]))[0])
    before = [e for e in range(len(graph.time)) if graph.time[e] < at and graph.nodes[e, code] == node][-fanout:]
    found = []
    for event in before:
        for other in range(5):
            if graph.nodes[event, other] >= 0 and (other != CARD) == (code == CARD):
                known = graph.label_time[event] < at
                label = graph.label[event]
                found.append((int(graph.nodes[event, other]), other, bool(known and not label), bool(known and label)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_edges_are_the_newest_strictly_earlier_ones_with_the_labels_known_by_then(seed):
    graph = build_graph(random_table(seed=seed))
    random = np.random.default_rng(seed)
    nodes = random.integers(0, graph.starts[-1], 60)
    moments = np.array([moment(hour) for hour in random.integers(0, 520, 60)])  # many equal an event's time
    hop, asked = start(graph, nodes, moments)
    edges = edges_into(graph, hop, 5)
    for node, at, place in zip(nodes, moments, asked, strict=True):
        wanted = brute_edges(graph, node, at, 5)
        if place < 0:
            assert not wanted
            continue
        mine = edges.target == place
        told = zip(
            edges.source[mine],
            edges.source_type[mine],
            edges.attributes[mine, 2],
            edges.attributes[mine, 3],
            strict=True,
        )
        assert [(int(s), int(t), bool(g), bool(f)) for s, t, g, f in told] == wanted


def test_no_hop_reaches_an_event_at_or_after_the_moment():
    """Every node further out was met before the moment of the node asked for, at all distances."""
    graph = build_graph(random_table(seed=5))
    at = moment(250)
    around = neighbourhood(graph, np.arange(graph.starts[-1]), np.full(graph.starts[-1], at))
    for hop in around.hops:
        first = graph.events[graph.rows[hop.node]]
        assert (graph.time[first] < at).all()
        assert (hop.limit == graph.limit(np.array([at]))[0]).all()


def test_equal_times_are_not_the_past_of_each_other():
    graph = build_graph(table_of([(1, "a", "m", "d", None, None, 1, 1), (1, "b", "m", "d", None, None, 1, 1)]))
    _, asked = start(graph, graph.nodes[1].astype(np.int64), np.full(5, moment(1)))
    assert (asked == -1).all()


def test_parallel_edges_stay_apart():
    graph = build_graph(table_of([(h, "a", "m", "d", None, None, None, None) for h in range(4)]))
    hop, _ = start(graph, graph.nodes[:1, 2].astype(np.int64), np.array([moment(9)]))
    assert len(edges_into(graph, hop, 16).source) == 4


def test_a_hub_is_bounded_and_not_read_through():
    count = 100_000
    table = table_of([(h / 100, f"c{h % 5000}", "hub", None, None, None, None, None) for h in range(count)])
    graph = build_graph(table)
    hub, card = int(graph.nodes[0, 1]), int(graph.nodes[0, CARD])
    around = neighbourhood(graph, np.array([hub, card]), np.full(2, moment(2000)))
    assert len(around.edges[0].source) <= 2 * FANOUTS[0]
    assert len(around.hops[2].node) <= 2 * (1 + FANOUTS[0]) * (1 + FANOUTS[1])
    into_card = around.edges[0].target == around.asked[1]
    assert (around.edges[0].source[into_card] == -1).all()
    assert (around.edges[0].attributes[into_card, 4] == 1).all()


def test_what_becomes_a_hub_later_was_none_before():
    rows = [(h, f"c{h}", "m", None, None, None, None, None) for h in range(HUB + 2)]
    graph = build_graph(table_of(rows))
    card = graph.nodes[:1, CARD].astype(np.int64)
    for hour, crowded in ((HUB, False), (HUB + 2, True)):
        hop, _ = start(graph, card, np.array([moment(hour)]))
        assert (edges_into(graph, hop, 16).source[0] == -1) == crowded

import numpy as np
import pytest

from features.errors import DataError
from models.rings.graph import CARD, NEVER, build_graph, shuffled
from tests.unit.models.rings.histories import moment, random_table, table_of


def test_events_are_numbered_by_time_and_rows_list_every_event_of_a_node_in_order():
    table = random_table()
    graph = build_graph(table)
    for node in range(int(graph.starts[-1])):
        events = graph.events[graph.rows[node] : graph.rows[node + 1]]
        kind, key = graph.name(node)
        column = {
            "card": "card_id",
            "merchant": "merchant_id",
            "device": "device_id",
            "ip": "ip",
            "account": "counterparty_id",
        }
        assert events.tolist() == np.flatnonzero(table[column[kind]] == key).tolist()
    assert graph.edges == int(table[["merchant_id", "device_id", "ip", "counterparty_id"]].notna().to_numpy().sum())


def test_a_card_that_pays_an_account_of_its_own_name_is_two_nodes():
    graph = build_graph(table_of([(0, "x", "m", None, None, "x", None, None)]))
    card, account = graph.nodes[0, CARD], graph.nodes[0, 4]
    assert card != account
    assert graph.name(int(card)) == ("card", "x")
    assert graph.name(int(account)) == ("account", "x")


def test_the_limit_leaves_out_what_happens_at_that_very_time():
    graph = build_graph(table_of([(h, "c", "m", None, None, None, None, None) for h in (0, 5, 5, 5, 9)]))
    assert graph.limit(np.array([moment(5), moment(5) + 1, moment(0)])).tolist() == [1, 4, 0]


def test_what_has_no_label_is_never_labelled():
    graph = build_graph(table_of([(0, "c", "m", None, None, None, None, None), (1, "c", "m", None, None, None, 1, 4)]))
    assert graph.label_time.tolist() == [NEVER, moment(4)]


def test_names_are_found_again_and_strangers_are_not():
    graph = build_graph(random_table())
    found = graph.find(
        {
            "card": ["c3", "?"],
            "merchant": ["m1", None],
            "device": [None, "d1"],
            "ip": ["i0", "i0"],
            "account": [None, None],
        }
    )
    assert found[1, 0] == -1
    assert found[0, 2] == -1
    assert graph.name(int(found[0, 0])) == ("card", "c3")
    assert graph.name(int(found[1, 2])) == ("device", "d1")


def test_shuffling_keeps_how_often_each_node_is_seen():
    graph = build_graph(random_table())
    other = shuffled(graph, 3)
    assert np.array_equal(np.diff(graph.rows), np.diff(other.rows))
    assert not np.array_equal(graph.nodes, other.nodes)
    assert np.array_equal(shuffled(graph, 3).nodes, other.nodes)


def test_a_table_out_of_order_is_refused():
    table = random_table().iloc[::-1].reset_index(drop=True)
    with pytest.raises(DataError, match="not sorted"):
        build_graph(table)

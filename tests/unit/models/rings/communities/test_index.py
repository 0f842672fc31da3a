"""The lookup of rings: by card and by what they share, in words, without a graph library."""

import subprocess
import sys
from datetime import timedelta

import pytest

from features.transaction import Transaction
from models.rings.communities.finding import find_rings
from models.rings.communities.index import RingIndex
from tests.unit.models.rings.payments import AT, history, paid, ring_payments


def transaction(**fields):
    made = {"transaction_id": "t", "event_time": AT, "merchant_id": "shop", "amount": 1.0, "currency": "EUR"}
    return Transaction(**made, **fields)


@pytest.fixture(scope="module")
def rings():
    unlabelled = [paid(card, 9, device_id="dev") for card in "de"]
    return find_rings(history(*ring_payments(), *unlabelled, *ring_payments("xyz", "other", 3)), AT)


@pytest.fixture(scope="module")
def index(rings):
    return RingIndex(AT, rings)


def test_a_new_card_on_a_rings_device_is_told_with_the_evidence(index, rings):
    [touch] = index.touch([transaction(card_id="new", device_id="dev")])
    assert touch.code == "RING_DEVICE"
    assert touch.ring.evidence == "device shared with 5 other cards, 3 with confirmed fraud"
    ring = next(ring for ring in rings if "a" in ring.card_ids())
    assert (touch.ring.ring_id, touch.ring.ring_score) == (ring.ring_id, ring.score)


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        (
            {"card_id": "a", "device_id": "dev"},
            "RING_DEVICE",
            "device shared with 4 other cards, 2 with confirmed fraud",
        ),
        ({"card_id": "d"}, "RING_CARD", "card in a ring with 4 other cards, 3 with confirmed fraud"),
        ({"card_id": "n", "ip": "ip-other"}, "RING_IP", "address shared with 3 other cards, 3 with confirmed fraud"),
    ],
)
def test_each_way_into_a_ring_has_its_words(index, fields, code, text):
    [touch] = index.touch([transaction(**fields)])
    assert (touch.code, touch.ring.evidence) == (code, text)


def test_the_ring_with_the_highest_score_is_named(index, rings):
    [touch] = index.touch([transaction(card_id="a", device_id="other")])
    assert touch.ring.ring_score == max(ring.score for ring in rings)


def test_who_touches_no_ring_gets_none_and_the_order_is_kept(index):
    asked = [transaction(card_id="n"), transaction(card_id="a"), transaction(card_id="n", device_id="tv")]
    assert [touch is not None for touch in index.touch(asked)] == [False, True, False]
    assert index.touch([transaction(card_id="dev", counterparty_id="dev")]) == [None]  # another kind of entity


def test_a_snapshot_grows_stale():
    index = RingIndex(AT, [], fresh=timedelta(hours=6))
    assert not index.is_stale(AT + timedelta(hours=6))
    assert index.is_stale(AT + timedelta(hours=6, microseconds=1))


def test_serving_rings_needs_neither_igraph_nor_leidenalg():
    code = (
        "import sys; sys.modules['igraph'] = sys.modules['leidenalg'] = None\n"
        "import models.rings.communities.index, services.rings.app, services.cli.app"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

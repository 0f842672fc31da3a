"""Rings: what becomes one, what does not, and that nothing of the future plays a part."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pandas as pd
import pytest

from features.leakage import another_future
from models.rings.communities.finding import DEFAULTS, find_rings
from models.rings.communities.links import past_of
from streaming.simulator import CampaignMix, Scenario, simulate
from tests.unit.models.rings.payments import AT, START, history, household, paid, ring_payments


@pytest.fixture(scope="module")
def simulation():
    mix = CampaignMix(mule_ring=1.0)
    return simulate(Scenario(transactions=4_000, customers=500, days=40, fraud_rate=0.03, seed=4, campaigns=mix))


def encoded(rings):
    return msgspec.json.encode(rings)


def test_cards_with_fraud_on_one_device_are_a_ring():
    [ring] = find_rings(history(*ring_payments(), *household()), AT)
    assert ring.card_ids() == {"a", "b", "c"}
    assert (ring.cards, ring.payments, ring.frauds, ring.pattern) == (3, 6, 6, "returning")
    assert ring.money_lost == {"EUR": 60.0}
    assert ring.money_at_risk == {}
    assert (ring.first_seen, ring.last_seen) == (START + timedelta(days=1), START + timedelta(days=8))
    assert {(m.type, m.id, m.cards) for m in ring.members if m.type != "card"} == {
        ("device", "dev", 3),
        ("ip", "ip-dev", 3),
    }
    assert {(edge.card_id, edge.type) for edge in ring.edges} == {(c, k) for c in "abc" for k in ("device", "ip")}
    assert [day.payments for day in ring.timeline] == [1] * 6
    assert ring.score == pytest.approx(6 / 7)


def test_a_household_is_none_whatever_its_size():
    assert find_rings(history(*household([f"h{n}" for n in range(12)])), AT) == []


def test_cards_of_one_person_are_none():
    payments = [{**payment, "customer_id": "one"} for payment in ring_payments()]
    assert find_rings(history(*payments), AT) == []


def test_a_public_network_joins_nobody():
    guests = [paid(f"guest{n}", n % 25, fraud=int(n % 40 == 0), ip="cafe") for n in range(400)]
    first, second = ring_payments(), ring_payments(("x", "y", "z"), "other")
    on_cafe = [{**payment, "ip": "cafe"} for payment in (*first, *second)]
    rings = find_rings(history(*guests, *on_cafe), AT)
    assert sorted(sorted(ring.card_ids()) for ring in rings) == [["a", "b", "c"], ["x", "y", "z"]]


def test_who_paid_a_mule_without_harm_is_no_member():
    mules = [paid(card, day, fraud=1, counterparty_id="mule") for card in "abc" for day in (1, 5, 9)]
    [ring] = find_rings(history(*mules, *(paid("honest", day, fraud=0, counterparty_id="mule") for day in (2, 6))), AT)
    assert ring.card_ids() == {"a", "b", "c"}


def test_fraud_elsewhere_tells_a_hidden_member_from_a_guest():
    on_device = {"device_id": "dev"}
    ring = [paid(card, day, fraud=1, **on_device) for card in "abc" for day in (1, 5, 9)]
    unnoticed = [paid(card, day, fraud=0, **on_device) for card in ("hidden", "guest") for day in (3, 4)]
    elsewhere = [paid(card, 6, fraud=int(card == "hidden"), ip=f"home of {card}") for card in ("hidden", "guest")]
    [found] = find_rings(history(*ring, *unnoticed, *elsewhere), AT)
    assert found.card_ids() == {"a", "b", "c", "hidden"}
    [found] = find_rings(history(*ring, *unnoticed), AT)
    assert found.card_ids() == {"a", "b", "c"}


def test_a_receiver_that_is_a_card_itself_is_a_member():
    mules = [paid(card, day, fraud=1, counterparty_id="d") for card in "abc" for day in (1, 5, 9)]
    [ring] = find_rings(history(*mules, paid("d", 3)), AT)
    assert ring.card_ids() == {"a", "b", "c", "d"}
    [own] = [edge for edge in ring.edges if edge.card_id == "d"]
    assert (own.payments, own.first_seen, own.last_seen) == (0, None, None)


def test_a_transfer_to_oneself_links_nothing():
    selves = [paid(name, day, fraud=1, counterparty_id=name) for name in "abc" for day in (1, 2)]
    owners = [
        paid(f"card-{name}", day, fraud=1, customer_id=name, counterparty_id=name) for name in "xyz" for day in (1, 2)
    ]
    assert past_of(history(*selves, *owners), AT, 90).links.empty


def test_parallel_payments_are_one_link_and_equal_times_change_nothing():
    at_once = [paid(card, 3, fraud=1, device_id="dev") for card in "abc" for _ in range(4)]
    table = history(*at_once)
    [ring] = find_rings(table, AT)
    assert [(edge.payments, edge.frauds) for edge in ring.edges] == [(4, 4)] * 3
    assert ring.payments == 12
    shuffled = table.sample(frac=1, random_state=1)
    assert encoded(find_rings(shuffled, AT)) == encoded([ring])


def test_what_happens_at_the_moment_itself_is_not_known():
    table = history(*ring_payments(start=1))
    last = table["event_time"].max().to_pydatetime()
    [before] = find_rings(table, last)
    assert before.payments == 5
    labels_at = table.assign(label_time=pd.Timestamp(AT))
    assert find_rings(labels_at, AT) == []
    assert len(find_rings(labels_at, AT + timedelta(microseconds=1))) == 1


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_another_future_leaves_rings_and_scores_as_they_are(simulation, share):
    table = simulation.transactions
    moment = table["event_time"].iloc[int(share * len(table))]
    changed, _ = another_future(table, moment)
    at = (moment + pd.Timedelta(1, "us")).to_pydatetime()
    rings = find_rings(table, at)
    assert rings
    assert encoded(find_rings(changed, at)) == encoded(rings)
    later = (table["event_time"].max() + pd.Timedelta(1, "us")).to_pydatetime()
    assert encoded(find_rings(changed, later)) != encoded(find_rings(table, later))


def test_the_same_seed_gives_the_same_rings_and_categories_do_not_matter(simulation):
    table = simulation.transactions
    at = table["event_time"].max().to_pydatetime()
    plain = table.astype({"card_id": object, "device_id": object, "ip": object, "customer_id": object})
    assert encoded(find_rings(table, at)) == encoded(find_rings(plain, at)) == encoded(find_rings(table, at))


def test_a_hub_with_100_000_neighbours_costs_no_more_than_its_links():
    hub = pd.DataFrame({"card_id": [f"c{n}" for n in range(100_000)]})
    first = history(*ring_payments())
    crowd = (
        first.iloc[[0] * len(hub)]
        .reset_index(drop=True)
        .assign(card_id=hub["card_id"], ip="hub", device_id=None, is_fraud=pd.array([None] * len(hub), dtype="Int8"))
    )
    star = crowd.assign(card_id="c0", counterparty_id=hub["card_id"] + "x")
    table = pd.concat([first.assign(ip="hub"), crowd, star], ignore_index=True).sort_values("event_time", kind="stable")
    [ring] = find_rings(table, AT)
    assert ring.card_ids() == {"a", "b", "c"}
    assert len(past_of(table, AT, 90).links) == 200_006  # a pair of neighbours would make five thousand million


def test_a_farm_device_of_thousands_of_cards_is_one_ring():
    table = history(*(paid(f"c{n:04}", n % 20, fraud=1, device_id="farm") for n in range(3_000)))
    [ring] = find_rings(table, AT)
    assert ring.cards == 3_000


def test_a_ring_keeps_its_id_while_it_grows_and_when_it_is_divided():
    settings = replace(DEFAULTS, days=365)
    first = find_rings(history(*ring_payments("abc")), AT, settings=settings)
    grown = history(*ring_payments("abc"), *ring_payments("defgh", start=31))
    [second] = find_rings(grown, AT + timedelta(days=30), settings=settings, former=first)
    assert (second.ring_id, second.found_at) == (first[0].ring_id, AT)
    assert second.cards == 8
    apart = history(*ring_payments("abcde"), *ring_payments("fgh", "other"))
    third = find_rings(apart, AT + timedelta(days=60), settings=settings, former=[second])
    ids = {ring.cards: ring.ring_id for ring in third}
    assert ids[5] == second.ring_id
    assert ids[3] not in {second.ring_id, ""}


def test_an_id_is_not_given_again_to_other_cards():
    [old] = find_rings(history(*ring_payments("abc")), AT)
    moved = msgspec.structs.replace(old, members=tuple(m for m in old.members if m.type != "card"), cards=0)
    [new] = find_rings(history(*ring_payments("abc")), AT + timedelta(days=1), former=[moved])
    assert new.ring_id != old.ring_id


def test_nothing_at_all_gives_no_rings():
    assert find_rings(history(paid("a", 1)), AT) == []
    assert find_rings(history(*ring_payments()), START) == []

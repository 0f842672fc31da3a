"""Chains of mules: nothing that two members share has ever seen a fraud, and the friends of a friend tell."""

import pandas as pd
import pytest

from streaming.simulator import CHAINS, CampaignMix, Scenario, simulate

ONLY_RINGS = CampaignMix(
    card_testing=0, stolen_card=0, account_takeover=0, compromised_merchant=0, slow_drip=0, threshold_probing=0
)


def scenario(shape=CHAINS):
    return Scenario(transactions=20_000, fraud_rate=0.02, campaigns=ONLY_RINGS, rings=shape, friendly_share=0, seed=1)


@pytest.fixture(scope="module")
def chains():
    return simulate(scenario())


@pytest.fixture(scope="module")
def planted(chains):
    """The chains' own payments, each with its ring."""
    return chains.transactions.merge(chains.truth[["transaction_id", "ring_id"]], on="transaction_id").astype(
        {"card_id": str, "device_id": object}
    )


def test_members_act_one_after_the_other_for_a_day(planted):
    for _, ring in planted.groupby("ring_id"):
        span = ring.groupby("card_id")["event_time"].agg(["min", "max"]).sort_values("min")
        assert (span["max"] - span["min"] < pd.Timedelta(days=2)).mean() > 0.9
        if len(span) > 2:
            assert span["min"].diff().dropna().median() > pd.Timedelta(days=4)


def test_no_fraud_is_seen_on_what_members_share(chains, planted):
    table = chains.transactions.astype({"card_id": str, "device_id": object})
    cards = table.dropna(subset=["device_id"]).groupby("device_id")["card_id"].agg(set)
    frauds = set(planted["device_id"].dropna())
    linked = []
    for _, ring in planted.groupby("ring_id"):
        members = set(ring["card_id"])
        if len(members) < 4:  # mostly before the start, or after the end
            continue
        shared = {device for device, users in cards.items() if len(users & members) > 1}
        linked.append(bool(shared - frauds))
        assert len(shared & frauds) <= len(shared) / 4  # a household's, by chance
    assert len(linked) > 10
    assert sum(linked) > 0.8 * len(linked)


def test_honest_people_share_devices_just_so(chains, planted):
    """Most groups of three cards on one device have no member of a chain among them."""
    table = chains.transactions.astype({"card_id": str, "device_id": object}).dropna(subset=["device_id"])
    groups = [users for users in table.groupby("device_id")["card_id"].agg(set) if len(users) == 3]
    members = set(planted["card_id"])
    assert sum(bool(users & members) for users in groups) < len(groups) / 2


def test_the_same_seed_gives_the_same_chains_and_honest_payments_stay_honest(chains):
    again = simulate(scenario())
    pd.testing.assert_frame_equal(again.transactions, chains.transactions)
    apart = ~chains.transactions["transaction_id"].isin(set(chains.truth["transaction_id"]))
    assert not chains.transactions.loc[apart, "is_fraud"].any()
    assert len(chains.transactions) == 20_000

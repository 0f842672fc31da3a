"""How the budget for looking at payments is spent, and what the benchmark holds out."""

import numpy as np
import pytest

from features.errors import DataError
from services.benchmarks import novelty
from services.benchmarks.novelty import benchmark_novelty, flagged
from streaming.simulator import CampaignMix, Scenario, simulate


def step(_what):
    return lambda _done, _total: None


def test_the_budget_goes_to_the_highest_scores_then_to_the_most_unusual_of_the_others():
    score = np.array([0.9, 0.8, 0.7, 0.1, 0.2, 0.3, 0.0, 0.0, 0.0, 0.0])
    unusual = np.array([50, 0, 0, 30, 40, 20, 0, 40, 0, 0])
    assert np.flatnonzero(flagged(score, unusual, 0.4, 0.0)).tolist() == [0, 1, 2, 5]
    assert np.flatnonzero(flagged(score, unusual, 0.4, 0.2)).tolist() == [0, 1, 4, 7]
    assert np.flatnonzero(flagged(score, unusual, 0.4, 0.3)).tolist() == [0, 3, 4, 7]
    # Of two equally unusual ones the higher score comes first.
    assert np.flatnonzero(flagged(score, unusual, 0.2, 0.1)).tolist() == [0, 4]


@pytest.mark.parametrize("anomaly_budget", [0.0, 0.001, 0.003, 0.01])
def test_what_is_looked_at_is_the_same_in_number(anomaly_budget):
    random = np.random.default_rng(0)
    chosen = flagged(random.random(5000), random.integers(0, 9, 5000), 0.01, anomaly_budget)
    assert chosen.sum() == 50


@pytest.fixture(scope="module")
def simulation():
    mix = CampaignMix(card_testing=1, stolen_card=1, **dict.fromkeys(
        ("account_takeover", "compromised_merchant", "mule_ring", "slow_drip", "threshold_probing"), 0.0
    ))  # fmt: skip
    return simulate(Scenario(transactions=8000, days=90, fraud_rate=0.03, campaigns=mix, seed=1))


def test_training_never_meets_the_kind_held_out(simulation, monkeypatch):
    met = []
    train = novelty._train

    def spy(table, *args):
        met.append(table)
        return train(table, *args)

    monkeypatch.setattr(novelty, "_train", spy)
    result = benchmark_novelty(simulation, ["card_testing"], budget=0.05, anomaly_budget=0.02, rounds=20, step=step)
    table = simulation.transactions
    moment = table["event_time"].iloc[int(len(table) * novelty.TRAINED_SHARE)]
    tested = set(simulation.truth.query("campaign == 'card_testing'")["transaction_id"])
    past, future = table["event_time"] <= moment, table["event_time"] > moment
    assert table[past]["transaction_id"].isin(tested).any()
    assert not met[0][met[0]["event_time"] <= moment]["transaction_id"].isin(tested).any()
    assert len(met[0]) == len(table) - table[past]["transaction_id"].isin(tested).sum()
    found = result["held_out"]["card_testing"]
    assert found["payments"] == table[future]["transaction_id"].isin(tested).sum()
    assert result["mean"]["recall"] == found["recall"]
    for name in ("recall", "recall_with_anomaly", "other_recall", "other_recall_with_anomaly"):
        assert 0 <= found[name] <= 1


def test_a_future_without_the_kind_is_refused(simulation):
    with pytest.raises(DataError, match="0 payments of mule_ring"):
        benchmark_novelty(simulation, ["mule_ring"], budget=0.05, anomaly_budget=0.02, rounds=5, step=step)

import itertools

import numpy as np
import pytest

from features.errors import DataError
from models.policy import Costs, Policy
from models.policy_choice import choose_policy, cost, with_anomaly_review

COSTS = Costs(fraud_loss_share=1.0, review_cost=4.0, catch_rate=0.75, false_decline_cost=20.0)


def test_cost_by_hand():
    verdicts = ["approve", "approve", "review", "review", "decline", "decline"]
    fraud = [True, False, True, False, True, False]
    # 100 lost + 0, 4 + 100 * .25 missed, 4, 0, 20 for the false decline.
    assert cost(verdicts, [100] * 6, fraud, COSTS) == pytest.approx(100 + 29 + 4 + 20)


def window(rows=60, seed=0):
    random = np.random.default_rng(seed)
    score = random.integers(1, 30, rows) / 31  # with ties
    return score, random.lognormal(4, 1, rows), random.random(rows) < score**2


@pytest.mark.parametrize("seed", range(8))
def test_no_pair_of_thresholds_costs_less(seed):
    score, amount, fraud = window(seed=seed)
    chosen = choose_policy(score, amount, fraud, COSTS)

    def total(review, decline):
        verdicts = [
            Policy(review=review, decline=decline, costs=COSTS).decide(s, a) for s, a in zip(score, amount, strict=True)
        ]
        return cost(verdicts, amount, fraud, COSTS)

    candidates = [*np.unique(score), 1.0]
    least = min(total(*pair) for pair in itertools.combinations_with_replacement(candidates, 2))
    assert total(chosen.review, chosen.decline) == pytest.approx(least)


def test_dear_reviews_leave_none():
    score, amount, fraud = window(400)
    dear = choose_policy(score, amount, fraud, Costs(review_cost=1e6))
    assert dear.review == dear.decline


def test_no_fraud_touches_nobody():
    score, amount, fraud = window()
    assert choose_policy(score, amount, np.zeros_like(fraud), COSTS).review == 1.0


@pytest.mark.parametrize(
    ("score", "amount", "fraud"),
    [
        ([], [], []),
        ([0.5], [1.0, 2.0], [True]),
        ([np.nan], [1.0], [True]),
        ([0.5], [-1.0], [True]),
        ([3.0], [1.0], [True]),
    ],
)
def test_nonsense_is_refused(score, amount, fraud):
    with pytest.raises(DataError):
        choose_policy(score, amount, fraud, COSTS)


def test_the_anomaly_rule_stays_inside_its_budget_and_uses_it():
    random = np.random.default_rng(5)
    score, amount = random.random(5000), np.full(5000, 10.0)
    unusual = random.integers(0, 2000, 5000) / 2000  # with ties
    policy = Policy(review=0.6, decline=0.9, costs=COSTS)
    chosen = with_anomaly_review(policy, score, amount, unusual, budget=0.01)

    def added(threshold):
        return np.count_nonzero((score < 0.6) & (unusual >= threshold))

    lower = unusual[(score < 0.6) & (unusual < chosen.anomaly_review)].max()
    assert added(chosen.anomaly_review) <= 50 < added(lower)
    assert (chosen.review, chosen.decline) == (0.6, 0.9)


def test_the_budget_of_the_anomaly_rule_is_of_what_the_rows_stand_for():
    random = np.random.default_rng(6)
    score, amount, unusual = random.random(2000), np.full(2000, 10.0), random.integers(0, 500, 2000) / 500
    copies = np.where(unusual > 0.9, 5, 1)  # unusual payments were looked at less often
    policy = Policy(review=0.6, decline=0.9, costs=COSTS)
    repeated = [np.repeat(part, copies) for part in (score, amount, unusual)]
    weighted = with_anomaly_review(policy, score, amount, unusual, copies / 2, budget=0.05)
    assert weighted == with_anomaly_review(policy, *repeated, budget=0.05)
    assert weighted != with_anomaly_review(policy, score, amount, unusual, budget=0.05)


def test_a_budget_too_small_for_anyone_leaves_what_is_beyond_the_window():
    policy = Policy(review=0.6, decline=0.9, costs=COSTS)
    assert with_anomaly_review(policy, [0.1] * 50, [10.0] * 50, [0.5] * 50).anomaly_review == 1.0


def test_weights_stand_for_repeated_rows():
    random = np.random.default_rng(5)
    score, amount = random.random(300).round(2), random.lognormal(4, 1, 300)
    fraud = random.random(300) < score
    copies = np.where(fraud, 1, 20)  # genuine payments were let through, or looked at, less often
    repeated = (np.repeat(part, copies) for part in (score, amount, fraud))
    weighted = choose_policy(score, amount, fraud, Costs(), copies)
    assert weighted == choose_policy(*repeated, Costs())
    assert weighted != choose_policy(score, amount, fraud, Costs())

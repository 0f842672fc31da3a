import numpy as np
import pytest

from models import metrics
from models.resampling import Ranking, draws, interval


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [1, 6])  # many equal scores, and hardly any
def test_a_ranking_gives_the_metrics_of_the_library_under_any_weights(seed, decimals):
    random = np.random.default_rng(seed)
    truth = random.random(300) < 0.1
    score = (random.random(300) * 0.5 + 0.4 * truth).round(decimals)
    weights = random.integers(0, 3, 300).astype(float)
    rates = (0.001, 0.05, 0.3)
    got = Ranking(truth, score).metrics(weights, rates)
    expected = [
        metrics.average_precision(truth, score, weights),
        metrics.auc(truth, score, weights),
        *metrics.recall_at_fpr(truth, score, rates, weights),
    ]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_ranking_worked_out_by_hand():
    # Descending: fraud, genuine, fraud, genuine. Precision 1 at recall 1/2, 2/3 at recall 1.
    truth, score = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])
    got = Ranking(truth, score).metrics(np.ones(4), (0.0, 0.5))
    np.testing.assert_allclose(got, [0.5 + 0.5 * 2 / 3, 0.75, 0.5, 1.0])


def test_cards_are_drawn_whole():
    random = np.random.default_rng(0)
    cards = random.integers(0, 20, 200)
    truth = random.random(200) < 0.2
    seen = set()
    for weights in draws(cards, truth, 50, seed=1):
        by_card = [set(weights[cards == card].tolist()) for card in range(20)]
        assert all(len(of_card) == 1 for of_card in by_card)
        assert sum(sum(of_card) for of_card in by_card) == 20
        seen.add(tuple(weights))
    assert len(seen) == 50
    again = [tuple(weights) for weights in draws(cards, truth, 50, seed=1)]
    assert set(again) == seen


def test_draws_without_a_class_are_drawn_again():
    truth = np.array([True, False, False])
    for weights in draws(np.array([0, 1, 2]), truth, 40, seed=0):
        assert weights[0] > 0
        assert weights[1:].sum() > 0


def test_an_interval_cuts_two_and_a_half_percent_off_each_side():
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))

import numpy as np
import pytest

from models.calibration_check import calibration_noise, recalibration_slope
from models.metrics import expected_calibration_error


def payments(seed, rows=20_000, *, sharpen=1.0, shift=0.0, per_card=1):
    """Outcomes drawn from log-odds, and scores that state those log-odds times ``sharpen`` plus ``shift``."""
    random = np.random.default_rng(seed)
    cards = np.repeat(np.arange(rows // per_card), per_card)
    log_odds = (random.normal(-4, 1.5, rows // per_card))[cards]
    chance = 1 / (1 + np.exp(-log_odds))
    # The payments of one card share their fate.
    truth = (random.random(rows // per_card)[cards]) < chance
    return truth, 1 / (1 + np.exp(-(sharpen * log_odds + shift))), cards


@pytest.mark.parametrize("sharpen", [0.5, 1.0, 2.0])
def test_the_slope_says_by_how_much_scores_are_too_extreme(sharpen):
    truth, score, cards = payments(0, sharpen=sharpen)
    slope = recalibration_slope(truth, score, cards)
    assert slope.low < 1 / sharpen < slope.high
    assert slope.high - slope.low < 0.5 / sharpen
    assert (slope.low <= 1 <= slope.high) == (sharpen == 1.0)


def test_payments_of_one_card_count_as_little_as_they_tell():
    alone = recalibration_slope(*payments(1, rows=4000))
    repeated = recalibration_slope(*payments(1, rows=40_000, per_card=10))
    assert repeated.value == pytest.approx(alone.value, abs=1e-3)
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=1e-3)


@pytest.mark.parametrize("per_card", [1, 5])
def test_chance_alone_rarely_exceeds_the_noise(per_card):
    beyond = 0
    for seed in range(60):
        truth, score, cards = payments(seed, rows=5000, per_card=per_card)
        noise = calibration_noise(truth, score, cards, resamples=200, seed=seed)
        beyond += expected_calibration_error(truth, score) > noise
    assert beyond <= 7  # 2.5 % of 60 is 1.5; more than 7 has a chance below 1 in 1000


def test_a_bias_exceeds_the_noise():
    truth, score, cards = payments(3, shift=0.5)
    assert expected_calibration_error(truth, score) > calibration_noise(truth, score, cards)


def test_noise_of_one_card_by_hand():
    # One card: all signs are equal, so every draw has the error itself; fewer rows than bins are bins of their own.
    truth, score = np.array([True, False]), np.array([0.6, 0.1])
    assert calibration_noise(truth, score, np.array([0, 0])) == pytest.approx((0.4 + 0.1) / 2)

import math

import numpy as np
import pytest

from features.errors import DataError
from models.calibration import IDENTITY, Beta, Platt, probability
from models.recalibration import FEW_FRAUDS, LEAST_FRAUDS, agreement, offset, prior_shift, recalibrated


def outcomes(rows=40_000, seed=0):
    """Return calibrated log-odds and what happened."""
    random = np.random.default_rng(seed)
    log_odds = random.normal(-4, 2, rows)
    return log_odds, random.random(rows) < probability(log_odds)


def with_prior(log_odds, fraud, times):
    """Keep frauds and genuine payments so that the odds of fraud become ``times`` what they were."""
    random = np.random.default_rng(4)
    share = np.where(fraud, min(1.0, times), min(1.0, 1 / times))
    rows = np.flatnonzero(random.random(len(fraud)) < share)
    return log_odds[rows], fraud[rows]


def test_a_calibrated_model_agrees():
    log_odds, fraud = outcomes()
    found = agreement(fraud, log_odds)
    assert found.slope == pytest.approx(1, abs=0.05)
    assert found.intercept == pytest.approx(0, abs=0.1)
    assert found.in_the_large == pytest.approx(0, abs=0.05)
    assert found.expected_calibration_error < 0.1 * found.fraud_rate
    assert (found.rows, found.frauds) == (len(fraud), fraud.sum())


def test_extreme_and_shifted_scores_are_told_by_slope_and_intercept():
    log_odds, fraud = outcomes()
    found = agreement(fraud, 2 * log_odds + 1)  # so log_odds = 0.5 * served - 0.5
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.intercept == pytest.approx(-0.5, abs=0.06)


def test_prior_shift_by_hand():
    # Odds 1 to 99 become odds 1 to 19.
    assert prior_shift(0.01, 0.05) == pytest.approx(math.log(99 / 19))
    assert prior_shift(0.2, 0.2) == 0
    with pytest.raises(DataError, match="between 0 and 1"):
        prior_shift(0.0, 0.1)


@pytest.mark.parametrize("times", [5.0, 0.2])
def test_offset_finds_a_prior_shift(times):
    log_odds, fraud = outcomes()
    shifted, shifted_fraud = with_prior(log_odds, fraud, times)
    assert offset(shifted_fraud, shifted) == pytest.approx(math.log(times), abs=0.12)
    moved = probability(shifted + offset(shifted_fraud, shifted))
    assert moved.mean() == pytest.approx(shifted_fraud.mean(), rel=1e-9)
    assert prior_shift(fraud.mean(), shifted_fraud.mean()) == pytest.approx(math.log(times), abs=0.12)


@pytest.mark.parametrize("times", [5.0, 0.2])
@pytest.mark.parametrize("rows", [8_000, 60_000])
@pytest.mark.parametrize("served", [IDENTITY, Beta(1.0, 1.0, 0.0)])
def test_a_prior_shift_breaks_calibration_and_recalibrating_restores_it(times, rows, served):
    margin, fraud = with_prior(*outcomes(rows), times)
    broken = agreement(fraud, served.log_odds(margin))
    assert broken.expected_calibration_error > 0.3 * broken.fraud_rate
    result = recalibrated(served, margin, fraud)
    assert result.rule == ("refit" if fraud.sum() >= FEW_FRAUDS else "intercept")
    assert result.helps
    assert result.before.expected_calibration_error > 2 * result.after.expected_calibration_error
    new_margin, new_fraud = with_prior(*outcomes(200_000, seed=7), times)
    restored = agreement(new_fraud, result.calibration.log_odds(new_margin))
    few = fraud.sum() < FEW_FRAUDS
    assert restored.slope == pytest.approx(1, abs=0.1)
    assert restored.expected_calibration_error < (0.3 if few else 0.1) * restored.fraud_rate


def test_few_frauds_move_the_intercept_and_keep_the_shape():
    margin, fraud = with_prior(*outcomes(3_000), 0.2)
    assert LEAST_FRAUDS <= fraud.sum() < FEW_FRAUDS
    result = recalibrated(Platt(1.3, 0.2), margin, fraud)
    assert result.rule == "intercept"
    assert result.calibration.slope == 1.3
    assert result.calibration.intercept < 0.2


def test_a_good_calibration_is_hardly_improved():
    margin, fraud = outcomes(100_000)
    result = recalibrated(IDENTITY, margin, fraud)
    assert result.after.expected_calibration_error < result.before.expected_calibration_error + 2e-3


def test_weights_count():
    log_odds, fraud = outcomes()
    weights = np.where(fraud, 1.0, 5.0)
    assert offset(fraud, log_odds, weights) == pytest.approx(-math.log(5), abs=0.1)
    assert agreement(fraud, log_odds, weights).in_the_large == pytest.approx(-math.log(5), abs=0.1)


@pytest.mark.parametrize("frauds", [0, LEAST_FRAUDS - 1, 200])
def test_too_few_of_a_class_are_refused(frauds):
    with pytest.raises(DataError, match="needs at least 10 frauds"):
        recalibrated(IDENTITY, np.linspace(-3, 3, 200), np.arange(200) < frauds)

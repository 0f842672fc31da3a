import math

import numpy as np
import pytest

from models.calibration import probability
from models.fitting import FAMILIES, Sample
from models.imbalance import NATURAL, Treatment, corrected, treated, treatments


@pytest.fixture(scope="module")
def train(make_history):
    table, features = make_history(rows=12_000, fraud_share=0.02)
    return Sample(features, table["is_fraud"].to_numpy(dtype=bool))


def test_natural_balance_is_the_first_candidate_and_changes_nothing(train):
    first, *others = treatments(train).values()
    assert first == NATURAL
    assert first.shift == 0
    assert treated(train, first, 0) is train
    assert [one.name for one in others] == ["weighted", "undersampled"]
    assert all(one.shift < 0 for one in others)


def test_shift_is_the_change_in_log_prior_odds_by_hand():
    # 2 of 100 are fraud: odds 2 to 98. Weighted 7 times: 14 to 98. Half of the genuine kept: 2 to 49.
    assert Treatment("w", fraud_weight=7.0).shift == pytest.approx(math.log(2 / 98) - math.log(14 / 98))
    assert Treatment("u", genuine_kept=0.5).shift == pytest.approx(math.log(2 / 98) - math.log(2 / 49))


def test_undersampling_keeps_every_fraud_and_a_seeded_share_of_the_rest(train):
    treatment = Treatment("u", genuine_kept=0.1)
    sample = treated(train, treatment, 3)
    genuine = np.count_nonzero(~train.is_fraud)
    assert sample.is_fraud.sum() == train.is_fraud.sum()
    assert np.count_nonzero(~sample.is_fraud) == pytest.approx(0.1 * genuine, rel=0.1)
    np.testing.assert_array_equal(sample.features, treated(train, treatment, 3).features)
    assert len(treated(train, treatment, 4).features) != len(sample.features)


def test_weights_multiply_those_of_the_sample(train):
    own = np.linspace(0.5, 1.5, len(train.is_fraud))
    both = Treatment("both", fraud_weight=3.0, genuine_kept=0.5)
    sample = treated(Sample(np.arange(len(own))[:, np.newaxis], train.is_fraud, own), both, 0)
    np.testing.assert_allclose(sample.weights, own[sample.features[:, 0]] * np.where(sample.is_fraud, 3.0, 1.0))


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("name", ["weighted", "undersampled"])
def test_corrected_margins_are_at_the_natural_fraud_rate(train, family, name):
    treatment = Treatment("w", fraud_weight=8.0) if name == "weighted" else Treatment("u", genuine_kept=0.1)
    raw = FAMILIES[family](treated(train, treatment, 0), None, 0, 60)
    rate = train.is_fraud.mean()
    uncorrected = probability(raw.scorer.margin(train.features)).mean()
    mended = probability(corrected(raw, treatment).scorer.margin(train.features)).mean()
    assert uncorrected > 2 * rate
    assert mended == pytest.approx(rate, rel=0.35)

import numpy as np
import pytest
from scipy.stats import binomtest

from models import metrics
from models.reliability import calibration_line, reliability_bins, wilson


def test_bins_by_hand():
    low, high = reliability_bins([0, 1, 0, 1], [0.1, 0.8, 0.3, 0.6], 2)
    assert (low.transactions, low.frauds, low.predicted, low.observed) == (2, 0, pytest.approx(0.2), 0)
    assert (high.transactions, high.frauds, high.predicted, high.observed) == (2, 2, pytest.approx(0.7), 1)


def test_bins_add_up_to_the_calibration_error():
    random = np.random.default_rng(0)
    score = random.random(1000)
    fraud = random.random(1000) < score**2
    bins = reliability_bins(fraud, score, 15)
    gap = sum(one.transactions * abs(one.observed - one.predicted) for one in bins) / 1000
    assert gap == pytest.approx(metrics.expected_calibration_error(fraud, score, 15))


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 40), (40, 40)])
def test_wilson_agrees_with_scipy(hits, count):
    interval = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_line_tells_extreme_from_timid():
    random = np.random.default_rng(1)
    log_odds = random.normal(-2, 2, 60_000)
    fraud = random.random(60_000) < 1 / (1 + np.exp(-log_odds))
    honest, extreme = (calibration_line(fraud, 1 / (1 + np.exp(-x))) for x in (log_odds, 2 * log_odds))
    assert (honest.slope, honest.intercept) == (pytest.approx(1, abs=0.03), pytest.approx(0, abs=0.06))
    assert extreme.slope == pytest.approx(0.5, abs=0.03)

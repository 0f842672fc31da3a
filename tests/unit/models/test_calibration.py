import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from features.errors import DataError
from models.calibration import Platt, probability
from models.calibration_fit import fit_platt


def sample(slope, intercept, rows=40_000, seed=0):
    random = np.random.default_rng(seed)
    margin = random.normal(-3, 2, rows)
    return margin, random.random(rows) < probability(slope * margin + intercept)


def test_recovers_slope_and_intercept():
    fitted = fit_platt(*sample(0.7, -0.5))
    assert fitted.slope == pytest.approx(0.7, abs=0.04)
    assert fitted.intercept == pytest.approx(-0.5, abs=0.06)


def test_calibrated_window_needs_no_recalibration():
    margin, fraud = sample(0.6, 0.4)
    served = fit_platt(margin, fraud).log_odds(margin)
    again = LogisticRegression(C=1e6).fit(served.reshape(-1, 1), fraud)
    assert again.coef_[0, 0] == pytest.approx(1, abs=1e-3)
    assert again.intercept_[0] == pytest.approx(0, abs=1e-2)
    assert probability(served).mean() == pytest.approx(fraud.mean(), rel=1e-3)


def test_probability_is_stable_at_the_ends():
    np.testing.assert_allclose(probability(np.array([-800.0, 0.0, 800.0])), [0, 0.5, 1])


def test_one_class_is_refused():
    with pytest.raises(DataError, match="both classes"):
        fit_platt(np.zeros(5), np.zeros(5, bool))


def test_upside_down_model_is_refused():
    margin, fraud = sample(1, 0)
    with pytest.raises(DataError, match="no better than chance"):
        fit_platt(-margin, fraud)


def test_platt_attributions_scale_by_the_slope():
    np.testing.assert_array_equal(Platt(0.5, 1.0).spread(np.array([1.0, 2.0]), 0.0), [0.5, 0.5])

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from features.errors import DataError
from models.calibration import Beta, Platt, probability
from models.calibration_fit import FITS, fit_beta, fit_isotonic, fit_platt
from models.metrics import expected_calibration_error

LINE = Platt(0.7, -0.5)


def sample(truth=LINE, rows=40_000, seed=0):
    random = np.random.default_rng(seed)
    margin = random.normal(-3, 2, rows)
    return margin, random.random(rows) < probability(truth.log_odds(margin))


@pytest.fixture(params=sorted(FITS))
def fit(request):
    return FITS[request.param]


def test_platt_recovers_slope_and_intercept():
    fitted = fit_platt(*sample())
    assert fitted.slope == pytest.approx(0.7, abs=0.04)
    assert fitted.intercept == pytest.approx(-0.5, abs=0.06)


def test_beta_recovers_both_slopes():
    fitted = fit_beta(*sample(Beta(0.6, 2.0, -0.5), rows=200_000))
    assert fitted.low == pytest.approx(0.6, abs=0.06)
    assert fitted.high == pytest.approx(2.0, abs=0.2)
    assert fitted.intercept == pytest.approx(-0.5, abs=0.15)


def test_a_beta_slope_below_0_is_left_out():
    """Above 0, more margin means less fraud here; the fit stays flat there instead of turning round."""
    random = np.random.default_rng(1)
    margin = random.normal(0, 2, 20_000)
    fraud = random.random(20_000) < probability(-np.abs(margin) - 1)
    fitted = fit_beta(margin[margin < 3], fraud[margin < 3])
    assert (fitted.low > 0) != (fitted.high > 0)
    assert min(fitted.low, fitted.high) == 0


@pytest.mark.parametrize("truth", [LINE, Beta(0.4, 2.5, -1.0)])
def test_isotonic_is_calibrated_whatever_the_shape(truth):
    served = fit_isotonic(*sample(truth, rows=200_000)).log_odds
    margin, fraud = sample(truth, rows=200_000, seed=9)
    assert expected_calibration_error(fraud, probability(served(margin))) < 0.05 * fraud.mean()


def test_isotonic_is_finite_where_a_window_is_separable():
    margin = np.linspace(-5, 5, 100)
    log_odds = fit_isotonic(margin, margin > 2).log_odds(np.array([-50.0, -5.0, 5.0, 50.0]))
    assert np.isfinite(log_odds).all()
    assert log_odds[1] < -4
    assert log_odds[2] > 3


def test_calibrated_window_needs_no_recalibration(fit):
    margin, fraud = sample(Platt(0.6, 0.4))
    served = fit(margin, fraud, None).log_odds(margin)
    again = LogisticRegression(C=1e6).fit(served.reshape(-1, 1), fraud)
    assert again.coef_[0, 0] == pytest.approx(1, abs=2e-2)
    assert again.intercept_[0] == pytest.approx(0, abs=2e-2)
    assert probability(served).mean() == pytest.approx(fraud.mean(), rel=1e-2)


def test_weights_stand_for_repeated_rows(fit):
    margin, fraud = sample(rows=4000)
    copies = np.random.default_rng(2).integers(0, 4, len(margin))
    at = np.linspace(-8, 3, 100)
    weighted = fit(margin, fraud, copies.astype(float)).log_odds(at)
    np.testing.assert_allclose(
        weighted, fit(np.repeat(margin, copies), np.repeat(fraud, copies), None).log_odds(at), atol=1e-4
    )
    assert not np.allclose(weighted, fit(margin, fraud, None).log_odds(at), atol=1e-2)


def test_one_class_is_refused(fit):
    with pytest.raises(DataError, match="both classes"):
        fit(np.zeros(5), np.zeros(5, bool), None)


def test_upside_down_model_is_refused(fit):
    margin, fraud = sample()
    with pytest.raises(DataError, match="no better than chance"):
        fit(-margin, fraud, None)

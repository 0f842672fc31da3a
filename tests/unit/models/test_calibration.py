import msgspec
import numpy as np
import pytest

from models.calibration import Beta, Calibration, Isotonic, Platt, kind_of, probability

KINDS = [
    Platt(0.83, -1.7),
    Beta(0.7, 1.9, -0.4),
    Beta(0.0, 1.2, 0.3),
    Isotonic((-4.0, -1.0, 2.0), (-7.0, -2.5, 0.5), 0.9),
    Isotonic((-1.0,), (-2.0,), 1.1),
]


@pytest.fixture(params=KINDS, ids=kind_of)
def calibration(request):
    return request.param


def test_rises_strictly_so_that_ranks_stay(calibration):
    margin = np.linspace(-15, 15, 2001)
    log_odds = calibration.log_odds(margin)
    assert (np.diff(log_odds) > 0).all()
    assert np.isfinite(log_odds).all()


def test_spread_carries_margins_to_log_odds(calibration):
    margin = np.linspace(-6, 6, 401)
    for base in (-2.0, -1.0, 0.37):
        rise = calibration.log_odds(margin) - calibration.log_odds(np.array([base]))
        np.testing.assert_allclose(calibration.spread(margin, base) * (margin - base), rise, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("distance", [0.0, 1e-300, 1e-14, -1e-14])
def test_spread_at_the_base_is_the_slope_there(calibration, distance):
    base = 0.25
    nearby = calibration.spread(np.array([base + 1e-6]), base)
    np.testing.assert_allclose(calibration.spread(np.array([base + distance]), base), nearby, rtol=1e-5)


def test_adjusting_serves_a_line_of_the_log_odds(calibration):
    margin = np.linspace(-6, 6, 50)
    again = calibration.adjusted(0.8, -0.6)
    assert type(again) is type(calibration)
    np.testing.assert_allclose(again.log_odds(margin), 0.8 * calibration.log_odds(margin) - 0.6, atol=1e-12)


def test_goes_through_json(calibration):
    assert msgspec.json.decode(msgspec.json.encode(calibration), type=Calibration) == calibration


def test_beta_is_the_formula_of_its_paper():
    a, b, c = 0.7, 1.9, -0.4
    p = np.array([0.01, 0.3, 0.5, 0.99])
    served = Beta(a, b, c).log_odds(np.log(p / (1 - p)))
    np.testing.assert_allclose(served, a * np.log(p) - b * np.log(1 - p) + c)


def test_isotonic_by_hand():
    line = Isotonic((-4.0, -1.0, 2.0), (-7.0, -2.5, 0.5), 0.9)
    served = line.log_odds(np.array([-5.0, -4.0, -3.0, -1.0, 0.5, 2.0, 4.0]))
    np.testing.assert_allclose(served, [-7.9, -7.0, -5.5, -2.5, -1.0, 0.5, 2.3])


@pytest.mark.parametrize(
    "text",
    [
        '{"kind":"beta","low":-0.1,"high":1,"intercept":0}',
        '{"kind":"beta","low":0,"high":0,"intercept":0}',
        '{"kind":"isotonic","margins":[],"values":[],"slope":1}',
        '{"kind":"isotonic","margins":[0,1],"values":[0],"slope":1}',
        '{"kind":"isotonic","margins":[1,0],"values":[0,1],"slope":1}',
        '{"kind":"isotonic","margins":[0,1],"values":[1,1],"slope":1}',
        '{"kind":"isotonic","margins":[0,1],"values":[0,1],"slope":0}',
        '{"kind":"vote","slope":1}',
    ],
)
def test_a_calibration_that_does_not_rise_is_refused(text):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Calibration)


def test_probability_is_stable_at_the_ends():
    np.testing.assert_allclose(probability(np.array([-800.0, 0.0, 800.0])), [0, 0.5, 1])


def test_platt_attributions_scale_by_the_slope():
    np.testing.assert_array_equal(Platt(0.5, 1.0).spread(np.array([1.0, 2.0]), 0.0), [0.5, 0.5])

import numpy as np
import pytest

from models.calibrated_model import CalibratedModel
from models.calibration import Beta, Isotonic, Platt

CALIBRATIONS = [Platt(0.83, -1.7), Beta(0.6, 1.8, -0.4), Isotonic((-4.0, -1.0, 0.5), (-6.0, -2.5, 0.1), 0.9)]


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_explanation_adds_up_to_the_served_log_odds(scorer, calibration, rows):
    model = CalibratedModel(scorer, calibration)
    explanation = model.explain(rows)
    total = explanation.base + explanation.attributions.sum(axis=1)
    np.testing.assert_allclose(total, explanation.log_odds, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(explanation.log_odds, model.log_odds(rows))


def test_score_is_the_probability_of_the_log_odds(scorer, rows):
    model = CalibratedModel(scorer, Platt(0.83, -1.7))
    np.testing.assert_allclose(model.score(rows), 1 / (1 + np.exp(-model.log_odds(rows))), rtol=1e-12)


def test_no_rows(scorer, rows):
    assert CalibratedModel(scorer, Platt(1, 0)).explain(rows[:0]).attributions.shape == (0, 5)

import numpy as np

from models.calibrated_model import CalibratedModel
from models.calibration import Platt


def test_explanation_adds_up_to_the_served_log_odds(scorer, rows):
    model = CalibratedModel(scorer, Platt(0.83, -1.7))
    explanation = model.explain(rows)
    total = explanation.base + explanation.attributions.sum(axis=1)
    np.testing.assert_allclose(total, explanation.log_odds, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(explanation.log_odds, model.log_odds(rows))


def test_score_is_the_probability_of_the_log_odds(scorer, rows):
    model = CalibratedModel(scorer, Platt(0.83, -1.7))
    np.testing.assert_allclose(model.score(rows), 1 / (1 + np.exp(-model.log_odds(rows))), rtol=1e-12)


def test_no_rows(scorer, rows):
    assert CalibratedModel(scorer, Platt(1, 0)).explain(rows[:0]).attributions.shape == (0, 5)

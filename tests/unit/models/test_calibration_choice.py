import numpy as np
import pytest

from features.errors import DataError
from models.calibration import Beta, Platt, kind_of, probability
from models.calibration_choice import MIN_FRAUDS, choose_calibration, log_losses
from models.calibration_fit import FITS


class Steep:
    """Flat, then steep, then flat: the shape of neither Platt nor beta."""

    def log_odds(self, margin):
        return np.where(margin < -3, -7.0, np.where(margin < -1, -3.0, 2.0)) + 0.01 * margin


def window(truth, rows=60_000, seed=0):
    random = np.random.default_rng(seed)
    margin = random.normal(-3, 2, rows)
    return margin, random.random(rows) < probability(truth.log_odds(margin))


@pytest.mark.parametrize(
    ("truth", "kind"), [(Platt(0.7, -0.5), "platt"), (Beta(0.3, 3.0, -1.5), "beta"), (Steep(), "isotonic")]
)
def test_the_kind_that_fits_the_window_is_chosen_and_refitted(truth, kind):
    margin, fraud = window(truth)
    choice = choose_calibration(margin, fraud)
    assert kind_of(choice.calibration) == kind
    assert [trial.kind for trial in choice.trials if trial.chosen] == [kind]
    assert {trial.kind for trial in choice.trials} == set(FITS)
    assert choice.calibration == FITS[kind](margin, fraud, None)


def test_the_later_part_decides():
    """What holds in the first part only does not win: beta's shape there, a straight line later."""
    (m1, f1), (m2, f2) = window(Beta(0.3, 3.0, -1.5)), window(Platt(1.0, -0.8), seed=1)
    assert kind_of(choose_calibration(m1, f1).calibration) == "beta"
    cut = np.flatnonzero(f1)[int(f2.sum()) - 1] + 1  # as many frauds in either part
    both = choose_calibration(np.concatenate((m1[:cut], m2)), np.concatenate((f1[:cut], f2)))
    assert [one.kind for one in both.trials if one.chosen] == ["platt"]


def test_a_lead_within_the_noise_does_not_oust_platt():
    ousted, led = 0, 0
    for seed in range(12):
        trials = choose_calibration(*window(Platt(0.7, -0.5), rows=4000, seed=seed)).trials
        led += min(trials, key=lambda trial: trial.log_loss).kind != "platt"
        ousted += not trials[0].chosen
    assert led >= 3  # by luck alone
    assert ousted < led


def test_few_frauds_are_not_compared():
    margin, fraud = window(Steep(), rows=5000)
    frauds = np.flatnonzero(fraud)
    rows = np.sort(np.concatenate((np.flatnonzero(~fraud), frauds[: 2 * MIN_FRAUDS - 1])))
    choice = choose_calibration(margin[rows], fraud[rows])
    assert kind_of(choice.calibration) == "platt"
    assert choice.trials == ()


def test_log_loss_by_hand():
    np.testing.assert_allclose(log_losses(np.array([True, False]), np.log([3.0, 3.0])), [-np.log(0.75), -np.log(0.25)])


def test_a_window_of_one_class_is_refused():
    with pytest.raises(DataError, match="both classes"):
        choose_calibration(np.zeros(50), np.zeros(50, bool))

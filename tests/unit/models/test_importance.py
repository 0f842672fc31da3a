import numpy as np
import pytest

from models.calibrated_model import Explanation
from models.importance import importances


class Linear:
    """Attributions are weights times values, missing values taken as 0; the last feature is used both ways."""

    def explain(self, features):
        values = np.nan_to_num(features.astype(float))
        both_ways = np.abs(values[:, 3]) / 2
        return Explanation(
            0.0, np.column_stack([3 * values[:, 0], -2 * values[:, 1], values[:, 2], both_ways]), values[:, 0]
        )


def test_strength_direction_and_words():
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 4)).astype(np.float32)
    features[:50, 0] = np.nan
    names = ("amount", "device_fraud_rate_all", "mcc", "made_up")
    found = importances(Linear(), features, names, top=3)
    assert [one.name for one in found] == ["amount", "device_fraud_rate_all", "mcc"]
    by_name = {one.name: one for one in importances(Linear(), features, names)}
    assert by_name["amount"].strength == max(one.strength for one in found)
    assert by_name["amount"].direction == "higher raises the score"
    assert by_name["device_fraud_rate_all"].direction == "higher lowers the score"
    assert by_name["mcc"].direction == "a code, no order"
    assert by_name["made_up"].direction == "depends on the rest"
    assert by_name["made_up"].meaning == "made up"
    assert by_name["device_fraud_rate_all"].meaning.endswith("of this device.")
    assert sum(one.share for one in by_name.values()) == pytest.approx(1)


def test_a_feature_that_does_nothing_is_not_listed():
    features = np.zeros((10, 4), np.float32)
    features[:, 1] = np.arange(10)
    assert [one.name for one in importances(Linear(), features, ("a", "b", "c", "d"))] == ["b"]

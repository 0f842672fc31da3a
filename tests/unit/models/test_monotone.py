import numpy as np
import pytest

from features.catalogue import NAMES
from models.fitting import FAMILIES, Sample
from models.monotone import RISING, directions


def test_what_is_known_of_past_fraud_at_a_place_may_only_raise_the_score():
    assert len(RISING) == 3 * (4 + 3 + 1)  # merchant, device, ip; rates, shares, run length
    assert set(NAMES) >= RISING
    for name in ("merchant_fraud_rate_7d", "device_fraud_share_last_3", "ip_fraud_run_length"):
        assert name in RISING
    for name in ("card_fraud_rate_7d", "merchant_labelled_7d", "merchant_hours_since_fraud", "amount"):
        assert name not in RISING
    assert directions(["amount", "ip_fraud_rate_all"]) == (0, 1)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_constraint_holds_even_where_the_data_say_otherwise(family):
    random = np.random.default_rng(0)
    features = random.normal(size=(4000, 2)).astype(np.float32)
    fraud = random.random(4000) < 1 / (1 + np.exp(2 + features[:, 0] * 1.5 - features[:, 1]))
    sample = Sample(features, fraud)
    names = ("merchant_fraud_rate_7d", "amount")

    def steps(changes):
        scorer = FAMILIES[family](sample, None, 0, 30, changes).scorer
        grid = np.linspace(-3, 3, 61, dtype=np.float32)
        at = np.column_stack((np.tile(grid, 5), np.repeat(np.linspace(-2, 2, 5, dtype=np.float32), 61)))
        return np.diff(scorer.margin(at).reshape(5, 61), axis=1)

    assert steps({}).min() < -0.1  # left free, it learns the opposite
    assert steps({"monotone_constraints": directions(names)}).min() >= -1e-9

import numpy as np
import pytest

from models.policy import Costs
from models.policy_choice import cost
from models.savings import saved_by_transaction

COSTS = Costs(fraud_loss_share=0.8, review_cost=5.0, catch_rate=0.75, false_decline_cost=10.0, false_decline_share=0.1)


def test_by_hand():
    verdicts = ["approve", "approve", "review", "review", "decline", "decline"]
    fraud = [True, False, True, False, True, False]
    # Every amount is 100, so each fraud that goes through loses 80. Approved: nothing is saved. Fraud reviewed: a
    # quarter is missed, so 60 less the analyst's 5. Genuine reviewed: -5. Fraud declined: 80. Genuine declined:
    # -(10 + 10).
    saved = saved_by_transaction(verdicts, [100.0] * 6, fraud, COSTS)
    np.testing.assert_allclose(saved, [0, 0, 55, -5, 80, -20])


def test_it_is_the_loss_without_a_model_less_the_cost_with_it():
    random = np.random.default_rng(0)
    amounts, fraud = random.lognormal(4, 1, 200), random.random(200) < 0.1
    verdicts = random.choice(["approve", "review", "decline"], 200)
    loss = 0.8 * amounts[fraud].sum()
    assert saved_by_transaction(verdicts, amounts, fraud, COSTS).sum() == pytest.approx(
        loss - cost(verdicts, amounts, fraud, COSTS)
    )

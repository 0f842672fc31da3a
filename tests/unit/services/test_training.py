"""From a table to a served model: the companions are trained with it, and the policy knows of them."""

import numpy as np
import pytest

from services.champion import champion, policy
from services.state_directory import open_state
from services.training import train_and_install
from streaming.simulator import Scenario, simulate


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    state = open_state(tmp_path_factory.mktemp("state"))
    table = simulate(Scenario(transactions=8000, days=90, fraud_rate=0.03, seed=1)).transactions
    return state, train_and_install(state, table)


def test_the_champion_has_its_companions(trained):
    state, made = trained
    bundle = champion(state)
    bundle.smoke_test()
    assert bundle.anomaly is not None
    assert bundle.fallback is not None
    assert bundle.version == made.bundle.version


def test_the_bundle_says_what_the_fallback_is_worth(trained):
    report = champion(trained[0]).manifest.metrics["fallback"]
    assert 0 < report["average_precision_on_defaults"] <= 1
    assert 0 < report["average_precision"] <= 1


def test_the_policy_reviews_unusual_payments_within_its_budget(trained):
    state, made = trained
    rules, bundle = policy(state), champion(state)
    rows = made.result.split.calibration.rows
    features = made.history.features[rows]
    score, unusual = bundle.score(features), bundle.anomaly.percentile(features)
    added = (score < rules.review) & (unusual >= rules.anomaly_review)
    assert np.count_nonzero(added) <= 0.001 * len(rows)
    assert rules == made.policy

"""Impurity and split gain, worked by hand and held against the libraries that fit by them."""

import json
import math

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.tree import DecisionTreeClassifier

# Ten payments, four of them fraud. Split at 4.5: left 5 payments (1 fraud), right 5 (3 frauds).
X = np.arange(10, dtype=np.float32)[:, np.newaxis]
Y = np.array([0, 0, 1, 0, 0, 1, 0, 1, 0, 1])
LEFT, RIGHT = Y[:5], Y[5:]


def gini(labels):
    share = labels.mean()
    return 1 - share**2 - (1 - share) ** 2


def entropy(labels):
    share = labels.mean()
    return -share * math.log2(share) - (1 - share) * math.log2(1 - share)


def test_gini_by_hand():
    # 1 - .4^2 - .6^2 = .48; left 1 - .2^2 - .8^2 = .32; right 1 - .6^2 - .4^2 = .48. Gain .48 - (.32 + .48) / 2 = .08.
    assert gini(Y) == pytest.approx(0.48)
    assert gini(Y) - (gini(LEFT) + gini(RIGHT)) / 2 == pytest.approx(0.08)


def test_information_gain_by_hand():
    # H(.4) = .970951; H(.2) = .721928, H(.6) = .970951; gain = .970951 - (.721928 + .970951) / 2 = .124511 bits.
    assert entropy(Y) == pytest.approx(0.970951, abs=1e-6)
    assert entropy(Y) - (entropy(LEFT) + entropy(RIGHT)) / 2 == pytest.approx(0.124511, abs=1e-6)


@pytest.mark.parametrize(("criterion", "impurity"), [("gini", gini), ("entropy", entropy)])
def test_scikit_learn_splits_by_the_same_impurity(criterion, impurity):
    tree = DecisionTreeClassifier(criterion=criterion, max_depth=1, min_samples_leaf=5).fit(X, Y).tree_
    np.testing.assert_allclose(tree.impurity, [impurity(Y), impurity(LEFT), impurity(RIGHT)])
    assert tree.threshold[0] == 4.5


def split_gain(regularisation, rate=0.4):
    """Gain of the split at 4.5 for log loss: G^2 / (H + l) left and right, less the parent's (Chen, Guestrin 2016).

    Every row starts at the mean rate .4: gradients are .4 - y, second derivatives .4 * .6 = .24. Left G is 5 * .4 - 1,
    right G is 5 * .4 - 3, that is 1 and -1, with H = 1.2 each; together G = 0. Without regularisation: 2 / 1.2.
    """

    def term(labels):
        gradient = (rate - labels).sum()
        curvature = rate * (1 - rate) * len(labels)
        return gradient**2 / (curvature + regularisation)

    return term(LEFT) + term(RIGHT) - term(Y)


def test_split_gain_by_hand():
    assert split_gain(0.0) == pytest.approx(2 / 1.2)
    assert split_gain(3.0) == pytest.approx(2 / 4.2)


@pytest.mark.parametrize("regularisation", [0.0, 3.0])
def test_lightgbm_reports_that_gain(regularisation):
    parameters = {
        "objective": "binary",
        "num_leaves": 2,
        "min_data_in_leaf": 5,
        "min_sum_hessian_in_leaf": 0,
        "min_data_in_bin": 1,
        "lambda_l2": regularisation,
        "num_threads": 1,
        "verbosity": -1,
    }
    booster = lgb.train(parameters, lgb.Dataset(X, Y.astype(float), params=parameters), 1)
    root = booster.trees_to_dataframe().iloc[0]
    assert root["split_gain"] == pytest.approx(split_gain(regularisation), rel=1e-5)
    assert 4 < root["threshold"] < 5


@pytest.mark.parametrize("regularisation", [0.0, 3.0])
def test_xgboost_reports_that_gain(regularisation):
    parameters = {
        "objective": "binary:logistic",
        "max_depth": 1,
        "min_child_weight": 1.2,
        "lambda": regularisation,
        "base_score": 0.4,
        "nthread": 1,
    }
    booster = xgb.train(parameters, xgb.DMatrix(X, Y, nthread=1), 1)
    root = json.loads(booster.get_dump(dump_format="json", with_stats=True)[0])
    assert root["gain"] == pytest.approx(split_gain(regularisation), rel=1e-5)
    assert 4 < root["split_condition"] <= 5

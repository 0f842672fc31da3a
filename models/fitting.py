"""Fitting one booster of either family: natural class balance, early stopping on average precision, fixed seeds.

Frauds are neither over-sampled nor up-weighted: boosted trees rank as well without, and their margins then start near
true log-odds, which leaves little for calibration to mend.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from models.lightgbm_scorer import LightGBMScorer
from models.scorer import Matrix, Scorer
from models.xgboost_scorer import XGBoostScorer

Bools = NDArray[np.bool_]
# One thread a booster: sums are added in the same order everywhere, and a busy machine slows training only in
# proportion (with two threads each, two busy cores took three times as long). The families are fitted side by side.
THREADS = 1
MAX_ROUNDS = 600
PATIENCE = 60

LIGHTGBM: dict[str, Any] = {
    "learning_rate": 0.04,
    "num_leaves": 16,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 127,
}
XGBOOST: dict[str, Any] = {
    "learning_rate": 0.04,
    "max_depth": 5,
    "min_child_weight": 3.0,
    "reg_lambda": 10.0,
    "colsample_bynode": 0.4,
    "subsample": 0.7,
    "max_bin": 128,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows to fit on or to stop by: features (n, f) and truth (n,)."""

    features: Matrix
    is_fraud: Bools


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted scorer and the number of trees it kept."""

    scorer: Scorer
    rounds: int


Parameters = Mapping[str, Any]
NO_CHANGES: Parameters = MappingProxyType({})
Fitter = Callable[[Sample, Sample | None, int, int], Fit]


def fit_lightgbm(
    train: Sample, stop: Sample | None, seed: int, rounds: int = MAX_ROUNDS, changes: Parameters = NO_CHANGES
) -> Fit:
    """Fit LightGBM; with ``stop``, keep the rounds of the best average precision there.

    ``changes`` override the recipe's own parameters.
    """
    parameters = {
        **LIGHTGBM,
        **changes,
        "objective": "binary",
        "metric": "average_precision",
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": THREADS,
        "verbosity": -1,
    }
    data = lgb.Dataset(train.features, train.is_fraud.astype(np.float32), params=parameters)
    watched = [data.create_valid(stop.features, stop.is_fraud.astype(np.float32))] if stop else []
    callbacks: list[Callable[..., object]] = [lgb.early_stopping(PATIENCE, verbose=False)] if stop else []
    booster = lgb.train(parameters, data, rounds, valid_sets=watched, callbacks=callbacks)
    kept = booster.best_iteration if stop else rounds
    text = booster.model_to_string(num_iteration=kept)
    return Fit(LightGBMScorer(lgb.Booster(model_str=text)), kept)


def fit_xgboost(train: Sample, stop: Sample | None, seed: int, rounds: int = MAX_ROUNDS) -> Fit:
    """Fit XGBoost; with ``stop``, keep the rounds of the best area under the precision-recall curve there."""
    parameters = {
        **XGBOOST,
        "objective": "binary:logistic",
        "eval_metric": "aucpr",
        "tree_method": "hist",
        "seed": seed,
        "nthread": THREADS,
    }
    data = xgb.QuantileDMatrix(train.features, train.is_fraud, max_bin=XGBOOST["max_bin"], nthread=THREADS)
    watched = [(xgb.DMatrix(stop.features, stop.is_fraud, nthread=THREADS), "stop")] if stop else []
    patience = PATIENCE if stop else None
    booster = xgb.train(parameters, data, rounds, evals=watched, early_stopping_rounds=patience, verbose_eval=False)
    kept = booster.best_iteration + 1 if stop else rounds
    return Fit(XGBoostScorer(booster[:kept]), kept)


FAMILIES: dict[str, Fitter] = {"lightgbm": fit_lightgbm, "xgboost": fit_xgboost}

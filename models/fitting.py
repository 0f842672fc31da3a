"""Fitting one booster of either family: early stopping on average precision, one thread, fixed seeds.

The sample is fitted on as it is; `models.imbalance` changes its balance where that helps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from models.lightgbm_scorer import LightGBMScorer
from models.scorer import Matrix, TreeScorer, Vector
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
    """Rows to fit on or to stop by: features (n, f), truth (n,) and how much each row counts (n,), if not alike."""

    features: Matrix
    is_fraud: Bools
    weights: Vector | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted scorer and the number of trees it kept."""

    scorer: TreeScorer
    rounds: int


Parameters = Mapping[str, Any]
NO_CHANGES: Parameters = MappingProxyType({})
Watch = Callable[[int, float], None]  # told each round and what it reached where fitting stops by; may raise to end it


class Fitter(Protocol):
    """Fits one family."""

    def __call__(
        self,
        train: Sample,
        stop: Sample | None,
        seed: int,
        rounds: int = MAX_ROUNDS,
        changes: Parameters = NO_CHANGES,
        *,
        watch: Watch | None = None,
    ) -> Fit:
        """Fit on ``train``; with ``stop``, keep the rounds of the best average precision there.

        ``changes`` override the recipe's own parameters.
        """


def fit_lightgbm(
    train: Sample,
    stop: Sample | None,
    seed: int,
    rounds: int = MAX_ROUNDS,
    changes: Parameters = NO_CHANGES,
    *,
    watch: Watch | None = None,
) -> Fit:
    """Fit LightGBM; see `Fitter`."""
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
    data = lgb.Dataset(train.features, train.is_fraud.astype(np.float32), weight=train.weights, params=parameters)
    watched = []
    callbacks: list[Callable[..., object]] = []
    if stop:
        watched = [data.create_valid(stop.features, stop.is_fraud.astype(np.float32), weight=stop.weights)]
        callbacks = [lgb.early_stopping(PATIENCE, verbose=False)]
        if watch:
            callbacks.append(lambda env: watch(env.iteration + 1, float(env.evaluation_result_list[0][2])))
    booster = lgb.train(parameters, data, rounds, valid_sets=watched, callbacks=callbacks)
    kept = booster.best_iteration if stop else rounds
    text = booster.model_to_string(num_iteration=kept)
    return Fit(LightGBMScorer(lgb.Booster(model_str=text)), kept)


def fit_xgboost(
    train: Sample,
    stop: Sample | None,
    seed: int,
    rounds: int = MAX_ROUNDS,
    changes: Parameters = NO_CHANGES,
    *,
    watch: Watch | None = None,
) -> Fit:
    """Fit XGBoost, by the area under the precision-recall curve; see `Fitter`."""
    parameters = {
        **XGBOOST,
        **changes,
        "objective": "binary:logistic",
        "eval_metric": "aucpr",
        "tree_method": "hist",
        "seed": seed,
        "nthread": THREADS,
    }
    data = xgb.QuantileDMatrix(
        train.features, train.is_fraud, weight=train.weights, max_bin=parameters["max_bin"], nthread=THREADS
    )
    watched = []
    if stop:
        watched = [(xgb.DMatrix(stop.features, stop.is_fraud, weight=stop.weights, nthread=THREADS), "stop")]
    booster = xgb.train(
        parameters,
        data,
        rounds,
        evals=watched,
        early_stopping_rounds=PATIENCE if stop else None,
        verbose_eval=False,
        callbacks=[_Watched(watch)] if stop and watch else None,
    )
    kept = booster.best_iteration + 1 if stop else rounds
    return Fit(XGBoostScorer(booster[:kept]), kept)


class _Watched(xgb.callback.TrainingCallback):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: Any) -> bool:
        del model
        self._watch(epoch + 1, float(evals_log["stop"]["aucpr"][-1]))
        return False


FAMILIES: dict[str, Fitter] = {"lightgbm": fit_lightgbm, "xgboost": fit_xgboost}

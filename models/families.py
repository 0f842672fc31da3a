"""The table of model families: what each reaches on the test window, at the data's own fraud rate.

Logistic regression and random forest are there to compare with: fitted on the same rows as the boosters, never served
and never saved. Missing values are imputed by the median, with a column that says so; the regression's inputs are
scaled. Both count frauds and genuine payments alike in total (balanced class weights), as is usual for them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]  # scikit-learn ships no types
from sklearn.impute import SimpleImputer  # type: ignore[import-untyped]  # scikit-learn ships no types
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # scikit-learn ships no types
from sklearn.pipeline import Pipeline, make_pipeline  # type: ignore[import-untyped]  # scikit-learn ships no types
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]  # scikit-learn ships no types

from features.errors import DataError
from models.calibration import probability
from models.evaluate import RESAMPLES, evaluate
from models.fitting import Sample
from models.scorer import Matrix, Scorer, Vector
from models.train import TrainResult, sample_of

TREES = 200
MIN_LEAF = 5
ITERATIONS = 1000
REGULARISATION = 0.01  # inverse strength: many of the inputs say nearly the same


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One family on the test window; intervals are 95 %, drawn over cards. ``fit_seconds`` are of one core."""

    family: str
    average_precision: float
    average_precision_interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]
    fit_seconds: float


def compare_families(
    table: pd.DataFrame,
    features: Matrix,
    result: TrainResult,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[FamilyRow, ...]:
    """Fit the families for comparison and measure all on the test window of a finished training.

    ``table`` and ``features`` are what ``result`` was trained on. Raises `DataError` when nothing was left to test on.
    """
    tell = progress or (lambda _stage, _share: None)
    if result.split.test is None:
        raise DataError(
            "There is no test window to compare the families on: no labelled rows are left after the training data.",
            remedy="Give data that reach further, or an earlier --split, so that labelled rows are left to test on.",
        )
    train = sample_of(table, features, result.weights, result.split.train.rows)
    rows = result.split.test.rows
    test, later = table.iloc[rows].reset_index(drop=True), features[rows]
    seconds: dict[str, float] = {one.family: one.seconds for one in result.candidates}
    models: dict[str, Any] = {}
    for number, (family, pipeline) in enumerate(_pipelines(seed).items()):
        tell(f"fitting {family}", number / (2 * len(_pipelines(seed))))
        started = perf_counter()
        models[family] = _Fitted(pipeline, train)
        seconds[family] = perf_counter() - started
    models |= {family: _Uncalibrated(scorer) for family, scorer in result.scorers.items()}
    found = []
    for number, (family, model) in enumerate(models.items()):
        tell(f"measuring {family}", 0.5 + number / (2 * len(models)))
        figures = evaluate(model, test, later, resamples=resamples, seed=seed)
        found.append(_row(family, figures, seconds[family]))
    tell("done", 1.0)
    return tuple(found)


class _Fitted:
    """A scikit-learn pipeline that scores."""

    def __init__(self, pipeline: Pipeline, train: Sample) -> None:
        last = pipeline.steps[-1][0]
        self._pipeline = pipeline.fit(train.features, train.is_fraud, **{f"{last}__sample_weight": train.weights})

    def score(self, features: Matrix) -> Vector:
        return np.asarray(self._pipeline.predict_proba(features)[:, 1], dtype=np.float64)


class _Uncalibrated:
    """A scorer as it is: calibration changes no ranking."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def score(self, features: Matrix) -> Vector:
        return probability(self._scorer.margin(features))


def _pipelines(seed: int) -> dict[str, Pipeline]:
    def imputer() -> SimpleImputer:
        return SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)

    regression = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=ITERATIONS)
    forest = RandomForestClassifier(
        TREES, min_samples_leaf=MIN_LEAF, class_weight="balanced", random_state=seed, n_jobs=1
    )
    return {
        "logistic_regression": make_pipeline(imputer(), StandardScaler(), regression),
        "random_forest": make_pipeline(imputer(), forest),
    }


def _row(family: str, figures: Mapping[str, Any], seconds: float) -> FamilyRow:
    def interval(name: str) -> tuple[float, float]:
        low, high = figures[f"{name}_interval"]
        return float(low), float(high)

    return FamilyRow(
        family=family,
        average_precision=float(figures["average_precision"]),
        average_precision_interval=interval("average_precision"),
        auc=float(figures["auc"]),
        auc_interval=interval("auc"),
        fit_seconds=seconds,
    )

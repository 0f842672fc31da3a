"""Training: split by time, fit both families, choose on a later window, calibrate on a later one still.

    train        fit the trees
    validation   early stopping, and the choice between families (average precision)
    calibration  Platt scaling, and later the policy's thresholds
    test         untouched until the model is final; its metrics go into the bundle

The same table, features and seed give the same model.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from models import metrics
from models.bundle_writer import BundleParts
from models.calibrated_model import CalibratedModel
from models.calibration import fit_platt
from models.fitting import FAMILIES, MAX_ROUNDS, Fit, Sample
from models.manifest import DataSummary
from models.scorer import Matrix
from models.splits import TimeSplit, Window, time_split

PROBES = 16
HASHED = ["transaction_id", "event_time", "card_id", "merchant_id", "amount", "is_fraud", "label_time"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One family's showing on the validation window; ``rounds`` is the number of trees kept."""

    family: str
    rounds: int
    average_precision: float


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished model: ``parts`` for `models.bundle_writer.save_bundle`, and how it came about."""

    parts: BundleParts
    split: TimeSplit
    candidates: tuple[Candidate, ...]

    @property
    def model(self) -> CalibratedModel:
        """The chosen scorer, calibrated."""
        return self.parts.model


def train(
    table: pd.DataFrame,
    features: Matrix,
    *,
    names: Sequence[str],
    as_of: pd.Timestamp | None = None,
    seed: int = 0,
    rounds: int = MAX_ROUNDS,
    progress: Progress | None = None,
) -> TrainResult:
    """Train on a canonical table (`features.table`) and its features (n, f), float32, columns named by ``names``.

    ``as_of`` (UTC) is the moment of training: nothing labelled later is used, except to test. ``rounds`` is the most
    trees a model may have. ``progress`` is told the stage and the share done, 0 to 1. Raises `DataError` for data that
    cannot be trained on; see `models.splits`.
    """
    tell = progress or (lambda _stage, _share: None)
    check_inputs(table, features, names)
    split = time_split(table, as_of=as_of)
    truth = table["is_fraud"].fillna(0).to_numpy(dtype=bool)
    fit_on, stop_on = _sample(features, truth, split.train), _sample(features, truth, split.validation)
    fits: dict[str, Fit] = {}
    candidates = []
    with ThreadPoolExecutor(len(FAMILIES)) as pool:  # both libraries release the interpreter's lock
        running = {name: pool.submit(fitter, fit_on, stop_on, seed, rounds) for name, fitter in FAMILIES.items()}
        for family, future in running.items():
            tell(f"fitting {family}", len(fits) / (len(FAMILIES) + 1))
            fits[family] = future.result()
            reached = metrics.average_precision(stop_on.is_fraud, fits[family].scorer.margin(stop_on.features))
            candidates.append(Candidate(family, fits[family].rounds, reached))
    tell("calibrating", len(FAMILIES) / (len(FAMILIES) + 1))
    # max() keeps the first of equals, so a tie goes to the faster family.
    chosen = fits[max(candidates, key=lambda candidate: candidate.average_precision).family].scorer
    later = _sample(features, truth, split.calibration)
    model = CalibratedModel(chosen, fit_platt(chosen.margin(later.features), later.is_fraud))
    parts = BundleParts(
        model=model,
        feature_names=tuple(names),
        data=_summary(table, features, split),
        metrics=_report(model, features, truth, split, candidates),
        probes=_probes(features, split),
    )
    tell("done", 1.0)
    return TrainResult(parts, split, tuple(candidates))


def check_inputs(table: pd.DataFrame, features: Matrix, names: Sequence[str]) -> None:
    """Raise `DataError` unless ``features`` are float32, finite or NaN, and fit the table and the names."""
    if features.ndim != 2 or features.shape != (len(table), len(names)):
        raise DataError(
            f"The features have shape {features.shape}; the table and the feature names ask for "
            f"({len(table)}, {len(names)}).",
            remedy="Compute the features from this table with this version's catalogue.",
        )
    if len(set(names)) != len(names):
        raise DataError("Feature names repeat.", remedy="Give each column its own name.")
    if features.dtype != np.float32:
        raise DataError(f"The features are {features.dtype}; models take float32.", remedy="Convert them.")
    infinite = np.isinf(features).any(axis=0)
    if infinite.any():
        raise DataError(
            f"Infinite values in feature {names[int(infinite.argmax())]}.", remedy="Missing values are NaN."
        )
    if not table["event_time"].is_monotonic_increasing:
        raise DataError("The table is not sorted by event time.", remedy="Sort it before computing features.")


def _sample(features: Matrix, truth: NDArray[np.bool_], window: Window) -> Sample:
    return Sample(features[window.rows], truth[window.rows])


def _report(
    model: CalibratedModel,
    features: Matrix,
    truth: NDArray[np.bool_],
    split: TimeSplit,
    candidates: Sequence[Candidate],
) -> dict[str, dict[str, float]]:
    report = {"candidates": {f"{one.family}_average_precision": one.average_precision for one in candidates}}
    for window in filter(None, (split.validation, split.calibration, split.test)):
        score, fraud = model.score(features[window.rows]), truth[window.rows]
        report[window.name] = {
            "rows": float(len(window.rows)),
            "frauds": float(window.frauds),
            "auc": metrics.auc(fraud, score),
            "average_precision": metrics.average_precision(fraud, score),
            "brier": metrics.brier(fraud, score),
            "expected_calibration_error": metrics.expected_calibration_error(fraud, score),
        }
    return report


def _summary(table: pd.DataFrame, features: Matrix, split: TimeSplit) -> DataSummary:
    rows = np.concatenate([window.rows for window in (split.train, split.validation, split.calibration)])
    digest = hashlib.sha256(pd.util.hash_pandas_object(table[HASHED].iloc[rows], index=False).to_numpy().tobytes())
    digest.update(np.ascontiguousarray(features[rows]).tobytes())
    return DataSummary(
        start=split.train.start.to_pydatetime(),
        end=split.calibration.end.to_pydatetime(),
        as_of=split.as_of.to_pydatetime(),
        rows=len(rows),
        frauds=split.train.frauds + split.validation.frauds + split.calibration.frauds,
        sha256=digest.hexdigest(),
    )


def _probes(features: Matrix, split: TimeSplit) -> Matrix:
    spread = np.linspace(0, len(split.calibration.rows) - 1, PROBES).round().astype(int)
    probes: Matrix = features[split.calibration.rows[spread]]
    return probes

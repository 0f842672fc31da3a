"""Training: split by time, fit every family, choose on a later window, calibrate on a later one still.

    train        fit the trees
    validation   early stopping, the search for parameters, and the choice between families (average precision)
    calibration  with the validation window, the kind of calibration and its fit; alone, the policy's thresholds
    test         untouched until the model is final; its metrics go into the bundle

The same table, features and seed give the same model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import DataError
from models.bundle_writer import BundleParts
from models.calibrated_model import CalibratedModel
from models.calibration_choice import CalibrationTrial, choose_calibration
from models.candidates import Candidate, Candidates, fit_candidates
from models.fitting import MAX_ROUNDS, Sample
from models.inclusion import at_rows, inclusion_weights
from models.scorer import Matrix, Scorer, Vector
from models.search_report import Bounds, SearchReport
from models.splits import Rows, TimeSplit, time_split
from models.train_report import probes, summary, window_metrics

NO_SEARCH = Bounds()

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished model: ``parts`` for `models.bundle_writer.save_bundle`, and how it came about.

    ``weights`` say how much each row of the table counts (n,), None where all count alike (`models.inclusion`).
    ``candidates`` are each family's best, the fastest first, ``scorers`` the same uncalibrated; ``search`` is None when
    the recipe's own parameters were taken; ``calibrations`` is empty when frauds were too few to compare kinds.
    """

    parts: BundleParts
    split: TimeSplit
    weights: Vector | None
    candidates: tuple[Candidate, ...]
    search: SearchReport | None
    calibrations: tuple[CalibrationTrial, ...]
    scorers: Mapping[str, Scorer]

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
    bounds: Bounds = NO_SEARCH,
    progress: Progress | None = None,
) -> TrainResult:
    """Train on a canonical table (`features.table`) and its features (n, f), float32, columns named by ``names``.

    ``as_of`` (UTC) is the moment of training: nothing labelled later is used, except to test. ``rounds`` is the most
    trees a model may have, ``bounds`` how long to search for parameters. A table with inclusion probabilities is
    weighted by their inverse throughout (`models.inclusion`). ``progress`` is told the stage and the share done, 0 to
    1. Raises `DataError` for data that cannot be trained on; see `models.splits`.
    """
    tell = progress or (lambda _stage, _share: None)
    check_inputs(table, features, names)
    split = time_split(table, as_of=as_of)
    weights = inclusion_weights(table)
    samples = {window.name: sample_of(table, features, weights, window.rows) for window in split.windows}
    validation, later = samples["validation"], sample_of(table, features, weights, split.held_out)
    cards = pd.factorize(table["card_id"].iloc[split.validation.rows].astype(str))[0]
    found = fit_candidates(samples["train"], validation, cards, names, bounds, seed=seed, rounds=rounds, tell=tell)
    tell("calibrating", 0.95)
    scorer = found.scorers[found.chosen]
    # Frauds come in bursts over days and cards: a few hundred of them say little about the fraud rate, so that the
    # validation window, on which trees were counted but not fitted, is worth more than what it flatters them by.
    choice = choose_calibration(scorer.margin(later.features), later.is_fraud, later.weights)
    model = CalibratedModel(scorer, choice.calibration)
    parts = BundleParts(
        model=model,
        feature_names=tuple(names),
        data=summary(table, features, split),
        metrics=_reported(found, bounds, split) | window_metrics(model, samples, split),
        probes=probes(features, split),
    )
    tell("done", 1.0)
    return TrainResult(parts, split, weights, found.showings, found.search, choice.trials, found.scorers)


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


def sample_of(table: pd.DataFrame, features: Matrix, weights: Vector | None, rows: Rows) -> Sample:
    """Return labelled rows of a table; features and ``weights`` are those of all of it."""
    truth = table["is_fraud"].iloc[rows].to_numpy(dtype=bool)
    return Sample(features[rows], truth, at_rows(weights, rows))


def _reported(found: Candidates, bounds: Bounds, split: TimeSplit) -> dict[str, dict[str, float]]:
    """Say how the model was chosen, and on which windows, as numbers for the manifest."""
    showing = next(one for one in found.showings if one.family == found.chosen)
    report = {
        "candidates": {f"{one.family}_average_precision": one.average_precision for one in found.showings},
        "chosen": {"rounds": float(showing.rounds)}
        | {name: float(value) for name, value in showing.parameters.items() if isinstance(value, int | float)},
    }
    if found.search is not None:
        report["search"] = {
            "trials": float(len(found.search.trials)),
            "trials_asked": float(bounds.trials * len(found.search.chosen)),
            "train_start": split.train.start.timestamp(),
            "train_end": split.train.end.timestamp(),
            "validation_start": split.validation.start.timestamp(),
            "validation_end": split.validation.end.timestamp(),
        }
    return report

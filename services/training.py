"""From a canonical table to an installed model: features as of each transaction, training, policy, installation."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from features.catalogue import NAMES
from features.errors import DataError
from features.progress import Progress
from features.replay import Replay, replay
from models.bundle import Bundle, with_column
from models.bundle_writer import BundleParts
from models.companion_fitting import fallback_report, fit_companions
from models.fitting import Sample
from models.policy import Costs, Policy
from models.policy_choice import choose_policy, with_anomaly_review
from models.rings.column import RingColumn, with_ring_score
from models.scorer import Matrix
from models.search_report import Bounds
from models.splits import Rows
from models.train import NO_SEARCH, TrainResult, sample_of, train
from services.champion import install, policy_of
from services.registry import Alias
from services.state_directory import StateDirectory
from streaming.scoring import utc_now

AskNetwork = Callable[[pd.DataFrame, Matrix], RingColumn | None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that is installed, as champion or challenger, and the history that it was trained on, folded.

    ``features`` (n, f) are the columns that the model takes: the catalogue's and, where it takes one, the ring score.
    """

    bundle: Bundle
    alias: Alias
    policy: Policy
    result: TrainResult
    history: Replay
    features: Matrix


def before(table: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """Return the rows that lie before ``moment`` (UTC); raises `DataError` when there are none."""
    rows = table[table["event_time"] < moment].reset_index(drop=True)
    if rows.empty:
        raise DataError(
            f"There is no transaction before {moment:%Y-%m-%d %H:%M} UTC.",
            remedy=f"The data reach from {table['event_time'].min()} to {table['event_time'].max()}.",
        )
    return rows


def train_and_install(
    state: StateDirectory,
    history: pd.DataFrame,
    *,
    as_of: pd.Timestamp | None = None,
    seed: int = 0,
    bounds: Bounds = NO_SEARCH,
    fold_progress: Progress | None = None,
    train_progress: Callable[[str, float], None] | None = None,
    before_install: Callable[[Replay], None] | None = None,
    ask_network: AskNetwork | None = None,
) -> Trained:
    """Fold a history, train on what was known at ``as_of``, choose the policy and install both.

    ``bounds`` say how long to search for parameters; not at all unless told so. ``before_install`` is called with the
    folded history once the model is made. ``ask_network`` is given the history and its features and returns the ring
    scores that the trees may use, None where the network has not earned its place.
    """
    folded = replay(history, progress=fold_progress)
    column = ask_network(history, folded.features) if ask_network else None
    features = with_column(folded.features, column.scores) if column else folded.features
    names = with_ring_score(NAMES) if column else NAMES
    result = train(history, features, names=names, as_of=as_of, seed=seed, bounds=bounds, progress=train_progress)
    parts = _with_companions(result, history, features, seed)
    if column:
        parts = replace(parts, ring_model=column.model)
    rows = result.split.calibration.rows
    window, amounts = sample_of(history, features, result.weights, rows), history["amount"].iloc[rows].to_numpy()
    scores = result.model.score(window.features)
    policy = choose_policy(scores, amounts, window.is_fraud, Costs(), window.weights)
    if parts.companions.anomaly is not None:
        unusual = parts.companions.anomaly.percentile(window.features)
        policy = with_anomaly_review(policy, scores, amounts, unusual, window.weights)
    if before_install is not None:
        before_install(folded)
    bundle, alias = install(state, parts, policy, utc_now())
    return Trained(bundle, alias, policy_of(state, bundle.version), result, folded, features)


def _with_companions(result: TrainResult, history: pd.DataFrame, features: Matrix, seed: int) -> BundleParts:
    """Return what training hands over, with the companions and what the fallback is worth on the newest window."""
    split, names = result.split, result.parts.feature_names

    def sample(rows: Rows) -> Sample:
        return sample_of(history, features, result.weights, rows)

    companions = fit_companions(result.model, sample(split.fitted), sample(split.calibration.rows), names, seed=seed)
    found = dict(result.parts.metrics)
    if companions.fallback is not None and split.test is not None:
        found["fallback"] = fallback_report(result.model, companions.fallback, sample(split.test.rows), names)
    return replace(result.parts, companions=companions, metrics=found)

"""From a canonical table to an installed model: features as of each transaction, training, policy, installation."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from features.catalogue import NAMES
from features.errors import DataError
from features.replay import Replay, replay
from models.bundle import Bundle
from models.bundle_writer import BundleParts
from models.companion_fitting import fallback_report, fit_companions
from models.inclusion import at_rows, inclusion_weights
from models.policy import Costs, Policy
from models.policy_choice import choose_policy, with_anomaly_review
from models.scorer import Matrix
from models.search_report import Bounds
from models.train import NO_SEARCH, TrainResult, train
from services.champion import install, policy_of
from services.registry import Alias
from services.state_directory import StateDirectory
from streaming.scoring import utc_now

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that is installed, as champion or challenger, and the history that it was trained on, folded."""

    bundle: Bundle
    alias: Alias
    policy: Policy
    result: TrainResult
    history: Replay


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
) -> Trained:
    """Fold a history, train on what was known at ``as_of``, choose the policy and install both.

    ``bounds`` say how long to search for parameters; not at all unless told so. ``before_install`` is called with the
    folded history once the model is made.
    """
    folded = replay(history, progress=fold_progress)
    result = train(
        history, folded.features, names=NAMES, as_of=as_of, seed=seed, bounds=bounds, progress=train_progress
    )
    parts = _with_companions(result, history, folded.features, seed)
    rows = result.split.calibration.rows
    window = history.iloc[rows]
    scores, amounts = result.model.score(folded.features[rows]), window["amount"].to_numpy()
    truth, weights = window["is_fraud"].fillna(0).to_numpy(dtype=bool), at_rows(inclusion_weights(history), rows)
    policy = choose_policy(scores, amounts, truth, Costs(), weights)
    if parts.companions.anomaly is not None:
        unusual = parts.companions.anomaly.percentile(folded.features[rows])
        policy = with_anomaly_review(policy, scores, amounts, unusual)
    if before_install is not None:
        before_install(folded)
    bundle, alias = install(state, parts, policy, utc_now())
    return Trained(bundle, alias, policy_of(state, bundle.version), result, folded)


def _with_companions(result: TrainResult, history: pd.DataFrame, features: Matrix, seed: int) -> BundleParts:
    """Return what training hands over, with the companions and what the fallback is worth on the newest window."""
    truth, split = history["is_fraud"].fillna(0).to_numpy(dtype=bool), result.split
    companions = fit_companions(result.model, features, truth, NAMES, split, seed=seed)
    found = dict(result.parts.metrics)
    if companions.fallback is not None and split.test is not None:
        rows = split.test.rows
        found["fallback"] = fallback_report(result.model, companions.fallback, features[rows], truth[rows], NAMES)
    return replace(result.parts, companions=companions, metrics=found)

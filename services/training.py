"""From a canonical table to an installed model: features as of each transaction, training, policy, installation."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from features.catalogue import NAMES
from features.errors import DataError
from features.replay import Replay, replay
from models.bundle import Bundle
from models.policy import Costs, Policy
from models.policy_choice import choose_policy
from models.train import TrainResult, train
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
    fold_progress: Progress | None = None,
    train_progress: Callable[[str, float], None] | None = None,
) -> Trained:
    """Fold a history, train on what was known at ``as_of``, choose the policy and install both."""
    folded = replay(history, progress=fold_progress)
    result = train(history, folded.features, names=NAMES, as_of=as_of, seed=seed, progress=train_progress)
    rows = result.split.calibration.rows
    window = history.iloc[rows]
    policy = choose_policy(
        result.model.score(folded.features[rows]),
        window["amount"].to_numpy(),
        window["is_fraud"].fillna(0).to_numpy(dtype=bool),
        Costs(),
    )
    bundle, alias = install(state, result.parts, policy, utc_now())
    return Trained(bundle, alias, policy_of(state, bundle.version), result, folded)

"""What the system under load is made ready with: a model, payments to send, and the states of a history."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.progress import Progress, Step
from features.replay import replay
from features.store import HISTORY_OF, States
from features.table import transactions
from models.bundle import Bundle
from services.benchmarks.live.chosen import embed, find, serve
from services.benchmarks.live.payments import write_payments
from services.composition import Root
from services.demo.prepare import is_prepared, mark_prepared
from services.demo.source import RUNS, simulated
from services.settings import Settings
from services.state_directory import StateDirectory, open_state
from services.training import train_and_install

PAYMENTS = 100_000  # different ones; then they come again
SEED = 7


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run needs beside the servers: the model that is served, payments to send, and the history before them."""

    root: Root
    bundle: Bundle
    payments: Path
    history: pd.DataFrame
    features: NDArray[np.float32]


def benchmark_state(state: StateDirectory) -> StateDirectory:
    """Return the benchmark's own state directory inside another, whose model and ledger it leaves alone."""
    return open_state(state.path / "benchmark")


def prepare(state: StateDirectory, settings: Settings, step: Step, model: str | None = None) -> Prepared:
    """Train on simulated payments unless that was done, and load the feature store that ``settings`` lead to.

    All in a state directory of the benchmark's own. ``model`` is a version or alias in ``state``, to be served instead.
    """
    own, wanted = benchmark_state(state), find(state, model)
    root = Root(settings, own)
    directory = own.path / "payments"
    source = simulated(directory, PAYMENTS // RUNS, SEED, step("simulating payments"))
    history, fold = source.history, step("computing features of the history")
    if is_prepared(directory, source):
        replayed = replay(history, progress=fold)
    else:
        fit = step("training")
        trained = train_and_install(
            own,
            history,
            as_of=source.split,
            fold_progress=fold,
            train_progress=lambda _, share: fit(round(share * 100), 100),
        )
        replayed = trained.history
        future, tell = source.future, step("writing payments")
        write_payments(transactions(future), directory / "payments.jsonl", lambda done: tell(done, len(future)))
        mark_prepared(directory, source)
    bundle = serve(own, state, wanted)
    _load(root, history, replayed.states, step("loading the feature store"))
    embed(root, bundle, history, step)
    return Prepared(root, bundle, directory / "payments.jsonl", history, replayed.features)


def _load(root: Root, history: pd.DataFrame, states: States, tell: Progress) -> None:
    """Leave the store as if the history had been live, unless an earlier benchmark on the same servers did."""
    store, ledger = root.feature_store(), root.ledger()
    try:
        if store.owner() is None:
            store.bulk_load(states, history["event_time"].iloc[-1].to_pydatetime(), progress=tell)
            store.claim(HISTORY_OF + ledger.identity())
    finally:
        ledger.close()
        store.close()

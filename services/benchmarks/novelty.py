"""Measures what the anomaly score is for: fraud of a kind that training has never seen, one kind at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import NAMES
from features.errors import DataError
from features.progress import Step
from features.replay import replay
from models.anomaly import Anomaly
from models.companion_fitting import fit_anomaly
from models.fitting import MAX_ROUNDS, Sample, fit_lightgbm
from models.scorer import Matrix, Scorer
from models.splits import TimeSplit, time_split
from streaming.simulator import Simulation

TRAINED_SHARE = 0.6  # of the transactions come before the moment of training
Bools = NDArray[np.bool_]


def benchmark_novelty(
    simulation: Simulation,
    kinds: Sequence[str],
    *,
    budget: float,
    anomaly_budget: float,
    seed: int = 0,
    rounds: int = MAX_ROUNDS,
    step: Step,
) -> dict[str, Any]:
    """Hold each of ``kinds`` of campaign out of the past, train on what is left, and look for it in the future.

    The kind's payments before the moment of training are taken out of the history itself, so that neither features nor
    labels tell of them. Afterwards the ``budget`` (share of payments that can be looked at) is spent in two ways: all
    of it on the highest scores, or ``anomaly_budget`` of it on the most unusual of the others. ``recall`` is the share
    of the kind's payments found, ``other_recall`` that of all other frauds, which training knows.
    The score is one LightGBM's, by the recipe and the windows of `ringfence train`.
    """
    tell = step("training without one kind of fraud at a time")
    found = {}
    for done, kind in enumerate(kinds):
        tell(done, len(kinds))
        found[kind] = _one_kind(simulation, kind, budget, anomaly_budget, seed, rounds)
    tell(len(kinds), len(kinds))
    return {
        "transactions": len(simulation.transactions),
        "budget": budget,
        "anomaly_budget": anomaly_budget,
        "held_out": found,
        "mean": {
            name: round(float(np.mean([figures[name] for figures in found.values()])), 4)
            for name in ("recall", "recall_with_anomaly", "other_recall", "other_recall_with_anomaly")
        },
    }


def _one_kind(
    simulation: Simulation, kind: str, budget: float, anomaly_budget: float, seed: int, rounds: int
) -> dict[str, float]:
    table = simulation.transactions
    campaign = table["transaction_id"].map(simulation.truth.set_index("transaction_id")["campaign"])
    moment = table["event_time"].iloc[int(len(table) * TRAINED_SHARE)]
    kept = ~((campaign == kind) & (table["event_time"] <= moment)).to_numpy(dtype=bool)
    table, campaign = table[kept].reset_index(drop=True), campaign[kept].reset_index(drop=True)
    features = replay(table).features
    scorer, anomaly = _train(table, features, time_split(table, as_of=moment), seed, rounds)
    future = (table["event_time"] > moment).to_numpy(dtype=bool)
    held_out = (campaign == kind).to_numpy(dtype=bool)[future]
    other = (table["is_fraud"] == 1).to_numpy(dtype=bool)[future] & ~held_out
    if not held_out.any() or not other.any():
        raise DataError(
            f"The simulated future has {held_out.sum()} payments of {kind} and {other.sum()} other frauds.",
            remedy="Simulate more --transactions.",
        )
    score, unusual = scorer.margin(features[future]), anomaly.steps(features[future])
    by_score = flagged(score, unusual, budget, 0.0)
    by_both = flagged(score, unusual, budget, anomaly_budget)
    return {
        "payments": int(held_out.sum()),
        "recall": round(float(by_score[held_out].mean()), 4),
        "recall_with_anomaly": round(float(by_both[held_out].mean()), 4),
        "other_payments": int(other.sum()),
        "other_recall": round(float(by_score[other].mean()), 4),
        "other_recall_with_anomaly": round(float(by_both[other].mean()), 4),
    }


def _train(table: pd.DataFrame, features: Matrix, split: TimeSplit, seed: int, rounds: int) -> tuple[Scorer, Anomaly]:
    truth = (table["is_fraud"] == 1).to_numpy(dtype=bool)
    fit_on, stop_on, seen, later = (
        Sample(features[rows], truth[rows])
        for rows in (split.train.rows, split.validation.rows, split.fitted, split.calibration.rows)
    )
    anomaly = fit_anomaly(seen, later, NAMES)
    if anomaly is None:
        raise DataError("There is nothing to learn an anomaly score from.", remedy="Simulate more --transactions.")
    return fit_lightgbm(fit_on, stop_on, seed, rounds).scorer, anomaly


def flagged(score: NDArray[np.float64], unusual: NDArray[np.intp], budget: float, anomaly_budget: float) -> Bools:
    """Return which of n payments are looked at: the highest scores, then the most unusual of the others.

    ``budget`` and the part of it that is spent on unusual ones are shares of n. Equal ones are taken in order; among
    equally unusual ones, the higher score comes first.
    """
    total, by_anomaly = round(budget * len(score)), round(anomaly_budget * len(score))
    ranked = np.argsort(-score, kind="stable")
    first, rest = np.split(ranked, [max(0, total - by_anomaly)])
    chosen = np.zeros(len(score), bool)
    chosen[first] = True
    chosen[rest[np.argsort(-unusual[rest], kind="stable")[: total - len(first)]]] = True
    return chosen

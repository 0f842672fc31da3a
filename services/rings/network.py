"""Ring models from a canonical table: trained, held against trees, installed, and their embeddings computed.

Importing this module imports PyTorch, which takes seconds and is no part of the plain installation.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from features.catalogue import NAMES
from features.durable import replace_file
from features.errors import BundleError, DataError
from features.progress import Step
from features.replay import replay
from models.calibration import probability
from models.fitting import MAX_ROUNDS
from models.resampling import RESAMPLES
from models.rings.bundle import RingBundle, load_ring_bundle, save_ring_bundle
from models.rings.column import RingColumn
from models.rings.embedding import log_odds
from models.rings.evaluation import RingReport, Score, compare, out_of_fold
from models.rings.graph import RingGraph, build_graph, shuffled
from models.rings.payments import REFRESH_HOURS, Payments, payments_of
from models.rings.training import EPOCHS, Network, encoder_arrays, train_network
from models.scorer import Matrix, Vector
from models.splits import label_delay, time_split
from services.state_directory import StateDirectory

RING_KIND = "mule_ring"  # the simulator's campaigns that are rings
POINTER = "served.json"


class Served(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``served.json``: which ring model is served."""

    version: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a network showed, what one on shuffled edges showed, and the model that was installed, if it was let in.

    ``scores`` (n,) are the log-odds behind the report, those of `models.rings.evaluation.out_of_fold`. The network that
    was installed is the one that scored everything after the training window.
    """

    report: RingReport
    shuffled: RingReport | None
    bundle: RingBundle | None
    scores: Vector

    @property
    def column(self) -> RingColumn | None:
        """Ring scores for the trees of a model; None where the gate does not let the network in."""
        if self.bundle is None:
            return None
        scores = self.scores.copy()
        there = np.isfinite(scores)
        scores[there] = probability(scores[there])
        return RingColumn(scores, self.bundle.version)


def train_rings(
    state: StateDirectory,
    table: pd.DataFrame,
    *,
    as_of: pd.Timestamp | None = None,
    refresh_hours: float = REFRESH_HOURS,
    epochs: int = EPOCHS,
    seed: int = 0,
    device: torch.device,
    step: Step,
) -> RingBundle:
    """Train on every label known at ``as_of`` (UTC; the last event if None) and write the model, without serving it."""
    moment = table["event_time"].iloc[-1] if as_of is None else as_of
    features = replay(table, progress=step("computing features")).features
    graph = build_graph(table)
    payments = payments_of(graph, features, NAMES, refresh_hours)
    known = (table["is_fraud"].notna() & (table["label_time"] < moment)).to_numpy(dtype=bool)
    if not known.any():
        raise DataError(f"No label was known before {moment}.", remedy="Give a longer history, or a later --split.")
    mature = moment - label_delay(table[known])  # the youngest labels are mostly frauds: see `models.splits`
    rows = np.flatnonzero(known & (table["event_time"] <= mature).to_numpy())
    network = train_network(
        graph,
        payments.take(rows),
        _truth(table)[rows],
        seed=seed,
        epochs=epochs,
        device=device,
        progress=step("training the network"),
    )
    return _save(state, network, moment, seed, refresh_hours, None)


def evaluate_rings(
    state: StateDirectory | None,
    table: pd.DataFrame,
    *,
    features: Matrix | None = None,
    as_of: pd.Timestamp | None = None,
    campaigns: pd.DataFrame | None = None,
    shuffle_edges: bool = False,
    refresh_hours: float = REFRESH_HOURS,
    epochs: int = EPOCHS,
    rounds: int = MAX_ROUNDS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    device: torch.device,
    step: Step,
) -> Evaluated:
    """Ask the gate; install the network that it lets through into ``state``, where there is one.

    ``features`` (n, f) are the catalogue's where they have been computed before, ``as_of`` (UTC) the moment of training
    as for `models.splits.time_split`. ``campaigns`` has a row with transaction_id and campaign for each transaction of
    a campaign: it tells rings from other fraud. ``shuffle_edges`` asks the gate once more, for a network trained on
    shuffled edges: it must refuse.
    """
    if features is None:
        features = replay(table, progress=step("computing features")).features
    split, graph = time_split(table, as_of=as_of), build_graph(table)
    payments = payments_of(graph, features, NAMES, refresh_hours)
    is_fraud, is_ring = _truth(table), None if campaigns is None else _of_rings(table, campaigns)
    kept: list[Network] = []

    def asked(of: RingGraph, named: str) -> tuple[RingReport, Vector]:
        def train(payments: Payments, is_fraud: NDArray[np.bool_], seed: int) -> Score:
            network = train_network(of, payments, is_fraud, seed=seed, epochs=epochs, device=device)
            kept.append(network)
            return lambda scored: log_odds(network.encoder, network.head, of, scored)

        scores = out_of_fold(split, payments, is_fraud, train, seed, lambda what: step(what + named))
        report = compare(
            table,
            features,
            split,
            graph,
            payments,
            scores,
            is_ring=is_ring,
            seed=seed,
            rounds=rounds,
            resamples=resamples,
            step=lambda what: step(what + named),
        )
        return report, scores

    report, scores = asked(graph, "")
    network = kept[-1]
    control = asked(shuffled(graph, seed), " (shuffled edges)")[0] if shuffle_edges else None
    bundle = None
    if state is not None and report.passed and (control is None or not control.passed):
        bundle = _save(state, network, split.as_of, seed, refresh_hours, report)
        replace_file(state.ring_models / POINTER, msgspec.json.encode(Served(bundle.version)))
    return Evaluated(report, control, bundle, scores)


def served_ring_model(state: StateDirectory) -> RingBundle | None:
    """Return the ring model that the gate let through, None where there is none; raises `BundleError`."""
    pointer = state.ring_models / POINTER
    if not pointer.exists():
        return None
    try:
        version = msgspec.json.decode(pointer.read_bytes(), type=Served).version
    except msgspec.DecodeError as error:
        raise BundleError(f"{pointer} is damaged: {error}.", remedy="Run `ringfence rings evaluate` again.") from error
    bundle = load_ring_bundle(state.ring_models / Path(version).name)
    if not bundle.passed:
        raise BundleError(
            f"{bundle.version} has not passed the gate.", remedy="Run `ringfence rings evaluate` to ask it."
        )
    return bundle


def _save(
    state: StateDirectory,
    network: Network,
    moment: pd.Timestamp,
    seed: int,
    refresh_hours: float,
    gate: RingReport | None,
) -> RingBundle:
    return save_ring_bundle(
        state.ring_models,
        encoder_arrays(network),
        network.head,
        created_at=datetime.now(UTC),
        trained_until=moment.to_pydatetime(),
        seed=seed,
        refresh_hours=refresh_hours,
        losses=network.losses,
        gate=gate,
    )


def _truth(table: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray((table["is_fraud"] == 1).fillna(False).to_numpy(dtype=bool))


def _of_rings(table: pd.DataFrame, campaigns: pd.DataFrame) -> NDArray[np.bool_]:
    missing = {"transaction_id", "campaign"} - set(campaigns.columns)
    if missing:
        raise DataError(
            f"The campaigns have no column {', '.join(sorted(missing))}.",
            remedy="Give a file with transaction_id and campaign, such as the simulator's .truth file.",
        )
    rings = campaigns.loc[campaigns["campaign"] == RING_KIND, "transaction_id"]
    return np.asarray(table["transaction_id"].astype(object).isin(set(rings)).to_numpy())

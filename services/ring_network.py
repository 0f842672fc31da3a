"""Ring models from a canonical table: trained, held against trees, installed, and their embeddings computed.

Importing this module imports PyTorch, which takes seconds and is no part of the plain installation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from features.catalogue import NAMES
from features.durable import replace_file
from features.embeddings import NODE_TYPES, EmbeddingStore, NodeType
from features.errors import BundleError, DataError
from features.replay import replay
from models.fitting import MAX_ROUNDS
from models.resampling import RESAMPLES
from models.rings.bundle import RingBundle, load_ring_bundle, save_ring_bundle
from models.rings.embedding import Embedded, embed_all, embed_changed, log_odds
from models.rings.evaluation import RingReport, Score, compare, out_of_fold
from models.rings.graph import RingGraph, build_graph, shuffled
from models.rings.payments import REFRESH_HOURS, Payments, payments_of
from models.rings.training import EPOCHS, Network, encoder_arrays, restored_encoder, train_network
from models.splits import label_delay, time_split
from services.state_directory import StateDirectory

Step = Callable[[str], Callable[[int, int], None]]
RING_KIND = "mule_ring"  # the simulator's campaigns that are rings
POINTER = "served.json"
WRITE = 5_000  # embeddings at a time


class Served(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``served.json``: which ring model is served."""

    version: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a network showed, what one on shuffled edges showed, and the model that was installed, if it was let in."""

    report: RingReport
    shuffled: RingReport | None
    bundle: RingBundle | None


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

    ``campaigns`` has a row with transaction_id and campaign for each transaction of a campaign: it tells rings from
    other fraud. ``shuffle_edges`` asks the gate once more, for a network trained on shuffled edges: it must refuse.
    """
    features = replay(table, progress=step("computing features")).features
    split, graph = time_split(table), build_graph(table)
    payments = payments_of(graph, features, NAMES, refresh_hours)
    is_fraud, is_ring = _truth(table), None if campaigns is None else _of_rings(table, campaigns)
    kept: list[Network] = []

    def asked(of: RingGraph, named: str) -> RingReport:
        def train(payments: Payments, is_fraud: NDArray[np.bool_], seed: int) -> Score:
            network = train_network(of, payments, is_fraud, seed=seed, epochs=epochs, device=device)
            kept.append(network)
            return lambda scored: log_odds(network.encoder, network.head, of, scored)

        scores = out_of_fold(split, payments, is_fraud, train, seed, lambda what: step(what + named))
        return compare(
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

    report = asked(graph, "")
    network = kept[-1]
    control = asked(shuffled(graph, seed), " (shuffled edges)") if shuffle_edges else None
    bundle = None
    if state is not None and report.passed and (control is None or not control.passed):
        bundle = _save(state, network, split.as_of, seed, refresh_hours, report)
        replace_file(state.ring_models / POINTER, msgspec.json.encode(Served(bundle.version)))
    return Evaluated(report, control, bundle)


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


def embed_rings(
    bundle: RingBundle,
    table: pd.DataFrame,
    store: EmbeddingStore,
    *,
    as_of: pd.Timestamp,
    since: pd.Timestamp | None = None,
    device: torch.device,
    step: Step,
) -> dict[str, float]:
    """Compute embeddings as of ``as_of`` (UTC) and store them; with ``since`` only those that changed since then.

    Returns how many were written, the edges of the graph and the seconds that computing took.
    """
    graph = build_graph(table[table["event_time"] < as_of])
    if not len(graph.time):
        raise DataError(f"There is no transaction before {as_of}.", remedy="Give a later --at.")
    encoder = restored_encoder(bundle.encoder, device)
    moment = int(as_of.value // 1000)
    began = perf_counter()
    tell = step("embedding")
    if since is None:
        found = embed_all(encoder, graph, moment, tell)
    else:
        found = embed_changed(encoder, graph, int(since.value // 1000), moment, tell)
    seconds = perf_counter() - began
    write_embeddings(store, graph, found, as_of.to_pydatetime(), step("storing"))
    return {"embeddings": len(found.nodes), "edges": graph.edges, "seconds": round(seconds, 3)}


def write_embeddings(
    store: EmbeddingStore, graph: RingGraph, found: Embedded, as_of: datetime, progress: Callable[[int, int], None]
) -> None:
    """Store embeddings by type and key, some at a time."""
    total = len(found.nodes)
    progress(0, max(total, 1))
    types = graph.types(found.nodes)
    for begin in range(0, total, WRITE):
        chunk: dict[NodeType, dict[str, NDArray[np.float32]]] = {}
        for at in range(begin, min(begin + WRITE, total)):
            code = int(types[at])
            key = str(graph.names[code][int(found.nodes[at] - graph.starts[code])])
            chunk.setdefault(NODE_TYPES[code], {})[key] = found.vectors[at]
        store.write(chunk, as_of)
        progress(min(begin + WRITE, total), total)


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

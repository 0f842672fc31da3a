"""Embeddings of a ring model: computed from a canonical table and stored.

Importing this module imports PyTorch, which takes seconds and is no part of the plain installation.
"""

from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.embeddings import NODE_TYPES, EmbeddingStore, NodeType
from features.errors import ConfigurationError, DataError
from features.progress import Progress, Step
from models.bundle import load_bundle
from models.rings.bundle import RingBundle, load_ring_bundle
from models.rings.embedding import Embedded, embed_all, embed_changed
from models.rings.graph import RingGraph, build_graph
from models.rings.stored import ModelEmbeddings
from models.rings.training import restored_encoder
from services.champion import bundle_directory
from services.registry import read_registry
from services.rings.network import served_ring_model
from services.state_directory import StateDirectory

if TYPE_CHECKING:
    import torch

WRITE = 5_000  # embeddings at a time


def needed_ring_model(state: StateDirectory) -> RingBundle | None:
    """Return the ring model that the champion takes its score from, or else `served_ring_model`."""
    version = read_registry(state).champion
    needed = load_bundle(bundle_directory(state, version), expect_features=None).ring_model if version else None
    return served_ring_model(state) if needed is None else load_ring_bundle(state.ring_models / needed)


def embed_rings(
    bundle: RingBundle,
    table: pd.DataFrame,
    store: EmbeddingStore,
    *,
    as_of: pd.Timestamp,
    since: pd.Timestamp | None = None,
    device: "torch.device",
    step: Step,
) -> dict[str, float]:
    """Compute embeddings as of ``as_of`` (UTC) and store them; with ``since`` only those that changed since then.

    Returns how many were written, the edges of the graph and the seconds that computing took.
    """
    kept = ModelEmbeddings(store, bundle.version)
    if since is not None and ((run := kept.read({})[1]) is None or run < since.floor("s")):  # as they are kept
        raise ConfigurationError(
            f"Embeddings of {bundle.version} as of {since} are not in the store; the last run was as of {run}.",
            remedy="Leave out --since: everything is computed then.",
        )
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
    write_embeddings(kept, graph, found, as_of.to_pydatetime(), step("storing"))
    return {"embeddings": len(found.nodes), "edges": graph.edges, "seconds": round(seconds, 3)}


def write_embeddings(
    store: ModelEmbeddings, graph: RingGraph, found: Embedded, as_of: datetime, progress: Progress
) -> None:
    """Store embeddings by type and key, some at a time, and note when all are in."""
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
    store.finish(as_of)

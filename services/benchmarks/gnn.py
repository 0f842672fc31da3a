"""Times the ring network: the served head, live scoring and the batch stage, beside a plain loop over nodes.

Weights are as drawn, since what they are changes no duration. Importing this module imports PyTorch.
"""

import os
import platform
import resource
from importlib.metadata import version
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from features.catalogue import NAMES
from features.embeddings import Embedding
from features.epoch import from_epoch_us
from features.progress import Progress, Step
from features.transaction import Transaction
from models.rings.embedding import embed_all
from models.rings.graph import CARD, RingGraph
from models.rings.inputs import FEATURES, fit_scaling
from models.rings.live import LiveScorer
from models.rings.network import SLOPE, TYPES, WIDTH, Encoder, Head
from models.rings.sampler import FANOUTS, describe_nodes
from models.rings.scorer import HeadScorer, RingScorer, entity_keys
from models.rings.training import one_thread, served_head
from services.benchmarks.gnn_graph import random_graph, transactions_of
from services.benchmarks.timing import Timer

BUDGET_MS = 100.0
SIZES = (1, 64)
CALLS, SECONDS = 300, 5.0
LOOP_NODES = 300


def benchmark_gnn(edges: int, step: Step, *, seed: int = 0) -> dict[str, Any]:
    """Measure on a random graph of about ``edges`` edges; milliseconds are medians, on one core.

    ``ratio_to_node_loop`` says how many times as long a node takes in a plain Python loop over nodes and their edges,
    with numpy for each message, as in the batch stage: the same work, on some of the nodes. The graph's arrays alone
    take ``graph_mb_per_million_edges``; ``peak_mib`` is the process's peak memory up to the end of the batch stage.
    """
    tell = step("building the graph")
    tell(0, 1)
    graph = random_graph(edges, seed)
    tell(1, 1)
    random = np.random.default_rng(seed)
    features = random.normal(size=(max(SIZES) * 4, len(NAMES))).astype(np.float32)
    torch.manual_seed(seed)
    encoder = Encoder().eval()
    head = served_head(Head(len(FEATURES)), fit_scaling(features[:, : len(FEATURES)]))
    recent = transactions_of(graph, len(features))
    moment = int(graph.time[-1]) + 1
    result: dict[str, Any] = {"edges": graph.edges, "nodes": int(graph.starts[-1])}
    with one_thread():
        scorers: dict[str, RingScorer] = {
            "head": HeadScorer(head, NAMES),
            "live": LiveScorer(encoder, head, graph, NAMES),
        }
        tell = step("timing scores")
        tell(0, len(scorers))
        for done, (name, scorer) in enumerate(scorers.items()):
            for size in SIZES:
                result[f"{name}_ms_{size}"] = _score_ms(scorer, recent, features, size, moment)
            tell(done + 1, len(scorers))
    result["head_share_of_budget"] = round(result["head_ms_64"] / BUDGET_MS, 5)
    result["live_share_of_budget"] = round(result["live_ms_1"] / BUDGET_MS, 5)
    cpu = _embed_seconds(encoder, graph, moment, step("embedding on the CPU"))
    result["embed_edges_per_s"] = round(graph.edges / cpu)
    result["embed_threads"] = torch.get_num_threads()
    result["graph_mb_per_million_edges"] = round(graph.memory_bytes() / graph.edges, 1)
    result["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    loop = _loop_seconds(encoder, graph, moment, random, step("embedding in a plain loop"))
    result["ratio_to_node_loop"] = round(loop * int((np.diff(graph.rows) > 0).sum()) / cpu, 1)
    if torch.cuda.is_available():
        encoder = encoder.to("cuda")
        _embed_seconds(encoder, graph, moment, step("warming up CUDA"))
        cuda = _embed_seconds(encoder, graph, moment, step("embedding on CUDA"))
        result["cuda"] = {
            "embed_edges_per_s": round(graph.edges / cuda),
            "ratio_to_cpu": round(cpu / cuda, 2),
            "device": torch.cuda.get_device_name(),
        }
    packages = {name: version(name) for name in ("torch", "torch-geometric", "numpy")}
    return result | {"cpu_count": os.cpu_count(), "versions": {"python": platform.python_version()} | packages}


def _score_ms(
    scorer: RingScorer, recent: list[Transaction], features: NDArray[np.float32], size: int, moment: int
) -> float:
    """Return the median milliseconds of a micro-batch, half of whose entities have an embedding."""
    vector, as_of = np.full(WIDTH, 0.1, np.float32), from_epoch_us(moment)
    batches = []
    for at in range(0, len(recent) - size + 1, size):
        some = recent[at : at + size]
        stored = {
            kind: {key: Embedding(vector, as_of) for key in keys[::2]} for kind, keys in entity_keys(some).items()
        }
        batches.append((some, features[at : at + size], stored))
    scorer.score(*batches[0])
    timer = Timer()
    while len(timer.seconds) < CALLS and sum(timer.seconds) < SECONDS:
        batch = batches[len(timer.seconds) % len(batches)]
        with timer:
            scorer.score(*batch)
    return round(float(np.median(timer.seconds)) * 1000, 4)


def _embed_seconds(encoder: Encoder, graph: RingGraph, moment: int, progress: Progress) -> float:
    began = perf_counter()
    embed_all(encoder, graph, moment, progress)
    return perf_counter() - began


def _loop_seconds(
    encoder: Encoder,
    graph: RingGraph,
    moment: int,
    random: np.random.Generator,
    progress: Progress,
) -> float:
    """Return the seconds that a node takes in a plain loop: both layers, its neighbours' rows being there already."""
    weights = {name: tensor.numpy() for name, tensor in encoder.state_dict().items()}
    seen = np.flatnonzero(np.diff(graph.rows) > 0)
    nodes = np.sort(random.choice(seen, min(LOOP_NODES, len(seen)), replace=False))
    limit = np.full(len(nodes), len(graph.time))
    inputs = describe_nodes(graph, nodes, limit, np.full(len(nodes), moment))
    near = random.random((len(nodes), WIDTH)).astype(np.float32)
    began = perf_counter()
    for done, node in enumerate(nodes):
        _layer_of_one(weights, "first", graph, int(node), inputs[done], inputs, moment, FANOUTS[1])
        _layer_of_one(weights, "second", graph, int(node), near[done], near, moment, FANOUTS[0])
        progress(done + 1, len(nodes))
    return (perf_counter() - began) / len(nodes)


def _layer_of_one(
    weights: dict[str, NDArray[np.float32]],
    layer: str,
    graph: RingGraph,
    node: int,
    own: NDArray[np.float32],
    rows: NDArray[np.float32],
    moment: int,
    fanout: int,
) -> NDArray[np.float32]:
    """Return what a layer makes of one node, edge by edge; ``rows`` stand in for the neighbours' rows."""
    kind = int(np.searchsorted(graph.starts, node, side="right")) - 1
    events = graph.events[graph.rows[node] : graph.rows[node + 1]][-fanout:]
    newest = graph.time[events[-1]]
    sent: dict[int, list[NDArray[np.float32]]] = {}
    for event in events:
        known = graph.label_time[event] < moment
        for code in range(TYPES):
            other = graph.nodes[event, code]
            if other < 0 or (kind == CARD) == (code == CARD):
                continue
            attributes = np.array(
                [
                    graph.amount[event] / 5,
                    np.log1p((newest - graph.time[event]) / 3.6e9) / 5,
                    known and graph.label[event] == 0,
                    known and graph.label[event] == 1,
                    0.0,
                ],
                np.float32,
            )
            message = weights[f"{layer}.edge.weight"] @ attributes + weights[f"{layer}.edge.bias"]
            message += rows[other % len(rows)] @ weights[f"{layer}.neighbour.weight"][code]
            sent.setdefault(code, []).append(np.where(message > 0, message, SLOPE * message))
    sums = np.zeros((TYPES, WIDTH), np.float32)
    for code, messages in sent.items():
        logits = np.array([weights[f"{layer}.attention.weight"][0] @ message for message in messages])
        share = np.exp(logits - logits.max())
        sums[code] = (share / share.sum()) @ np.array(messages)
    joined = np.concatenate((own, sums.ravel()))
    value = joined @ weights[f"{layer}.update_.weight"][kind] + weights[f"{layer}.update_.bias"][kind]
    return np.asarray(np.maximum((value - value.mean()) / (value.std() + 1e-5), 0.0))

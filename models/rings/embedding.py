"""Embeddings: of all entities as of a moment, of those that something happened to, or of a transaction's own.

One of the three modules that know PyTorch. The whole graph is done layer by layer, a chunk of nodes at a time, so that
memory grows with the nodes and not with the edges between them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from features.progress import Progress
from models.rings.changes import changed_nodes
from models.rings.graph import Ints, RingGraph
from models.rings.head import Head
from models.rings.network import WIDTH, EdgeTensors, Encoder, RelationalSage, to_tensor, type_counts
from models.rings.payments import Payments
from models.rings.sampler import FANOUTS, Hop, describe_nodes, edges_into, neighbourhood
from models.scorer import Vector

CHUNK = 16_384  # nodes at a time
PAYMENTS = 512  # transactions at a time


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embeddings of nodes (n,): ``vectors`` (n, WIDTH) float32."""

    nodes: Ints
    vectors: NDArray[np.float32]


def embed_all(encoder: Encoder, graph: RingGraph, moment: int, progress: Progress | None = None) -> Embedded:
    """Embed every node that was seen before ``moment`` (µs)."""
    limit = int(graph.limit(np.array([moment]))[0])
    seen = np.flatnonzero(np.diff(graph.rows) > 0)
    nodes = seen[graph.events[graph.rows[seen]] < limit]
    total = 2 * len(nodes)
    tell = progress or (lambda _done, _total: None)
    tell(0, total)
    place = np.full(int(graph.starts[-1]), -1, np.int32)
    place[nodes] = np.arange(len(nodes))
    layers = [np.empty((len(nodes), WIDTH), np.float32) for _ in range(2)]
    with torch.inference_mode():
        done = 0
        for layer, fanout, out in zip((encoder.first, encoder.second), FANOUTS[::-1], layers, strict=True):
            for chunk in _chunks(len(nodes)):
                hop = _hop(nodes[chunk], limit, moment)
                if layer is encoder.first:
                    out[chunk] = _layer(layer, graph, hop, fanout, lambda at: _inputs(graph, at, limit, moment))
                else:
                    out[chunk] = _layer(layer, graph, hop, fanout, lambda at: layers[0][place[at]])
                done += len(hop.node)
                tell(done, total)
    return Embedded(nodes, layers[1])


def embed_changed(
    encoder: Encoder, graph: RingGraph, before: int, moment: int, progress: Progress | None = None
) -> Embedded:
    """Embed the nodes whose embedding at ``moment`` (µs) is another than at ``before``: the rest keep theirs."""
    nodes = changed_nodes(graph, before, moment)
    return embed_nodes(encoder, graph, nodes, moment, progress)


def embed_nodes(
    encoder: Encoder, graph: RingGraph, nodes: Ints, moment: int, progress: Progress | None = None
) -> Embedded:
    """Embed some nodes, sorted, each seen before ``moment`` (µs)."""
    vectors = np.empty((len(nodes), WIDTH), np.float32)
    with torch.inference_mode():
        for chunk in _chunks(len(nodes)):
            around = neighbourhood(graph, nodes[chunk], np.full(len(nodes[chunk]), moment))
            vectors[chunk] = encoder(graph, around).cpu().numpy()
            if progress is not None:
                progress(chunk.stop, len(nodes))
    return Embedded(nodes, vectors)


def embed_payments(encoder: Encoder, graph: RingGraph, payments: Payments) -> tuple[torch.Tensor, NDArray[np.bool_]]:
    """Return the embeddings (n, types, WIDTH) of each transaction's entities, zero where not known (n, types)."""
    shape = payments.nodes.shape
    around = neighbourhood(graph, payments.nodes.ravel().astype(np.int64), np.repeat(payments.moments, shape[1]))
    vectors = encoder(graph, around)
    vectors = torch.cat([vectors, vectors.new_zeros(1, WIDTH)])  # place -1, not known, reads the last row
    known = around.asked >= 0
    places = to_tensor(np.where(known, around.asked, len(vectors) - 1), vectors.device)
    return vectors[places].view(*shape, WIDTH), known.reshape(shape)


def log_odds(
    encoder: Encoder, head: Head, graph: RingGraph, payments: Payments, *, progress: Progress | None = None
) -> Vector:
    """Return the log-odds of fraud of each transaction (n,), two hops sampled around each, by the head as served."""
    found = np.empty(len(payments.moments), np.float64)
    with torch.inference_mode():
        for begin in range(0, len(found), PAYMENTS):
            rows = np.arange(begin, min(begin + PAYMENTS, len(found)))
            some = payments.take(rows)
            vectors, known = embed_payments(encoder, graph, some)
            found[rows] = head.log_odds(vectors.cpu().numpy(), known, some.present, some.features)
            if progress is not None:
                progress(int(rows[-1]) + 1, len(found))
    return found


def _layer(
    layer: RelationalSage, graph: RingGraph, hop: Hop, fanout: int, rows_of: Callable[[Ints], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return what one layer makes of the nodes of ``hop``; ``rows_of`` gives the rows of nodes."""
    device = layer.norm.weight.device
    edges = edges_into(graph, hop, fanout)
    open_ = edges.source >= 0
    node, at = np.unique(np.concatenate((hop.node, edges.source[open_])), return_inverse=True)
    edges.source[open_] = at[len(hop.node) :]
    own = to_tensor(at[: len(hop.node)], device)
    tensors = EdgeTensors(edges, len(node), device)
    rows = to_tensor(rows_of(node), device)
    out: NDArray[np.float32] = (
        layer(rows, own, tensors, type_counts(graph, node), type_counts(graph, hop.node)).cpu().numpy()
    )
    return out


def _hop(nodes: Ints, limit: int, moment: int) -> Hop:
    count = len(nodes)
    return Hop(nodes, np.full(count, limit), np.full(count, moment), np.empty((count, 0), np.float32))


def _inputs(graph: RingGraph, nodes: Ints, limit: int, moment: int) -> NDArray[np.float32]:
    return describe_nodes(graph, nodes, np.full(len(nodes), limit), np.full(len(nodes), moment))


def _chunks(count: int) -> Iterator[slice]:
    for begin in range(0, count, CHUNK):
        yield slice(begin, min(begin + CHUNK, count))

"""Plain aggregates over neighbours: what a graph tells without a network, for boosted trees to split on.

The network has to beat trees that know these: for each entity of a transaction its own description (how often seen,
with how many partners of each type, known frauds and genuine payments among its newest events), the mean of its
neighbours' descriptions, and the most known frauds of any neighbour.
"""

import numpy as np
from numpy.typing import NDArray

from features.embeddings import NODE_TYPES
from models.rings.graph import Ints, RingGraph
from models.rings.kernel import INPUTS
from models.rings.sampler import FANOUTS, outwards, start
from models.scorer import Matrix

DESCRIBED = (
    "degree",
    "span",
    *(f"distinct_{node_type}s" for node_type in NODE_TYPES),
    "known_frauds",
    "known_genuine",
)
FRAUDS = DESCRIBED.index("known_frauds")
NAMES: tuple[str, ...] = tuple(
    f"graph_{node_type}_{name}"
    for node_type in NODE_TYPES
    for name in (*DESCRIBED, *(f"neighbours_{name}" for name in DESCRIBED), "neighbours_most_frauds")
)
ROWS = 4_096  # transactions at a time


def aggregates(graph: RingGraph, nodes: NDArray[np.int32], moments: Ints) -> Matrix:
    """Return (n, NAMES) float32 for transactions with ``nodes`` (n, types) as of ``moments`` (n,), NaN where nothing
    was known of an entity.
    """
    parts = [np.empty((0, len(NAMES)), np.float32)]
    parts += [
        _part(graph, nodes[begin : begin + ROWS], moments[begin : begin + ROWS]) for begin in range(0, len(nodes), ROWS)
    ]
    return np.concatenate(parts)


def _part(graph: RingGraph, nodes: NDArray[np.int32], moments: Ints) -> Matrix:
    types = nodes.shape[1]
    first, asked = start(graph, nodes.ravel().astype(np.int64), np.repeat(moments, types))
    second, edges, _ = outwards(graph, first, FANOUTS[0])
    open_ = edges.source >= 0
    target, source = edges.target[open_], edges.source[open_]
    count = np.bincount(target, minlength=len(first.node)).astype(np.float32)
    beside = second.inputs[source]
    sums = np.zeros((len(first.node), INPUTS), np.float32)
    most = np.zeros(len(first.node), np.float32)
    np.add.at(sums, target, beside)
    np.maximum.at(most, target, beside[:, FRAUDS])
    mean = np.divide(sums, count[:, None], out=np.full_like(sums, np.nan), where=count[:, None] > 0)
    described = np.column_stack((first.inputs, mean, np.where(count > 0, most, np.nan).astype(np.float32)))
    described = np.concatenate((described, np.full((1, described.shape[1]), np.nan, np.float32)))
    return described[asked].reshape(len(nodes), -1).astype(np.float32, copy=False)

"""Which embeddings a stretch of time has changed, so that the others need not be computed again.

A node changes with a new event, or when a label of one of its events becomes known; a change reaches two hops, but not
through a hub. Events and labels that lie further back than a node's newest ones count too: a few nodes too many.
"""

import numpy as np
from numpy.typing import NDArray

from models.rings.graph import CARD, Ints, RingGraph
from models.rings.sampler import HUB


def changed_nodes(graph: RingGraph, before: int, moment: int) -> Ints:
    """Return the nodes, sorted, whose embedding at ``moment`` may differ from that at ``before`` (µs)."""
    old, new = graph.limit(np.array([before, moment])).tolist()
    told = np.flatnonzero((graph.label_time[:old] >= before) & (graph.label_time[:old] < moment))
    touched = np.unique(graph.nodes[np.concatenate((told, np.arange(old, new)))])
    found = touched[touched >= 0].astype(np.int64)
    for _hop in range(2):
        found = np.union1d(found, _neighbours(graph, found, old, new))
    return found


def _neighbours(graph: RingGraph, nodes: Ints, old: int, new: int) -> Ints:
    """Return whom the nodes met before event ``new``; those that were hubs before event ``old`` pass nothing on."""
    first, end = graph.rows[nodes], graph.rows[nodes + 1]
    crowded = (end - first > HUB) & (graph.events[np.minimum(first + HUB, len(graph.events) - 1)] < old)
    nodes, first, end = nodes[~crowded], first[~crowded], end[~crowded]
    counts = end - first
    at = np.repeat(first - np.concatenate(([0], np.cumsum(counts)[:-1])), counts) + np.arange(counts.sum())
    events = graph.events[at]
    is_card = np.repeat(graph.types(nodes) == CARD, counts)
    past = events < new
    met = np.concatenate((graph.nodes[events[past & ~is_card], CARD], graph.nodes[events[past & is_card]].ravel()))
    met_once: NDArray[np.int32] = np.unique(met)
    return met_once[met_once >= 0].astype(np.int64)

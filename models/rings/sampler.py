"""Samples what lies around nodes just before a moment: never an edge at or after it, never more than the fan-out.

The newest edges are taken (PyG calls this the temporal strategy "last"), so that nothing is drawn at random: the same
past gives the same neighbourhood, in training, in the batch stage and live. Nothing that comes out depends on how long
ago the newest edge was, so an embedding changes only when something happens to it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.rings.graph import CARD, Ints, RingGraph
from models.rings.kernel import ATTRIBUTES, INPUTS, describe, sample

FANOUTS = (16, 6)  # newest events of a node that send messages: around the nodes asked for, and one hop further out
DESCRIBED = 32  # newest events of a node that it is described by
HUB = 200  # a node with more events tells nothing about those it meets: it is read, but not read through
_PARTNERS = 4  # edges of one event at a card


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges into ``targets`` queries. Per edge, shape (e,): ``source`` is a place among the queries of the hop beyond,
    or -1 for a hub; ``source_type``; ``target``, ascending; ``attributes`` (e, ATTRIBUTES) float32.
    """

    source: Ints
    source_type: Ints
    target: Ints
    attributes: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hop:
    """Nodes, each at a moment: ``node``, ``limit`` and ``moment`` (n,), sorted by node; ``inputs`` (n, INPUTS)."""

    node: Ints
    limit: Ints
    moment: Ints
    inputs: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Two hops around the nodes asked for.

    ``hops`` go outwards: the nodes themselves, those and their neighbours, those and theirs. ``edges[i]`` lead from
    hop i + 1 into hop i, ``own[i]`` (n of hop i) says where hop i's nodes are among those of hop i + 1. ``asked`` says
    where each node asked for is in the first hop, -1 where nothing was known of it.
    """

    hops: tuple[Hop, Hop, Hop]
    edges: tuple[Edges, Edges]
    own: tuple[Ints, Ints]
    asked: Ints


def neighbourhood(graph: RingGraph, nodes: Ints, moments: Ints) -> Neighbourhood:
    """Sample around ``nodes`` (n,), each at its moment (n,), µs: only earlier events, and labels known earlier.

    A node is -1 for none.
    """
    first, asked = start(graph, nodes, moments)
    second, inner, own_inner = outwards(graph, first, FANOUTS[0])
    third, outer, own_outer = outwards(graph, second, FANOUTS[1])
    return Neighbourhood((first, second, third), (inner, outer), (own_inner, own_outer), asked)


def start(graph: RingGraph, nodes: Ints, moments: Ints) -> tuple[Hop, Ints]:
    """Return the nodes asked for as a hop, each once, and where each is in it; -1 where nothing was known of it."""
    limits = graph.limit(moments)
    known = np.flatnonzero(nodes >= 0)
    first, end = graph.rows[nodes[known]], graph.rows[nodes[known] + 1]
    known = known[(end > first) & (graph.events[np.minimum(first, len(graph.events) - 1)] < limits[known])]
    node, moment, place = _unique(nodes[known].astype(np.int64), moments[known])
    asked = np.full(len(nodes), -1, np.int64)
    asked[known] = place
    return _hop(graph, node, moment), asked


def outwards(graph: RingGraph, hop: Hop, fanout: int) -> tuple[Hop, Edges, Ints]:
    """Return the hop beyond ``hop``, the edges from there, and where the nodes of ``hop`` are in it."""
    edges = edges_into(graph, hop, fanout)
    open_ = np.flatnonzero(edges.source >= 0)
    count = len(hop.node)
    node, moment, place = _unique(
        np.concatenate((hop.node, edges.source[open_])),
        np.concatenate((hop.moment, hop.moment[edges.target[open_]])),
    )
    source = np.full(len(edges.source), -1, np.int64)
    source[open_] = place[count:]
    beyond = Edges(source, edges.source_type, edges.target, edges.attributes)
    return _hop(graph, node, moment), beyond, place[:count]


def edges_into(graph: RingGraph, hop: Hop, fanout: int) -> Edges:
    """Return the edges of the newest ``fanout`` events into each node of ``hop``; ``source`` holds node ids here."""
    is_card = graph.types(hop.node) == CARD
    room = int(np.where(is_card, _PARTNERS, 1) @ np.minimum(graph.rows[hop.node + 1] - graph.rows[hop.node], fanout))
    source, source_type, target = (np.empty(room, np.int64) for _ in range(3))
    attributes = np.empty((room, ATTRIBUTES), np.float32)
    made = sample(
        graph.time,
        graph.amount,
        graph.label,
        graph.label_time,
        graph.nodes,
        graph.rows,
        graph.events,
        hop.node,
        hop.limit,
        hop.moment,
        is_card,
        fanout,
        HUB,
        source,
        source_type,
        target,
        attributes,
    )
    return Edges(source[:made], source_type[:made], target[:made], attributes[:made])


def describe_nodes(graph: RingGraph, node: Ints, limit: Ints, moment: Ints) -> NDArray[np.float32]:
    """Return each node in `INPUTS` numbers, as of its moment."""
    out = np.empty((len(node), INPUTS), np.float32)
    describe(
        graph.time,
        graph.label,
        graph.label_time,
        graph.nodes,
        graph.rows,
        graph.events,
        node,
        limit,
        moment,
        DESCRIBED,
        out,
    )
    return out


def _hop(graph: RingGraph, node: Ints, moment: Ints) -> Hop:
    limit = graph.limit(moment)
    return Hop(node, limit, moment, describe_nodes(graph, node, limit, moment))


def _unique(node: Ints, moment: Ints) -> tuple[Ints, Ints, Ints]:
    """Return each pair once, sorted by node, then by moment, and the place of every given pair among them."""
    order = np.lexsort((moment, node))
    node, moment = node[order], moment[order]
    fresh = np.ones(len(node), bool)
    fresh[1:] = (np.diff(node) != 0) | (np.diff(moment) != 0)
    place = np.empty(len(node), np.int64)
    place[order] = np.cumsum(fresh) - 1
    return node[fresh], moment[fresh], place

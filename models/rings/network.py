"""The network: two layers of relational GraphSAGE with attention over edges, and the head, in PyTorch Geometric.

One of the three modules that know PyTorch. A message is made from the neighbour, by its type, and from the edge; the
messages of one relation are weighed by attention and added up; a node joins the sums of its relations to what it was,
by its own type. So every pair of types has weights of its own, and a layer is a handful of large operations.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing  # type: ignore[import-untyped]  # ships no types
from torch_geometric.utils import softmax  # type: ignore[import-untyped]  # ships no types

from features.embeddings import NODE_TYPES
from models.rings.graph import Ints, RingGraph
from models.rings.kernel import ATTRIBUTES, INPUTS
from models.rings.sampler import Edges, Neighbourhood

TYPES = len(NODE_TYPES)
WIDTH = 32
HIDDEN = 64
SLOPE = 0.2  # of the leaky rectifier in front of the attention, as in GATv2


class TypedLinear(nn.Module):
    """A linear map a type; rows come sorted by type, ``counts`` says how many there are of each."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(TYPES, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(TYPES, outputs))

    def forward(self, rows: Tensor, counts: Sequence[int]) -> Tensor:
        """Map rows (n, inputs) to (n, outputs)."""
        parts = torch.split(rows, list(counts))
        return torch.cat([torch.addmm(self.bias[at], part, self.weight[at]) for at, part in enumerate(parts)])


class RelationalSage(MessagePassing):  # type: ignore[misc]  # see the import
    """One layer, from the nodes of a hop and the edges that leave it to the nodes of the hop within."""

    def __init__(self, inputs: int) -> None:
        super().__init__(aggr="add")
        self.neighbour = TypedLinear(inputs, WIDTH)
        self.edge = nn.Linear(ATTRIBUTES, WIDTH)
        self.attention = nn.Linear(WIDTH, 1, bias=False)
        self.update_ = TypedLinear(inputs + TYPES * WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(
        self, rows: Tensor, own: Tensor, edges: "EdgeTensors", outer: Sequence[int], inner: Sequence[int]
    ) -> Tensor:
        """Return (n, WIDTH) for the n inner nodes, found at ``own`` among the outer ``rows``."""
        projected = self.neighbour(rows, outer)
        projected = torch.cat([projected, projected.new_zeros(1, WIDTH)])  # a hub's source -1 reads the last row
        slots = len(own) * TYPES
        sums = self.propagate(
            torch.stack([edges.source, edges.slot]),
            x=(projected, None),
            attributes=self.edge(edges.attributes),
            size=(len(projected), slots),
        )
        joined = torch.cat([rows[own], sums.view(len(own), TYPES * WIDTH)], dim=1)
        out: Tensor = torch.relu(self.norm(self.update_(joined, inner)))
        return out

    def message(self, x_j: Tensor, attributes: Tensor, index: Tensor, size_i: int) -> Tensor:
        """Weigh what comes over each edge by attention among the edges of its relation."""
        sent = nn.functional.leaky_relu(x_j + attributes, SLOPE)
        weighed: Tensor = sent * softmax(self.attention(sent), index, num_nodes=size_i)
        return weighed


class EdgeTensors:
    """`Edges` on a device: ``slot`` is the relation's place, target times types plus the type of the source."""

    def __init__(self, edges: Edges, sources: int, device: torch.device) -> None:
        source = np.where(edges.source < 0, sources, edges.source)
        self.source = torch.from_numpy(source).to(device)
        self.slot = torch.from_numpy(edges.target * TYPES + edges.source_type).to(device)
        self.attributes = torch.from_numpy(edges.attributes).to(device)


class Encoder(nn.Module):
    """From a sampled neighbourhood to embeddings of the nodes asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.first = RelationalSage(INPUTS)
        self.second = RelationalSage(WIDTH)

    def forward(self, graph: RingGraph, around: Neighbourhood) -> Tensor:
        """Return (n, WIDTH) for the nodes of the first hop."""
        device = self.first.norm.weight.device
        counts = [type_counts(graph, hop.node) for hop in around.hops]
        inner, outer = (
            EdgeTensors(edges, len(beyond.node), device)
            for edges, beyond in zip(around.edges, around.hops[1:], strict=True)
        )
        own = [torch.from_numpy(places).to(device) for places in around.own]
        rows = torch.from_numpy(around.hops[2].inputs).to(device)
        near = self.first(rows, own[1], outer, counts[2], counts[1])
        out: Tensor = self.second(near, own[0], inner, counts[1], counts[0])
        return out


class Head(nn.Module):
    """From the embeddings of a transaction's entities and its own features to the log-odds of fraud.

    What has no embedding yet gets one from the transaction's other entities, its neighbours by this very payment.
    """

    def __init__(self, features: int, seed_width: int = WIDTH) -> None:
        super().__init__()
        bound = seed_width**-0.5
        self.one_hop = nn.Parameter(torch.empty(TYPES, TYPES, seed_width, seed_width).uniform_(-bound, bound))
        self.unknown = nn.Parameter(torch.zeros(TYPES, seed_width))
        self.hidden = nn.Linear(TYPES * (seed_width + 2) + features, HIDDEN)
        self.out = nn.Linear(HIDDEN, 1)

    def forward(
        self, embedded: Tensor, known: Tensor, present: Tensor, features: Tensor, dropout: float = 0.0
    ) -> Tensor:
        """Return log-odds (n,).

        ``embedded`` (n, types, WIDTH), zero where not ``known`` (n, types); ``present``: the transaction has such an
        entity; ``features`` (n, f), scaled, no missing values.
        """
        weight = known.to(embedded.dtype)
        neighbours = torch.einsum("nsd,tsde->nte", embedded, self.one_hop)
        guess = torch.relu(self.unknown + neighbours / weight.sum(1).clamp(min=1.0)[:, None, None])
        filled = torch.where((present & ~known)[..., None], guess, embedded)
        joined = torch.cat([filled.flatten(1), weight, present.to(embedded.dtype), features], dim=1)
        hidden = torch.relu(self.hidden(joined))
        odds: Tensor = self.out(nn.functional.dropout(hidden, dropout, self.training)).squeeze(1)
        return odds


def type_counts(graph: RingGraph, nodes: Ints) -> list[int]:
    """Return how many of the nodes, sorted, are of each type."""
    return [int(count) for count in np.diff(np.searchsorted(nodes, graph.starts))]


def to_tensor(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """Copy an array to a device."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)

"""Communities of a weighted graph by the Leiden method (Traag, Waltman, van Eck, 2019): the one place that knows it."""

import numpy as np
from numpy.typing import NDArray

from features.errors import ConfigurationError

Ints = NDArray[np.int64]


def communities(nodes: int, edges: Ints, weights: NDArray[np.float64], *, resolution: float, seed: int) -> Ints:
    """Return the community of each of ``nodes``, shape (nodes,): numbered by their smallest node, from 0.

    ``edges`` (m, 2) are pairs of nodes, ``weights`` (m,) positive. Each connected component is divided by itself, by
    modularity at ``resolution`` (below 1: divided less readily), so that what happens in one part of the graph changes
    nothing in another. The same graph and seed give the same communities. Raises `ConfigurationError` where the
    libraries are not installed.
    """
    try:
        import igraph  # type: ignore[import-untyped]  # noqa: PLC0415 only finding rings needs them
        import leidenalg  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "Finding rings needs the extra `gnn`.", remedy="Install it with `pip install 'ringfence[gnn]'`."
        ) from None
    graph = igraph.Graph(n=nodes, edges=edges.tolist(), edge_attrs={"weight": weights.tolist()})
    found = np.empty(nodes, np.int64)
    count = 0
    for component in graph.connected_components():
        part = graph.induced_subgraph(component)
        division = leidenalg.find_partition(
            part,
            leidenalg.RBConfigurationVertexPartition,
            weights="weight",
            resolution_parameter=resolution,
            n_iterations=-1,
            seed=seed,
        )
        found[component] = np.asarray(division.membership) + count
        count += len(division)
    first = np.unique(found, return_index=True)[1]
    return np.argsort(np.argsort(first))[found]

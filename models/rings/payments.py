"""Transactions as the network sees them: which nodes they touch, as of when, and a few features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.rings.graph import Ints, RingGraph
from models.rings.inputs import columns_of
from models.scorer import Matrix

HOUR_US = 3_600_000_000
REFRESH_HOURS = 1.0  # how often embeddings are computed anew, unless told otherwise


@dataclass(frozen=True, slots=True)
class Payments:
    """n transactions.

    ``nodes`` (n, types) in the graph, -1 where absent or never seen; ``present`` (n, types): the transaction names such
    an entity; ``moments`` (n,), µs: only what was known before is looked at; ``features`` (n, f), unscaled.
    """

    nodes: NDArray[np.int32]
    present: NDArray[np.bool_]
    moments: Ints
    features: Matrix

    def take(self, rows: NDArray[np.intp]) -> "Payments":
        """Return some of the rows."""
        return Payments(self.nodes[rows], self.present[rows], self.moments[rows], self.features[rows])


def payments_of(graph: RingGraph, features: Matrix, names: Sequence[str], refresh_hours: float) -> Payments:
    """Return the transactions of a graph with their features (E, f), columns in the order of ``names``."""
    return Payments(
        graph.nodes, graph.nodes >= 0, last_refresh(graph.time, refresh_hours), features[:, columns_of(names)]
    )


def last_refresh(time: Ints, refresh_hours: float) -> Ints:
    """Return when embeddings were last computed at or before each time (µs); the time itself when every 0 hours."""
    step = round(refresh_hours * HOUR_US)
    return time if step == 0 else time // step * step

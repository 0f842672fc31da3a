"""Live scoring: two hops sampled around each transaction as it comes; the same contract as the head's."""

from collections.abc import Sequence

import numpy as np

from features.embeddings import NODE_TYPES, Embeddings
from features.epoch import epoch_us
from features.transaction import Transaction
from models.calibration import probability
from models.rings.embedding import log_odds
from models.rings.graph import RingGraph
from models.rings.head import Head
from models.rings.inputs import columns_of
from models.rings.network import Encoder
from models.rings.payments import Payments
from models.rings.scorer import entity_key
from models.scorer import Matrix, Vector


class LiveScorer:
    """Scores against a graph in memory: what happened before each transaction, stored embeddings aside."""

    def __init__(self, encoder: Encoder, head: Head, graph: RingGraph, names: Sequence[str]) -> None:
        self._encoder, self._head, self._graph = encoder, head, graph
        self._columns = columns_of(names)

    def score(self, transactions: Sequence[Transaction], features: Matrix, embeddings: Embeddings) -> Vector:
        """Score; see `models.rings.scorer.RingScorer`. ``embeddings`` are not looked at."""
        del embeddings
        keys = {kind: [entity_key(one, kind) for one in transactions] for kind in NODE_TYPES}
        present = np.array([[key is not None for key in keys[kind]] for kind in NODE_TYPES], np.bool_).T
        payments = Payments(
            nodes=self._graph.find(keys),
            present=np.ascontiguousarray(present),
            moments=np.array([epoch_us(one.event_time) for one in transactions], np.int64),
            features=features[:, self._columns],
        )
        return probability(log_odds(self._encoder, self._head, self._graph, payments))

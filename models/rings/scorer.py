"""The seam of ring scores: transactions, their features and stored embeddings in, one score each out.

`HeadScorer` serves the embeddings that the batch stage stored, in numpy. `models.rings.live` samples the graph instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from features.embeddings import NODE_TYPES, Embedding, Embeddings, EmbeddingStore, NodeType
from features.transaction import Transaction
from models.calibration import probability
from models.rings.head import Head
from models.rings.inputs import columns_of
from models.scorer import Matrix, Vector


class RingScorer(Protocol):
    """Scores a micro-batch."""

    def score(self, transactions: Sequence[Transaction], features: Matrix, embeddings: Embeddings) -> Vector:
        """Return the probability of fraud by what the entities share with others, shape (n,), float64.

        ``features`` (n, f) are those of the catalogue as of each transaction; ``embeddings`` what the store holds of
        the entities (`entity_keys`), which may be nothing.
        """


class HeadScorer:
    """Scores by stored embeddings; ``names`` are the columns of the features that it will be given."""

    def __init__(self, head: Head, names: Sequence[str]) -> None:
        self._head = head
        self._columns = columns_of(names)

    def score(self, transactions: Sequence[Transaction], features: Matrix, embeddings: Embeddings) -> Vector:
        """Score; see `RingScorer`."""
        shape = len(transactions), len(NODE_TYPES)
        embedded = np.zeros((*shape, self._head.width), np.float32)
        known, present = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for code, node_type in enumerate(NODE_TYPES):
            found: Mapping[str, Embedding] = embeddings.get(node_type, {})
            for row, transaction in enumerate(transactions):
                key = entity_key(transaction, node_type)
                if key is not None:
                    present[row, code] = True
                    embedding = found.get(key)
                    if embedding is not None and embedding.vector.shape == (self._head.width,):
                        embedded[row, code] = embedding.vector
                        known[row, code] = True
        return probability(self._head.log_odds(embedded, known, present, features[:, self._columns]))


@dataclass(frozen=True, slots=True)
class ServedNetwork:
    """What a model bundle needs of its ring model: the head, and the ``version`` that its embeddings are from."""

    version: str
    scorer: RingScorer


def entity_key(transaction: Transaction, node_type: NodeType) -> str | None:
    """Return the transaction's entity of a type, None where it names none."""
    match node_type:
        case "card":
            return transaction.card_id
        case "merchant":
            return transaction.merchant_id
        case "device":
            return transaction.device_id
        case "ip":
            return transaction.ip
        case "account":
            return transaction.counterparty_id


def entity_keys(transactions: Sequence[Transaction]) -> dict[NodeType, list[str]]:
    """Return whom a micro-batch touches, each once, for `EmbeddingStore.read`."""
    return {
        node_type: list(dict.fromkeys(key for one in transactions if (key := entity_key(one, node_type)) is not None))
        for node_type in NODE_TYPES
    }


def score_stored(
    scorer: RingScorer, store: EmbeddingStore, transactions: Sequence[Transaction], features: Matrix
) -> Vector:
    """Read the embeddings of a micro-batch and score it; raises `StoreUnavailable` when the store does not answer."""
    return scorer.score(transactions, features, store.read(entity_keys(transactions)))

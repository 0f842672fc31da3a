"""The ring network's score of payments, within its share of the reply's budget."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.embeddings import EmbeddingStore
from features.errors import RingfenceError
from features.transaction import Transaction
from models.rings.scorer import ServedNetwork, entity_keys
from models.rings.stored import ModelEmbeddings
from models.scorer import Vector
from streaming.bounded_call import BoundedCall

NETWORK_STAGE = "ring_network"  # in the latency ledger; what is degraded without it are the rings
TIMEOUT_S = 0.025  # of the 100 ms; reading for 64 payments takes half of that of one core
STALE_AFTER = timedelta(days=1)  # older embeddings say too little of what has happened since
Scores = NDArray[np.float32]


class ScoreSource(Protocol):
    """Where a network's scores come from; used by one thread. All methods may raise `RingfenceError`."""

    def warm_up(self, network: ServedNetwork) -> None:
        """Do beforehand what can be done without payments."""

    def score(
        self, network: ServedNetwork, transactions: Sequence[Transaction], features: NDArray[np.float32]
    ) -> tuple[Vector, datetime] | None:
        """Return scores (n,), and as of when (UTC) is what they rest on; None where there is nothing to rest on."""

    def close(self) -> None:
        """Put everything away."""


class StoredScores:
    """The head's scores, by the embeddings in a store."""

    def __init__(self, store: EmbeddingStore) -> None:
        self._store = store

    def warm_up(self, network: ServedNetwork) -> None:
        """Read once."""
        ModelEmbeddings(self._store, network.version).read({})

    def score(
        self, network: ServedNetwork, transactions: Sequence[Transaction], features: NDArray[np.float32]
    ) -> tuple[Vector, datetime] | None:
        """Score; see `ScoreSource`."""
        embeddings, last_run = ModelEmbeddings(self._store, network.version).read(entity_keys(transactions))
        return None if last_run is None else (network.scorer.score(transactions, features, embeddings), last_run)

    def close(self) -> None:
        """Close the store."""
        self._store.close()


class NetworkStage:
    """Asks for the scores of payments, or says that they cannot be told.

    ``open_source`` is called once, in the thread that asks, before the first question.
    """

    def __init__(
        self,
        open_source: Callable[[], ScoreSource] | None = None,
        timeout_s: float = TIMEOUT_S,
        stale_after: timedelta = STALE_AFTER,
    ) -> None:
        self._open = open_source
        self._stale_after = stale_after
        self._source: ScoreSource | None = None
        self._call = BoundedCall("ring-network", timeout_s)

    def warm_up(self, network: ServedNetwork) -> None:
        """Open the source, however long it takes; one that is away is tried again with each question."""
        with suppress(RingfenceError):
            self._call.patiently(self._warm_up, network)

    def score(
        self,
        network: ServedNetwork,
        transactions: Sequence[Transaction],
        features: NDArray[np.float32],
        now: datetime,
    ) -> Scores | None:
        """Return the network's probability of fraud for each of ``transactions`` (n,), float32.

        ``features`` (n, f) are the catalogue's. None where it cannot be told at ``now`` (UTC): too slow, a store that
        is away, no embeddings of this network yet, or embeddings that are too old.
        """
        return self._call.ask(self._score, network, transactions, features, now)

    def close(self) -> None:
        """End the thread after the question in hand, and close the source."""
        self._call.close()
        if self._source is not None:
            self._source.close()

    def _opened(self) -> ScoreSource | None:
        if self._source is None and self._open is not None:
            self._source = self._open()
        return self._source

    def _warm_up(self, network: ServedNetwork) -> None:
        if source := self._opened():
            source.warm_up(network)

    def _score(
        self, network: ServedNetwork, transactions: Sequence[Transaction], features: NDArray[np.float32], now: datetime
    ) -> Scores | None:
        source = self._opened()
        found = source.score(network, transactions, features) if source else None
        if found is None or now - found[1] > self._stale_after:
            return None
        return found[0].astype(np.float32)

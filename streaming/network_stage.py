"""The ring network's score of payments, within its share of the reply's budget."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from features.embeddings import Embeddings, EmbeddingStore, Keys
from features.errors import RingfenceError
from features.transaction import Transaction
from models.rings.scorer import ServedNetwork, entity_keys
from models.rings.stored import ModelEmbeddings
from streaming.bounded_call import BoundedCall

NETWORK_STAGE = "ring_network"  # in the latency ledger; what is degraded without it are the rings
TIMEOUT_S = 0.025  # of the 100 ms; reading for 64 payments takes half of that of one core
STALE_AFTER = timedelta(days=1)  # older embeddings say too little of what has happened since
Scores = NDArray[np.float32]


class NetworkStage:
    """Reads the embeddings of the payments' entities and lets the head judge, or says that it cannot be told.

    ``open_store`` is called once, in the thread that reads, before the first question.
    """

    def __init__(
        self,
        open_store: Callable[[], EmbeddingStore] | None = None,
        timeout_s: float = TIMEOUT_S,
        stale_after: timedelta = STALE_AFTER,
    ) -> None:
        self._open = open_store
        self._stale_after = stale_after
        self._store: EmbeddingStore | None = None
        self._call = BoundedCall("ring-network", timeout_s)

    def warm_up(self, network: ServedNetwork) -> None:
        """Open the store, however long it takes; one that is away is tried again with each question."""
        with suppress(RingfenceError):
            self._call.patiently(self._read, network, {})

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
        """End the thread after the question in hand, and close the store."""
        self._call.close()
        if self._store is not None:
            self._store.close()

    def _read(self, network: ServedNetwork, keys: Keys) -> tuple[Embeddings, datetime | None]:
        if self._store is None and self._open is not None:
            self._store = self._open()
        return ModelEmbeddings(self._store, network.version).read(keys) if self._store else ({}, None)

    def _score(
        self, network: ServedNetwork, transactions: Sequence[Transaction], features: NDArray[np.float32], now: datetime
    ) -> Scores | None:
        embeddings, last_run = self._read(network, entity_keys(transactions))
        if last_run is None or now - last_run > self._stale_after:
            return None
        return network.scorer.score(transactions, features, embeddings).astype(np.float32)

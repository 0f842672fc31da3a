"""The in-memory twin of the store of embeddings: same contract, nothing durable."""

import threading
from collections.abc import Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from features.embeddings import NODE_TYPES, Embedding, Embeddings, Keys, NodeType
from features.stores.embedding_checks import check_types, check_vectors, to_seconds


class MemoryEmbeddings:
    """Keeps embeddings in dictionaries; any thread may. Implements `features.embeddings.EmbeddingStore`."""

    def __init__(self) -> None:
        self._stored: Embeddings = {node_type: {} for node_type in NODE_TYPES}
        self._lock = threading.Lock()

    def read(self, keys: Keys) -> Embeddings:
        """Return the embeddings found; every type asked for is present, unknown keys are absent."""
        check_types(keys)
        with self._lock:
            return {
                node_type: {key: self._stored[node_type][key] for key in wanted if key in self._stored[node_type]}
                for node_type, wanted in keys.items()
            }

    def write(self, vectors: Mapping[NodeType, Mapping[str, NDArray[np.float32]]], as_of: datetime) -> None:
        """Replace embeddings, each unless one with a later ``as_of`` is stored."""
        check_vectors(vectors)
        as_of = to_seconds(as_of)
        with self._lock:
            for node_type, of_type in vectors.items():
                stored = self._stored[node_type]
                for key, vector in of_type.items():
                    if key not in stored or stored[key].as_of <= as_of:
                        stored[key] = Embedding(vector.copy(), as_of)

    def close(self) -> None:
        """Nothing to release."""

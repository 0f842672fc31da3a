"""Stored embeddings of one ring model: which model made them, and when they were last brought up to date.

Another model's numbers mean something else, so each vector carries a tag of its model at its end, and vectors with
another tag count as absent: a change of model needs no moment at which everything is exchanged at once. An entity that
nothing happens to keeps its vector from run to run, so that how old the embeddings are is told by the last run alone.
It is kept as the vector of a key that is no merchant's, and read along with the others.
"""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from features.embeddings import Embedding, Embeddings, EmbeddingStore, Keys, NodeType

LAST_RUN = "\x00last run"
_KEPT: NodeType = "merchant"


class ModelEmbeddings:
    """The embeddings that one ring ``model`` (its version) has made, in a store that others may write to as well.

    All methods raise `features.errors.StoreUnavailable` when the store does not answer.
    """

    def __init__(self, store: EmbeddingStore, model: str) -> None:
        self._store = store
        self._tag = np.array([int(model.rpartition("-")[2][-6:], 16)], np.float32)  # 24 bits: exact in a float32

    def read(self, keys: Keys) -> tuple[Embeddings, datetime | None]:
        """Return the embeddings found, and as of when the last run was (UTC); None if there has been none."""
        wanted = {**keys, _KEPT: [*keys.get(_KEPT, ()), LAST_RUN]}
        found = {node_type: self._own(of_type) for node_type, of_type in self._store.read(wanted).items()}
        run = found[_KEPT].pop(LAST_RUN, None)
        return found, run.as_of if run else None

    def write(self, vectors: Mapping[NodeType, Mapping[str, NDArray[np.float32]]], as_of: datetime) -> None:
        """Replace embeddings; see `features.embeddings.EmbeddingStore`."""
        tagged = {
            node_type: {key: np.concatenate((vector, self._tag)) for key, vector in of_type.items()}
            for node_type, of_type in vectors.items()
        }
        self._store.write(tagged, as_of)

    def finish(self, as_of: datetime) -> None:
        """Note that everything known before ``as_of`` (UTC) is in; to be called when it is."""
        self._store.write({_KEPT: {LAST_RUN: self._tag}}, as_of)

    def _own(self, of_type: Mapping[str, Embedding]) -> dict[str, Embedding]:
        tag = float(self._tag[0])
        return {key: Embedding(one.vector[:-1], one.as_of) for key, one in of_type.items() if one.vector[-1] == tag}

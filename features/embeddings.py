"""The seam to stored embeddings: what the graph of past payments says of an entity, as a few numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

NodeType = Literal["card", "merchant", "device", "ip", "account"]
NODE_TYPES: tuple[NodeType, ...] = ("card", "merchant", "device", "ip", "account")  # account: the counterparty's
Keys = Mapping[NodeType, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Embedding:
    """What was known of an entity before ``as_of`` (UTC, whole seconds): ``vector`` (d,) float32."""

    vector: NDArray[np.float32]
    as_of: datetime


Embeddings = dict[NodeType, dict[str, Embedding]]


class EmbeddingStore(Protocol):
    """Holds one embedding an entity. One writer; any number of readers.

    Both methods raise `features.errors.StoreUnavailable` when the store does not answer. A stored value that is no
    embedding counts as absent.
    """

    def read(self, keys: Keys) -> Embeddings:
        """Return the embeddings found; every type asked for is present, unknown keys are absent."""

    def write(self, vectors: Mapping[NodeType, Mapping[str, NDArray[np.float32]]], as_of: datetime) -> None:
        """Replace embeddings; one that is stored with a later ``as_of`` (UTC) may stay, one with the same may not.

        Of ``as_of``, whole seconds are kept.
        """

    def close(self) -> None:
        """Release connections; the store must not be used afterwards."""

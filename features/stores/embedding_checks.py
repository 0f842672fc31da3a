"""Argument checks shared by every store of embeddings, so that a mistake fails alike on all of them."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from features.embeddings import NODE_TYPES, NodeType
from features.stores.checks import check_utc


def check_types(node_types: Iterable[str]) -> None:
    """Raise ValueError for a name that is no type of node."""
    for node_type in node_types:
        if node_type not in NODE_TYPES:
            raise ValueError(f"unknown node type {node_type!r}: the types are {', '.join(NODE_TYPES)}")


def check_vectors(vectors: Mapping[NodeType, Mapping[str, NDArray[np.float32]]]) -> None:
    """Raise ValueError unless every embedding is a float32 vector of finite numbers."""
    check_types(vectors)
    for of_type in vectors.values():
        for key, vector in of_type.items():
            if vector.dtype != np.float32 or vector.ndim != 1 or not np.isfinite(vector).all():
                raise ValueError(f"the embedding of {key!r} is no float32 vector of finite numbers")


def to_seconds(as_of: datetime) -> datetime:
    """Return ``as_of`` as every store keeps it, in whole seconds; raises ValueError unless it is in UTC."""
    check_utc(as_of)
    return as_of.replace(microsecond=0)

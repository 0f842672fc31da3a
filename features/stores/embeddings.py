"""Opens the store of embeddings on Feast; its import takes seconds and is paid here, not by importing this module."""

import importlib
from pathlib import Path

from features.embeddings import EmbeddingStore
from features.stores.feast_store import environment_kept


def open_embeddings(directory: Path, *, redis_url: str | None = None) -> EmbeddingStore:
    """Open the embeddings of a state directory, creating what is needed.

    They live in ``directory``/online.db, or in the Redis of ``redis_url``. Raises `ConfigurationError` for a URL that
    cannot be used, `StateError` for a damaged registry, `StoreUnavailable` for a directory that cannot be used.
    """
    with environment_kept():
        store: EmbeddingStore = importlib.import_module("features.stores.feast_embeddings").FeastEmbeddings(
            directory.absolute(), redis_url
        )
    return store

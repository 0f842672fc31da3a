"""Embeddings in a Feast online store, SQLite or Redis, by Feast's own reads and writes.

They have a Feast repo of their own, in a directory of their own: the one of feature states stays as it is. Importing
this module imports Feast, which takes seconds; `features.stores.embeddings` does so when a store is opened.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import feast
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import redis
import yaml
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.infra.online_stores.sqlite import SqliteOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import FloatList, Value
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from features.embeddings import NODE_TYPES, Embedding, Embeddings, Keys, NodeType
from features.errors import StateError, StoreUnavailable
from features.feast_repo.embedding_definitions import EMBEDDING, EMBEDDING_VIEWS, HISTORY, NODE_ENTITIES
from features.stores.embedding_checks import check_types, check_vectors, to_seconds
from features.stores.feast_instance import CONFIGURATION, REGISTRY, one_process_at_a_time, usable, write_if_changed
from features.stores.feast_redis import TIMEOUT_S
from features.stores.redis_server import RedisServer

PROJECT = "ringfence_embeddings"
KEYS_PER_CALL = 1_000  # SQLite takes at most 32,766 parameters
_DEFINITIONS = (
    "from features.feast_repo.embedding_definitions import *  # so that `feast apply` here keeps what is here\n"
)


class FeastEmbeddings:
    """Safe to share between threads, which take turns. Implements `features.embeddings.EmbeddingStore`."""

    def __init__(self, directory: Path, redis_url: str | None = None) -> None:
        self._where = f"the embeddings in {directory}"
        self._lock = threading.Lock()
        self._online: OnlineStore = SqliteOnlineStore()
        online: dict[str, Any] = {"type": "sqlite", "path": str(directory / "online.db")}
        self._client: redis.Redis | None = None
        if redis_url is not None:
            server = RedisServer(redis_url, TIMEOUT_S)
            self._where = f"the embeddings on Redis at {server.address}"
            self._client = server.client
            self._online = RedisOnlineStore()
            self._online._client = self._client  # Feast would want the password in a file
            # Otherwise Feast drops what has the time of what is stored: another model as of the same moment.
            online = {"type": "redis", "connection_string": server.options, "skip_dedup": True}
        with self._errors():
            self._config = _apply(directory, online)
        self._views = dict(zip(NODE_TYPES, EMBEDDING_VIEWS, strict=True))

    def read(self, keys: Keys) -> Embeddings:
        """Return the embeddings found; every type asked for is present, unknown keys are absent."""
        check_types(keys)
        with self._errors(), self._lock:
            return {node_type: self._read(node_type, list(dict.fromkeys(wanted))) for node_type, wanted in keys.items()}

    def write(self, vectors: Mapping[NodeType, Mapping[str, NDArray[np.float32]]], as_of: datetime) -> None:
        """Replace embeddings, on SQLite all of one type at once; both keep whole seconds of ``as_of``."""
        check_vectors(vectors)
        moment = to_seconds(as_of)
        with self._errors(), self._lock:
            for node_type, of_type in vectors.items():
                rows: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]] = [
                    (_key(node_type, key), {EMBEDDING: Value(float_list_val=FloatList(val=vector))}, moment, None)
                    for key, vector in of_type.items()
                ]
                if rows:
                    self._online.online_write_batch(self._config, self._views[node_type], rows, None)

    def close(self) -> None:
        """Release connections."""
        if self._client is not None:
            self._client.close()
        elif isinstance(self._online, SqliteOnlineStore) and self._online._conn is not None:
            self._online._conn.close()

    def _read(self, node_type: NodeType, wanted: list[str]) -> dict[str, Embedding]:
        found: dict[str, Embedding] = {}
        for begin in range(0, len(wanted), KEYS_PER_CALL):
            part = wanted[begin : begin + KEYS_PER_CALL]
            rows = self._online.online_read(
                self._config, self._views[node_type], [_key(node_type, key) for key in part], [EMBEDDING]
            )
            for key, (as_of, values) in zip(part, rows, strict=True):
                if as_of is None or values is None or EMBEDDING not in values:
                    continue
                vector = np.array(values[EMBEDDING].float_list_val.val, dtype=np.float32)
                if vector.size and np.isfinite(vector).all():
                    found[key] = Embedding(vector, as_of)
        return found

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Map what the stores raise to ours; none of it repeats a password."""
        try:
            yield
        except (sqlite3.Error, redis.RedisError, DecodeError, OSError) as error:
            raise StoreUnavailable(
                f"Feast cannot use {self._where}: {error}.",
                remedy="Check the disk or the Redis server; delete the directory to have them computed anew.",
            ) from error


def _apply(directory: Path, online: dict[str, Any]) -> feast.RepoConfig:
    """Create or use the Feast repo of ``directory``, with the definitions applied, and return its configuration."""
    settings: dict[str, Any] = {
        "project": PROJECT,
        "provider": "local",
        "registry": str(directory / REGISTRY),
        "online_store": online,
        "offline_store": {"type": "file"},
        "entity_key_serialization_version": 3,
    }
    with usable(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with one_process_at_a_time(directory):
            write_if_changed(directory / CONFIGURATION, yaml.safe_dump(settings, sort_keys=False))
            write_if_changed(directory / "definitions.py", _DEFINITIONS)
            columns = [(entity.join_key, pa.string()) for entity in NODE_ENTITIES]
            columns += [(EMBEDDING, pa.list_(pa.float32())), ("event_time", pa.timestamp("us", tz="UTC"))]
            if not (directory / HISTORY).exists():
                pq.write_table(pa.schema(columns).empty_table(), directory / HISTORY)
            config = feast.RepoConfig(repo_path=directory, **settings)
            try:
                feast.FeatureStore(repo_path=str(directory), config=config).apply([*NODE_ENTITIES, *EMBEDDING_VIEWS])
            except DecodeError as error:
                raise StateError(
                    f"The registry of embeddings {directory / REGISTRY} is damaged.",
                    remedy="Delete that one file: it is written anew at the next start, and holds no embedding.",
                ) from error
    return config


def _key(node_type: NodeType, key: str) -> EntityKey:
    return EntityKey(join_keys=[f"{node_type}_key"], entity_values=[Value(string_val=key)])

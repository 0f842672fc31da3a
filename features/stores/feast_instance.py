"""A Feast repo instance in a state directory: configuration, registry and source file, applied where they differ.

Importing this module imports Feast, which takes seconds; `features.stores.feast_store` does so when a store is opened.
"""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import feast
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import yaml
from feast.errors import FeastObjectNotFoundException
from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from feast.value_type import ValueType
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types

from features.errors import StateError, StoreUnavailable
from features.feast_repo.definitions import ENTITY_DEFINITIONS, HISTORY, VIEWS

PROJECT = "ringfence"
FEATURE = "state"
CONFIGURATION, REGISTRY = "feature_store.yaml", "registry.db"
JOIN_KEYS: dict[str, str] = {entity.name: entity.join_key for entity in ENTITY_DEFINITIONS}
VIEW_NAMES: dict[str, str] = {view.entities[0]: view.name for view in VIEWS}

_KEY_PREFIXES: dict[str, bytes] = {
    entity: serialize_entity_key_prefix([join_key]) + int(ValueType.STRING.value).to_bytes(4, "little")
    for entity, join_key in JOIN_KEYS.items()
}
_HISTORY_SCHEMA = pa.schema(
    [(join_key, pa.string()) for join_key in JOIN_KEYS.values()]
    + [(FEATURE, pa.binary()), ("event_time", pa.timestamp("us", tz="UTC"))]
)
_DEFINITIONS_FILE = "from features.feast_repo.definitions import *  # so that `feast apply` here keeps what is here\n"


@dataclass(frozen=True)
class Instance:
    """A Feast store over ``directory``; ``was_applied`` tells whether the registry knew the definitions before."""

    directory: Path
    store: feast.FeatureStore
    was_applied: bool


def open_instance(directory: Path, online_store: dict[str, Any]) -> Instance:
    """Create or use the Feast repo of ``directory`` (absolute) and apply the definitions if they are new or changed.

    ``online_store`` is that section of feature_store.yaml; it is written to disk and must hold no secret.
    Raises `StateError` for a registry that cannot be read, `StoreUnavailable` for a directory that cannot be used.
    """
    logging.getLogger("feast").setLevel(logging.WARNING)  # it logs every look at the registry
    settings: dict[str, Any] = {
        "project": PROJECT,
        "provider": "local",
        "registry": str(directory / REGISTRY),
        "online_store": online_store,
        "offline_store": {"type": "file"},
        "entity_key_serialization_version": 3,
    }
    with usable(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with one_process_at_a_time(directory):
            write_if_changed(directory / CONFIGURATION, yaml.safe_dump(settings, sort_keys=False))
            write_if_changed(directory / "definitions.py", _DEFINITIONS_FILE)
            if not (directory / HISTORY).exists():
                write_history(directory / HISTORY)
            config = feast.RepoConfig(repo_path=directory, **settings)
            store = feast.FeatureStore(repo_path=str(directory), config=config)
            applied = _is_applied(store, directory / REGISTRY)
            if not applied:
                store.apply([*ENTITY_DEFINITIONS, *VIEWS])
    return Instance(directory, store, applied)


def key_bytes(entity: str, key: str) -> bytes:
    """Return the key under which every Feast online store files an entity (entity key serialisation version 3).

    The same bytes as `feast.infra.key_encoding_utils.serialize_entity_key` at a tenth of its cost.
    """
    encoded = key.encode()
    return _KEY_PREFIXES[entity] + len(encoded).to_bytes(4, "little") + encoded


def write_history(path: Path) -> None:
    """Write the batch source that Feast wants behind every feature view: all their columns, no rows."""
    pq.write_table(_HISTORY_SCHEMA.empty_table(), path)


def _is_applied(store: feast.FeatureStore, registry: Path) -> bool:
    """Tell whether the registry holds exactly these definitions."""
    if not registry.exists():
        return False
    try:
        return all(store.get_entity(entity.name) == entity for entity in ENTITY_DEFINITIONS) and all(
            _essence(store.get_feature_view(view.name)) == _essence(view) for view in VIEWS
        )
    except FeastObjectNotFoundException:
        return False
    except DecodeError as exc:
        raise StateError(
            f"The feature registry {registry} is damaged.",
            remedy="Delete that one file: it is written anew at the next start, and holds no feature state.",
        ) from exc


def _essence(view: feast.FeatureView) -> tuple[object, ...]:
    """Return what defines a view, without the times and states that Feast keeps beside it."""
    return (view.name, tuple(view.entities), view.ttl, tuple(view.schema), view.batch_source, view.online)


def write_if_changed(path: Path, text: str) -> None:
    """Write a file unless it says so already."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


@contextmanager
def usable(directory: Path) -> Iterator[None]:
    """Raise `StoreUnavailable` for a directory that turns out not to be usable as a feature store."""
    try:
        yield
    except OSError as exc:
        raise StoreUnavailable(
            f"The feature store directory {directory} cannot be used: {exc.strerror or exc}.",
            remedy="Check that this user may write there and that the disk is not full.",
        ) from exc


@contextmanager
def one_process_at_a_time(directory: Path) -> Iterator[None]:
    """Hold a file lock: the worker and the services may open a new directory at the same moment."""
    with (directory / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

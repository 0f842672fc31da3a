"""The online feature store on Feast: SQLite embedded, Redis by URL.

Feast keeps the registry and the definitions, creates the online tables and can read every state. Its import takes
seconds and is paid by `open_feast`, not by importing this module.
"""

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from features.progress import Progress
from features.store import ENTITIES, Entity, Found, States
from features.stores.checks import check_entities, check_utc

if TYPE_CHECKING:
    from features.stores.feast_instance import Instance


class Backend(Protocol):
    """Where Feast keeps online states, with its errors mapped to ours."""

    instance: "Instance"

    @property
    def bulk_rows(self) -> int:
        """How many states to write at a time when very many wait."""

    def check(self) -> None:
        """Raise `StoreUnavailable` or `StateError` if the store cannot be used."""

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> Found:
        """Return the states found."""

    def replace(self, states: States, read: States, as_of: datetime) -> Found:
        """Replace the states that are still as they were read; return the others as they are."""

    def write(self, states: States, as_of: datetime) -> None:
        """Replace states whatever is there."""

    def owner(self) -> str | None:
        """Return who claimed the states."""

    def claim(self, owner: str) -> None:
        """Say whose states these are."""

    def refill(self) -> bool:
        """Take, or go on with, the task of filling the store."""

    def close(self) -> None:
        """Release connections."""


class FeastStore:
    """States behind Feast; safe to share between threads. Implements `features.store.FeatureStore`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def warm_up(self) -> None:
        """Check the store and run the read path once."""
        self._backend.check()
        self._backend.read({entity: ["-"] for entity in ENTITIES})

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> Found:
        """Return the states found, by entity and key; every entity asked for is present, unknown keys are absent.

        Raises `StoreUnavailable` when the store does not answer or is damaged as a whole.
        """
        check_entities(keys)
        return self._backend.read(keys)

    def replace(self, states: States, read: States, as_of: datetime) -> Found:
        """Replace the states that are still as they were ``read``, durably; return the others as they are now.

        ``as_of`` may equal or precede an earlier one. Raises as `read` does.
        """
        check_entities(states)
        check_utc(as_of)
        return self._backend.replace(states, read, as_of)

    def write(self, states: States, as_of: datetime) -> None:
        """Replace states in one micro-batch whatever is there; durable when this returns.

        On SQLite the micro-batch is atomic; on Redis each state is. Raises as `read` does.
        """
        check_entities(states)
        check_utc(as_of)
        self._backend.write(states, as_of)

    def bulk_load(self, states: States, as_of: datetime, *, progress: Progress | None = None) -> int:
        """Write a back-filled history in chunks; return how many states it held.

        ``progress`` hears (done, total). Not atomic: after an error, load again.
        """
        check_entities(states)
        check_utc(as_of)
        done, total = 0, sum(len(rows) for rows in states.values())
        for entity, rows in states.items():
            remaining = iter(rows.items())
            while chunk := dict(islice(remaining, self._backend.bulk_rows)):
                self._backend.write({entity: chunk}, as_of)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
        return total

    def register_history(self, parts: Path) -> None:
        """Offer back-filled features, Parquet parts in a directory, to Feast's `get_historical_features`."""
        importlib.import_module("features.stores.feast_offline").register(self._backend.instance, parts)

    def owner(self) -> str | None:
        """Return who claimed the states; None for a store that is new, or has lost everything it held."""
        return self._backend.owner()

    def claim(self, owner: str) -> None:
        """Say whose states these are, as `features.store.FeatureStore.claim` says."""
        self._backend.claim(owner)

    def refill(self) -> bool:
        """Take, or go on with, the task of filling a store that was emptied, as `FeatureStore.refill` says."""
        return self._backend.refill()

    def close(self) -> None:
        """Release connections."""
        self._backend.close()


def open_feast(directory: Path, *, redis_url: str | None = None) -> FeastStore:
    """Open the feature store of a state directory, creating it and applying the Feast definitions when needed.

    States live in ``directory``/online.db, or in the Redis of ``redis_url`` (redis:// or rediss://, with password).
    Opening does not connect to Redis; `FeastStore.warm_up` does.

    Raises:
        ConfigurationError: the Redis URL cannot be used.
        StateError: the registry or the SQLite file is damaged or missing.
        StoreUnavailable: the directory cannot be used.

    """
    with environment_kept():
        if redis_url is None:
            sqlite = importlib.import_module("features.stores.feast_sqlite")
            return FeastStore(sqlite.SqliteStates(directory.absolute()))
        redis = importlib.import_module("features.stores.feast_redis")
        return FeastStore(redis.RedisStates(directory.absolute(), redis_url))


@contextmanager
def environment_kept() -> Iterator[None]:
    """Undo what importing Feast does to the process.

    It sets PROMETHEUS_MULTIPROC_DIR for its own web server, which would turn every metric of this process and its
    children into a file. prometheus_client looks once, when it is imported: so that has to happen first.
    """
    importlib.import_module("prometheus_client")
    names = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

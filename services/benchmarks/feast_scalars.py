"""The feature store that we do not use: one Float32 column a feature, read and written through Feast's own calls.

Importing this module imports Feast; open a store of `features.stores.feast_store` first, which keeps the process clean.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import feast
import numpy as np
import pandas as pd
from feast import FeatureView, Field, FileSource
from feast.online_response import OnlineResponse
from feast.types import Float32, String
from numpy.typing import NDArray

from features.catalogue import FEATURES, column
from features.feast_repo.definitions import ENTITY_DEFINITIONS
from features.progress import Progress
from services.benchmarks.online import Percentiles
from services.benchmarks.timing import Timer, percentiles_us

SIZES = (1, 64)  # transactions in a micro-batch
CALLS = 100  # micro-batches of each size, fewer where the table is shorter
SCALARS: dict[str, list[str]] = {
    entity.name: [feature.name for feature in FEATURES if feature.entity == entity.name]
    for entity in ENTITY_DEFINITIONS
}


class ScalarStore:
    """A Feast repo in ``directory`` with a view of scalars for each of ``entities``.

    ``online_store`` is that section of feature_store.yaml; SQLite in the directory when absent.
    """

    def __init__(self, directory: Path, entities: list[str], online_store: dict[str, str] | None = None) -> None:
        self._keys = {entity.name: entity.join_key for entity in ENTITY_DEFINITIONS if entity.name in entities}
        config = feast.RepoConfig(
            project="scalars",
            provider="local",
            registry=str(directory / "registry.db"),
            online_store=online_store or {"type": "sqlite", "path": str(directory / "online.db")},
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
            repo_path=directory,
        )
        self._store = feast.FeatureStore(repo_path=str(directory), config=config)
        chosen = [entity for entity in ENTITY_DEFINITIONS if entity.name in self._keys]
        self._store.apply([*chosen, *(_view(entity, directory) for entity in chosen)])
        self._names = [f"{name}_scalars:{feature}" for name in self._keys for feature in SCALARS[name]]

    def frames(self, rows: pd.DataFrame, features: NDArray[np.float32]) -> dict[str, pd.DataFrame]:
        """Return what `write` takes: by entity, the newest features of each of its keys in ``rows``."""
        found = {}
        for entity, key in self._keys.items():
            columns = [column(name) for name in SCALARS[entity]]
            frame = pd.DataFrame(features[:, columns], columns=SCALARS[entity])
            frame[key] = rows[key].astype(object).to_numpy()
            frame["event_time"] = rows["event_time"].to_numpy()
            found[entity] = frame.dropna(subset=[key]).drop_duplicates(key, keep="last")
        return {entity: frame for entity, frame in found.items() if len(frame)}

    def write(self, frames: Mapping[str, pd.DataFrame]) -> None:
        """Write one micro-batch."""
        for entity, frame in frames.items():
            self._store.write_to_online_store(f"{entity}_scalars", df=frame)

    def read(self, rows: pd.DataFrame) -> OnlineResponse:
        """Read the features of one micro-batch, all in one call; the answer is left as Feast gives it."""
        return self.look_up({key: rows[key].astype(object).fillna("").tolist() for key in self._keys.values()})

    def look_up(self, keys: dict[str, list[str]]) -> OnlineResponse:
        """Read the features of ``keys``, by join key, all in one call."""
        return self._store.get_online_features(self._names, keys)


def measure_scalars(
    table: pd.DataFrame, features: NDArray[np.float32], directory: Path, progress: Progress
) -> tuple[Percentiles, Percentiles]:
    """Return µs of reading and writing, by size of the micro-batch: the last transactions and their ``features``."""
    known = [entity.name for entity in ENTITY_DEFINITIONS if table[entity.join_key].notna().any()]
    store = ScalarStore(directory, known)
    store.write(store.frames(table[-1:], features[-1:]))  # first calls cost more
    store.read(table[-1:])
    read_us, write_us = Percentiles(), Percentiles()
    for done, size in enumerate(SIZES):
        read, write = Timer(), Timer()
        calls = max(1, min(CALLS, len(table) // size))
        for number in range(calls):
            begin = max(0, len(table) - (calls - number) * size)
            rows, values = table[begin : begin + size], features[begin : begin + size]
            frames = store.frames(rows, values)
            with write:
                store.write(frames)
            with read:
                store.read(rows)
            progress(done * calls + number + 1, len(SIZES) * calls)
        read_us[str(size)] = percentiles_us(read.seconds, size)
        write_us[str(size)] = percentiles_us(write.seconds, size)
    return read_us, write_us


def _view(entity: feast.Entity, directory: Path) -> FeatureView:
    source = FileSource(
        name=f"{entity.name}_history", path=str(directory / "history.parquet"), timestamp_field="event_time"
    )
    fields = [Field(name=name, dtype=Float32) for name in SCALARS[entity.name]]
    return FeatureView(
        name=f"{entity.name}_scalars",
        entities=[entity],
        ttl=timedelta(0),
        schema=[Field(name=entity.join_key, dtype=String), *fields],
        source=source,
    )

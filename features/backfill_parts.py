"""Point-in-time features as Parquet, a file for each chunk: whole or not there, and the same bytes if written again."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from features.catalogue import NAMES
from features.durable import sync
from features.errors import ConfigurationError

SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        ("is_fraud", pa.int8()),
        *((name, pa.float32()) for name in NAMES),
    ]
)
_PATTERN = "part-*.parquet"
_DRAFT = "_draft.parquet"  # readers of a directory pass over names that begin like this


def write_part(directory: Path, number: int, rows: pd.DataFrame, features: NDArray[np.float32]) -> None:
    """Write the features of a canonical table's ``rows``, synced to disk when this returns.

    Raises `ConfigurationError` for a directory that cannot be written.
    """
    columns = [
        pa.array(rows["transaction_id"].astype(object), pa.string()),
        pa.array(rows["event_time"], SCHEMA.field("event_timestamp").type),
        pa.array(rows["is_fraud"].astype("Int8"), pa.int8()),
        *(pa.array(np.ascontiguousarray(column)) for column in features.T),
    ]
    draft = directory / _DRAFT
    try:
        with draft.open("wb") as file:
            pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(directory / f"part-{number:05}.parquet")
        sync(directory)
    except OSError as exc:
        raise ConfigurationError(
            f"The features cannot be written to {directory}: {exc.strerror or exc}.",
            remedy="Make room or choose another --out, then run the same command again.",
        ) from exc


def part_paths(directory: Path) -> list[Path]:
    """Return the parts in event time."""
    return sorted(directory.glob(_PATTERN), key=lambda path: (len(path.name), path.name))


def remove_parts(directory: Path) -> None:
    """Delete every part and what is left of an interrupted one."""
    for path in (*part_paths(directory), directory / _DRAFT):
        path.unlink(missing_ok=True)

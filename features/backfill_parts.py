"""Point-in-time features as Parquet, a file for each chunk: whole or not there, and the same bytes if written again."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

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
GROUP = 32_768  # rows that are compressed at a time
_DRAFT = "_draft.parquet"  # readers of a directory pass over names that begin like this


def write_part(directory: Path, number: int, rows: pd.DataFrame, features: Iterable[NDArray[np.floating[Any]]]) -> None:
    """Write the features of a canonical table's ``rows``, synced to disk when this returns.

    ``features`` yields (n, features) in the order of the rows; what is written is compressed while the next is made.
    Raises `ConfigurationError` for a directory that cannot be written.
    """
    draft = directory / _DRAFT
    try:
        with draft.open("wb") as file:
            # Few values repeat: without dictionaries the file is smaller, and written in less than half of the time.
            writer = pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=False)
            with ThreadPoolExecutor(1) as pool, writer:
                begin, before = 0, None
                for group in _groups(features):
                    end = begin + sum(map(len, group))
                    if before is not None:
                        before.result()
                    before = pool.submit(_write_group, writer, rows.iloc[begin:end], group)
                    begin = end
                if before is not None:
                    before.result()
            file.flush()
            os.fsync(file.fileno())
        draft.replace(directory / f"part-{number:05}.parquet")
        sync(directory)
    except OSError as exc:
        raise ConfigurationError(
            f"The features cannot be written to {directory}: {exc.strerror or exc}.",
            remedy="Make room or choose another --out, then run the same command again.",
        ) from exc


def _groups(features: Iterable[NDArray[np.floating[Any]]]) -> Iterator[list[NDArray[np.float32]]]:
    """Gather row groups of at least `GROUP` rows; the last one may be smaller."""
    group: list[NDArray[np.float32]] = []
    for some in features:
        group.append(some.astype(np.float32))
        if sum(map(len, group)) >= GROUP:
            yield group
            group = []
    if group:
        yield group


def _write_group(writer: "pq.ParquetWriter", rows: pd.DataFrame, features: list[NDArray[np.float32]]) -> None:
    columns = [
        pa.array(rows["transaction_id"].astype(object), pa.string()),
        pa.array(rows["event_time"], SCHEMA.field("event_timestamp").type),
        pa.array(rows["is_fraud"].astype("Int8"), pa.int8()),
        *(pa.array(np.ascontiguousarray(column)) for column in np.concatenate(features).T),
    ]
    writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA))


def part_paths(directory: Path) -> list[Path]:
    """Return the parts in event time."""
    return sorted(directory.glob(_PATTERN), key=lambda path: (len(path.name), path.name))


def remove_parts(directory: Path) -> None:
    """Delete every part and what is left of an interrupted one."""
    for path in (*part_paths(directory), directory / _DRAFT):
        path.unlink(missing_ok=True)

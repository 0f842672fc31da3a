"""Writes a simulation: one file of transactions, and beside it the truth, the customers and the merchants."""

from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types
import pyarrow.csv  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet  # type: ignore[import-untyped]  # ships no types

from features.errors import ConfigurationError
from streaming.simulator.simulation import Simulation

SUFFIXES = (".parquet", ".csv")
_ISO = "%Y-%m-%dT%H:%M:%SZ"  # pyarrow's %S includes the fraction


def write(simulation: Simulation, path: Path) -> dict[str, Path]:
    """Write ``simulation`` as Parquet or CSV by the suffix of ``path`` and return the paths by content.

    ``path`` gets the transactions with ``is_fraud`` and ``label_time``; ``<stem>.truth``, ``<stem>.customers`` and
    ``<stem>.merchants`` with the same suffix lie beside it. The same simulation gives the same bytes. Times are UTC
    (RFC 3339 with milliseconds in CSV), missing values are empty in CSV. Raises `ConfigurationError` for another
    suffix or a folder that cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigurationError(
            f"The simulation cannot be written to {path}: unknown suffix {path.suffix!r}.",
            remedy="Name the file .parquet or .csv.",
        )
    frames = {
        "transactions": simulation.transactions,
        "truth": simulation.truth,
        "customers": simulation.customers,
        "merchants": simulation.merchants,
    }
    paths = {name: path.with_name(f"{path.stem}.{name}{path.suffix}") for name in frames} | {"transactions": path}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, frame in frames.items():
            _write_frame(frame, paths[name])
    except OSError as error:
        raise ConfigurationError(
            f"The simulation cannot be written to {path}: {error.strerror or error}.",
            remedy="Choose a folder that can be written and has room.",
        ) from error
    return paths


def _write_frame(frame: pd.DataFrame, path: Path) -> None:
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    if path.suffix == ".csv":
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        pyarrow.csv.write_csv(_plain(arrow), path, options)
    else:
        pyarrow.parquet.write_table(arrow, path, compression="zstd")


def _plain(arrow: pa.Table) -> pa.Table:
    """Return the table in types that CSV can hold: text instead of dictionaries and times."""
    columns = []
    for column in arrow.columns:
        if pa.types.is_dictionary(column.type):
            columns.append(column.cast(pa.string()))
        elif pa.types.is_timestamp(column.type):
            columns.append(pc.strftime(column.cast(pa.timestamp("ms", tz="UTC")), format=_ISO))
        else:
            columns.append(column)
    return pa.table(columns, names=arrow.column_names)

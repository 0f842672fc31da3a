"""Opens a data set: the columns that a mapping needs, as Arrow arrays, and the records that have no such columns."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.csv  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from features.datasets.rejects import Reject, showable
from features.errors import DataError
from features.progress import Progress

SUFFIXES = (".csv", ".parquet")
_BLOCK_BYTES = 16 * 1024 * 1024  # also the longest record of a CSV file


@dataclass(frozen=True)
class Source:
    """Columns by name, equally long; ``rows`` are their record numbers in the file, from 1 without the header."""

    columns: dict[str, pa.ChunkedArray]
    rows: NDArray[np.int64]
    unparsed: list[Reject]


def open_source(
    path: Path, needed: Collection[str], optional: Collection[str], delimiter: str, progress: Progress | None = None
) -> Source:
    """Read the ``needed`` columns and those of ``optional`` that exist; ``progress`` hears bytes or rows (done, total).

    CSV values come as bytes: neither UTF-8 nor types are taken for granted. Raises `DataError`.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(
            f"{path} is neither CSV nor Parquet: its name ends in {path.suffix or 'nothing'!r}.",
            remedy=f"Name it {' or '.join(SUFFIXES)}.",
        )
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty.", remedy="Give a file with a header and at least one row.")
        if path.suffix == ".parquet":
            return _open_parquet(path, needed, optional, progress)
        return _open_csv(path, needed, optional, delimiter, progress)
    except pa.ArrowException as exc:
        kind = path.suffix[1:].upper()
        raise DataError(
            f"{path} is not readable as {kind}: {str(exc).splitlines()[0][:300]}.",
            remedy="Check that it is whole; in a CSV file look for an unclosed quote or a record above 16 MB.",
        ) from exc
    except OSError as exc:
        raise DataError(
            f"{path} cannot be read: {exc.strerror or exc}.", remedy="Check the path and its rights."
        ) from exc


def _open_parquet(path: Path, needed: Collection[str], optional: Collection[str], progress: Progress | None) -> Source:
    with pyarrow.parquet.ParquetFile(path) as file:
        names = _choose(path, file.schema_arrow.names, needed, optional)
        total, tables = file.metadata.num_rows, []
        for batch in file.iter_batches(batch_size=131_072, columns=names):
            tables.append(batch)
            if progress is not None:
                progress(sum(table.num_rows for table in tables), total)
        table = pa.Table.from_batches(tables, schema=tables[0].schema) if tables else file.read(columns=names)
    return Source({name: table.column(name) for name in names}, np.arange(1, table.num_rows + 1), [])


def _open_csv(
    path: Path, needed: Collection[str], optional: Collection[str], delimiter: str, progress: Progress | None
) -> Source:
    unparsed: list[Reject] = []

    def reject(record: pa.csv.InvalidRow) -> str:
        # The number counts the header; a newline inside means that a quote was opened and never closed.
        reason = "unclosed_quote" if "\n" in record.text else "column_count"
        unparsed.append(Reject(record.number - 1, "", reason, showable(record.text)))
        return "skip"

    def reader(columns: list[str] | None) -> pa.csv.CSVStreamingReader:
        return pyarrow.csv.open_csv(
            path,
            # One thread: only then are the numbers of invalid records known.
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=reject
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=columns,
                column_types={name: pa.binary() for name in columns or ()},
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    with reader(None) as head:
        names = _choose(path, head.schema.names, needed, optional)
    unparsed.clear()
    batches, total, done = [], path.stat().st_size, 0
    with reader(names) as body:
        schema = body.schema
        for batch in body:
            batches.append(batch)
            done += batch.nbytes
            if progress is not None:
                progress(min(done, total), total)
    table = pa.Table.from_batches(batches, schema=schema)
    skipped = [record.row for record in unparsed]
    rows = np.delete(np.arange(1, table.num_rows + len(skipped) + 1), np.asarray(skipped, dtype=np.int64) - 1)
    return Source({name: table.column(name) for name in names}, rows, unparsed)


def _choose(path: Path, existing: list[str], needed: Collection[str], optional: Collection[str]) -> list[str]:
    """Return the columns to read; raise `DataError` for one that is not there or there twice."""
    missing = [name for name in needed if name not in existing]
    if missing:
        shown = ", ".join(existing[:50]) + (", ..." if len(existing) > 50 else "")
        raise DataError(
            f"{path} has no column {', '.join(map(repr, missing))}; it has {shown or 'none'}.",
            remedy="Name the columns in a mapping file (--mapping), and the delimiter if it is not a comma.",
        )
    chosen = list(dict.fromkeys([*needed, *(name for name in optional if name in existing)]))
    twice = [name for name in chosen if existing.count(name) > 1]
    if twice:
        raise DataError(f"{path} has more than one column {twice[0]!r}.", remedy="Rename one of them.")
    return chosen

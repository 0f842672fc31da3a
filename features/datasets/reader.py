"""Reads a data set into the canonical table of `features.table`, leaving out rows that cannot be mapped.

The rules are those of a single message (`features.codec`), applied to whole columns.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.datasets.columns import Columns
from features.datasets.duplicates import check_duplicates
from features.datasets.labels import add_labels
from features.datasets.mapping_schema import Mapping
from features.datasets.rejects import Rejects
from features.datasets.source import Source, open_source
from features.errors import DataError
from features.progress import Progress


@dataclass(frozen=True)
class ReadResult:
    """A data set as read: ``rows`` in the file, of which ``rejected`` were left out, by reason.

    ``table`` holds the other ``rows - rejected``. ``rejects_path`` is None where nothing was rejected or no file asked
    for.
    """

    table: pd.DataFrame
    rows: int
    rejected: int
    reasons: dict[str, int]
    rejects_path: Path | None


def read_table(
    path: Path, mapping: Mapping, *, rejects: Path | None = None, progress: Progress | None = None
) -> ReadResult:
    """Read a CSV (.csv) or Parquet (.parquet) file through ``mapping``.

    Rows that cannot be mapped are counted by reason and written to ``rejects`` as JSON lines {row, column, reason,
    value}; ``row`` counts from 1, without header and blank lines. Of rows with one transaction id the first is kept;
    others are rejected as ``duplicate`` (the same content) or ``duplicate_conflict``. ``progress`` hears (done, total).

    Raises `DataError` for a file that is missing, empty or not readable, for columns that are missing, and if no row
    can be mapped.
    """
    fields = [field for field in mapping.fields.values() if field.column is not None]
    label = mapping.label
    needed = [field.column for field in fields if not field.optional and field.column]
    optional = [field.column for field in fields if field.optional and field.column]
    if label is not None:
        (optional if label.optional else needed).extend(label.columns)
    source = open_source(path, dict.fromkeys(needed), dict.fromkeys(optional), mapping.delimiter, progress)
    collected = Rejects(source.rows)
    collected.add_unparsed(source.unparsed)
    table = _convert(source, mapping, collected)
    rows = len(source.rows) + len(source.unparsed)
    if collected.count and rejects is not None:
        collected.write(rejects)
    if table.empty:
        raise DataError(_nothing_left(path, rows, collected), remedy="Check the mapping against the file.")
    written = rejects if collected.count else None
    return ReadResult(table, rows, collected.count, collected.reasons(), written)


def _convert(source: Source, mapping: Mapping, rejects: Rejects) -> pd.DataFrame:
    columns = Columns(source, rejects)
    for name, field in mapping.fields.items():
        columns.add(name, field)
    if mapping.label is not None:
        add_labels(columns, mapping.label)
    check_duplicates(columns, mapping.fields["transaction_id"].column or "transaction_id")
    return columns.table()


def _nothing_left(path: Path, rows: int, rejects: Rejects) -> str:
    if rows == 0:
        return f"{path} has no rows."
    first = rejects.first()
    example = f" first: row {first.row}, {first.column or 'the whole row'}, {first.reason};" if first else ""
    counts = ", ".join(f"{count:,} {reason}" for reason, count in rejects.reasons().items())
    return f"None of the {rows:,} rows of {path} can be mapped;{example} in all {counts}."

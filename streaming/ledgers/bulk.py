"""Many rows in one statement.

PostgreSQL gets them as one array a column. Its driver would otherwise send a statement a row in one go, and a server
that waits for the rest of such a series has no time-out for it: a process that is frozen meanwhile would keep every
other worker from the rows that it has locked, for as long as it is frozen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Table, insert
from sqlalchemy.dialects import sqlite

from features.events import first_seq
from streaming.ledgers.schema import sources


class BulkInsert:
    """Inserts rows, dictionaries of every column that the database does not fill in itself.

    ``only_new`` leaves rows alone that are there already. Rows go straight to the driver, which halves the cost of a
    decision; nothing in the ledger's rows needs converting.
    """

    def __init__(self, table: Table, dialect: Dialect, *, only_new: bool = False) -> None:
        self._columns = [column.name for column in table.columns if column.autoincrement is not True]
        self._in_arrays = dialect.name == "postgresql"
        if self._in_arrays:
            kinds = (f"%({name})b::{table.c[name].type.compile(dialect)}[]" for name in self._columns)
            into = f"INSERT INTO {table.name} ({', '.join(self._columns)})"
            self._statement = f"{into} SELECT * FROM unnest({', '.join(kinds)})"  # noqa: S608 (names of our schema)
            self._statement += " ON CONFLICT DO NOTHING" if only_new else ""
        else:
            inserting = sqlite.insert(table).on_conflict_do_nothing() if only_new else insert(table)
            self._statement = str(inserting.compile(dialect=dialect, column_keys=self._columns))

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert ``rows``, at least one."""
        if self._in_arrays:
            connection.exec_driver_sql(self._statement, {name: [row[name] for row in rows] for name in self._columns})
        else:
            connection.exec_driver_sql(self._statement, [dict(row) for row in rows])


class AdvanceSources:
    """Moves sources' last ``seq`` on, each unless it is at the first new one or beyond already; in one statement."""

    def __init__(self, dialect: Dialect) -> None:
        self._in_arrays = dialect.name == "postgresql"

    def __call__(self, connection: Connection, ends: Mapping[int, tuple[int, int]]) -> bool:
        """Move each source from before its first to its last ``seq``, one or more; return whether all were moved."""
        rows = [(source, *ends[source], first_seq(source)) for source in sorted(ends)]  # they are locked in this order
        if self._in_arrays:
            given = "SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
            parameters: tuple[Any, ...] = tuple(map(list, zip(*rows, strict=True)))
        else:
            given = "VALUES " + ", ".join(["(?, ?, ?, ?)"] * len(rows))
            parameters = tuple(value for row in rows for value in row)
        statement = (
            f"WITH given (source, first_seq, last_seq, none_yet) AS ({given}) "  # noqa: S608 (no values in it)
            f"INSERT INTO {sources.name} (source, last_seq, checkpoint) "
            "SELECT source, last_seq, none_yet FROM given WHERE true "
            f"ON CONFLICT (source) DO UPDATE SET last_seq = excluded.last_seq WHERE {sources.name}.last_seq < "
            "(SELECT given.first_seq FROM given WHERE given.source = excluded.source) RETURNING source"
        )
        # A source that was not moved is not returned: drivers do not agree on counting here.
        return len(connection.exec_driver_sql(statement, parameters).all()) == len(rows)

"""States in the tables of Feast's SQLite online store, one transaction a micro-batch.

Feast creates the tables and can read what is written here; the statements are our own because Feast's take a
transaction, and several times the time, for each feature view (`tests/unit/features/stores` holds both to one format).
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from features.errors import StateError, StoreUnavailable
from features.store import ENTITIES, UNREADABLE, Entity, Found, States
from features.stores.feast_instance import FEATURE, PROJECT, VIEW_NAMES, key_bytes, open_instance
from features.stores.feast_value import unwrap, wrap
from features.stores.write_ahead_log import BACKSTOP, Checkpoints

BUSY_TIMEOUT_S = 10.0
KEYS_PER_READ = 1_000  # SQLite takes at most 32,766 parameters
_TABLES = {entity: f'"{PROJECT}_{VIEW_NAMES[entity]}"' for entity in ENTITIES}
_UPSERT = (
    "INSERT INTO {table} (entity_key, feature_name, value, event_ts) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (entity_key, feature_name) DO UPDATE SET value = excluded.value, event_ts = excluded.event_ts"
)
_UPSERT_IF = f"{_UPSERT} WHERE value = ?"


class SqliteStates:
    """Reads and writes states in one SQLite file; threads take turns, so do the processes that write."""

    bulk_rows = 20_000

    def __init__(self, directory: Path) -> None:
        self._path = directory / "online.db"
        self._lock = threading.Lock()
        with self._errors():
            self.instance = open_instance(directory, {"type": "sqlite", "path": str(self._path)})
            if not self._path.exists():  # an applied registry, so there were tables once
                raise self._damaged("the file is missing")
            self._connection = self._connect()
        self.check()
        self._checkpoints = Checkpoints(self._path)  # last: a store that is refused leaves no thread behind

    def check(self) -> None:
        """Raise `StateError` unless every table is there and can be read."""
        with self._errors(), self._lock:
            for table in _TABLES.values():
                self._connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)").fetchone()  # noqa: S608 (our own table names)

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> Found:
        """Return the states found; damage of the file as a whole is an outage like any other."""
        with self._outage(), self._lock:
            return {entity: self._read(entity, wanted) for entity, wanted in keys.items()}

    def replace(self, states: States, read: States, as_of: datetime) -> Found:
        """Upsert what is as it was read, in one transaction, synced to disk when this returns; return the rest."""
        event_ts = as_of.replace(tzinfo=None)
        conflicts: Found = {}
        with self._outage(), self._lock, self._connection:
            for entity, rows in states.items():
                expected = read.get(entity, {})
                before = self._connection.total_changes
                self._connection.executemany(
                    _UPSERT_IF.format(table=_TABLES[entity]),
                    (
                        (key_bytes(entity, key), FEATURE, wrap(state), event_ts, wrap(expected[key]))
                        if key in expected
                        else (key_bytes(entity, key), FEATURE, wrap(state), event_ts, None)
                        for key, state in rows.items()
                    ),
                )
                if self._connection.total_changes - before < len(rows):
                    conflicts[entity] = self._settle(entity, rows, expected, event_ts)
        return {entity: found for entity, found in conflicts.items() if found}

    def _settle(
        self, entity: Entity, rows: Mapping[str, bytes], expected: Mapping[str, bytes], event_ts: datetime
    ) -> dict[str, bytes]:
        """Return the states that were not replaced; those that were read as unreadable, and still are, follow here."""
        present = self._read(entity, list(rows))
        conflicts = {key: state for key, state in present.items() if state != rows[key]}
        unreadable = [key for key, state in conflicts.items() if state == UNREADABLE == expected.get(key)]
        self._connection.executemany(
            _UPSERT.format(table=_TABLES[entity]),
            ((key_bytes(entity, key), FEATURE, wrap(rows[key]), event_ts) for key in unreadable),
        )
        return {key: state for key, state in conflicts.items() if key not in unreadable}

    def write(self, states: States, as_of: datetime) -> None:
        """Upsert all states in one transaction, synced to disk when this returns."""
        event_ts = as_of.replace(tzinfo=None)  # as Feast stores it; its sqlite3 adapter turns it into a number
        with self._outage(), self._lock, self._connection as transaction:
            for entity, rows in states.items():
                transaction.executemany(
                    _UPSERT.format(table=_TABLES[entity]),
                    ((key_bytes(entity, key), FEATURE, wrap(state), event_ts) for key, state in rows.items()),
                )

    def owner(self) -> str | None:
        """Return who claimed the states."""
        with self._outage(), self._lock:
            row = self._connection.execute("SELECT owner FROM ringfence_owner").fetchone()
        return row[0].decode() if row else None

    def claim(self, owner: str) -> None:
        """Say whose states these are; a file that is lost is noticed by itself."""
        with self._outage(), self._lock, self._connection:
            self._connection.execute("INSERT OR REPLACE INTO ringfence_owner (id, owner) VALUES (1, ?)", [owner])

    def refill(self) -> bool:
        """A file cannot be emptied unnoticed: nothing tells who fills it, and several may."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._checkpoints.close()
        with self._lock:
            self._connection.close()

    def _read(self, entity: Entity, wanted: Sequence[str]) -> dict[str, bytes]:
        by_bytes = {key_bytes(entity, key): key for key in wanted}
        ids = list(by_bytes)
        found: dict[str, bytes] = {}
        for start in range(0, len(ids), KEYS_PER_READ):
            part = ids[start : start + KEYS_PER_READ]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(
                f"SELECT entity_key, value FROM {_TABLES[entity]} WHERE entity_key IN ({marks}) AND feature_name = ?",  # noqa: S608 (our own table names)
                [*part, FEATURE],
            )
            found.update((by_bytes[key], unwrap(value)) for key, value in rows)
        return found

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
        connection.text_factory = bytes  # a value is what it is: text in its place need not even be UTF-8
        # A write-ahead log lets other processes read during a write; FULL syncs it before a commit returns.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(BACKSTOP)
        connection.execute("CREATE TABLE IF NOT EXISTS ringfence_owner (id INTEGER PRIMARY KEY, owner TEXT NOT NULL)")
        return connection

    @contextmanager
    def _outage(self) -> Iterator[None]:
        """Map every error of SQLite to `StoreUnavailable`: decisions go on without history, and states catch up."""
        try:
            with self._errors():
                yield
        except StateError as exc:
            raise StoreUnavailable(exc.message, remedy=exc.remedy) from exc

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Map every error of SQLite to ours."""
        try:
            yield
        except sqlite3.OperationalError as exc:
            if "no such table" in str(exc):
                raise self._damaged(str(exc)) from exc
            raise StoreUnavailable(
                f"The online feature store {self._path} does not answer: {exc}.",
                remedy="Check the disk and that no other process holds the file locked; then try again.",
            ) from exc
        except sqlite3.DatabaseError as exc:
            raise self._damaged(str(exc)) from exc

    def _damaged(self, reason: str) -> StateError:
        return StateError(
            f"The online feature store {self._path} is damaged: {reason}.",
            remedy=f"Restore {self._path.parent} from a backup, or delete it and back-fill the features again.",
        )

"""The working file of a back-fill: how far it has come, and the entity states there, always changed together."""

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO

from features.errors import StateError
from features.state import check_state
from features.store import ENTITIES, Entity

FILE = "_states.db"  # readers of a directory of Parquet pass over names that begin like this
_LOCK = "_lock"
_KEYS_PER_READ = 1_000  # SQLite takes at most 32,766 parameters
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS states (entity TEXT, key TEXT, state BLOB NOT NULL, PRIMARY KEY (entity, key));
    CREATE TABLE IF NOT EXISTS position (
        id INTEGER PRIMARY KEY CHECK (id = 1), fingerprint TEXT NOT NULL, installed TEXT,
        events INTEGER NOT NULL, transactions INTEGER NOT NULL, labels INTEGER NOT NULL, parts INTEGER NOT NULL
    );
"""


@dataclass(frozen=True, slots=True)
class Position:
    """How many events are folded, how many of them are transactions and labels, and in how many parts they lie."""

    events: int = 0
    transactions: int = 0
    labels: int = 0
    parts: int = 0


class BackfillWork:
    """States and position in one SQLite file, made for what ``fingerprint`` says and refused for anything else.

    ``lock`` is released with the file. Every method raises `StateError` for a file that is damaged or cannot be used.
    """

    def __init__(self, directory: Path, lock: IO[str], fingerprint: str) -> None:
        self._path = directory / FILE
        self._lock = lock
        with self._errors():
            self._connection = sqlite3.connect(self._path)
            try:
                self._begin(fingerprint)
            except BaseException:
                self._connection.close()
                raise

    @property
    def position(self) -> Position:
        """Where to go on."""
        with self._errors():
            row = self._connection.execute("SELECT events, transactions, labels, parts FROM position").fetchone()
        return Position(*row)

    def read(self, keys: Sequence[tuple[Entity, str]]) -> list[bytes | None]:
        """Return the states of ``keys``, None for those not seen yet."""
        found: dict[tuple[Entity, str], bytes] = {}
        with self._errors():
            for entity in ENTITIES:
                wanted = [key for of, key in keys if of == entity]
                for start in range(0, len(wanted), _KEYS_PER_READ):
                    part = wanted[start : start + _KEYS_PER_READ]
                    marks = ",".join("?" * len(part))
                    query = f"SELECT key, state FROM states WHERE entity = ? AND key IN ({marks})"  # noqa: S608 (only marks)
                    for key, state in self._connection.execute(query, (entity, *part)):
                        self._check(entity, state)
                        found[entity, key] = state
        return [found.get(key) for key in keys]

    def commit(self, keys: Sequence[tuple[Entity, str]], states: Sequence[bytes], position: Position) -> None:
        """Replace the states of ``keys`` and move to ``position``, both or neither, synced to disk."""
        rows = ((entity, key, state) for (entity, key), state in zip(keys, states, strict=True))
        with self._errors(), self._connection as transaction:
            transaction.executemany(
                "INSERT INTO states VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state", rows
            )
            transaction.execute(
                "UPDATE position SET events = ?, transactions = ?, labels = ?, parts = ?", astuple(position)
            )

    def counts(self) -> dict[Entity, int]:
        """Return how many states there are of each entity."""
        with self._errors():
            rows = self._connection.execute("SELECT entity, count(*) FROM states GROUP BY entity").fetchall()
        return dict.fromkeys(ENTITIES, 0) | dict(rows)

    def states(self, rows: int) -> Iterator[tuple[Entity, dict[str, bytes]]]:
        """Yield all states, at most ``rows`` of one entity at a time."""
        for entity in ENTITIES:
            with self._errors():
                cursor = self._connection.execute("SELECT key, state FROM states WHERE entity = ?", (entity,))
                while chunk := cursor.fetchmany(rows):
                    for _, state in chunk:
                        self._check(entity, state)
                    yield entity, dict(chunk)

    @property
    def installed(self) -> str | None:
        """Where the finished history was loaded, or None."""
        with self._errors():
            row = self._connection.execute("SELECT installed FROM position").fetchone()
        return str(row[0]) if row[0] is not None else None

    def mark_installed(self, where: str) -> None:
        """Note that the finished history is loaded into ``where``."""
        with self._errors(), self._connection as transaction:
            transaction.execute("UPDATE position SET installed = ?", (where,))

    def close(self) -> None:
        """Release the file."""
        self._connection.close()
        self._lock.close()

    def _begin(self, fingerprint: str) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.executescript(_SCHEMA)
        found = self._connection.execute("SELECT fingerprint FROM position").fetchone()
        if found is None:
            with self._connection as transaction:
                values = (fingerprint, *astuple(Position()))
                transaction.execute("INSERT INTO position VALUES (1, ?, NULL, ?, ?, ?, ?)", values)
        elif found[0] != fingerprint:
            raise StateError(
                f"{self._path.parent} holds a back-fill of something else: the data, the mapping, --until, the"
                " features or the format of their states differ.",
                remedy="Start it over with --restart, or choose another --out.",
            )

    def _check(self, entity: Entity, state: bytes) -> None:
        try:
            check_state(state, entity)
        except StateError as exc:
            raise self._damaged(exc.message) from exc

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Map SQLite's errors to ours."""
        try:
            yield
        except sqlite3.OperationalError as exc:
            raise StateError(
                f"The working file {self._path} cannot be used: {exc}.",
                remedy="Check the rights and the room on the disk, then run the same command again.",
            ) from exc
        except sqlite3.DatabaseError as exc:
            raise self._damaged(str(exc)) from exc

    def _damaged(self, reason: str) -> StateError:
        return StateError(
            f"The working file {self._path} is damaged: {reason.rstrip('.')}.",
            remedy="Start over with --restart, or choose another --out.",
        )


def lock_work(directory: Path) -> IO[str]:
    """Take the working file for this process until the result is closed; `StateError` where another one has it."""
    lock = (directory / _LOCK).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StateError(
            f"Another back-fill is at work in {directory}.", remedy="Wait for it to end, or choose another --out."
        ) from None
    return lock


def remove_work(directory: Path) -> None:
    """Delete the working file, which must be locked and not open."""
    for suffix in ("", "-wal", "-shm"):
        (directory / f"{FILE}{suffix}").unlink(missing_ok=True)

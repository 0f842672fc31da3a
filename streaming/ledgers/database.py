"""Where the ledger's database is opened, brought up to date, and its errors turned into Ringfence's own."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, inspect, make_url, select, table, text
from sqlalchemy.sql import column

from features.errors import ConfigurationError, LedgerUnavailable, StateError
from features.stores.write_ahead_log import BACKSTOP
from streaming.ledgers.schema import VERSION_TABLE, identity, metadata

BUSY_TIMEOUT_S = 5.0
READS = "ringfence_reads"  # execution option: this connection only reads
_POOL: dict[str, Any] = {"pool_size": 16, "pool_timeout": 5.0}  # seconds to wait for a free connection
_MIGRATIONS = Path(__file__).with_name("migrations")
_QUICK_CHECK_BYTES = 32 * 1024 * 1024  # larger files would hold up every start
_DAMAGE = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_UPGRADE_LOCK = 0x52696E67  # any number that no other program uses for its PostgreSQL advisory locks
_EXAMPLES = "Use sqlite:////absolute/path/ledger.db or postgresql+psycopg://user@host/database."


def parse_url(url: str) -> URL:
    """Return the parsed URL with its driver filled in; raises `ConfigurationError` (which never quotes a password)."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise ConfigurationError("The ledger URL is not a database URL.", remedy=_EXAMPLES) from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "sqlite":
        raise ConfigurationError(f"The ledger cannot live in {parsed.drivername!r}.", remedy=_EXAMPLES)
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError("The ledger URL names no SQLite file.", remedy=_EXAMPLES)
    return parsed


def open_engine(url: URL) -> Engine:
    """Connect lazily; SQLite gets its pragmas, PostgreSQL its timeouts."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, paramstyle="named", connect_args={"timeout": BUSY_TIMEOUT_S}, **_POOL)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # A worker that is frozen within a transaction must not hold up whoever has its partitions next.
    options = "-c statement_timeout=30s -c idle_in_transaction_session_timeout=5s"
    timeouts = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "options": options}
    # Pinging spares one failed request per connection after the server was restarted.
    return create_engine(url, connect_args={**timeouts, **url.query}, pool_pre_ping=True, **_POOL)


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guesses
    # FULL: a decision that was answered survives power loss, not just a killed process (for which NORMAL would do).
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(BACKSTOP)
    connection.execute("PRAGMA cache_size=-32768")  # KiB: keeps the indices of some million decisions at hand


def _begin_sqlite(connection: Connection) -> None:
    # Writers take the lock at once: a transaction that reads first and writes later fails as soon as another wrote.
    if not connection.get_execution_options().get(READS):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn the database's errors into `LedgerUnavailable`, or `StateError` where the file is damaged."""
    where = url.render_as_string(hide_password=True)
    try:
        yield
    except exc.IntegrityError:
        raise  # the ledger knows what it means
    except exc.TimeoutError:
        raise LedgerUnavailable(
            f"The ledger at {where} has no free connection.", remedy="Too many requests at once: retry."
        ) from None
    except exc.DBAPIError as error:
        # The statement's parameters stay out of the message; only the driver's first line is told.
        reason = (str(error.orig).strip().splitlines() or ["no reason given"])[0]
        if getattr(error.orig, "sqlite_errorname", None) in _DAMAGE:
            raise damaged(url, reason) from None
        raise LedgerUnavailable(f"The ledger at {where} failed: {reason}.", remedy=_remedy(url)) from error


def _remedy(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return "Nothing was half-written. Check the file's permissions and the free disk space, then retry."
    return "Nothing was half-written. Check that PostgreSQL runs and accepts this user, then retry."


def damaged(url: URL, reason: str) -> StateError:
    """The error for a file or schema that this version cannot use, with the ways out."""
    return StateError(
        f"The ledger at {url.render_as_string(hide_password=True)} cannot be used: {reason}.",
        remedy="Restore it from a backup, or move it aside to begin an empty ledger (its decisions are then lost).",
    )


def upgrade(engine: Engine) -> None:
    """Create or migrate the schema; one process at a time does it, the others wait.

    Raises `StateError` if the file is no database, is damaged, holds other tables or was written by a newer version.
    """
    steps = ScriptDirectory(str(_MIGRATIONS))
    head = steps.get_current_head()
    with translated(engine.url):
        with engine.execution_options(**{READS: True}).connect() as connection:
            revision = _checked_revision(connection, steps)
        _use_wal(engine)
        if revision == head:
            return
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
            if _checked_revision(connection, steps) != head:
                config = Config()
                config.set_main_option("script_location", str(_MIGRATIONS))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")


def _checked_revision(connection: Connection, steps: ScriptDirectory) -> str | None:
    """The schema's revision, None for an empty database; raises for anything that is not this program's ledger."""
    url = connection.engine.url
    _quick_check(connection)
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in tables:
        if tables:
            raise damaged(url, f"it holds other tables ({', '.join(sorted(tables)[:3])}) and no ledger")
        return None
    revision = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    if revision is None:
        raise damaged(url, "its schema has no version")
    if revision not in {step.revision for step in steps.walk_revisions()}:
        raise StateError(
            f"The ledger at {url.render_as_string(hide_password=True)} has schema {revision}, which this version of "
            "Ringfence does not know: a newer one wrote it.",
            remedy="Install that newer version, or restore a backup made before the upgrade.",
        )
    if revision == steps.get_current_head():
        if missing := set(metadata.tables) - tables:
            raise damaged(url, f"its table {min(missing)} is missing")
        if connection.scalar(select(identity.c.identity)) is None:
            raise damaged(url, f"its table {identity.name} is empty")
    return str(revision)


def _quick_check(connection: Connection) -> None:
    url = connection.engine.url
    if connection.dialect.name != "sqlite" or Path(str(url.database)).stat().st_size > _QUICK_CHECK_BYTES:
        return
    verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if verdict != "ok":
        raise damaged(url, f"SQLite's check says: {verdict}")


def _use_wal(engine: Engine) -> None:
    """Readers and one writer at once; the setting stays in the file."""
    if engine.dialect.name != "sqlite":
        return
    with engine.execution_options(**{READS: True}).connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar()
    if mode != "wal":
        raise ConfigurationError(
            f"The ledger's file system does not support SQLite's write-ahead log (journal mode {mode}).",
            remedy="Put the ledger on a local disk, or use PostgreSQL.",
        )

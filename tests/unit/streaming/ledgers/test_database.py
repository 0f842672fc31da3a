import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event

from features.codec import content_hash
from features.errors import ConfigurationError, LedgerUnavailable, StateError
from features.transaction import Transaction
from models.decision import Decision
from streaming.ledger import LedgerBatch, Recorded
from streaming.ledgers.database import open_engine, parse_url, upgrade
from streaming.ledgers.schema import VERSION_TABLE, metadata
from streaming.ledgers.sql import SqlLedger, open_ledger

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def decided(number: int, padding: int = 0) -> Recorded:
    transaction = Transaction(
        transaction_id=f"tx-{number}",
        event_time=TIME,
        card_id="card-1",
        merchant_id="merchant-1",
        amount=1.5,
        currency="EUR",
    )
    decision = Decision(
        transaction_id=transaction.transaction_id,
        decision="approve",
        score=0.5,
        reason_codes=("x" * padding,),
        model_version="m",
        policy_version="p",
        features={"a": 1.0},
        stage_ms={},
        event_time=TIME,
        decided_at=TIME,
    )
    return Recorded(transaction, content_hash(transaction), decision, "stream", number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def opened(path: Path) -> SqlLedger:
    return open_ledger(f"sqlite:///{path}")


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_migrations_build_the_schema_that_the_code_uses(path: Path) -> None:
    engine = open_engine(parse_url(f"sqlite:///{path}"))
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        partial = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE sql LIKE '%WHERE%' ORDER BY name")
        assert list(partial.scalars()) == ["decisions_unforwarded", "labels_pending"]
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mysql://user:hunter2@host/db", "sqlite://", "sqlite:///:memory:", "://user:hunter2@host"],
)
def test_urls_that_cannot_work_are_refused_without_quoting_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_ledger(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.remedy


def test_a_postgresql_url_needs_no_driver_name() -> None:
    assert parse_url("postgresql://me@host/db").drivername == "postgresql+psycopg"


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(LedgerUnavailable) as caught:
        open_ledger("postgresql://me:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_does_not_exist_is_unavailable(path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="unable to open database file"):
        opened(path / "below")


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"these are my notes, not a database" * 100)
    before = path.read_bytes()
    with pytest.raises(StateError, match="not a database") as caught:
        opened(path)
    assert "backup" in caught.value.remedy
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    execute(path, "CREATE TABLE albums (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StateError, match="albums"):
        opened(path)
    assert path.read_bytes() == before


def test_a_newer_ledger_is_refused(path: Path) -> None:
    opened(path).close()
    execute(path, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StateError, match="9999") as caught:
        opened(path)
    assert "newer" in str(caught.value)


@pytest.mark.parametrize("damage", ["DROP TABLE labels", f"DELETE FROM {VERSION_TABLE}", "DELETE FROM ledger_identity"])
def test_a_ledger_that_lacks_something_is_refused(path: Path, damage: str) -> None:
    opened(path).close()
    execute(path, damage)
    with pytest.raises(StateError) as caught:
        opened(path)
    assert "backup" in caught.value.remedy


def test_a_truncated_ledger_is_refused(path: Path) -> None:
    ledger = opened(path)
    ledger.commit(LedgerBatch(decisions=[decided(n, padding=2000) for n in range(1, 100)]))
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StateError):
        opened(path)


def test_damage_in_the_middle_of_a_ledger_is_found_when_it_is_opened(path: Path) -> None:
    ledger = opened(path)
    ledger.commit(LedgerBatch(decisions=[decided(n, padding=2000) for n in range(1, 100)]))
    ledger.close()
    whole = bytearray(path.read_bytes())
    whole[-8 * 4096 :] = b"\xaa" * (8 * 4096)  # pages of decisions: the schema can still be read
    path.write_bytes(whole)
    with pytest.raises(StateError, match="SQLite's check says"):
        opened(path)


def test_damage_met_later_is_told_as_damage(path: Path) -> None:
    ledger = opened(path)
    ledger.commit(LedgerBatch(decisions=[decided(n, padding=2000) for n in range(1, 100)]))
    ledger.close()
    ledger = opened(path)
    whole = bytearray(path.read_bytes())
    whole[8192:] = b"\xaa" * (len(whole) - 8192)
    path.write_bytes(whole)
    ledger._engine.dispose()  # forget the pages that this process has read already
    with pytest.raises(StateError, match="cannot be used"):
        ledger.find([f"tx-{n}" for n in range(100)])
    ledger.close()


def test_a_full_disk_is_unavailable_and_leaves_nothing_half_written(path: Path) -> None:
    ledger = opened(path)
    ledger.commit(LedgerBatch(decisions=[decided(1)]))
    ledger.close()

    engine = open_engine(parse_url(f"sqlite:///{path}"))
    limits = ["PRAGMA max_page_count = 1", "PRAGMA max_page_count = 100000"]  # 1: no page more than there is

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(limits[0])

    event.listen(engine, "connect", limit)
    full = SqlLedger(engine)
    big = LedgerBatch(decisions=[decided(n, padding=3000) for n in range(2, 20)])
    with pytest.raises(LedgerUnavailable, match="full"):
        full.commit(big)
    assert (full.count(), full.sources()[0].last_seq) == (1, 1)
    limits.pop(0)
    engine.dispose()  # as if space had been made
    full.commit(big)
    assert (full.count(), full.sources()[0].last_seq) == (19, 19)
    full.close()


def test_a_locked_database_is_unavailable(path: Path) -> None:
    ledger = opened(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    event.listen(ledger._engine, "checkout", lambda connection, *_: connection.execute("PRAGMA busy_timeout=20"))
    with pytest.raises(LedgerUnavailable, match="locked"):
        ledger.commit(LedgerBatch(decisions=[decided(1)]))
    assert ledger.find(["tx-1"]) == {}  # reading goes on
    other.execute("ROLLBACK")
    ledger.commit(LedgerBatch(decisions=[decided(1)]))
    other.close()
    ledger.close()

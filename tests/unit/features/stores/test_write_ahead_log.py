"""The write-ahead log is copied in the background, without holding up writers."""

import sqlite3
import time
from pathlib import Path

from features.stores.write_ahead_log import BACKSTOP, Checkpoints


def written(path: Path) -> sqlite3.Connection:
    """A database whose only row is in its write-ahead log."""
    connection = sqlite3.connect(path)
    for pragma in ("PRAGMA journal_mode = WAL", BACKSTOP):
        connection.execute(pragma)
    with connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (1)")
    return connection


def copied(path: Path) -> bool:
    return path.stat().st_size > 4096  # the first page is there from the beginning


def wait_until(path: Path, *, patience_s: float = 10.0) -> bool:
    deadline = time.monotonic() + patience_s
    while not copied(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    return copied(path)


def test_what_is_committed_reaches_the_database_while_its_writer_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = written(path)
    assert not copied(path)
    checkpoints = Checkpoints(path, interval_s=0.01)
    assert wait_until(path)
    checkpoints.close()
    writer.close()


def test_a_writer_in_a_transaction_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = written(path)
    writer.execute("BEGIN IMMEDIATE")
    checkpoints = Checkpoints(path, interval_s=0.01)
    assert wait_until(path)
    writer.execute("INSERT INTO t VALUES (2)")
    writer.commit()
    checkpoints.close()
    assert writer.execute("SELECT count(*) FROM t").fetchone() == (2,)
    writer.close()


def test_trouble_is_left_to_those_who_write(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"no database" * 1000)
    checkpoints = Checkpoints(path, interval_s=0.01)
    time.sleep(0.1)
    checkpoints.close()
    assert path.read_bytes().startswith(b"no database")

import errno
import sqlite3
from dataclasses import astuple
from datetime import timedelta
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import backfill, backfill_parts, backfill_work
from features.backfill import open_work
from features.backfill_parts import SCHEMA
from features.backfill_work import FILE, BackfillWork
from features.catalogue import NAMES
from features.errors import ConfigurationError, StateError
from features.replay import replay
from tests.arrays import same_bits
from tests.unit.features.backfills import features, fold, part_bytes, parts, simulated, states

CHUNK = 400


class Crash(Exception):
    pass


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("data") / "payments.parquet")


@pytest.fixture(scope="module")
def replayed(table):
    return replay(table)


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    directory = tmp_path_factory.mktemp("undisturbed")
    fold(table, directory, CHUNK)
    return directory


@pytest.mark.parametrize("chunk", [37, 400, 10**6])
def test_features_and_states_are_those_of_a_replay(table, replayed, tmp_path, chunk):
    position = fold(table, tmp_path, chunk)
    found = parts(tmp_path)
    assert same_bits(features(found), replayed.features)
    assert found["transaction_id"].to_pylist() == table["transaction_id"].tolist()
    assert found["event_timestamp"].cast(pa.int64()).to_pylist() == table["event_time"].astype("int64").tolist()
    assert found["is_fraud"].to_pandas(integer_object_nulls=True).tolist() == [
        None if value is None else int(value) for value in table["is_fraud"].astype(object).where(lambda v: v.notna())
    ]
    assert states(tmp_path) == replayed.states
    assert (position.transactions, position.labels) == (len(table), replayed.labels)
    assert position.parts == len(part_bytes(tmp_path))
    assert replayed.labels > 100


def test_row_groups_written_while_the_next_is_made_keep_their_order(table, replayed, tmp_path, monkeypatch):
    monkeypatch.setattr(backfill_parts, "GROUP", 90)
    monkeypatch.setattr("features.replay.CHUNK", 40)
    fold(table, tmp_path, 500)
    assert same_bits(features(parts(tmp_path)), replayed.features)
    assert pq.ParquetFile(next(tmp_path.glob("part-*"))).metadata.num_row_groups > 2


def test_a_disk_that_is_full_is_named_and_leaves_no_part(table, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backfill_parts.pq.ParquetWriter, "write_table", full)
    with pytest.raises(ConfigurationError, match="No space left on device") as refused:
        fold(table, tmp_path, CHUNK)
    assert "Make room" in refused.value.remedy
    assert not part_bytes(tmp_path)
    monkeypatch.undo()
    fold(table, tmp_path, CHUNK)
    assert same_bits(features(parts(tmp_path)), replay(table).features)


def test_chunks_of_one_event_leave_no_empty_parts(table, tmp_path):
    few = table.head(60)
    late = few["event_time"].iloc[-1].to_pydatetime() + timedelta(days=90)
    position = fold(few, tmp_path, 1, until=late)
    expected = replay(few, until=late)
    assert position.parts == len(part_bytes(tmp_path)) == len(few)
    assert position.labels == expected.labels > 0
    assert same_bits(features(parts(tmp_path)), expected.features)
    assert states(tmp_path) == expected.states


def test_parts_have_the_columns_that_are_promised(undisturbed):
    assert parts(undisturbed).schema.equals(SCHEMA)
    assert SCHEMA.names == ["transaction_id", "event_timestamp", "is_fraud", *NAMES]


def crash_before(owner, name):
    """Let the call after ``after`` of them fail before it does anything."""

    def install(monkeypatch, after):
        whole = getattr(owner, name)
        calls = count()

        def crashing(*arguments, **options):
            if next(calls) == after:
                raise Crash
            return whole(*arguments, **options)

        monkeypatch.setattr(owner, name, crashing)

    return install


def crash_in_the_transaction(monkeypatch, after):
    """Let a commit fail when the states are written and the position is not."""
    whole = BackfillWork.commit
    calls = count()

    def crashing(work, keys, found, position):
        whole(work, keys, found, None if next(calls) == after else position)

    def refuse(position):
        if position is None:
            raise Crash
        return astuple(position)

    monkeypatch.setattr(BackfillWork, "commit", crashing)
    monkeypatch.setattr(backfill_work, "astuple", refuse)


STEPS = {
    "before the states are read": crash_before(BackfillWork, "read"),
    "before the part is written": crash_before(backfill, "write_part"),
    "before the part has its name": crash_before(Path, "replace"),
    "between part and states": crash_before(BackfillWork, "commit"),
    "inside the transaction": crash_in_the_transaction,
}


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_between_any_two_steps_changes_nothing(table, undisturbed, tmp_path, monkeypatch, step, after):
    with monkeypatch.context() as patch:
        STEPS[step](patch, after)
        with pytest.raises(Crash):
            fold(table, tmp_path, CHUNK)
    work = open_work(tmp_path, "f")
    assert work.position.events == after * CHUNK
    work.close()
    fold(table, tmp_path, CHUNK)
    assert part_bytes(tmp_path) == part_bytes(undisturbed)
    assert states(tmp_path) == states(undisturbed)


def test_a_crash_after_the_transaction_and_another_chunk_size(table, replayed, tmp_path):
    def stop(done, total):
        if done >= 3 * CHUNK:
            raise Crash

    with pytest.raises(Crash):
        fold(table, tmp_path, CHUNK, progress=stop)
    fold(table, tmp_path, 171)
    assert same_bits(features(parts(tmp_path)), replayed.features)
    assert states(tmp_path) == replayed.states


def test_a_finished_fold_writes_nothing_more(table, undisturbed):
    before = {path.name: path.stat().st_mtime_ns for path in undisturbed.glob("*.parquet")}
    calls = []
    fold(table, undisturbed, CHUNK, progress=lambda done, total: calls.append((done, total)))
    assert {path.name: path.stat().st_mtime_ns for path in undisturbed.glob("*.parquet")} == before
    assert [done == total for done, total in calls] == [True]


def test_something_else_is_refused_until_restarted(table, tmp_path):
    fold(table, tmp_path, CHUNK)
    before = part_bytes(tmp_path)
    with pytest.raises(StateError, match="holds a back-fill of something else") as refused:
        fold(table.head(300), tmp_path, CHUNK, fingerprint="other")
    assert "--restart" in refused.value.remedy
    assert part_bytes(tmp_path) == before
    fold(table.head(300), tmp_path, CHUNK, fingerprint="other", restart=True)
    assert same_bits(features(parts(tmp_path)), replay(table.head(300)).features)
    assert states(tmp_path, "other") == replay(table.head(300)).states


def test_parts_without_their_working_file_are_refused(table, tmp_path):
    fold(table.head(50), tmp_path, CHUNK)
    (tmp_path / FILE).unlink()
    with pytest.raises(StateError, match="holds parts of features, but not the file"):
        open_work(tmp_path, "f")
    open_work(tmp_path, "f", restart=True).close()
    assert not part_bytes(tmp_path)


def test_two_processes_cannot_work_on_one_directory(tmp_path):
    work = open_work(tmp_path, "f")
    for restart in (False, True):
        with pytest.raises(StateError, match="Another back-fill is at work"):
            open_work(tmp_path, "f", restart=restart)
    work.close()
    open_work(tmp_path, "f").close()


def test_a_damaged_working_file_is_named_and_its_remedy_works(table, tmp_path):
    fold(table, tmp_path, CHUNK)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE states SET state = substr(state, 1, 100)")
    connection.close()
    with pytest.raises(StateError, match=r"damaged: The card state .+\.$") as refused:
        states(tmp_path)
    assert "--restart" in refused.value.remedy
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(StateError, match="is damaged: file is not a database"):
        open_work(tmp_path, "f")
    open_work(tmp_path, "f", restart=True).close()


def test_a_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used") as refused:
        open_work(tmp_path / "file" / "out", "f")
    assert "--out" in refused.value.remedy

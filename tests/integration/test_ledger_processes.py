"""Several processes on one ledger, some of them killed."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streaming.ledgers.sql import open_ledger
from tests.integration.ledger_samples import batch, decided, last_seq
from tests.integration.ledger_writer import SIZE
from tests.integration.postgres_server import PostgresServer, running_postgres

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database("processes")


def start_writer(url: str, batches: int, first: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.ledger_writer", url, str(batches), str(first)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_whole_batches_and_every_one_it_was_told_of(url: str) -> None:
    chance = random.Random(7)
    first = 1
    for _ in range(3):
        writer = start_writer(url, batches=100_000, first=first)
        assert writer.stdout is not None
        told = [writer.stdout.readline()]
        time.sleep(chance.uniform(0.0, 0.1))
        writer.kill()
        told += writer.communicate()[0].split()

        ledger = open_ledger(url)
        last, count = last_seq(ledger), ledger.count()
        assert last >= int(told[-1])
        assert (last % (SIZE + 1), count % SIZE) == (0, 0)
        assert count // SIZE == last // (SIZE + 1)
        events = ledger.events_after(0, 1_000_000)
        assert [event.seq for event in events] == list(range(1, last + 1))
        assert len(ledger.find([f"tx-{number}" for number in range(1, count + 1)])) == count
        assert ledger.pending_labels([0]) == []
        ledger.close()
        first = count + 1
    assert first > 3 * SIZE


def test_a_worker_and_a_service_write_at_the_same_time(url: str) -> None:
    batches = 60
    ledger = open_ledger(url)
    writer = start_writer(url, batches)
    assert writer.stdout is not None
    writer.stdout.readline()
    over_rest = 0
    while writer.poll() is None:
        number = 1_000_000 + over_rest
        ledger.commit(batch(decided(number, None, "rest")))
        assert f"tx-{number}" in ledger.find([f"tx-{number}", "tx-1"])
        over_rest += 1
    writer.stdout.close()
    assert (writer.returncode, last_seq(ledger)) == (0, batches * (SIZE + 1))
    assert over_rest > 0
    assert ledger.count() == batches * SIZE + over_rest
    assert len(ledger.unforwarded(1_000_000)) == over_rest
    ledger.close()


def test_processes_may_create_the_ledger_at_the_same_time(url: str) -> None:
    writers = [start_writer(url, batches=0) for _ in range(3)]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    ledger = open_ledger(url)
    assert ledger.count() == 0
    ledger.close()

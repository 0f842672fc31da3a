"""Workers that are frozen for longer than their session lasts, and thawed when others have their partitions."""

import signal
from time import sleep

import pytest

from tests.integration.faults.worker_main import SESSION_S, Fault

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
MOMENTS = [
    [("ledger", "commit", False), ("store", "replace", True), ("consumer", "commit", False)],
    [("ledger", "commit", True), ("store", "replace", False), ("producer", "send", True)],
    [("producer", "flush", False), ("ledger", "save_checkpoints", False), ("consumer", "poll", True)],
]


# PostgreSQL ends a transaction that hangs; SQLite waits for it, and so does every worker on it.
WITHIN_A_TRANSACTION = [("database", "commit", False), ("ledger", "find", True)]


@pytest.mark.parametrize(("ledger", "more"), [("sqlite", []), ("postgresql", [WITHIN_A_TRANSACTION])])
def test_a_worker_that_wakes_up_without_its_partitions_writes_nothing(start_world, ledger, more):
    world = start_world(ledger)
    fleet = world.fleet
    fleet.start()
    with world.load(at_once=10):  # it has to last, however fast the machine
        fleet.wait("a worker works", world.decided)
        for moments in MOMENTS + more:
            frozen = [fleet.start(fault=Fault(*moment, nth=4, signal=signal.SIGSTOP)) for moment in moments]
            fleet.wait("all are frozen", lambda those=frozen: all(member.is_stopped() for member in those))
            sleep(SESSION_S)
            before = world.decided()
            fleet.wait("the others go on without them", lambda past=before: world.decided() > past + 200)
            for member in frozen:
                member.signal(signal.SIGCONT)
            before = world.decided()
            fleet.wait("all go on", lambda past=before: world.decided() > past + 200)
            for member in frozen:
                fleet.stop(member)
    world.finish()
    world.check()

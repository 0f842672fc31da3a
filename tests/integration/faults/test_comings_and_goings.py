"""Workers that join and leave in good order while payments keep coming, whichever client they use."""

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]


def test_workers_join_and_leave_under_load(start_world):
    world = start_world("postgresql")
    fleet = world.fleet
    with world.load():
        staying = fleet.start()
        for client in ("kafka-python", "confluent", "kafka-python", "confluent"):
            before = world.decided()
            fleet.wait("work goes on", lambda past=before: world.decided() > past + 100)
            joining = fleet.start(client=client)
            before = world.decided()
            fleet.wait("both work", lambda past=before: world.decided() > past + 300)
            fleet.stop(staying)
            staying = joining
    world.finish()
    found = world.check()
    assert sum(not decision.degraded for decision in found.values()) > len(found) / 2

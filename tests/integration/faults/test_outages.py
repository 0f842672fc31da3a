"""Servers that die and come back, with and without what they held, and a disk that is full."""

import os
import resource
import shutil
from time import sleep

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
OUTAGE_S = float(os.environ.get("RINGFENCE_TEST_OUTAGE_S", "30"))


def grows(world, by=100):
    """A condition: that many more payments have been decided."""
    before = world.decided()
    return lambda: world.decided() > before + by


def history_counts(world):
    """A condition: the newest decisions are not all degraded."""
    return lambda: any(not recorded.decision.degraded for recorded in world.ledger.recent(20))


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_a_broker_that_is_killed_and_restarted(mortal_kafka, start_world, client):
    world = start_world(bootstrap=mortal_kafka.bootstrap)
    for _ in range(2):
        world.fleet.start(client=client)
    with world.load():
        for _ in range(2):
            world.fleet.wait("payments are decided", grows(world))
            mortal_kafka.kill()
            sleep(2)
            mortal_kafka.restart()
            world.fleet.wait("payments are decided again", grows(world))
    world.finish()
    world.check()


def test_without_redis_decisions_go_on_degraded(start_world):
    world = start_world()
    for _ in range(2):
        world.fleet.start()
    with world.load(most=9000):
        world.fleet.wait("payments are decided with history", history_counts(world))
        world.redis.kill()
        sleep(1)  # what was in hand has come through
        before = world.decided()
        world.fleet.wait("payments are decided without Redis", grows(world, 300))
        sleep(OUTAGE_S)
        without = world.ledger.recent(world.decided() - before)
        world.redis.start()
        world.fleet.wait("history counts again", history_counts(world))
    assert len(without) >= 300
    assert all(recorded.decision.degraded == ("features",) for recorded in without)
    world.finish()
    world.check()


def test_a_redis_that_comes_back_empty_is_filled_again(start_world):
    world = start_world("postgresql")
    for _ in range(3):
        world.fleet.start()
    with world.load():
        for _ in range(2):
            world.fleet.wait("payments are decided with history", history_counts(world))
            world.fleet.wait("more of them", grows(world, 500))
            world.redis.kill()
            shutil.rmtree(world.redis.directory / "appendonlydir")
            world.redis.start()
    world.finish()
    found = world.check()
    assert {decision.degraded for decision in found.values()} == {(), ("features",)}


def test_a_full_disk_holds_everything_up_and_loses_nothing(start_world):
    world = start_world("sqlite")
    members = [world.fleet.start(log=os.devnull) for _ in range(2)]
    with world.load():
        for _ in range(3):
            world.fleet.wait("payments are decided", grows(world))
            for member in members:  # no file may grow beyond a byte
                resource.prlimit(member.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            sleep(1)
            before = world.decided()
            sleep(2)
            assert world.decided() == before
            for member in members:
                resource.prlimit(member.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    world.finish()
    world.check()

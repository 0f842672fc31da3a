"""kill -9 between any two steps and at any time, with several workers under load, again and again."""

import random
from time import monotonic, sleep

import pytest

from tests.integration.faults.stream import Habits
from tests.integration.faults.worker_main import Fault

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
GAPS = [
    ("ledger", "commit", False),
    ("database", "commit", False),
    ("ledger", "commit", True),
    ("producer", "send", True),
    ("store", "replace", False),
    ("store", "replace", True),
    ("producer", "flush", False),
    ("producer", "flush", True),
    ("ledger", "save_checkpoints", False),
    ("consumer", "commit", False),
    ("consumer", "commit", True),
]
WORKERS = 3
GIVEN_UP, GIVEN_UP_S = 600, 30.0  # payments, seconds: a step not reached by then; the worker is killed wherever it is


def plan(rounds, at_random, seed):
    """Every gap once a round, and deaths at any time; None stands for those."""
    chosen = random.Random(seed)
    gaps = [Fault(*gap, nth=chosen.randrange(1, 8)) for gap in GAPS * rounds]
    deaths = [*gaps, *[None] * at_random]
    chosen.shuffle(deaths)
    return deaths, chosen


@pytest.mark.parametrize(("ledger", "client"), [("sqlite", "kafka-python"), ("postgresql", "confluent")])
def test_workers_killed_at_any_step_lose_nothing_and_count_nothing_twice(start_world, ledger, client):
    world = start_world(ledger)
    deaths, chosen = plan(rounds=2, at_random=8, seed=1)
    total, due = len(deaths), {}
    with world.load(Habits(poison=0.02, repeats=0.02)):
        while deaths or world.fleet.members:
            decided = world.decided()
            for member in world.fleet.reap():
                due.pop(member)
            while deaths and len(world.fleet.members) < WORKERS:
                fault = deaths.pop()
                member = world.fleet.start(client=client, fault=fault)
                due[member] = decided + (GIVEN_UP if fault else chosen.randrange(1, 300)), monotonic() + GIVEN_UP_S
            for member, (count, at) in due.items():
                if decided >= count or monotonic() > at:
                    member.kill()
            sleep(0.02)
    assert world.fleet.killed == total
    world.finish()
    found = world.check()
    assert len(found) > 1000
    assert any(not decision.degraded for decision in found.values())

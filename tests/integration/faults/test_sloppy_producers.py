"""Producers that send twice, to the wrong partition, other content under a known id, and what is no payment at all."""

import pytest

from tests.integration.faults.stream import Habits

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]


def test_repeats_conflicts_and_poison(start_world):
    world = start_world()
    with world.load(Habits(poison=0.05, conflicts=0.02, repeats=0.1, strays=0.03), most=2500):
        for _ in range(3):
            world.fleet.start()
        world.fleet.wait("all is sent and decided", lambda: world.decided() >= 2500)
    world.finish()
    world.check()
    assert len(world.stream.poison) > 100

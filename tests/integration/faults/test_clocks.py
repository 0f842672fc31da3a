"""Workers whose clocks are hours apart: what is too early for one is not for another, and nothing counts twice."""

from datetime import timedelta

import pytest

from streaming.broker import DEAD_LETTER
from streaming.dead_letter import read_dead_letter
from streaming.scoring import utc_now
from tests.integration.faults.stream import as_message, payment

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
HOURS = 3600.0


def early(n):
    """A payment an hour ahead of the time, of a card and a shop that nobody else goes to."""
    at = utc_now() + timedelta(hours=1)
    names = {"transaction_id": f"early{n}", "card_id": f"early{n}", "merchant_id": "early", "device_id": None}
    return payment(n, event_time=at, ip=None, **names)


def test_workers_with_clocks_hours_apart(start_world):
    world = start_world()
    fleet = world.fleet
    with world.load():
        fast, slow = fleet.start(clock_ahead_s=2 * HOURS), fleet.start(clock_ahead_s=-2 * HOURS)
        # One decides hours ahead of the time, the other hours behind it.
        fleet.wait("both work", lambda: len({r.decision.decided_at > utc_now() for r in world.ledger.recent(60)}) == 2)
        sent = [early(n) for n in range(60)]
        world.send([as_message(each) for each in sent])
        names = [each.transaction_id for each in sent]
        fleet.wait("the fast one has decided some", lambda: world.ledger.find(names))
        fast.kill()  # the slow one finds what the fast one has decided, and does not refuse it
        fleet.wait("the fast one has gone", lambda: fast not in fleet.members)
        fleet.start(clock_ahead_s=-2 * HOURS)
    fleet.wait("everything has come out", world.is_idle)
    decided = world.ledger.find(names)
    letters = {record.value for record in world.broker.scan(DEAD_LETTER)}
    refused = [each for each in sent if as_message(each)[1] in letters]  # some are decided after all, after a rebalance
    world.stream.payments += [each for each in sent if each.transaction_id in decided]
    world.stream.poison += [as_message(each)[1] for each in refused]
    assert decided
    assert refused
    assert {each.transaction_id for each in refused} | decided.keys() == {each.transaction_id for each in sent}
    assert slow in fleet.members
    world.finish()
    world.check()
    assert {read_dead_letter(record).code for record in world.broker.scan(DEAD_LETTER)} == {"future_time"}

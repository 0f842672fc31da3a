"""The outbox: everything decided over REST reaches the transactions topic, through outages and failures."""

import time
from datetime import UTC, datetime

import pytest

from features.codec import decode_transaction
from features.errors import BrokerUnavailable, LedgerUnavailable
from features.stores.memory import MemoryStore
from streaming.broker import TRANSACTIONS
from streaming.brokers.memory import MemoryBroker
from streaming.direct import DirectScoring
from streaming.forwarder import BATCH, Forwarder
from streaming.ledgers.memory import MemoryLedger
from streaming.scoring import Scoring
from tests.fakes import FakeBundle, fake_policy
from tests.unit.streaming.test_direct import ENGINE, payment

LONG_S = 10.0


class World:
    def __init__(self, fault=None):
        self.broker = MemoryBroker()
        self.broker.ensure_topics({TRANSACTIONS: 3})
        self.ledger = MemoryLedger(fault)
        self.failures = 0
        self.forwarder = Forwarder(self.ledger, self.broker.producer, on_failure=self.count_failure)
        scoring = Scoring(
            ENGINE, MemoryStore(), FakeBundle(), fake_policy(), clock=lambda: datetime(2026, 1, 6, tzinfo=UTC)
        )
        self.direct = DirectScoring(scoring, self.ledger, on_recorded=self.forwarder.wake)

    def count_failure(self):
        self.failures += 1

    def sent(self):
        return [decode_transaction(record.value) for record in self.broker.records(TRANSACTIONS)]


def wait_until(condition):
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


@pytest.fixture
def world():
    made = World()
    yield made
    made.broker.come_back()
    made.forwarder.close()


def test_a_batch_is_sent_whole_keyed_by_card_and_then_marked(world):
    payments = [payment(1), payment(2, card_id="card2")]
    world.direct.score(payments)
    assert world.forwarder.forward() == 2
    records = world.broker.records(TRANSACTIONS)
    assert {(r.key, decode_transaction(r.value)) for r in records} == {(p.card_id.encode(), p) for p in payments}
    assert world.ledger.unforwarded(10) == []
    assert world.forwarder.forward() == 0


def test_nothing_is_marked_before_the_broker_has_acknowledged(world):
    world.direct.score([payment(1)])
    world.broker.fail_next("flush")
    with pytest.raises(BrokerUnavailable):
        world.forwarder.forward()
    assert world.ledger.unforwarded(10) == [payment(1)]


def test_a_score_wakes_the_thread_at_once(world):
    world.forwarder.start()
    time.sleep(0.05)  # it has found nothing and waits a second now
    started = time.monotonic()
    world.direct.score([payment(1)])
    wait_until(world.sent)
    assert time.monotonic() - started < 0.5


def test_what_an_earlier_process_left_behind_goes_first(world):
    world.direct.score([payment(n) for n in range(BATCH + 3)])
    world.forwarder.start()
    wait_until(lambda: len(world.sent()) == BATCH + 3)
    wait_until(lambda: not world.ledger.unforwarded(1))


def test_a_broker_that_is_away_is_waited_for(world):
    world.broker.go_down()
    world.forwarder.start()
    world.direct.score([payment(1)])
    wait_until(lambda: world.failures >= 2)
    assert world.forwarder.failing
    world.direct.score([payment(2)])
    world.broker.come_back()
    wait_until(lambda: {t.transaction_id for t in world.sent()} == {"t1", "t2"})
    wait_until(lambda: not world.forwarder.failing)
    assert world.ledger.unforwarded(10) == []


def test_an_acknowledgement_that_is_lost_sends_again_rather_than_never(world):
    world.broker.fail_next("flush", after=True)
    world.direct.score([payment(1)])
    world.forwarder.start()
    wait_until(lambda: not world.ledger.unforwarded(1))
    assert [t.transaction_id for t in world.sent()] == ["t1", "t1"]


@pytest.mark.parametrize("error", [LedgerUnavailable("gone"), RuntimeError("a surprise")])
def test_the_thread_outlives_a_failing_ledger(error):
    failures = [error, error]

    def fault(step):
        if step == "unforwarded" and failures:
            raise failures.pop()

    world = World(fault)
    world.direct.score([payment(1)])
    world.forwarder.start()
    wait_until(lambda: len(world.sent()) == 1)
    world.forwarder.close()
    assert world.failures == 2


def test_closing_hands_over_what_is_left(world):
    world.forwarder.start()
    wait_until(lambda: not world.forwarder.failing)
    world.direct.score([payment(1)])
    world.forwarder.close()
    assert len(world.sent()) == 1


def test_closing_does_not_wait_for_a_broker_that_is_away(world):
    world.broker.go_down()
    world.direct.score([payment(1)])
    world.forwarder.start()
    wait_until(lambda: world.failures)
    started = time.monotonic()
    world.forwarder.close()
    assert time.monotonic() - started < 2
    assert len(world.ledger.unforwarded(10)) == 1


def test_closing_one_that_was_never_started_is_fine(world):
    world.forwarder.close()

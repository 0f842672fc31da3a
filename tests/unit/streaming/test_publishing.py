"""When the worker's producer is opened, closed and replaced. What it sends is tested with the worker."""

from datetime import UTC, datetime

import pytest

from features.errors import BrokerUnavailable, InvalidTransaction
from streaming.broker import DEAD_LETTER, TRANSACTIONS, Record
from streaming.brokers.memory import MemoryBroker
from streaming.publishing import Publisher

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def broker():
    broker = MemoryBroker()
    broker.ensure_topics({DEAD_LETTER: 1})
    return broker


@pytest.fixture
def opened():
    return []


@pytest.fixture
def publisher(broker, opened):
    def open_producer():
        opened.append(broker.producer())
        return opened[-1]

    return Publisher(open_producer)


def send(publisher, offset):
    record = Record(TRANSACTIONS, 0, offset, b"card", b"{", (), 0)
    publisher.dead_letter(record, InvalidTransaction("not_json", "The message is not JSON."), NOW)


def test_nothing_is_opened_before_it_is_needed(publisher, opened):
    publisher.flush()
    publisher.close()
    assert opened == []


def test_one_producer_serves_until_it_is_closed(publisher, broker, opened):
    publisher.connect()
    send(publisher, 0)
    publisher.flush()
    send(publisher, 1)
    publisher.close()
    assert len(opened) == 1
    assert len(broker.records(DEAD_LETTER)) == 2
    with pytest.raises(BrokerUnavailable, match="closed"):
        opened[0].send(DEAD_LETTER, b"x")


def test_a_flush_that_fails_closes_its_producer_and_the_next_message_opens_another(publisher, broker, opened):
    send(publisher, 0)
    broker.fail_next("flush", times=2)  # its close flushes too
    with pytest.raises(BrokerUnavailable, match="flush"):
        publisher.flush()
    with pytest.raises(BrokerUnavailable, match="closed"):
        opened[0].send(DEAD_LETTER, b"x")
    send(publisher, 1)
    publisher.flush()
    assert len(opened) == 2
    assert len(broker.records(DEAD_LETTER)) == 1

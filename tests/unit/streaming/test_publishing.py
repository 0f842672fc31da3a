"""When the worker's producer is opened, closed and replaced. What it sends is tested with the worker."""

from datetime import UTC, datetime

import pytest

from features.errors import BrokerUnavailable, InvalidTransaction, MessageTooLarge
from streaming.broker import DEAD_LETTER, TRANSACTIONS, Record
from streaming.brokers.limits import MAX_MESSAGE_BYTES
from streaming.brokers.memory import MemoryBroker
from streaming.dead_letter import read_dead_letter
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


def send(publisher, offset, value=b"{"):
    record = Record(TRANSACTIONS, 0, offset, b"card", value, (), 0)
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


def test_a_message_larger_than_the_dead_letter_topic_takes_is_kept_cut(publisher, broker):
    send(publisher, 0, b"x" * (5 * MAX_MESSAGE_BYTES))
    publisher.close()
    (kept,) = broker.records(DEAD_LETTER)
    letter = read_dead_letter(kept)
    assert (letter.size, letter.cut, letter.code) == (5 * MAX_MESSAGE_BYTES, True, "not_json")
    assert len(kept.value) == MAX_MESSAGE_BYTES - len(b"card")


def test_a_dead_letter_topic_that_takes_less_than_ours_is_met_by_cutting(broker):
    """Kafka's own limit is a mebibyte: whoever makes the topic himself has that."""
    refused = []

    class Narrow:
        def __init__(self):
            self._large, self._producer = False, broker.producer()

        def send(self, topic, value, *, key=None, headers=()):
            self._large |= len(value) > 1_048_588
            if not self._large:
                self._producer.send(topic, value, key=key, headers=headers)

        def flush(self):
            if self._large:
                refused.append(self)
                raise MessageTooLarge("too large")
            self._producer.flush()

        def close(self):
            pass

    publisher = Publisher(Narrow)
    for _ in range(9):  # as the worker does: the same micro-batch again, until it goes through
        try:
            send(publisher, 0, b"x" * MAX_MESSAGE_BYTES)
            publisher.flush()
            break
        except MessageTooLarge:
            continue
    (kept,) = broker.records(DEAD_LETTER)
    assert 0 < len(refused) < 3
    assert len(kept.value) > MAX_MESSAGE_BYTES // 8
    assert read_dead_letter(kept).size == MAX_MESSAGE_BYTES

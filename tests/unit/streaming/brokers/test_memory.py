"""What the broker in memory adds to the seam: faults on order, outages, crashes, and strictness."""

import threading
import time

import pytest

from features.errors import BrokerUnavailable, ConfigurationError
from streaming.brokers.memory import MemoryBroker


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker(clock=lambda: 1.5)
    broker.ensure_topics({"t": 2})
    return broker


def send(broker: MemoryBroker, *values: bytes) -> None:
    producer = broker.producer()
    for value in values:
        producer.send("t", value, key=b"k")
    producer.flush()


def test_nothing_is_there_before_the_flush(broker: MemoryBroker) -> None:
    producer = broker.producer()
    producer.send("t", b"x")
    assert broker.records("t") == []
    producer.close()
    assert [(r.value, r.timestamp_ms) for r in broker.records("t")] == [(b"x", 1500)]


def test_a_fault_before_the_flush_loses_and_one_after_it_does_not(broker: MemoryBroker) -> None:
    broker.fail_next("flush")
    with pytest.raises(BrokerUnavailable, match="flush"):
        send(broker, b"lost")
    broker.fail_next("flush", after=True)
    with pytest.raises(BrokerUnavailable):
        send(broker, b"kept")
    send(broker, b"more")
    assert [r.value for r in broker.records("t")] == [b"kept", b"more"]


def test_faults_skip_repeat_and_raise_what_they_are_told(broker: MemoryBroker) -> None:
    class Crash(BaseException):
        pass

    producer = broker.producer()
    broker.fail_next("send", skip=1, times=2, error=Crash())
    producer.send("t", b"0")
    for _ in range(2):
        with pytest.raises(Crash):
            producer.send("t", b"never")
    producer.send("t", b"1")
    producer.flush()
    assert sorted(r.value for r in broker.records("t")) == [b"0", b"1"]


def test_records_polled_before_a_crash_come_again(broker: MemoryBroker) -> None:
    send(broker, b"0", b"1", b"2")
    first = broker.consumer(["t"], "g")
    position = ("t", first.poll(0, 2)[0].partition)
    broker.fail_next("commit", after=True)
    with pytest.raises(BrokerUnavailable):
        first.commit({position: 1})
    assert broker.committed("g") == {position: 1}
    first.crash()
    with pytest.raises(BrokerUnavailable, match="closed"):
        first.poll(0, 1)
    assert [r.value for r in broker.consumer(["t"], "g").poll(0, 9)] == [b"1", b"2"]


def test_a_rebalance_sends_the_one_that_stays_back_to_the_committed_offset(broker: MemoryBroker) -> None:
    send(broker, b"0", b"1")
    stays, comes = broker.consumer(["t"], "g"), broker.consumer(["t"], "g")
    assert len(stays.poll(0, 9)) == 2
    assert stays.poll(0, 9) == []
    comes.poll(0, 9)
    comes.close()
    assert [r.value for r in stays.poll(0, 9)] == [b"0", b"1"]


def test_what_another_member_holds_is_not_committed(broker: MemoryBroker) -> None:
    first, second = broker.consumer(["t"], "g"), broker.consumer(["t"], "g")
    first.poll(0, 9)
    second.poll(0, 9)  # takes partition 1
    first.commit({("t", 0): 0, ("t", 1): 7, ("elsewhere", 0): 7})
    assert broker.committed("g") == {("t", 0): 0}


def test_an_outage_stops_everything_and_loses_nothing(broker: MemoryBroker) -> None:
    send(broker, b"0")
    consumer, producer = broker.consumer(["t"], "g"), broker.producer()
    producer.send("t", b"1", key=b"k")
    broker.go_down()
    for act in (lambda: consumer.poll(0, 1), consumer.lag, lambda: consumer.commit({}), producer.flush):
        with pytest.raises(BrokerUnavailable, match="down"):
            act()
    broker.come_back()
    assert [r.value for r in consumer.poll(0, 9)] == [b"0"]


def test_a_waiting_poll_wakes_up_for_a_message(broker: MemoryBroker) -> None:
    consumer = broker.consumer(["t"], "g")
    timer = threading.Timer(0.05, send, (broker, b"0"))
    timer.start()
    began = time.monotonic()
    assert [r.value for r in consumer.poll(10, 9)] == [b"0"]
    assert time.monotonic() - began < 5
    timer.join()


def test_a_busy_partition_does_not_starve_the_others(broker: MemoryBroker) -> None:
    producer = broker.producer()
    for number in range(40):
        producer.send("t", b"", key=b"%d" % number)
    producer.flush()
    consumer = broker.consumer(["t"], "g")
    seen = {r.partition for _ in range(2) for r in consumer.poll(0, 3)}
    assert seen == {0, 1}


def test_topics_and_sizes_are_checked(broker: MemoryBroker) -> None:
    with pytest.raises(ConfigurationError, match="'u' cannot have 0 partitions"):
        broker.ensure_topics({"u": 0})
    with pytest.raises(BrokerUnavailable, match="no topic 'u'"):
        broker.producer().send("u", b"")
    with pytest.raises(ValueError, match="max_records"):
        broker.consumer(["t"], "g").poll(0, 0)

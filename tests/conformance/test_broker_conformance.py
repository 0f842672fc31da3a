"""What every broker must do, in memory, on Tansu and on Apache Kafka: one suite, the seam's contract in tests."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from features.errors import BrokerUnavailable, InvalidTransaction, MessageTooLarge
from streaming.broker import DEAD_LETTER, TRANSACTIONS, Consumer, OnRevoke, Position, Producer, Record
from streaming.brokers import tansu
from streaming.brokers.limits import max_message_bytes
from streaming.brokers.memory import MemoryBroker
from streaming.brokers.partitioning import partition_of
from streaming.dead_letter import dead_letter_record
from streaming.dead_letter_queue import list_dead_letters, replay_dead_letters, show_dead_letter
from tests.conformance.conftest import Cluster

PARTITIONS = 3
PATIENCE_S = 60.0
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def topic(cluster: Cluster) -> str:
    name = f"t-{uuid.uuid4().hex}"
    cluster.broker.ensure_topics({name: PARTITIONS})
    return name


@pytest.fixture
def group() -> str:
    return f"g-{uuid.uuid4().hex}"


@pytest.fixture
def join(cluster: Cluster, topic: str, group: str) -> Iterator[Callable[..., Consumer]]:
    """Join the test's group; whoever has not left by the end is made to."""
    members: list[Consumer] = []

    def new(on_revoke: OnRevoke | None = None) -> Consumer:
        members.append(cluster.broker.consumer([topic], group, on_revoke=on_revoke))
        return members[-1]

    yield new
    for member in members:
        member.close()


def fill(cluster: Cluster, topic: str, count: int) -> None:
    """Send ``count`` numbered messages, keyed so that every partition gets some."""
    producer = cluster.broker.producer()
    for number in range(count):
        producer.send(topic, b"%d" % number, key=b"card-%d" % (number % 10))
    producer.flush()
    producer.close()


def send_and_flush(producer: Producer, topic: str, value: bytes) -> None:
    producer.send(topic, value)
    producer.flush()


def drain(consumer: Consumer, count: int) -> list[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(records) < count and time.monotonic() < deadline:
        records += consumer.poll(0.2, 100)
    assert len(records) == count
    assert consumer.poll(0.3, 100) == []
    return records


def ends(records: list[Record]) -> dict[Position, int]:
    return {(r.topic, r.partition): r.offset + 1 for r in records}


def skip_where_members_do_not_share(cluster: Cluster) -> None:
    if "one_member" in cluster.differences:
        pytest.skip(tansu.DIFFERENCES["one_member"])


def wait_for(condition: Callable[[], bool], step: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        step()


def test_a_message_comes_back_as_it_was_sent(cluster: Cluster, topic: str, join: Callable[[], Consumer]) -> None:
    everything = bytes(range(256))
    sent = {
        (b"key", everything, (("trace", everything), ("trace", b"twice"), ("empty", b""))),
        (b"", b"empty key", ()),
        (None, b"no key", ()),
        (b"empty value", b"", ()),
        (b"large", b"x" * 1_048_576, (("h", b"1"),)),
    }
    before_ms = int(time.time() * 1000)
    producer = cluster.broker.producer()
    for key, value, headers in sent:
        producer.send(topic, value, key=key, headers=headers)
    producer.flush()
    producer.close()

    records = drain(join(), len(sent))

    assert {(r.key, r.value, r.headers) for r in records} == sent
    assert {r.topic for r in records} == {topic}
    assert all(before_ms - 1000 <= r.timestamp_ms <= time.time() * 1000 + 1000 for r in records)


def test_a_key_keeps_its_partition_and_its_order(cluster: Cluster, topic: str, join: Callable[[], Consumer]) -> None:
    for half in (0, 100):  # two producers, one after the other
        producer = cluster.broker.producer()
        for number in range(half, half + 100):
            producer.send(topic, b"%d" % number, key=b"card-%d" % (number % 10))
        producer.flush()
        producer.close()

    records = drain(join(), 200)

    assert all(r.partition == partition_of(r.key or b"", PARTITIONS) for r in records)
    assert {r.partition for r in records} == set(range(PARTITIONS))
    for card in range(10):
        numbers = [int(r.value) for r in records if r.key == b"card-%d" % card]
        assert numbers == sorted(numbers)
        assert len(numbers) == 20
    for partition in range(PARTITIONS):
        offsets = [r.offset for r in records if r.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_committed_messages_stay_done_and_others_come_again(
    cluster: Cluster, topic: str, join: Callable[[], Consumer]
) -> None:
    fill(cluster, topic, 20)
    first = join()
    done = drain(first, 20)
    first.commit(ends(done))
    fill(cluster, topic, 10)
    undone = drain(first, 10)
    first.close()  # without committing

    again = drain(join(), 10)

    assert sorted(r.value for r in again) == sorted(r.value for r in undone)
    assert ends(again) == ends(undone)


def test_offsets_never_go_backwards(cluster: Cluster, topic: str, join: Callable[[], Consumer]) -> None:
    fill(cluster, topic, 30)
    first = join()
    committed = ends(drain(first, 30))
    first.commit(committed)
    first.commit(committed)  # the same again is fine
    position, offset = next(iter(committed.items()))
    with pytest.raises(ValueError, match="behind"):
        first.commit({position: offset - 1})
    first.close()
    second = join()
    wait_for(lambda: len(second.lag()) == PARTITIONS, lambda: second.poll(0.1, 10))

    second.commit({position: offset - 1})  # another has gone on meanwhile: left out

    second.close()
    third = join()
    wait_for(lambda: len(third.lag()) == PARTITIONS, lambda: third.poll(0.1, 10))
    assert third.poll(0.5, 10) == []


def test_two_members_share_and_the_one_that_stays_takes_over(
    cluster: Cluster, topic: str, join: Callable[[], Consumer]
) -> None:
    skip_where_members_do_not_share(cluster)
    first, second = join(), join()
    seen: list[Record] = []

    def work() -> None:
        for member in (first, second):
            records = member.poll(0.05, 50)
            seen.extend(records)
            member.commit(ends(records))

    wait_for(
        lambda: (
            bool(first.lag() and second.lag())
            and len({*first.lag(), *second.lag()}) == PARTITIONS
            and not first.lag().keys() & second.lag().keys()
        ),
        work,
    )
    fill(cluster, topic, 60)
    wait_for(lambda: len({r.value for r in seen}) == 60, work)
    held = set(second.lag())
    second.close()
    wait_for(lambda: held <= first.lag().keys(), lambda: first.poll(0.05, 50))
    fill(cluster, topic, 10)

    assert sorted(int(r.value) for r in drain(first, 10)) == list(range(10))


def test_positions_of_others_are_left_alone(cluster: Cluster, topic: str, join: Callable[[], Consumer]) -> None:
    fill(cluster, topic, 10)
    member = join()
    drain(member, 10)

    member.commit({(topic, PARTITIONS): 5, ("elsewhere", 0): 5})
    member.close()

    assert len(drain(join(), 10)) == 10


def test_lag_counts_what_is_not_polled_and_polls_keep_to_their_size(
    cluster: Cluster, topic: str, join: Callable[[], Consumer]
) -> None:
    fill(cluster, topic, 25)
    member = join()
    assert member.lag() == {}
    seen: list[Record] = []

    def read() -> None:
        more = member.poll(0.2, 7)
        assert len(more) <= 7
        seen.extend(more)
        if len(member.lag()) == PARTITIONS:  # every partition has been fetched from
            assert sum(member.lag().values()) == 25 - len(seen)

    wait_for(lambda: bool(seen), read)
    assert sum(member.lag().values()) <= 25 - len(seen)
    wait_for(lambda: len(member.lag()) == PARTITIONS and not sum(member.lag().values()), read)
    assert len(seen) == 25


def test_a_poll_waits_no_longer_than_told(cluster: Cluster, topic: str, join: Callable[[], Consumer]) -> None:
    member = join()
    wait_for(lambda: len(member.lag()) == PARTITIONS, lambda: member.poll(0.1, 10))
    began = time.monotonic()
    assert member.poll(0.3, 10) == []
    assert 0.2 <= time.monotonic() - began < 1.0


def test_topics_are_made_once(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 5)
    other = f"t-{uuid.uuid4().hex}"

    cluster.broker.ensure_topics({topic: PARTITIONS + 1, other: 1})
    cluster.broker.ensure_topics({topic: PARTITIONS, other: 1})

    topics = cluster.broker.topics()
    assert (topics[topic], topics[other]) == (PARTITIONS, 1)
    assert len(list(cluster.broker.scan(topic))) == 5
    assert list(cluster.broker.scan(other)) == []


def test_an_unknown_topic_is_refused(cluster: Cluster) -> None:
    producer = cluster.broker.producer()
    name = f"t-{uuid.uuid4().hex}"
    if "creates_unknown_topics" in cluster.differences:
        producer.send(name, b"x")
        producer.close()
        assert name in cluster.broker.topics()
        return
    with pytest.raises(BrokerUnavailable, match=name):
        producer.send(name, b"x")
    producer.close()
    assert name not in cluster.broker.topics()


def test_a_message_over_the_limit_is_refused_and_one_below_is_not(cluster: Cluster, topic: str) -> None:
    limit = max_message_bytes(topic)
    producer = cluster.broker.producer()
    producer.send(topic, b"x" * (limit - 1024), key=b"fits")
    producer.flush()
    if "no_size_limit" in cluster.differences:
        send_and_flush(producer, topic, b"x" * (limit + 1))
        producer.close()
        assert len(list(cluster.broker.scan(topic))) == 2
        return
    with pytest.raises(MessageTooLarge):
        send_and_flush(producer, topic, b"x" * (limit + 1))
    producer.close()
    assert [r.key for r in cluster.broker.scan(topic)] == [b"fits"]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # kafka-python drops sockets that were refused
def test_flush_fails_when_the_broker_is_gone(doomed: Cluster) -> None:
    doomed.broker.ensure_topics({"t": 1})
    producer = doomed.broker.producer()
    producer.send("t", b"there")
    producer.flush()
    doomed.kill()

    with pytest.raises(BrokerUnavailable, match=r"did not|down"):  # noqa: PT012 (either may be the first to notice)
        producer.send("t", b"gone")
        producer.flush(1.0)
    began = time.monotonic()
    with suppress(BrokerUnavailable):
        producer.close()
    assert time.monotonic() - began < 15
    with pytest.raises(BrokerUnavailable):
        doomed.broker.ensure_topics({"u": 1})


def test_a_scan_moves_no_offsets(cluster: Cluster, topic: str, join: Callable[[], Consumer]) -> None:
    fill(cluster, topic, 12)

    assert len(list(cluster.broker.scan(topic))) == 12
    assert len(list(cluster.broker.scan(topic))) == 12
    assert len(drain(join(), 12)) == 12


def test_a_dead_letter_is_listed_shown_mended_and_replayed(cluster: Cluster) -> None:
    cluster.broker.ensure_topics({TRANSACTIONS: PARTITIONS, DEAD_LETTER: 1})
    known = {entry.letter.id for entry in list_dead_letters(cluster.broker)}
    value = b'{"card_id": "4111111111111111", \xff}'
    offset = uuid.uuid4().int % 2**32  # another dead letter for every client of one server
    original = Record(TRANSACTIONS, 1, offset, b"4111111111111111", value, (("trace", b"1"),), 0)
    error = InvalidTransaction("card_number", "a raw card number 4111111111111111", field="card_id")
    message = dead_letter_record(original, error, NOW)
    producer = cluster.broker.producer()
    for _ in range(2):  # sent twice by a worker that crashed in between
        producer.send(message.topic, message.value, key=message.key, headers=message.headers)
    producer.flush()
    producer.close()

    (entry,) = [entry for entry in list_dead_letters(cluster.broker) if entry.letter.id not in known]
    assert (entry.copies, entry.replayed_at) == (2, "")
    assert (entry.letter.topic, entry.letter.partition, entry.letter.offset) == (TRANSACTIONS, 1, offset)
    shown = show_dead_letter(cluster.broker, entry.letter.id)
    assert shown.text == '{"card_id": "************1111", \\xff}'

    mended = {entry.letter.id: b'{"card_id": "c-%s"}' % uuid.uuid4().hex.encode()}
    (first,) = replay_dead_letters(cluster.broker, [entry.letter.id], now=NOW, mended=mended)
    (second,) = replay_dead_letters(cluster.broker, [entry.letter.id], now=NOW, mended=mended)

    assert first.skipped == ""
    assert "replayed before" in second.skipped
    (back,) = [r for r in cluster.broker.scan(TRANSACTIONS) if r.value == mended[entry.letter.id]]
    assert back.headers == (("trace", b"1"), ("replay-of", entry.letter.id.encode()))
    assert back.key == back.value[13:-2]


def test_a_member_knows_what_it_holds(cluster: Cluster, topic: str, join: Callable[[], Consumer]) -> None:
    member = join()
    assert member.held() is None
    wait_for(lambda: bool(member.held()), lambda: member.poll(0.05, 1))
    assert member.held() == {(topic, number) for number in range(PARTITIONS)}


def test_what_is_done_can_be_committed_before_it_is_taken_away(
    cluster: Cluster, topic: str, join: Callable[..., Consumer]
) -> None:
    """Otherwise the next owner does it again: no loss, but twice the work."""
    skip_where_members_do_not_share(cluster)
    if isinstance(cluster.broker, MemoryBroker):
        pytest.skip("a member in memory learns of a rebalance when it is over")
    fill(cluster, topic, 30)
    done: dict[Position, int] = {}
    first = join(lambda: done)
    done |= ends(drain(first, 30))
    second = join()
    again: list[Record] = []

    def work() -> None:
        for member in (first, second):
            again.extend(member.poll(0.05, 50))

    wait_for(
        lambda: bool(second.held() and first.held()) and not (first.held() or set()) & (second.held() or set()), work
    )
    for _ in range(10):
        work()
    assert again == []

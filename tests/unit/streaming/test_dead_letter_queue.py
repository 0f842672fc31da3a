"""The operator's view of the dead-letter queue, and replays that happen once."""

from datetime import UTC, datetime

import pytest

from features.errors import BrokerUnavailable, DataError, InvalidTransaction
from streaming.broker import DEAD_LETTER, LABELS, TRANSACTIONS, Headers, Record
from streaming.brokers.limits import MAX_MESSAGE_BYTES
from streaming.brokers.memory import MemoryBroker
from streaming.dead_letter import dead_letter_record
from streaming.dead_letter_queue import list_dead_letters, replay_dead_letters, show_dead_letter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAN = b"4111111111111111"


class Ticking:
    """A clock that moves on with every look."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker(clock=Ticking())
    broker.ensure_topics({TRANSACTIONS: 3, LABELS: 1, DEAD_LETTER: 2})
    return broker


def bury(broker: MemoryBroker, value: bytes, offset: int = 0, *, topic: str = TRANSACTIONS, code: str = "x") -> None:
    message = dead_letter_record(Record(topic, 0, offset, b"c-1", value, (), 0), InvalidTransaction(code, "no"), NOW)
    put(broker, message.value, message.key, message.headers)


def put(broker: MemoryBroker, value: bytes, key: bytes | None, headers: Headers) -> None:
    producer = broker.producer()
    producer.send(DEAD_LETTER, value, key=key, headers=headers)
    producer.close()


def ids(broker: MemoryBroker) -> list[str]:
    return [entry.letter.id for entry in list_dead_letters(broker)]


def test_listing_shows_each_entry_once_and_no_payload(broker: MemoryBroker) -> None:
    bury(broker, PAN, 1)
    bury(broker, PAN, 1)  # the worker crashed before its commit
    bury(broker, PAN, 1, code="other")
    bury(broker, b"other", 1)
    bury(broker, PAN, 2)
    entries = list_dead_letters(broker)
    assert [(e.letter.offset, e.letter.code, e.copies) for e in entries] == [
        (1, "x", 2),
        (1, "other", 1),
        (1, "x", 1),
        (2, "x", 1),
    ]
    assert PAN.decode() not in repr(entries)


def test_a_later_copy_in_an_earlier_partition_leaves_the_id_alone(broker: MemoryBroker) -> None:
    message = dead_letter_record(Record(TRANSACTIONS, 0, 0, None, b"v", (), 0), InvalidTransaction("x", "no"), NOW)
    put(broker, b"v", None, message.headers)
    before = ids(broker)
    put(broker, b"v", None, message.headers)  # keyless messages go round the partitions
    assert {r.partition for r in broker.records(DEAD_LETTER)} == {0, 1}
    assert ids(broker) == before


def test_showing_masks_and_escapes(broker: MemoryBroker) -> None:
    bury(broker, b'{"card_id": "' + PAN + b'"}\x1b\xff')
    assert show_dead_letter(broker, ids(broker)[0]).text == '{"card_id": "************1111"}\\x1b\\xff'
    with pytest.raises(DataError, match="9:9"):
        show_dead_letter(broker, "9:9")


def test_a_replay_puts_back_the_very_bytes_once(broker: MemoryBroker) -> None:
    bury(broker, b"\xff\x00", 1)
    bury(broker, b"label", 2, topic=LABELS)
    chosen = ids(broker)
    done = replay_dead_letters(broker, [*chosen, chosen[0]], now=NOW)
    assert [(r.topic, r.skipped) for r in done] == [(TRANSACTIONS, ""), (LABELS, "")]
    again = replay_dead_letters(broker, chosen, now=NOW)
    assert all(NOW.isoformat() in r.skipped for r in again)
    (back,) = broker.records(TRANSACTIONS)
    assert (back.key, back.value, back.headers) == (b"c-1", b"\xff\x00", (("replay-of", chosen[0].encode()),))
    assert len(broker.records(LABELS)) == 1
    assert [e.replayed_at for e in list_dead_letters(broker)] == [NOW.isoformat()] * 2

    replay_dead_letters(broker, chosen[:1], now=NOW, again=True)
    assert len(broker.records(TRANSACTIONS)) == 2


def test_mended_content_is_keyed_by_its_own_card(broker: MemoryBroker) -> None:
    for offset in range(3):
        bury(broker, b"bad", offset)
    one, two, three = ids(broker)
    mended = {one: b'{"card_id": "c-9"}', two: b"[]", three: b"{"}
    replay_dead_letters(broker, [one, two, three], now=NOW, mended=mended)
    assert {(r.key, r.value) for r in broker.records(TRANSACTIONS)} == {
        (b"c-9", b'{"card_id": "c-9"}'),
        (b"c-1", b"[]"),
        (b"c-1", b"{"),
    }


def test_a_crash_between_replay_and_marker_replays_again_and_loses_nothing(broker: MemoryBroker) -> None:
    bury(broker, b"v")
    broker.fail_next("flush", after=True)
    with pytest.raises(BrokerUnavailable):
        replay_dead_letters(broker, ids(broker), now=NOW)
    assert len(broker.records(TRANSACTIONS)) == 1
    assert [r.skipped for r in replay_dead_letters(broker, ids(broker), now=NOW)] == [""]
    assert len(broker.records(TRANSACTIONS)) == 2


def test_a_replay_that_was_never_acknowledged_is_not_marked(broker: MemoryBroker) -> None:
    bury(broker, b"v")
    broker.fail_next("flush")
    with pytest.raises(BrokerUnavailable):
        replay_dead_letters(broker, ids(broker), now=NOW)
    assert broker.records(TRANSACTIONS) == []
    assert [e.replayed_at for e in list_dead_letters(broker)] == [""]


def test_what_must_not_be_replayed_is_refused_before_anything_is_sent(broker: MemoryBroker) -> None:
    bury(broker, b"v")
    bury(broker, b"v", topic=DEAD_LETTER)
    put(broker, b"foreign", None, ())
    by_topic = {entry.letter.topic: entry.letter.id for entry in list_dead_letters(broker)}
    good, forged, foreign = by_topic[TRANSACTIONS], by_topic[DEAD_LETTER], by_topic[""]
    for bad in (forged, foreign, "7:7"):
        with pytest.raises(DataError):
            replay_dead_letters(broker, [good, bad], now=NOW)
    with pytest.raises(DataError, match="mended content for 7:7"):
        replay_dead_letters(broker, [good], now=NOW, mended={"7:7": b""})
    assert broker.records(TRANSACTIONS) == []


def test_looking_moves_no_offsets(broker: MemoryBroker) -> None:
    bury(broker, b"v")
    list_dead_letters(broker)
    assert len(broker.consumer([DEAD_LETTER], "g").poll(0, 9)) == 1


def test_a_message_that_was_cut_is_not_replayed_unless_mended(broker: MemoryBroker) -> None:
    bury(broker, b"x" * (3 * MAX_MESSAGE_BYTES))
    (wanted,) = ids(broker)
    with pytest.raises(DataError, match="only the beginning of a message of 6,291,456 bytes"):
        replay_dead_letters(broker, [wanted], now=NOW)
    assert broker.records(TRANSACTIONS) == []
    (done,) = replay_dead_letters(broker, [wanted], now=NOW, mended={wanted: b"whole"})
    assert done.skipped == ""
    assert [record.value for record in broker.records(TRANSACTIONS)] == [b"whole"]

"""The dead letter's envelope: the original untouched, its story told, nothing secret or harmful in it."""

from datetime import UTC, datetime

import pytest

from features.errors import DuplicateConflict, InvalidTransaction, RingfenceError
from streaming.broker import DEAD_LETTER, Headers, Record
from streaming.brokers.limits import max_message_bytes
from streaming.brokers.memory import MemoryBroker
from streaming.dead_letter import (
    DeadLetter,
    dead_letter_record,
    marker_record,
    read_dead_letter,
    replay_record,
    replayed_id,
    safe_text,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAN = "4111111111111111"


def record(value: bytes = b"{}", headers: Headers = (), topic: str = "transactions") -> Record:
    return Record(topic, 2, 41, b"c-1", value, headers, 0)


def stored(original: Record, error: RingfenceError) -> Record:
    message = dead_letter_record(original, error, NOW)
    return Record(message.topic, 0, 5, message.key, message.value, message.headers, 0)


def test_it_keeps_the_original_and_tells_its_story() -> None:
    original = record(bytes(range(256)), (("trace", b"\xff"), ("dead-letter.code", b"forged")))
    letter = stored(original, InvalidTransaction("too_large", "amount is too large", field="amount"))

    assert (letter.topic, letter.key, letter.value) == (DEAD_LETTER, original.key, original.value)
    assert letter.headers[-1] == ("trace", b"\xff")
    assert read_dead_letter(letter) == DeadLetter(
        id="0:5",
        code="too_large",
        message="amount is too large",
        field="amount",
        topic="transactions",
        partition=2,
        offset=41,
        at="2026-03-01T12:00:00+00:00",
        size=256,
        cut=False,
        replay_of="",
    )


def test_what_would_not_fit_is_cut_from_its_end() -> None:
    own: Headers = (("trace", b"1"),)
    for size, kept, is_cut in ((92, 92, False), (93, 92, True), (5_000, 92, True)):
        whole = record(b"v" * size, own, topic="t")
        message = dead_letter_record(whole, DuplicateConflict("no"), NOW, room=len(b"c-1" + b"trace" + b"1") + 92)
        letter = read_dead_letter(Record(message.topic, 0, 5, message.key, message.value, message.headers, 0))
        assert (len(message.value), letter.size, letter.cut) == (kept, size, is_cut)
        assert (message.key, message.headers[-1]) == (b"c-1", own[0])


def test_headers_and_a_key_that_leave_no_room_are_left_out() -> None:
    whole = record(b"v" * 100, (("h", b"x" * 60),))
    message = dead_letter_record(whole, DuplicateConflict("no"), NOW, room=100)
    assert (message.key, len(message.value)) == (None, 100)
    assert all(name.startswith("dead-letter.") for name, _ in message.headers)


def test_an_error_without_a_field_has_none() -> None:
    letter = read_dead_letter(stored(record(), DuplicateConflict("t-1 was decided before")))
    assert (letter.code, letter.field) == ("duplicate_conflict", "")


def test_its_headers_hold_no_card_number_and_no_control_character() -> None:
    error = InvalidTransaction("x", f"{PAN} \x1b[2J" + "y" * 5000, field=f"f-{PAN}\x00")
    letter = dead_letter_record(record(), error, NOW)
    story = b" ".join(value for _, value in letter.headers)
    assert PAN.encode() not in story
    assert b"************1111" in story
    assert b"\x1b" not in story
    assert b"\x00" not in story
    assert len(story) < 3000


def test_foreign_headers_are_read_without_trust() -> None:
    headers = (
        ("dead-letter.message", b"\xff" + PAN.encode() + b"\x1b"),
        ("dead-letter.offset", "٣".encode()),
        ("dead-letter.partition", b"-1"),
        ("replay-of", b"\x1b" + PAN.encode()),
    )
    letter = read_dead_letter(Record(DEAD_LETTER, 0, 0, None, b"", headers, 0))
    assert (letter.topic, letter.partition, letter.offset) == ("", -1, -1)
    assert PAN not in repr(letter)
    assert "\x1b" not in letter.message + letter.replay_of


def test_a_replay_goes_back_where_it_came_from_and_says_so() -> None:
    first = stored(record(b"bad", (("trace", b"1"),)), InvalidTransaction("x", "y"))
    again = replay_record(first, value=b"good", key=b"c-2")
    assert (again.topic, again.value, again.key) == ("transactions", b"good", b"c-2")
    assert again.headers == (("trace", b"1"), ("replay-of", b"0:5"))

    second = stored(record(b"good", again.headers), InvalidTransaction("x", "y"))
    assert read_dead_letter(second).replay_of == "0:5"
    assert replay_record(second, value=b"", key=None).headers == (("trace", b"1"), ("replay-of", b"0:5"))


def test_a_marker_names_the_entry_that_was_replayed() -> None:
    entry = stored(record(), InvalidTransaction("x", "y"))
    marker = marker_record(entry, NOW)
    assert marker.value == b""
    assert replayed_id(Record(DEAD_LETTER, 0, 6, None, b"", marker.headers, 0)) == "0:5"
    assert replayed_id(entry) is None


def test_the_largest_message_fits_into_the_dead_letter_topic() -> None:
    broker = MemoryBroker()
    broker.ensure_topics({DEAD_LETTER: 1})
    original = record(b"x" * (max_message_bytes("transactions") - 3))
    message = dead_letter_record(original, InvalidTransaction("x" * 9999, "y" * 9999, field="z" * 9999), NOW)
    broker.producer().send(message.topic, message.value, key=message.key, headers=message.headers)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f'{{"card_id": "{PAN}"}}', '{"card_id": "************1111"}'),
        ("4111111111111112", "4111111111111112"),  # not Luhn-valid
        ("line\nline\tend", "line\nline\tend"),
        ("\x1b]0;evil\x07", "\\x1b]0;evil\\x07"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("zażółć €", "zażółć €"),
    ],
)
def test_safe_text(text: str, shown: str) -> None:
    assert safe_text(text) == shown

"""The dead letter: a message that could not be processed, as it stands in the dead-letter topic.

The value is the original message's, byte for byte, and so is the key. What is known about the failure stands in
headers, all text in UTF-8, whose names begin with ``dead-letter.``; the original's own headers follow unchanged:

| header | content |
| --- | --- |
| code, message, field | the error; card numbers masked, control characters escaped |
| topic, partition, offset | where the original stands |
| at | when it was given up, RFC 3339 |
| size | length of the original in bytes, where its value had to be cut |

A message that the dead-letter topic would not take is cut from its end; headers of its own and a key that leave no room
for the value are left out then. Compressed, such a message passes a topic that takes no larger ones.

A **marker** says that an entry was replayed. It has an empty value and the headers ``replayed`` (the entry's id) and
``at``. The topic is only ever appended to, so its story can be read from beginning to end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from features.errors import InvalidInput, RingfenceError
from features.reference import mask_card_numbers
from streaming.broker import DEAD_LETTER, Headers, Record
from streaming.brokers.limits import MAX_MESSAGE_BYTES

PREFIX = "dead-letter."
REPLAY_HEADER = "replay-of"  # on a replayed message, and on the dead letter that it may become again: the entry's id
_MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send: ``producer.send(m.topic, m.value, key=m.key, headers=m.headers)``."""

    topic: str
    value: bytes
    key: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What the headers of one entry say. Offsets are -1 and texts empty where a foreign producer left them out.

    ``id`` is ``partition:offset`` in the dead-letter topic; ``size`` the length of the original in bytes; ``cut`` says
    that less of it is kept.
    """

    id: str
    code: str
    message: str
    field: str
    topic: str
    partition: int
    offset: int
    at: str
    size: int
    cut: bool
    replay_of: str


def dead_letter_record(
    record: Record, error: RingfenceError, now: datetime, *, room: int = MAX_MESSAGE_BYTES
) -> Outgoing:
    """Return the dead letter for ``record``, which failed with ``error`` at ``now`` (aware).

    ``room`` is what key, value and headers of the original may take, in bytes.
    """
    about = {
        "code": error.code,
        "message": error.message,
        "field": error.field if isinstance(error, InvalidInput) else "",
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "at": now.isoformat(),
    }
    own = tuple((name, value) for name, value in record.headers if not name.startswith(PREFIX))
    key, value = record.key, record.value
    beside = len(key or b"") + sum(len(name) + len(content) for name, content in own)
    if beside + len(value) > room:
        if beside > room // 2:
            key, own, beside = None, (), 0
        about["size"] = str(len(value))
        value = value[: room - beside]
    return Outgoing(DEAD_LETTER, value, key, _headers(about) + own)


def replay_record(record: Record, *, value: bytes, key: bytes | None) -> Outgoing:
    """Return the message that puts an entry back where it came from, with ``value`` in place of the original's."""
    kept = tuple((n, v) for n, v in record.headers if not n.startswith(PREFIX) and n != REPLAY_HEADER)
    about = (REPLAY_HEADER, entry_id(record).encode())
    return Outgoing(read_dead_letter(record).topic, value, key, (*kept, about))


def marker_record(record: Record, now: datetime) -> Outgoing:
    """Return the marker that says that the entry ``record`` was replayed at ``now`` (aware)."""
    return Outgoing(DEAD_LETTER, b"", record.key, _headers({"replayed": entry_id(record), "at": now.isoformat()}))


def entry_id(record: Record) -> str:
    """Return the id of an entry of the dead-letter topic."""
    return f"{record.partition}:{record.offset}"


def replayed_id(record: Record) -> str | None:
    """Return the id of the entry that this message marks as replayed; None when it is no marker."""
    return _texts(record).get("replayed")


def read_dead_letter(record: Record) -> DeadLetter:
    """Read an entry's headers; never fails, whatever a foreign producer put there."""
    about = _texts(record)
    size = max(_number(about, "size"), len(record.value))
    replay_of = next((value for name, value in record.headers if name == REPLAY_HEADER), b"")
    return DeadLetter(
        id=entry_id(record),
        code=about.get("code", ""),
        message=about.get("message", ""),
        field=about.get("field", ""),
        topic=about.get("topic", ""),
        partition=_number(about, "partition"),
        offset=_number(about, "offset"),
        at=about.get("at", ""),
        size=size,
        cut=size > len(record.value),
        replay_of=safe_text(replay_of.decode(errors="replace")),
    )


def safe_text(text: str) -> str:
    """Return ``text`` fit for a terminal and a log: card numbers masked, control characters escaped."""
    shown = "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)
    return mask_card_numbers(shown)


def _headers(about: Mapping[str, str]) -> Headers:
    return tuple((PREFIX + name, safe_text(text)[:_MAX_TEXT].encode()) for name, text in about.items())


def _texts(record: Record) -> dict[str, str]:
    """Return our headers without their prefix, made safe once more: they may be another's work."""
    return {
        name.removeprefix(PREFIX): safe_text(value.decode(errors="replace"))
        for name, value in record.headers
        if name.startswith(PREFIX)
    }


def _number(about: Mapping[str, str], name: str) -> int:
    text = about.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else -1

"""The dead-letter queue for its operator: list, show, replay.

Reading scans the topic outside any consumer group, so no group's offsets move.

A worker that crashes between sending a dead letter and committing the offset sends it again: entries of the same
original with the same bytes and code are one entry, known by the first's id.

Replaying takes two steps, in this order: (1) the message is put back and acknowledged, (2) a marker is appended to the
dead-letter topic. An entry with a marker is not replayed again unless asked with ``again``. A crash between the steps,
or two operators at the same moment, replay twice at worst: a transaction with the same id and content is decided once
anyway, and one mended differently is refused as a conflict and comes back here. Losing a replay is impossible.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Protocol

from features.errors import DataError
from streaming.broker import DEAD_LETTER, LABELS, TRANSACTIONS, Broker, Producer, Record
from streaming.dead_letter import (
    DeadLetter,
    Outgoing,
    entry_id,
    marker_record,
    read_dead_letter,
    replay_record,
    replayed_id,
    safe_text,
)


class ScannableBroker(Broker, Protocol):
    """A broker whose topics can be read from beginning to end outside any group."""

    def scan(self, topic: str) -> Iterator[Record]:
        """Yield what ``topic`` holds now, partition by partition in order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One dead letter as the queue lists it: ``copies`` of it were sent, and ``replayed_at`` is empty or a time."""

    letter: DeadLetter
    copies: int
    replayed_at: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry with its original message as text: card numbers masked, bytes that are not UTF-8 escaped."""

    entry: Entry
    text: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one id: ``skipped`` is empty, or says why nothing was sent."""

    id: str
    topic: str
    skipped: str


def list_dead_letters(broker: ScannableBroker) -> list[Entry]:
    """Return all entries, oldest first within each partition. Payloads are not part of them."""
    return [entry for entry, _ in _entries(broker, keep=()).values()]


def show_dead_letter(broker: ScannableBroker, wanted: str) -> Shown:
    """Return the entry with id ``wanted`` (``partition:offset``); an unknown id raises `DataError`."""
    entry, record = _found(_entries(broker, keep=(wanted,)), wanted)
    return Shown(entry, safe_text(record.value.decode("utf-8", "backslashreplace")))


def replay_dead_letters(
    broker: ScannableBroker,
    ids: Collection[str],
    *,
    now: datetime,
    mended: Mapping[str, bytes] | None = None,
    again: bool = False,
) -> list[Replayed]:
    """Put entries back into the topic that they came from, as they were or as ``mended`` by id.

    An unknown id, or one whose origin is no input of ours, raises `DataError` before anything is sent; one that was
    replayed before is skipped unless ``again``. `BrokerUnavailable` leaves it open which were sent;
    replaying again is harmless.
    """
    mended = mended or {}
    known = _entries(broker, keep=ids)
    chosen = [_found(known, wanted) for wanted in dict.fromkeys(ids)]
    _check_replayable([entry for entry, _ in chosen], mended)
    todo = [record for entry, record in chosen if again or not entry.replayed_at]
    producer = broker.producer()
    try:
        for record in todo:
            _send(producer, _again(record, mended.get(entry_id(record))))
        producer.flush()
        for record in todo:
            _send(producer, marker_record(record, now))
        producer.flush()
    finally:
        producer.close()
    sent = {entry_id(record) for record in todo}
    return [
        Replayed(e.letter.id, e.letter.topic, "" if e.letter.id in sent else f"replayed before, at {e.replayed_at}")
        for e, _ in chosen
    ]


def _entries(broker: ScannableBroker, keep: Collection[str]) -> dict[str, tuple[Entry, Record | None]]:
    """Scan the topic and fold copies and markers in; only the records of the ids in ``keep`` are held on to."""
    letters: dict[tuple[object, ...], list[tuple[int, DeadLetter]]] = {}
    kept: dict[str, Record] = {}
    replayed: dict[str, str] = {}
    for record in broker.scan(DEAD_LETTER):
        letter = read_dead_letter(record)
        marked = replayed_id(record)
        if marked is not None:
            replayed[marked] = letter.at
            continue
        origin = (letter.topic, letter.partition, letter.offset) if letter.topic else letter.id
        letters.setdefault((origin, letter.code, hashlib.sha256(record.value).digest()), []).append(
            (record.timestamp_ms, letter)
        )
        if letter.id in keep:
            kept[letter.id] = record
    entries = {}
    for found in letters.values():
        copies = [letter for _, letter in sorted(found, key=itemgetter(0))]  # the sort is stable: offsets stay in order
        at = next((replayed[copy.id] for copy in copies if copy.id in replayed), "")
        entries[copies[0].id] = (Entry(copies[0], len(copies), at), kept.get(copies[0].id))
    return entries


def _found(entries: Mapping[str, tuple[Entry, Record | None]], wanted: str) -> tuple[Entry, Record]:
    entry, record = entries.get(wanted, (None, None))
    if entry is None or record is None:
        raise DataError(
            f"There is no dead letter with id {safe_text(wanted)!r}.", remedy="`ringfence dlq list` shows the ids."
        )
    return entry, record


def _check_replayable(entries: Collection[Entry], mended: Mapping[str, bytes]) -> None:
    """Refuse what must not be sent: the dead-letter topic is open to others, who may name any topic as the origin."""
    for entry in entries:
        if entry.letter.topic not in (TRANSACTIONS, LABELS):
            raise DataError(
                f"Dead letter {entry.letter.id} comes from topic {entry.letter.topic!r}, which takes no replays.",
                remedy="It was not written by Ringfence: send its content to the right topic by other means.",
            )
        if entry.letter.cut and entry.letter.id not in mended:
            raise DataError(
                f"Dead letter {entry.letter.id} holds only the beginning of a message of {entry.letter.size:,} bytes.",
                remedy="Send it again from where it came from, or mend it with --file.",
            )
    strays = sorted(mended.keys() - {entry.letter.id for entry in entries})
    if strays:
        raise DataError(
            f"There is mended content for {', '.join(strays)}, which is not to be replayed.", remedy="Name it, too."
        )


def _again(record: Record, mended: bytes | None) -> Outgoing:
    if mended is None:
        return replay_record(record, value=record.value, key=record.key)
    return replay_record(record, value=mended, key=_key(record, mended))


def _key(record: Record, mended: bytes) -> bytes | None:
    """Return the key for a mended message: transactions are keyed by card, which the mending may have changed."""
    if read_dead_letter(record).topic != TRANSACTIONS:
        return record.key
    try:
        content = json.loads(mended)
    except ValueError:
        return record.key
    card = content.get("card_id") if isinstance(content, dict) else None
    return card.encode() if isinstance(card, str) else record.key


def _send(producer: Producer, message: Outgoing) -> None:
    producer.send(message.topic, message.value, key=message.key, headers=message.headers)

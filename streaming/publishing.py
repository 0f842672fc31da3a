"""Sends what the worker has to say: decisions, and what could not be decided."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import msgspec
import structlog

from features.errors import BrokerUnavailable, MessageTooLarge, RingfenceError
from streaming.broker import DECISIONS, Headers, Producer, Record
from streaming.brokers.limits import MAX_MESSAGE_BYTES
from streaming.dead_letter import dead_letter_record
from streaming.ledger import Recorded

log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
_LEAST_ROOM = 1024
_REPEATED: Headers = (("repeated", b"1"),)


class Publisher:
    """A producer, opened at its first use and anew after a flush that failed: what became of that one is unknown.

    Where the dead-letter topic takes less than we would have made it for, somebody else having made it, dead letters
    are cut shorter with each attempt: one that never fits would hold up everything behind it.
    """

    def __init__(self, open_producer: Callable[[], Producer]) -> None:
        self._open_producer = open_producer
        self._producer: Producer | None = None
        self._room = MAX_MESSAGE_BYTES

    def connect(self) -> Producer:
        """Return the producer; connect one if there is none."""
        if self._producer is None:
            self._producer = self._open_producer()
        return self._producer

    def decision(self, recorded: Recorded, *, repeated: bool = False) -> None:
        """Send a decision, or send one again for a transaction that came again."""
        key = recorded.transaction.card_id.encode()
        self.connect().send(DECISIONS, _encode(recorded.decision), key=key, headers=_REPEATED if repeated else ())

    def dead_letter(self, record: Record, reason: RingfenceError, now: datetime) -> None:
        """Send a record to the dead-letter queue."""
        letter = dead_letter_record(record, reason, now, room=self._room)
        self.connect().send(letter.topic, letter.value, key=letter.key, headers=letter.headers)

    def flush(self) -> None:
        """Return when everything sent is acknowledged; raise `BrokerUnavailable` if anything was not."""
        if self._producer is None:
            return
        try:
            self._producer.flush()
        except BrokerUnavailable as error:
            if isinstance(error, MessageTooLarge):
                self._room = max(self._room // 2, _LEAST_ROOM)
            broken, self._producer = self._producer, None
            with suppress(BrokerUnavailable):
                broken.close()
            raise

    def is_flushed(self, timeout_s: float) -> bool:
        """Whether everything sent is acknowledged within so many seconds."""
        try:
            if self._producer is not None:
                self._producer.flush(timeout_s)
        except BrokerUnavailable as error:
            log.warning("not acknowledged", error=str(error))
            return False
        return True

    def close(self) -> None:
        """Flush and disconnect."""
        if self._producer is not None:
            self._producer.close()

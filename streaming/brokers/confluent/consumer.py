"""The group member on confluent-kafka."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streaming.broker import OnRevoke, Position, Record
from streaming.brokers.confluent.mapping import mapped
from streaming.brokers.offsets import CommittedOffsets

_REBALANCING = {
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._STATE,
}
# Said in the place of a message; the client goes on by itself, and a broker that stays away shows in commit and lag.
_PASSING = {
    KafkaError._PARTITION_EOF,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}

Pairs = list[tuple[str, bytes | None]]

log = logging.getLogger(__name__)


class ConfluentConsumer:
    """A member of a consumer group on librdkafka; one thread at a time.

    During a rebalance offsets cannot be stored: `commit` leaves the positions of others alone and a commit that the
    group refuses for that reason is dropped with a log line. The records come again, to whoever holds them then.
    """

    def __init__(
        self,
        client: Consumer,
        topics: Sequence[str],
        bootstrap: str,
        timeout_s: float,
        on_revoke: OnRevoke | None = None,
    ) -> None:
        self._client = client
        self._bootstrap = bootstrap
        self._timeout_s = timeout_s
        self._committed = CommittedOffsets(self._ask_committed)
        self._on_revoke = on_revoke or dict
        self._dealt = False
        client.subscribe(list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def poll(self, timeout_s: float, max_records: int) -> list[Record]:
        """Return up to ``max_records`` messages, waiting at most ``timeout_s`` seconds for the first."""
        with mapped(self._bootstrap, "give messages"):
            first = self._client.poll(timeout_s)
            if first is None:
                return []
            found = [first]
            if max_records > 1:
                found += self._client.consume(max_records - 1, timeout=0)
            return [as_record(message) for message in found if _is_record(message)]

    def commit(self, offsets: Mapping[Position, int]) -> None:
        """Store the next offset to read per position, as `streaming.broker.Consumer.commit` says."""
        with mapped(self._bootstrap, "store offsets"):
            held = {(tp.topic, tp.partition) for tp in self._client.assignment()}
            mine = self._committed.committable(offsets, held)
            wanted = [TopicPartition(topic, partition, offset) for (topic, partition), offset in mine.items()]
            if not wanted:
                return
            try:
                for stored in self._client.commit(offsets=wanted, asynchronous=False) or ():
                    if stored.error is not None:
                        raise KafkaException(stored.error)
            except KafkaException as exc:
                if exc.args[0].code() not in _REBALANCING:
                    raise
                log.info("offsets not stored while the group rebalances: %s", exc.args[0].name())
                return
            self._committed.remember(mine)

    def held(self) -> frozenset[Position] | None:
        """The positions that the group has dealt to this member; None until it has dealt any or none."""
        if not self._dealt:
            return None
        return frozenset((tp.topic, tp.partition) for tp in self._client.assignment())

    def lag(self) -> dict[Position, int]:
        """Messages not yet polled, per assigned position that has been fetched from, as of its last fetch."""
        with mapped(self._bootstrap, "give end offsets"):
            held = {(tp.topic, tp.partition): tp for tp in self._client.assignment()}
            ends = {position: self._client.get_watermark_offsets(tp, cached=True) for position, tp in held.items()}
            return {
                position: max(end - self._position(held[position]), 0)
                for position, (_, end) in ends.items()
                if end >= 0
            }

    def close(self) -> None:
        """Leave the group without committing; a broker that is gone is left quietly."""
        try:
            self._client.close()
        except (KafkaException, RuntimeError) as error:
            log.info("left the group without a goodbye: %s", type(error).__name__)

    def _position(self, partition: TopicPartition) -> int:
        """Return the next offset to poll: behind the last message, or where reading began in this assignment."""
        (position,) = self._client.position([partition])
        offset: int = position.offset
        return offset if offset >= 0 else self._committed.of((partition.topic, partition.partition))

    def _ask_committed(self, position: Position) -> int:
        (stored,) = self._client.committed([TopicPartition(*position)], timeout=self._timeout_s)
        return max(int(stored.offset), 0)

    def _assigned(self, _client: Any, _partitions: Any) -> None:
        self._dealt = True
        self._committed.forget()

    def _revoked(self, _client: Any, _partitions: Any) -> None:
        """Let the last offsets be committed, then forget what was: the next owner may commit more."""
        held = {(tp.topic, tp.partition) for tp in self._client.assignment()}
        last = self._committed.not_behind(self._on_revoke(), held)
        if last:
            try:
                self._client.commit(
                    offsets=[TopicPartition(*p, offset) for p, offset in last.items()], asynchronous=False
                )
            except KafkaException as error:
                log.info("offsets not stored before a rebalance: %s", error)
        self._committed.forget()

    def _lost(self, _client: Any, _partitions: Any) -> None:
        self._committed.forget()


def _is_record(message: Message) -> bool:
    """Tell a message from news about the connection; an error that does not pass by itself is raised."""
    error = message.error()
    if error is None:
        return True
    if error.code() not in _PASSING:
        raise KafkaException(error)
    log.info("while waiting for messages: %s", error.name())
    return False


def as_record(message: Message) -> Record:
    """Translate one message; a null value or header (a foreign producer's) becomes empty bytes."""
    # The type says a list of pairs or a mapping; a received message has the list.
    headers = tuple((name, content or b"") for name, content in cast("Pairs", message.headers() or []))
    _, timestamp_ms = message.timestamp()
    return Record(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value() or b"",
        headers,
        timestamp_ms,
    )

"""The group member on kafka-python."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# kafka-python ships no type information and there are no stubs for it.
import kafka  # type: ignore[import-untyped]
from kafka import errors as kafka_errors

from streaming.broker import OnRevoke, Position, Record
from streaming.brokers.kafka_python.mapping import mapped
from streaming.brokers.offsets import CommittedOffsets

_REBALANCING = (
    kafka_errors.CommitFailedError,
    kafka_errors.RebalanceInProgressError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.UnknownMemberIdError,
)

log = logging.getLogger(__name__)


class KafkaConsumer:
    """A member of a consumer group on kafka-python; one thread at a time.

    During a rebalance offsets cannot be stored: `commit` leaves the positions of others alone and a commit that the
    group refuses for that reason is dropped with a log line. The records come again, to whoever holds them then.
    """

    def __init__(
        self,
        client: Any,
        topics: Sequence[str],
        bootstrap: str,
        timeout_ms: int,
        on_revoke: OnRevoke | None = None,
    ) -> None:
        self._client = client
        self._bootstrap = bootstrap
        self._timeout_ms = timeout_ms
        self._committed = CommittedOffsets(self._ask_committed)
        self._changes = _Changes(self._committed, lambda: self._hand_over(on_revoke))
        client.subscribe(list(topics), listener=self._changes)

    def poll(self, timeout_s: float, max_records: int) -> list[Record]:
        """Return up to ``max_records`` messages, waiting at most ``timeout_s`` seconds for the first."""
        with mapped(self._bootstrap, "give messages"):
            found = self._client.poll(timeout_ms=int(timeout_s * 1000), max_records=max_records)
            self._finish_joining()
        return [as_record(message) for messages in found.values() for message in messages]

    def commit(self, offsets: Mapping[Position, int]) -> None:
        """Store the next offset to read per position, as `streaming.broker.Consumer.commit` says."""
        with mapped(self._bootstrap, "store offsets"):
            held = {(tp.topic, tp.partition) for tp in self._client.assignment()}
            mine = self._committed.committable(offsets, held)
            wanted = {kafka.TopicPartition(*p): kafka.OffsetAndMetadata(o, "", -1) for p, o in mine.items()}
            if not wanted:
                return
            try:
                self._client.commit(wanted, timeout_ms=self._timeout_ms)
            except _REBALANCING as error:
                log.info("offsets not stored while the group rebalances: %s", type(error).__name__)
                return
            self._committed.remember(mine)

    def held(self) -> frozenset[Position] | None:
        """The positions that the group has dealt to this member; None until it has dealt any or none."""
        if not self._changes.dealt:
            return None
        return frozenset((tp.topic, tp.partition) for tp in self._client.assignment())

    def lag(self) -> dict[Position, int]:
        """Messages not yet polled, per assigned position that has been fetched from, as of its last fetch."""
        with mapped(self._bootstrap, "give end offsets"):
            ends = {tp: self._client.highwater(tp) for tp in self._client.assignment()}
            return {
                (tp.topic, tp.partition): max(end - self._position(tp), 0)
                for tp, end in ends.items()
                if end is not None
            }

    def close(self) -> None:
        """Leave the group without committing; a broker that is gone is left quietly."""
        try:
            self._client.close(autocommit=False, timeout_ms=min(self._timeout_ms, 5_000))
        except (kafka_errors.KafkaError, OSError) as error:
            log.info("left the group without a goodbye: %s", type(error).__name__)

    def _finish_joining(self) -> None:
        """Keep the client from forgetting a group that it is about to join.

        A leader that rejoins since topics have changed takes note of the change while it joins. If a poll ends in
        between, the next sees no reason to join (kafka-python 3.0.12): the member would get no partitions ever again.
        """
        coordinator = self._client._coordinator  # there is no public way to ask
        if coordinator.rebalance_in_progress() and not coordinator.need_rejoin():
            coordinator.request_rejoin()

    def _hand_over(self, on_revoke: OnRevoke | None) -> None:
        """Commit the last offsets without waiting: the client may not block here. What it sends next goes behind."""
        held = {(tp.topic, tp.partition) for tp in self._client.assignment()}
        last = self._committed.not_behind(on_revoke() if on_revoke else {}, held)
        if last:
            self._client.commit_async(
                {kafka.TopicPartition(*position): kafka.OffsetAndMetadata(o, "", -1) for position, o in last.items()}
            )

    def _position(self, partition: Any) -> int:
        position: int | None = self._client.position(partition, timeout_ms=self._timeout_ms)
        if position is None:
            raise kafka_errors.KafkaTimeoutError
        return position

    def _ask_committed(self, position: Position) -> int:
        stored: int | None = self._client.committed(kafka.TopicPartition(*position), timeout_ms=self._timeout_ms)
        return stored or 0


def as_record(message: Any) -> Record:
    """Translate one message; a null value or header (a foreign producer's) becomes empty bytes."""
    headers = tuple((name, content or b"") for name, content in message.headers)
    return Record(
        message.topic, message.partition, message.offset, message.key, message.value or b"", headers, message.timestamp
    )


class _Changes(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # untyped base class
    """What happens when partitions change hands: the last commit, and forgetting what was committed."""

    def __init__(self, committed: CommittedOffsets, on_revoke: Callable[[], None]) -> None:
        self._committed = committed
        self._on_revoke = on_revoke
        self.dealt = False

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Let the last offsets be committed, then forget all: a rebalance takes everything away for a moment."""
        if revoked:
            self._on_revoke()
        self._committed.forget()

    def on_partitions_lost(self, lost: Any) -> None:  # noqa: ARG002 (the client's signature)
        """Forget all and commit nothing: others have the partitions already, and have come further."""
        self._committed.forget()

    def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ARG002 (the client's signature)
        """Forget all, in case the partitions were lost without being revoked."""
        self.dealt = True
        self._committed.forget()

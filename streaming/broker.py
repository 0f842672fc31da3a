"""The broker's seam: produce, consume, commit. One conformance suite runs over every implementation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

TRANSACTIONS, DECISIONS, LABELS, DEAD_LETTER = "transactions", "decisions", "labels", "dead-letter"
TOPICS = (TRANSACTIONS, DECISIONS, LABELS, DEAD_LETTER)

Headers = tuple[tuple[str, bytes], ...]
Position = tuple[str, int]  # topic, partition
OnRevoke = Callable[[], Mapping[Position, int]]


@dataclass(frozen=True, slots=True)
class Record:
    """One consumed message; ``timestamp_ms`` is Unix milliseconds as the broker stored it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp_ms: int


class Producer(Protocol):
    """Sends with acks from all replicas, in order per partition."""

    def send(self, topic: str, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> None:
        """Queue one message; the same key always goes to the same partition."""

    def flush(self, timeout_s: float = 10.0) -> None:
        """Return when everything sent is acknowledged; raise `BrokerUnavailable` if anything was not."""

    def close(self) -> None:
        """Flush and disconnect."""


class Consumer(Protocol):
    """A member of a consumer group. Offsets are committed by hand only and never go backwards."""

    def poll(self, timeout_s: float, max_records: int) -> list[Record]:
        """Return up to ``max_records`` messages, waiting at most ``timeout_s`` seconds for the first."""

    def commit(self, offsets: Mapping[Position, int]) -> None:
        """Store the next offset to read per position.

        One below what this member committed before raises ValueError; one below what others have committed meanwhile
        is left out, as are positions of others.
        """

    def held(self) -> frozenset[Position] | None:
        """The positions that the group has dealt to this member; None until it has dealt any or none."""

    def lag(self) -> dict[Position, int]:
        """Messages not yet polled, per assigned position that has been fetched from, as of its last fetch."""

    def close(self) -> None:
        """Leave the group without committing."""


class Broker(Protocol):
    """A Kafka cluster, real or in memory."""

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        """Create the topics that do not exist yet, with that many partitions each."""

    def producer(self) -> Producer:
        """Return a new producer."""

    def consumer(self, topics: Sequence[str], group: str, on_revoke: OnRevoke | None = None) -> Consumer:
        """Return a consumer of ``topics`` in ``group``, starting at the earliest offset where none is committed.

        ``on_revoke`` is called, inside `Consumer.poll`, when the group is about to take positions away in good order;
        the offsets that it returns are committed while they still can be.
        """

    def close(self) -> None:
        """Release the broker's own connections."""


class Cluster(Broker, Protocol):
    """A broker with an address, which can also be looked through."""

    bootstrap: str

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of every topic; also the cheapest way to see whether the broker answers."""

    def scan(self, topic: str) -> Iterator[Record]:
        """Yield what ``topic`` holds now, partition by partition in order, outside any group; nothing is committed."""

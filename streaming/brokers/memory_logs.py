"""The messages of the broker in memory: one list per partition."""

import time
from collections.abc import Callable, Mapping

from features.errors import BrokerUnavailable, ConfigurationError, MessageTooLarge
from streaming.broker import Headers, Position, Record
from streaming.brokers.limits import max_message_bytes
from streaming.brokers.partitioning import partition_of


class Logs:
    """Topics and what stands in them. Not thread-safe: the broker's lock is held by its callers."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._logs: dict[str, list[list[Record]]] = {}
        self._spread = 0

    def create(self, partitions: Mapping[str, int]) -> bool:
        """Create the topics that do not exist yet; returns whether there were any."""
        for topic, count in partitions.items():
            if count < 1:
                raise ConfigurationError(
                    f"Topic {topic!r} cannot have {count} partitions.", remedy="Ask for at least 1."
                )
        created = {topic: count for topic, count in partitions.items() if topic not in self._logs}
        self._logs.update({topic: [[] for _ in range(count)] for topic, count in created.items()})
        return bool(created)

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of every topic."""
        return {topic: len(logs) for topic, logs in self._logs.items()}

    def records(self, topic: str) -> list[Record]:
        """Return everything in ``topic``, partition by partition; empty when there is no such topic."""
        return [record for log in self._logs.get(topic, []) for record in log]

    def check_fits(self, topic: str, value: bytes, key: bytes | None, headers: Headers) -> None:
        """Raise `BrokerUnavailable` for a message that Kafka would refuse."""
        if topic not in self._logs:
            raise BrokerUnavailable(f"There is no topic {topic!r}.", remedy="Create it with ensure_topics first.")
        size = len(value) + len(key or b"") + sum(len(name) + len(content) for name, content in headers)
        if size > max_message_bytes(topic):
            raise MessageTooLarge(
                f"A message of {size} bytes for topic {topic!r} exceeds the limit of {max_message_bytes(topic)}.",
                remedy="Send less, or raise the limit of the broker and the topic.",
            )

    def append(self, topic: str, value: bytes, key: bytes | None, headers: Headers) -> None:
        """Write one message at the end of its partition; keyless messages go round."""
        logs = self._logs[topic]
        if key is None:
            self._spread += 1
            partition = self._spread % len(logs)
        else:
            partition = partition_of(key, len(logs))
        stamp = int(self._clock() * 1000)
        logs[partition].append(Record(topic, partition, len(logs[partition]), key, value, headers, stamp))

    def read(self, position: Position, offset: int, limit: int) -> list[Record]:
        """Return at most ``limit`` records of one partition from ``offset`` on."""
        topic, partition = position
        return self._logs[topic][partition][offset : offset + limit]

    def end(self, position: Position) -> int:
        """Return the offset that the next message of this partition will get."""
        topic, partition = position
        return len(self._logs[topic][partition])

"""The producer on kafka-python."""

from typing import Any

# kafka-python ships no type information and there are no stubs for it.
import kafka  # type: ignore[import-untyped]
from kafka import errors as kafka_errors

from streaming.broker import Headers
from streaming.brokers.kafka_python.mapping import mapped
from streaming.brokers.partitioning import partition_of


class KafkaProducer:
    """A producer on kafka-python. After a failed `flush` close it and ask for another: what became of it is unknown."""

    def __init__(self, client: Any, bootstrap: str, timeout_s: float) -> None:
        self._client = client
        self._bootstrap = bootstrap
        self._timeout_s = timeout_s
        self._sent: list[Any] = []

    def send(self, topic: str, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> None:
        """Queue one message; raises `BrokerUnavailable` when it cannot even be queued (no such topic, too large)."""
        with mapped(self._bootstrap, f"take a message for topic {topic!r}"):
            self._sent.append(self._client.send(topic, value, key=key, headers=list(headers)))

    def flush(self, timeout_s: float = 10.0) -> None:
        """Return when everything sent is acknowledged; raise `BrokerUnavailable` if anything was not."""
        sent, self._sent = self._sent, []
        with mapped(self._bootstrap, f"acknowledge {len(sent)} messages"):
            self._client.flush(timeout_s)
            for future in sent:
                if not future.succeeded():
                    raise future.exception or kafka_errors.KafkaTimeoutError()

    def close(self) -> None:
        """Flush and disconnect; the connection is gone even when the flush raises `BrokerUnavailable`."""
        try:
            self.flush(self._timeout_s)
        finally:
            # Everything has been acknowledged or has expired by now, so this waits for the sender's thread only.
            with mapped(self._bootstrap, "let a producer go"):
                self._client.close(timeout=self._timeout_s)


class KeyPartitioner(kafka.partitioner.Partitioner):  # type: ignore[misc]  # untyped base class
    """Places keys by `streaming.brokers.partitioning`; keyless messages go round the partitions."""

    def __init__(self) -> None:
        self._spread = 0

    def partition(
        self, topic: str, _key: Any, serialized_key: bytes | None, _value: Any, _serialized_value: Any, cluster: Any
    ) -> int:
        """Return the partition for one message; Kafka numbers partitions 0 to n - 1."""
        partitions = len(cluster.partitions_for_topic(topic))
        if serialized_key is not None:
            return partition_of(serialized_key, partitions)
        self._spread += 1
        return self._spread % partitions

"""The producer on confluent-kafka."""

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from streaming.broker import Headers
from streaming.brokers.confluent.mapping import mapped, unavailable


class ConfluentProducer:
    """A producer on librdkafka. After a failed `flush` close it and ask for another: what became of it is unknown."""

    def __init__(self, client: Producer, bootstrap: str, timeout_s: float) -> None:
        self._client = client
        self._bootstrap = bootstrap
        self._timeout_s = timeout_s
        self._known: set[str] = set()
        self._failed: list[KafkaError] = []

    def send(self, topic: str, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> None:
        """Queue one message; raises `BrokerUnavailable` when it cannot even be queued (no such topic, too large)."""
        with mapped(self._bootstrap, f"take a message for topic {topic!r}"):
            if topic not in self._known:
                self._learn(topic)
            self._client.poll(0)  # take what was acknowledged: left lying, it fills the queue
            deadline = time.monotonic() + self._timeout_s
            while True:
                try:
                    self._client.produce(topic, value, key, headers=list(headers), on_delivery=self._report)
                except BufferError:  # the queue is full: wait for it to drain
                    if time.monotonic() > deadline:
                        raise
                    self._client.poll(0.1)
                else:
                    return

    def flush(self, timeout_s: float = 10.0) -> None:
        """Return when everything sent is acknowledged; raise `BrokerUnavailable` if anything was not."""
        left = self._client.flush(timeout_s)
        failed, self._failed = self._failed, []
        if failed or left:
            error = failed[0] if failed else KafkaError(KafkaError._MSG_TIMED_OUT)
            raise unavailable(self._bootstrap, f"acknowledge {len(failed) + left} messages", error)

    def close(self) -> None:
        """Flush and disconnect; what is still unsent when the flush raises `BrokerUnavailable` is dropped."""
        try:
            self.flush(self._timeout_s)
        finally:
            self._client.purge()
            self._client.flush(self._timeout_s)

    def _learn(self, topic: str) -> None:
        found = self._client.list_topics(timeout=self._timeout_s).topics
        self._known = {name for name, metadata in found.items() if metadata.error is None}
        if topic not in self._known:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))

    def _report(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failed.append(error)

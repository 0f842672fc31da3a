"""The cluster: topics, and the clients that talk to it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streaming.broker import OnRevoke, Record
from streaming.brokers.confluent import settings
from streaming.brokers.confluent.consumer import ConfluentConsumer, as_record
from streaming.brokers.confluent.mapping import LOG, LOGIN_REFUSED, mapped
from streaming.brokers.confluent.producer import ConfluentProducer
from streaming.brokers.limits import FETCH_WAIT_MS, LINGER_MS, max_message_bytes
from streaming.brokers.reach import parse_servers, wait_until_reachable
from streaming.brokers.security import SASL_PROTOCOLS, keep_payloads_out_of_logs, tls_context

_PAUSE_S = 0.05
_LOGIN_S = 1.0


class ConfluentBroker:
    """A Kafka cluster at ``bootstrap`` (``host:port``, several separated by commas).

    ``security`` holds ``security_protocol``, ``ssl_*`` and ``sasl_*`` settings, spelt as for the default client; its
    values are never logged. ``replication_factor`` -1 leaves it to the broker. ``timeout_s`` bounds each request to the
    broker and the time in which a message must be acknowledged. ``fetch_wait_ms`` is how long the broker may hold a
    fetch back for want of messages, ``linger_ms`` how long a producer waits for company. Connections are made on use:
    a broker that is down is noticed by the first call.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        security: Mapping[str, Any] | None = None,
        replication_factor: int = -1,
        timeout_s: float = 15.0,
        fetch_wait_ms: int = FETCH_WAIT_MS,
        linger_ms: int = LINGER_MS,
    ) -> None:
        self.bootstrap = bootstrap
        self._servers = parse_servers(bootstrap)
        self._replication_factor = replication_factor
        self._timeout_s = timeout_s
        self._fetch_wait_ms = fetch_wait_ms
        self._linger_ms = linger_ms
        self._security = security or {}
        self._connection = settings.connection(bootstrap, int(timeout_s * 1000), self._security)
        keep_payloads_out_of_logs(LOG)

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        """Create the topics that do not exist yet, sized for large messages; existing topics stay as they are."""
        with mapped(self.bootstrap, "create topics"):
            admin = self._client(AdminClient, {})
            known = admin.list_topics(timeout=self._timeout_s).topics
            wanted = [self._new_topic(topic, count) for topic, count in partitions.items() if topic not in known]
            if not wanted:
                return
            for future in admin.create_topics(wanted, request_timeout=self._timeout_s).values():
                try:
                    future.result(self._timeout_s)
                except KafkaException as exc:
                    if exc.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
            deadline = time.monotonic() + self._timeout_s
            while not partitions.keys() <= admin.list_topics(timeout=self._timeout_s).topics.keys():
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
                time.sleep(_PAUSE_S)

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of every topic; also the cheapest way to see whether the broker answers."""
        with mapped(self.bootstrap, "list topics"):
            found = self._client(AdminClient, {}).list_topics(timeout=self._timeout_s).topics
            return {name: len(topic.partitions) for name, topic in found.items() if not name.startswith("__")}

    def producer(self) -> ConfluentProducer:
        """Return a new producer; raises `BrokerUnavailable` when the broker does not answer."""
        options = {**settings.producing(int(self._timeout_s * 1000)), "linger.ms": self._linger_ms}
        with mapped(self.bootstrap, "connect a producer"):
            return ConfluentProducer(self._client(Producer, options), self.bootstrap, self._timeout_s)

    def consumer(self, topics: Sequence[str], group: str, on_revoke: OnRevoke | None = None) -> ConfluentConsumer:
        """Return a consumer that joins ``group`` at its first poll; `BrokerUnavailable` when the broker is silent."""
        with mapped(self.bootstrap, "connect a consumer"):
            client = self._client(Consumer, settings.consuming(group, self._fetch_wait_ms))
            return ConfluentConsumer(client, topics, self.bootstrap, self._timeout_s, on_revoke)

    def scan(self, topic: str) -> Iterator[Record]:
        """Yield what ``topic`` holds now, partition by partition in order, outside any group; nothing is committed."""
        options = {**settings.reading(self._fetch_wait_ms), "group.id": "ringfence-scan", "enable.partition.eof": True}
        with mapped(self.bootstrap, f"let topic {topic!r} be read"):
            client = self._client(Consumer, options)
            try:
                metadata = client.list_topics(topic, timeout=self._timeout_s).topics[topic]
                if metadata.error is not None:
                    raise KafkaException(metadata.error)
                for number in sorted(metadata.partitions):
                    yield from self._scan(client, TopicPartition(topic, number, 0))
            finally:
                client.close()

    def _scan(self, client: Consumer, partition: TopicPartition) -> Iterator[Record]:
        first, end = client.get_watermark_offsets(partition, timeout=self._timeout_s)
        if first >= end:
            return
        client.assign([TopicPartition(partition.topic, partition.partition, first)])
        while (message := client.poll(self._timeout_s)) is not None:
            error = message.error()
            if error is None:
                yield as_record(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            else:
                raise KafkaException(error)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def close(self) -> None:
        """Do nothing: administrative connections live no longer than their call."""

    def _client(self, kind: Callable[..., Any], options: Mapping[str, Any]) -> Any:
        wait_until_reachable(self._servers, self._timeout_s, tls_context(self._security))
        if self._security.get("security_protocol") in SASL_PROTOCOLS:
            self._check_login()
        return kind({**self._connection, **options})

    def _check_login(self) -> None:
        """Raise the refused login that every other call would end for in a timeout: only a callback is told."""
        heard: list[KafkaError] = []
        options: dict[str, Any] = {**self._connection, "error_cb": heard.append}
        admin = AdminClient(options)
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                admin.list_topics(timeout=min(_LOGIN_S, self._timeout_s))
            except KafkaException:
                admin.poll(0)  # calls back
                if refused := next((error for error in heard if error.code() in LOGIN_REFUSED), None):
                    raise KafkaException(refused) from None
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _new_topic(self, topic: str, partitions: int) -> NewTopic:
        config = {"max.message.bytes": str(max_message_bytes(topic))}
        return NewTopic(topic, partitions, self._replication_factor, config=config)

"""The cluster: topics, and the clients that talk to it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

# kafka-python ships no type information and there are no stubs for it.
import kafka  # type: ignore[import-untyped]
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.range import RangePartitionAssignor  # type: ignore[import-untyped]

from streaming.broker import OnRevoke, Record
from streaming.brokers.kafka_python import settings
from streaming.brokers.kafka_python.consumer import KafkaConsumer, as_record
from streaming.brokers.kafka_python.mapping import LOG, mapped
from streaming.brokers.kafka_python.producer import KafkaProducer, KeyPartitioner
from streaming.brokers.limits import FETCH_WAIT_MS, LINGER_MS, max_message_bytes
from streaming.brokers.reach import parse_servers, wait_until_reachable
from streaming.brokers.security import SASL_PROTOCOLS, keep_payloads_out_of_logs, tls_context


class KafkaBroker:
    """A Kafka cluster at ``bootstrap`` (``host:port``, several separated by commas).

    ``security`` holds kafka-python's own ``security_protocol``, ``ssl_*`` and ``sasl_*`` settings; its values are never
    logged. ``replication_factor`` -1 leaves it to the broker. ``timeout_s`` bounds each request to the broker and the
    time in which a message must be acknowledged. ``fetch_wait_ms`` is how long the broker may hold a fetch back for
    want of messages, ``linger_ms`` how long a producer waits for company. Connections are made on use: a broker that
    is down is noticed by the first call.
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
        self._replication_factor = replication_factor
        self._timeout_ms = int(timeout_s * 1000)
        self._fetch_wait_ms = fetch_wait_ms
        self._linger_ms = linger_ms
        self._connection = settings.connection(parse_servers(bootstrap), self._timeout_ms, security or {})
        keep_payloads_out_of_logs(LOG)

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        """Create the topics that do not exist yet, sized for large messages; existing topics stay as they are."""
        with self._admin("create topics") as admin:
            known = set(admin.list_topics())
            wanted = {topic: self._new_topic(topic, n) for topic, n in partitions.items() if topic not in known}
            if wanted:
                answer = admin.create_topics(wanted, raise_errors=False)
                for topic in answer["topics"]:
                    error = kafka_errors.for_code(topic["error_code"])
                    if error not in (kafka_errors.NoError, kafka_errors.TopicAlreadyExistsError):
                        raise error(topic["error_message"])
                admin.wait_for_topics(list(wanted), timeout_ms=self._timeout_ms)

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of every topic; also the cheapest way to see whether the broker answers."""
        with self._admin("list topics") as admin:
            return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}

    def producer(self) -> KafkaProducer:
        """Return a new producer; raises `BrokerUnavailable` when the broker does not answer."""
        options = {
            **settings.producing(self._timeout_ms),
            "partitioner": KeyPartitioner(),
            "linger_ms": self._linger_ms,
        }
        with mapped(self.bootstrap, "connect a producer"):
            return KafkaProducer(self._client(kafka.KafkaProducer, options), self.bootstrap, self._timeout_ms / 1000)

    def consumer(self, topics: Sequence[str], group: str, on_revoke: OnRevoke | None = None) -> KafkaConsumer:
        """Return a consumer that joins ``group`` at its first poll; `BrokerUnavailable` when the broker is silent."""
        assignors = {"partition_assignment_strategy": [RangePartitionAssignor]}
        options = {**settings.consuming(group, self._fetch_wait_ms), **assignors}
        with mapped(self.bootstrap, "connect a consumer"):
            client = self._client(kafka.KafkaConsumer, options)
            for topic in topics:  # known before it joins, or a member that leads deals out nothing and must deal again
                client.partitions_for_topic(topic)
            return KafkaConsumer(client, topics, self.bootstrap, self._timeout_ms, on_revoke)

    def scan(self, topic: str) -> Iterator[Record]:
        """Yield what ``topic`` holds now, partition by partition in order, outside any group; nothing is committed."""
        with mapped(self.bootstrap, f"let topic {topic!r} be read"):
            client = self._client(kafka.KafkaConsumer, settings.reading(self._fetch_wait_ms))
            try:
                for number in sorted(client.partitions_for_topic(topic)):
                    yield from self._scan(client, kafka.TopicPartition(topic, number))
            finally:
                client.close(autocommit=False)

    def _scan(self, client: Any, partition: Any) -> Iterator[Record]:
        client.assign([partition])
        client.seek_to_beginning(partition)
        end = client.end_offsets([partition], timeout_ms=self._timeout_ms)[partition]
        position = -1
        while (now := client.position(partition, timeout_ms=self._timeout_ms)) < end:
            messages = client.poll(timeout_ms=self._timeout_ms).get(partition, [])
            if not messages and now == position:  # once is no harm: what was read may have been aborted transactions
                raise kafka_errors.KafkaTimeoutError
            position = now
            yield from map(as_record, messages)
        # Tansu's end offset lies just behind the first message of the last batch; the rest has come along with it.
        last = client.highwater(partition) or end
        while client.position(partition) < last and (found := client.poll(timeout_ms=0)):
            yield from map(as_record, found[partition])

    def close(self) -> None:
        """Do nothing: administrative connections live no longer than their call."""

    def _client(self, kind: Callable[..., Any], options: Mapping[str, Any]) -> Any:
        tls = tls_context(self._connection)
        wait_until_reachable(self._connection["bootstrap_servers"], self._timeout_ms / 1000, tls)
        try:
            return kind(**{**self._connection, **options})
        except kafka_errors.KafkaTimeoutError as error:
            # The broker has just answered, and closes connections whose login it refuses: mostly all that is heard.
            if self._connection.get("security_protocol") in SASL_PROTOCOLS:
                raise kafka_errors.SaslAuthenticationFailedError from error
            raise

    @contextmanager
    def _admin(self, what: str) -> Iterator[Any]:
        with mapped(self.bootstrap, what):
            admin = self._client(kafka.KafkaAdminClient, {})
            try:
                yield admin
            finally:
                admin.close()

    def _new_topic(self, topic: str, partitions: int) -> dict[str, Any]:
        return {
            "num_partitions": partitions,
            "replication_factor": self._replication_factor,
            "configs": {"max.message.bytes": str(max_message_bytes(topic))},
        }

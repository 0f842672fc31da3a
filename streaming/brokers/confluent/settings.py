"""Settings of librdkafka, and why they are what they are; the promises are those of the default client's settings.

- Producers: ``acks=all`` and idempotence, so a retry neither loses, doubles nor reorders. Keys find their partition as
  Apache Kafka's own clients place them.
- Consumers: offsets by hand, earliest where none is committed, aborted transactions hidden. A dead member is replaced
  after 10 s, a rebalance is noticed within 1 s.
- Nothing creates topics by accident: a misspelt name is an error.
"""

from collections.abc import Mapping
from typing import Any

from streaming.brokers.confluent.mapping import LOG
from streaming.brokers.limits import MAX_MESSAGE_BYTES, QUEUE_BYTES
from streaming.brokers.security import check_known

_MAX_REQUEST_BYTES = 4 * MAX_MESSAGE_BYTES
# Security settings have one spelling for both clients, kafka-python's; this is librdkafka's for each.
SECURITY = {
    "security_protocol": "security.protocol",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_check_hostname": "ssl.endpoint.identification.algorithm",
    "ssl_crlfile": "ssl.crl.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_password": "ssl.key.password",
    "sasl_kerberos_service_name": "sasl.kerberos.service.name",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_password": "sasl.password",
    "sasl_plain_username": "sasl.username",
}


def connection(bootstrap: str, timeout_ms: int, security: Mapping[str, Any]) -> dict[str, Any]:
    """Return what producers, consumers and administration share; an unknown setting raises `ConfigurationError`."""
    check_known(security.keys(), SECURITY.keys())
    named = {SECURITY[name]: value for name, value in security.items()}
    if "ssl.endpoint.identification.algorithm" in named:
        checked = named["ssl.endpoint.identification.algorithm"]
        named["ssl.endpoint.identification.algorithm"] = "https" if checked else "none"
    return {
        "bootstrap.servers": bootstrap,
        "client.id": "ringfence",
        "socket.timeout.ms": timeout_ms,
        "reconnect.backoff.max.ms": 1_000,
        "allow.auto.create.topics": False,
        "logger": LOG,
        **named,
    }


def producing(timeout_ms: int) -> dict[str, Any]:
    """Return a producer's settings; a message is acknowledged within ``timeout_ms`` or given up."""
    return {
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "message.max.bytes": _MAX_REQUEST_BYTES,
        "delivery.timeout.ms": timeout_ms,
        "request.timeout.ms": timeout_ms // 2,
        "delivery.report.only.error": True,  # what was not reported when a flush ends has been acknowledged
    }


def reading(fetch_wait_ms: int) -> dict[str, Any]:
    """Return the settings of anything that reads."""
    return {
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": fetch_wait_ms,
        "fetch.min.bytes": 1,
        "fetch.message.max.bytes": _MAX_REQUEST_BYTES,
        "fetch.max.bytes": 4 * _MAX_REQUEST_BYTES,
    }


def consuming(group: str, fetch_wait_ms: int) -> dict[str, Any]:
    """Return the settings of a group's member."""
    return {
        **reading(fetch_wait_ms),
        "group.id": group,
        "partition.assignment.strategy": "range",
        "queued.max.messages.kbytes": QUEUE_BYTES // 1024,
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 1_000,
    }

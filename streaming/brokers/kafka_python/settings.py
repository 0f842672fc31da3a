"""Settings of the Kafka client, and why they are what they are. Names are kafka-python's.

- Producers: ``acks=all`` and idempotence, so a retry neither loses, doubles nor reorders.
- Consumers: offsets by hand, earliest where none is committed, aborted transactions hidden. A dead member is replaced
  after 10 s (Kafka's own default is 45 s), a rebalance is noticed within 1 s.
- Nothing creates topics by accident: a misspelt name is an error.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from streaming.brokers.limits import MAX_MESSAGE_BYTES, QUEUE_BYTES
from streaming.brokers.security import check_known

_MAX_REQUEST_BYTES = 4 * MAX_MESSAGE_BYTES
SECURITY = frozenset(
    {
        "security_protocol",
        "ssl_cafile",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_context",
        "ssl_crlfile",
        "ssl_keyfile",
        "ssl_password",
        "sasl_kerberos_domain_name",
        "sasl_kerberos_name",
        "sasl_kerberos_service_name",
        "sasl_mechanism",
        "sasl_oauth_token_provider",
        "sasl_plain_password",
        "sasl_plain_username",
    }
)


def connection(servers: Sequence[str], timeout_ms: int, security: Mapping[str, Any]) -> dict[str, Any]:
    """Return what producers, consumers and administration share; an unknown setting raises `ConfigurationError`."""
    check_known(security.keys(), SECURITY)
    return {
        "bootstrap_servers": list(servers),
        "client_id": "ringfence",
        "bootstrap_timeout_ms": timeout_ms,
        "reconnect_backoff_max_ms": 1_000,
        **security,
    }


def producing(timeout_ms: int) -> dict[str, Any]:
    """Return a producer's settings; a message is acknowledged within ``timeout_ms`` or given up."""
    return {
        "acks": "all",
        "enable_idempotence": True,
        "max_in_flight_requests_per_connection": 5,
        "batch_size": 64 * 1024,
        "max_request_size": _MAX_REQUEST_BYTES,
        "max_block_ms": timeout_ms,
        "delivery_timeout_ms": timeout_ms,
        "request_timeout_ms": timeout_ms // 2,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def reading(fetch_wait_ms: int) -> dict[str, Any]:
    """Return the settings of anything that reads."""
    return {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "fetch_max_wait_ms": fetch_wait_ms,
        "fetch_min_bytes": 1,
        "max_partition_fetch_bytes": _MAX_REQUEST_BYTES,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def consuming(group: str, fetch_wait_ms: int) -> dict[str, Any]:
    """Return the settings of a group's member."""
    return {
        **reading(fetch_wait_ms),
        "group_id": group,
        "fetch_max_bytes": QUEUE_BYTES,
        "session_timeout_ms": 10_000,
        "heartbeat_interval_ms": 1_000,
    }

"""The choice between the two Kafka clients."""

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

from features.errors import ConfigurationError
from streaming.broker import Cluster
from streaming.brokers.limits import FETCH_WAIT_MS, LINGER_MS

Client = Literal["kafka-python", "confluent"]


def connect(
    bootstrap: str,
    client: Client,
    *,
    security: Mapping[str, Any] | None = None,
    fetch_wait_ms: int = FETCH_WAIT_MS,
    linger_ms: int = LINGER_MS,
) -> Cluster:
    """Return the cluster at ``bootstrap`` through ``client``; `ConfigurationError` if that is not installed.

    ``security`` holds ``security_protocol``, ``ssl_*`` and ``sasl_*`` settings as kafka-python spells them.
    """
    if client == "confluent" and not is_installed("confluent"):
        raise ConfigurationError(
            "The Kafka client confluent-kafka is not installed.",
            remedy="Run: pip install 'ringfence[fast]', or set RINGFENCE_KAFKA_CLIENT=kafka-python.",
        )
    package, name = {
        "kafka-python": ("kafka_python", "KafkaBroker"),
        "confluent": ("confluent", "ConfluentBroker"),
    }[client]
    kind = getattr(importlib.import_module(f"streaming.brokers.{package}"), name)
    cluster: Cluster = kind(bootstrap, security=security, fetch_wait_ms=fetch_wait_ms, linger_ms=linger_ms)
    return cluster


def is_installed(client: Client) -> bool:
    """Tell whether a client can be used here."""
    return find_spec({"kafka-python": "kafka", "confluent": "confluent_kafka"}[client]) is not None


def cheapest() -> Client:
    """Return the client that takes less of the cores, where it is installed."""
    return "confluent" if is_installed("confluent") else "kafka-python"

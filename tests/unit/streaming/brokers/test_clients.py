"""The choice of the Kafka client."""

import importlib.util

import pytest

from features.errors import ConfigurationError
from streaming.brokers.clients import connect, is_installed
from streaming.brokers.confluent import ConfluentBroker
from streaming.brokers.kafka_python import KafkaBroker


def test_each_client_is_the_one_named() -> None:
    assert isinstance(connect("localhost:9092", "kafka-python"), KafkaBroker)
    assert isinstance(connect("localhost:9092", "confluent", fetch_wait_ms=5), ConfluentBroker)


def test_a_client_that_is_not_installed_is_named_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.brokers.clients.find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match="not installed") as caught:
        connect("localhost:9092", "confluent")

    assert "ringfence[fast]" in caught.value.remedy
    assert not is_installed("kafka-python")
    assert importlib.util.find_spec("kafka") is not None

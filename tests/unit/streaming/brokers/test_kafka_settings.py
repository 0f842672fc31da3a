"""Settings and errors of the Kafka adapter that need no broker."""

import logging

import pytest

from features.errors import BrokerUnavailable, ConfigurationError
from streaming.brokers.kafka_python import KafkaBroker, settings
from streaming.brokers.kafka_python.mapping import mapped

# After the adapter, whose import keeps the client's deprecation warnings to itself.
import kafka  # isort: skip
from kafka import errors as kafka_errors  # isort: skip


def test_security_settings_are_known_to_every_client() -> None:
    for client in (kafka.KafkaProducer, kafka.KafkaConsumer, kafka.KafkaAdminClient):
        assert client.DEFAULT_CONFIG.keys() >= settings.SECURITY


@pytest.mark.parametrize("options", [settings.producing(5000), settings.reading(25), settings.consuming("g", 25)])
def test_options_are_the_clients_own(options: dict[str, object]) -> None:
    client = kafka.KafkaProducer if "acks" in options else kafka.KafkaConsumer
    assert options.keys() <= client.DEFAULT_CONFIG.keys()


def test_an_unknown_security_setting_is_refused_without_its_value() -> None:
    with pytest.raises(ConfigurationError, match="sasl_passwort") as caught:
        KafkaBroker("localhost:9092", security={"sasl_passwort": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("bootstrap", ["", " , ", "localhost:port", "localhost:0", ":9092"])
def test_a_bootstrap_that_is_none_is_refused(bootstrap: str) -> None:
    with pytest.raises(ConfigurationError, match="KAFKA_BOOTSTRAP"):
        KafkaBroker(bootstrap).topics()


def test_a_broker_that_is_not_there_is_reported_in_time() -> None:
    with pytest.raises(BrokerUnavailable, match="refused") as caught:
        KafkaBroker("127.0.0.1:1", timeout_s=0.3).producer()
    assert "KAFKA_BOOTSTRAP" in caught.value.remedy


def test_every_error_of_the_client_is_mapped_and_its_text_left_out() -> None:
    kinds = [k for k in vars(kafka_errors).values() if isinstance(k, type) and issubclass(k, kafka_errors.KafkaError)]
    assert len(kinds) > 100
    for kind in kinds:
        with pytest.raises((BrokerUnavailable, ConfigurationError)) as caught, mapped("b:1", "do it"):
            raise kind.__new__(kind, "auth_bytes=hunter2")
        assert "hunter2" not in str(caught.value)


def test_the_client_never_logs_at_debug() -> None:
    client_log = logging.getLogger("kafka")
    before = client_log.level
    try:
        for level in (logging.DEBUG, logging.NOTSET):
            client_log.setLevel(level)
            KafkaBroker("localhost:9092")
            assert client_log.getEffectiveLevel() >= logging.INFO
    finally:
        client_log.setLevel(before)

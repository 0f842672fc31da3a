"""Settings and errors of the confluent-kafka adapter that need no broker."""

import logging

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from features.errors import BrokerUnavailable, ConfigurationError
from streaming.brokers.confluent import ConfluentBroker, settings
from streaming.brokers.confluent.mapping import LOG, mapped
from streaming.brokers.kafka_python import settings as other

CONNECTION = settings.connection("127.0.0.1:1", 1_000, {})


def test_the_client_knows_every_option() -> None:
    Producer({**CONNECTION, **settings.producing(5_000), "linger.ms": 2})
    Consumer({**CONNECTION, **settings.consuming("g", 25)}).close()


def test_security_is_spelt_as_for_the_other_client() -> None:
    assert settings.SECURITY.keys() < other.SECURITY


def test_security_settings_are_translated() -> None:
    named = settings.connection("b:1", 1_000, {"security_protocol": "SSL", "ssl_check_hostname": False})
    assert named["security.protocol"] == "SSL"
    assert named["ssl.endpoint.identification.algorithm"] == "none"
    strict = settings.connection("b:1", 1_000, {"ssl_check_hostname": True})
    assert strict["ssl.endpoint.identification.algorithm"] == "https"


def test_an_unknown_security_setting_is_refused_without_its_value() -> None:
    with pytest.raises(ConfigurationError, match="sasl_passwort") as caught:
        ConfluentBroker("localhost:9092", security={"sasl_passwort": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_setting_that_the_client_refuses_is_not_quoted() -> None:
    broker = ConfluentBroker("127.0.0.1:1", security={"security_protocol": "hunter2"}, timeout_s=0.2)
    with pytest.raises((ConfigurationError, BrokerUnavailable)) as caught:
        broker.producer()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("bootstrap", ["", " , ", "localhost:port", "localhost:0", ":9092"])
def test_a_bootstrap_that_is_none_is_refused(bootstrap: str) -> None:
    with pytest.raises(ConfigurationError, match="KAFKA_BOOTSTRAP"):
        ConfluentBroker(bootstrap).topics()


def test_a_broker_that_is_not_there_is_reported_in_time() -> None:
    with pytest.raises(BrokerUnavailable, match="refused") as caught:
        ConfluentBroker("127.0.0.1:1", timeout_s=0.3).producer()
    assert "KAFKA_BOOTSTRAP" in caught.value.remedy


def test_errors_of_the_client_are_mapped_and_their_text_left_out() -> None:
    for code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._TRANSPORT):
        with pytest.raises(BrokerUnavailable) as caught, mapped("b:1", "do it"):
            raise KafkaException(KafkaError(code, "auth_bytes=hunter2"))
        assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError) as refused, mapped("b:1", "do it"):
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "sasl.password=hunter2"))
    assert "hunter2" not in str(refused.value)


def test_the_client_never_logs_at_debug() -> None:
    before = LOG.level
    try:
        for level in (logging.DEBUG, logging.NOTSET):
            LOG.setLevel(level)
            ConfluentBroker("localhost:9092")
            assert LOG.getEffectiveLevel() >= logging.INFO
    finally:
        LOG.setLevel(before)

"""Kafka over TLS, with logins and with certificates, configured as an operator does, through each client."""

import gc
import uuid

import pytest

from features.errors import BrokerUnavailable, ConfigurationError
from services.composition import Root
from services.settings import Settings
from services.state_directory import open_state
from tests.integration.secure_kafka import PASSWORD, USER, running_secure_kafka

# kafka-python leaves the sockets of refused connections to the garbage collector, which warns of each.
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
PATIENCE = 300  # polls of 0.1 s


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    with running_secure_kafka(tmp_path_factory.mktemp("secure-kafka")) as server:
        yield server


@pytest.fixture(autouse=True)
def sockets_of_refused_connections_gone(caplog):
    """Collect them before the next test; no log record may hold on to them."""
    yield
    caplog.clear()
    gc.collect()


@pytest.fixture(params=["kafka-python", "confluent"])
def connected(request, kafka, tmp_path, monkeypatch):
    """Connect with a login, after ``changes`` to the environment; None takes a variable away."""

    def connect(**changes):
        password = tmp_path / "password"
        password.write_text(PASSWORD + "\n")
        environment = {
            "RINGFENCE_KAFKA_CLIENT": request.param,
            "KAFKA_BOOTSTRAP": kafka.sasl,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD_FILE": str(password),
            "KAFKA_SSL_CAFILE": str(kafka.authority),
        }
        for name, value in (environment | changes).items():
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        broker = Root(Settings(), open_state(tmp_path / "state")).broker()
        if request.param == "kafka-python":
            broker._connection["bootstrap_timeout_ms"] = 5_000
        broker._timeout_s, broker._timeout_ms = 5, 5_000
        return broker

    return connect


def round_trip(broker):
    topic = f"t-{uuid.uuid4().hex}"
    broker.ensure_topics({topic: 1})
    producer = broker.producer()
    producer.send(topic, b"over TLS", key=b"k")
    producer.flush()
    producer.close()
    assert [record.value for record in broker.scan(topic)] == [b"over TLS"]
    consumer = broker.consumer([topic], f"g-{topic}")
    found = []
    for _ in range(PATIENCE):
        found += consumer.poll(0.1, 10)
        if found:
            break
    consumer.commit({(topic, 0): 1})
    consumer.close()
    assert [record.value for record in found] == [b"over TLS"]


CERTIFICATE_ONLY = {
    "KAFKA_SECURITY_PROTOCOL": "SSL",
    "KAFKA_SASL_MECHANISM": None,
    "KAFKA_SASL_USERNAME": None,
    "KAFKA_SASL_PASSWORD_FILE": None,
}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_login_over_tls(connected, mechanism):
    round_trip(connected(KAFKA_SASL_MECHANISM=mechanism))


def test_a_certificate_of_our_own(connected, kafka):
    files = {"KAFKA_SSL_CERTFILE": str(kafka.certificate), "KAFKA_SSL_KEYFILE": str(kafka.key)}
    round_trip(connected(KAFKA_BOOTSTRAP=kafka.ssl, **CERTIFICATE_ONLY, **files))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
@pytest.mark.parametrize("call", ["topics", "producer"])
def test_a_wrong_password_is_named_and_not_told(connected, mechanism, call, caplog):
    changes = {"KAFKA_SASL_PASSWORD_FILE": None, "KAFKA_SASL_PASSWORD": "wrong-one"}
    with pytest.raises(BrokerUnavailable, match="did not accept the login") as caught:
        getattr(connected(KAFKA_SASL_MECHANISM=mechanism, **changes), call)()
    assert "KAFKA_SASL_PASSWORD" in caught.value.remedy
    assert "wrong-one" not in f"{caught.value}{caught.value.__cause__}{caplog.text}"


@pytest.mark.parametrize("call", ["topics", "producer"])
def test_an_authority_that_did_not_sign_is_named(connected, kafka, call):
    with pytest.raises(BrokerUnavailable, match="certificate that is trusted") as caught:
        getattr(connected(KAFKA_SSL_CAFILE=str(kafka.stranger)), call)()
    assert "KAFKA_SSL_CAFILE" in caught.value.remedy


def test_a_name_that_the_certificate_does_not_have_is_named(connected, kafka):
    with pytest.raises(BrokerUnavailable, match=r"not valid for 'localhost'"):
        connected(KAFKA_BOOTSTRAP=kafka.sasl.replace("127.0.0.1", "localhost")).topics()


def test_a_broker_that_wants_tls_or_a_certificate_is_no_riddle(connected, kafka):
    plain = CERTIFICATE_ONLY | {"KAFKA_SECURITY_PROTOCOL": None, "KAFKA_SSL_CAFILE": None}
    for changes in (plain, CERTIFICATE_ONLY | {"KAFKA_BOOTSTRAP": kafka.ssl}):
        with pytest.raises(BrokerUnavailable, match="No Kafka broker answers") as caught:
            connected(**changes).topics()
        assert "KAFKA_SECURITY_PROTOCOL" in caught.value.remedy


def test_a_file_without_certificates_is_refused(connected, kafka):
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        connected(KAFKA_SSL_CAFILE=str(kafka.key)).topics()
    assert "KAFKA_SSL_CAFILE" in caught.value.remedy

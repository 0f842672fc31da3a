"""What the settings say of secure connections, as each client hears it."""

from pathlib import Path

import pytest

from features.errors import ConfigurationError
from services.composition import Root
from services.connections import KAFKA_SECURITY, kafka_security, ledger_url, redis_url
from services.settings import Settings
from services.state_directory import open_state
from streaming.brokers.confluent import settings as confluent
from streaming.brokers.kafka_python import settings as kafka_python

LOGIN = {
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_mechanism": "PLAIN",
    "kafka_sasl_username": "user",
    "kafka_sasl_password": "hush",
}
SQLITE = Path("/state/ledger.db")


@pytest.fixture
def pem(tmp_path):
    (tmp_path / "some.pem").write_text("")
    return tmp_path / "some.pem"


def test_without_settings_connections_are_plain():
    assert kafka_security(Settings()) == {}


def test_every_setting_reaches_both_clients(pem):
    files = dict.fromkeys(("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile"), pem)
    security = kafka_security(Settings(**LOGIN, **files, kafka_ssl_key_password="hush-2"))
    assert security == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "user",
        "sasl_plain_password": "hush",
        "ssl_cafile": str(pem),
        "ssl_certfile": str(pem),
        "ssl_keyfile": str(pem),
        "ssl_password": "hush-2",
    }
    assert kafka_python.connection(["b:1"], 1, security).items() >= security.items()
    theirs = confluent.connection("b:1", 1, security)
    assert {theirs[confluent.SECURITY[name]] for name in security} == set(security.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kafka_sasl_password": None}, "KAFKA_SASL_PASSWORD not set"),
        ({"kafka_sasl_mechanism": None, "kafka_sasl_username": None}, "KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME not"),
        ({"kafka_security_protocol": "PLAINTEXT"}, "KAFKA_SASL_PASSWORD would have no effect"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ssl_cafile": "/x"}, "KAFKA_SSL_CAFILE would have no"),
        ({"kafka_ssl_cafile": "/no/such/file"}, "KAFKA_SSL_CAFILE names /no/such/file"),
        ({"kafka_ssl_certfile": "/dev/null"}, "Only one of KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE"),
    ],
)
def test_half_a_setting_is_refused_by_name(changes, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        kafka_security(Settings(**(LOGIN | changes)))
    assert "hush" not in str(caught.value)


def test_the_variables_that_make_connections_secure_are_all_known():
    aliases = {field.alias for field in Settings.model_fields.values()}
    secure = {name for name in aliases if name and name.startswith(("KAFKA_SECURITY", "KAFKA_SASL", "KAFKA_SSL"))}
    assert {name for name in KAFKA_SECURITY if name in secure} == secure
    assert {name.removesuffix("_FILE") for name in KAFKA_SECURITY if name not in secure} <= secure


@pytest.mark.parametrize(
    ("url", "password", "whole"),
    [
        ("redis://h:1/2", None, "redis://h:1/2"),
        ("redis://h:1/2", "a:b@c/d", "redis://:a%3Ab%40c%2Fd@h:1/2"),
        ("redis://user@h:1", "p", "redis://user:p@h:1"),
        ("redis://:old@h:1", None, "redis://:old@h:1"),
    ],
)
def test_the_password_of_redis_goes_into_its_url(url, password, whole):
    assert redis_url(Settings(redis_url=url, redis_password=password)) == whole


def test_the_authority_of_redis_goes_into_its_url(pem):
    found = redis_url(Settings(redis_url="rediss://h:1/2?timeout=3", redis_ssl_cafile=pem))
    assert found == f"rediss://h:1/2?timeout=3&ssl_ca_certs={str(pem).replace('/', '%2F')}"
    assert redis_url(Settings(redis_ssl_cafile=pem)) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"redis_url": "redis://:hush@h:1", "redis_password": "p"}, "REDIS_URL holds a password too"),
        ({"redis_url": "redis://h:1", "redis_ssl_cafile": "/dev/null"}, "REDIS_URL does not ask for TLS"),
        ({"redis_url": "rediss://h:1", "redis_ssl_cafile": "/no/such/file"}, "REDIS_SSL_CAFILE names /no/such/file"),
        ({"redis_url": "redis://[hush", "redis_password": "p"}, "REDIS_URL is no URL"),
    ],
)
def test_what_redis_cannot_be_is_refused_by_name(changes, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        redis_url(Settings(**changes))
    assert "hush" not in str(caught.value)


def test_the_password_of_the_ledger_goes_into_its_url():
    assert ledger_url(Settings(), SQLITE) == f"sqlite:///{SQLITE}"
    given = "postgresql+psycopg://user@h:1/db?sslmode=verify-full"
    assert ledger_url(Settings(ledger_url=given), SQLITE) == given
    whole = ledger_url(Settings(ledger_url=given, ledger_password="p@ss/word"), SQLITE)
    assert whole == "postgresql+psycopg://user:p%40ss%2Fword@h:1/db?sslmode=verify-full"
    with pytest.raises(ConfigurationError, match="LEDGER_URL holds a password too") as caught:
        ledger_url(Settings(ledger_url="postgresql://user:hush@h/db", ledger_password="p"), SQLITE)
    assert "hush" not in str(caught.value)


def test_the_token_is_the_operators_or_the_state_directorys(tmp_path):
    state = open_state(tmp_path / "state")
    assert Root(Settings(token="t" * 40), state).token() == ("t" * 40, False)
    made, fresh = Root(Settings(), state).token()
    assert fresh
    assert Root(Settings(), state).token() == (made, False)
    for bad in ("short", "two words" * 10):
        with pytest.raises(ConfigurationError, match="RINGFENCE_TOKEN") as caught:
            Root(Settings(token=bad), state).token()
        assert bad not in str(caught.value)

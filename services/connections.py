"""Secure connections: what the settings say of TLS, certificates and passwords, as each client wants to hear it."""

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

from features.errors import ConfigurationError
from services.settings import Settings
from streaming.brokers.security import SASL_PROTOCOLS, TLS_PROTOCOLS
from streaming.ledgers.database import parse_url

# Every variable that has a say in connections to Kafka: set to nothing, they leave a plain one.
KAFKA_SECURITY = (
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_PASSWORD_FILE",
    "KAFKA_SSL_CAFILE",
    "KAFKA_SSL_CERTFILE",
    "KAFKA_SSL_KEYFILE",
    "KAFKA_SSL_KEY_PASSWORD",
    "KAFKA_SSL_KEY_PASSWORD_FILE",
)


def kafka_security(settings: Settings) -> dict[str, Any]:
    """Return the security settings of a Kafka client, spelt as kafka-python does; nothing for a plain connection.

    Raises `ConfigurationError` for a login without its parts, for what the protocol would leave unused, and for files
    that cannot be read.
    """
    protocol = settings.kafka_security_protocol
    login = {
        "KAFKA_SASL_MECHANISM": settings.kafka_sasl_mechanism,
        "KAFKA_SASL_USERNAME": settings.kafka_sasl_username,
        "KAFKA_SASL_PASSWORD": _revealed(settings.kafka_sasl_password),
    }
    files = {
        "KAFKA_SSL_CAFILE": settings.kafka_ssl_cafile,
        "KAFKA_SSL_CERTFILE": settings.kafka_ssl_certfile,
        "KAFKA_SSL_KEYFILE": settings.kafka_ssl_keyfile,
    }
    key_password = _revealed(settings.kafka_ssl_key_password)
    if protocol not in SASL_PROTOCOLS:
        _check_unused(login, protocol, "SASL_SSL")
    elif missing := [name for name, value in login.items() if not value]:
        raise ConfigurationError(
            f"KAFKA_SECURITY_PROTOCOL is {protocol}, and {', '.join(missing)} not set.",
            remedy="A login needs mechanism, user name and password; KAFKA_SASL_PASSWORD_FILE may name a file.",
        )
    if protocol not in TLS_PROTOCOLS:
        _check_unused({**files, "KAFKA_SSL_KEY_PASSWORD": key_password}, protocol, "SSL or SASL_SSL")
    for name, path in files.items():
        _check_readable(name, path)
    if (settings.kafka_ssl_certfile is None) != (settings.kafka_ssl_keyfile is None):
        raise ConfigurationError(
            "Only one of KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE is set.", remedy="A certificate needs its key."
        )
    found = {
        "security_protocol": protocol if protocol != "PLAINTEXT" else None,
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": _revealed(settings.kafka_sasl_password),
        "ssl_cafile": settings.kafka_ssl_cafile,
        "ssl_certfile": settings.kafka_ssl_certfile,
        "ssl_keyfile": settings.kafka_ssl_keyfile,
        "ssl_password": key_password,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def redis_url(settings: Settings) -> str | None:
    """Return the URL of Redis with password and authority filled in, None where states live in SQLite."""
    url, password, authority = _revealed(settings.redis_url), settings.redis_password, settings.redis_ssl_cafile
    if url is None or (password is None and authority is None):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError("REDIS_URL is no URL.", remedy="Write redis://HOST:PORT/DATABASE.") from None
    if authority is not None:
        if parts.scheme != "rediss":
            raise ConfigurationError(
                "REDIS_SSL_CAFILE is set, but REDIS_URL does not ask for TLS.", remedy="Write rediss:// in REDIS_URL."
            )
        _check_readable("REDIS_SSL_CAFILE", authority)
        query = "&".join(filter(None, (parts.query, urlencode({"ssl_ca_certs": str(authority)}))))
        parts = parts._replace(query=query)
    if password is not None:
        login, at, host = parts.netloc.rpartition("@")
        user, colon, _ = login.partition(":")
        if colon:
            raise _two_passwords("REDIS_PASSWORD", "REDIS_URL")
        parts = parts._replace(netloc=f"{user if at else ''}:{quote(password.get_secret_value(), safe='')}@{host}")
    return urlunsplit(parts)


def ledger_url(settings: Settings, sqlite: Path) -> str:
    """Return the URL of the ledger with its password filled in; the file ``sqlite`` where no server is named."""
    url, password = _revealed(settings.ledger_url), settings.ledger_password
    if url is None:
        return f"sqlite:///{sqlite}"
    if password is None:
        return url
    parsed = parse_url(url)
    if parsed.password is not None:
        raise _two_passwords("LEDGER_PASSWORD", "LEDGER_URL")
    return parsed.set(password=password.get_secret_value()).render_as_string(hide_password=False)


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _check_unused(values: dict[str, Any], protocol: str, needed: str) -> None:
    """Refuse settings that would have no effect: somebody believes this connection to be safer than it is."""
    if named := [name for name, value in values.items() if value]:
        raise ConfigurationError(
            f"{', '.join(named)} would have no effect: KAFKA_SECURITY_PROTOCOL is {protocol}.",
            remedy=f"Set it to {needed}, or unset the others.",
        )


def _check_readable(name: str, path: Path | None) -> None:
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigurationError(
            f"{name} names {path}, which cannot be read: {error.strerror}.",
            remedy="Name a PEM file that this user may read.",
        ) from None


def _two_passwords(name: str, url: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is set, and {url} holds a password too.", remedy="Take one of them away.")

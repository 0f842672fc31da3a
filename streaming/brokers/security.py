"""Secrets of a Kafka client: which settings are taken, and that neither they nor payloads come to light in logs."""

import logging
import ssl
from collections.abc import Collection, Mapping
from typing import Any

from features.errors import ConfigurationError

TLS_PROTOCOLS = frozenset({"SSL", "SASL_SSL"})
SASL_PROTOCOLS = frozenset({"SASL_PLAINTEXT", "SASL_SSL"})


def check_known(security: Collection[str], known: Collection[str]) -> None:
    """Raise `ConfigurationError` for a security setting that is not ``known``.

    Takes the names and quotes them alone, for the values are secrets.
    """
    unknown = sorted(set(security) - set(known))
    if unknown:
        raise ConfigurationError(
            f"Unknown Kafka security settings: {', '.join(unknown)}.", remedy=f"Known: {', '.join(sorted(known))}."
        )


def tls_context(security: Mapping[str, Any]) -> ssl.SSLContext | None:
    """Return what these settings make of TLS, None where the protocol has none.

    Raises `ConfigurationError` for files that hold no certificates or no key, or whose password is wrong.
    """
    if security.get("security_protocol") not in TLS_PROTOCOLS:
        return None
    if security.get("ssl_context") is not None:
        given: ssl.SSLContext = security["ssl_context"]
        return given
    try:
        context = ssl.create_default_context(cafile=security.get("ssl_cafile"))
        if security.get("ssl_crlfile"):
            context.load_verify_locations(security["ssl_crlfile"])
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except OSError as error:  # SSLError is one
        raise _unusable("The certificates that the Kafka client is to trust", error, "KAFKA_SSL_CAFILE") from None
    context.check_hostname = bool(security.get("ssl_check_hostname", True))
    if security.get("ssl_certfile"):
        # Without the callback OpenSSL would ask for a password on the terminal.
        password = str(security.get("ssl_password") or "")
        try:
            context.load_cert_chain(security["ssl_certfile"], security.get("ssl_keyfile"), lambda: password)
        except OSError as error:
            names = "KAFKA_SSL_CERTFILE, KAFKA_SSL_KEYFILE and KAFKA_SSL_KEY_PASSWORD"
            raise _unusable("The Kafka client's certificate and key", error, names) from None
    return context


def keep_payloads_out_of_logs(client_log: logging.Logger) -> None:
    """Keep a client's logger off DEBUG, where it prints payloads and settings, and quiet unless asked."""
    if client_log.level == logging.NOTSET:
        client_log.setLevel(logging.ERROR)
    elif client_log.level < logging.INFO:
        client_log.setLevel(logging.INFO)


def _unusable(what: str, error: OSError, names: str) -> ConfigurationError:
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    return ConfigurationError(
        f"{what} cannot be used: {reason}.", remedy=f"Check {names}: PEM files, readable for this user."
    )

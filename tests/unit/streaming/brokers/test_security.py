"""Which security settings are taken, and how loud a client's logger may be."""

import logging
import ssl
from pathlib import Path

import pytest

from features.errors import ConfigurationError
from streaming.brokers.security import check_known, keep_payloads_out_of_logs, tls_context


def test_unknown_settings_are_named_with_the_known_ones() -> None:
    check_known(["a"], {"b", "a"})
    with pytest.raises(ConfigurationError, match="Unknown Kafka security settings: c, d") as caught:
        check_known({"d": "hunter2", "c": "", "a": ""}, {"b", "a"})
    assert caught.value.remedy == "Known: a, b."


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (logging.NOTSET, logging.ERROR),
        (logging.DEBUG, logging.INFO),
        (logging.INFO, logging.INFO),
        (logging.CRITICAL, logging.CRITICAL),
    ],
)
def test_a_client_is_quiet_unless_asked_and_never_at_debug(before: int, after: int) -> None:
    client_log = logging.Logger("a client", before)  # outside the tree of loggers
    keep_payloads_out_of_logs(client_log)
    assert client_log.level == after


def test_a_plain_protocol_needs_no_tls() -> None:
    assert tls_context({}) is None
    assert tls_context({"security_protocol": "SASL_PLAINTEXT"}) is None


def test_certificates_and_names_are_checked_unless_told_otherwise() -> None:
    context = tls_context({"security_protocol": "SSL"})
    assert context is not None
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    lenient = tls_context({"security_protocol": "SSL", "ssl_check_hostname": False})
    assert lenient is not None
    assert (lenient.check_hostname, lenient.verify_mode) == (False, ssl.CERT_REQUIRED)


@pytest.mark.parametrize(
    ("name", "variable"), [("ssl_cafile", "KAFKA_SSL_CAFILE"), ("ssl_certfile", "KAFKA_SSL_CERTFILE")]
)
def test_files_that_hold_no_certificates_are_refused_without_their_content(
    tmp_path: Path, name: str, variable: str
) -> None:
    (tmp_path / "file").write_text("hunter2")
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        tls_context({"security_protocol": "SSL", name: str(tmp_path / "file")})
    assert variable in caught.value.remedy
    assert "hunter2" not in str(caught.value)

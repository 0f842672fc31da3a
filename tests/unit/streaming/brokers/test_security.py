"""Which security settings are taken, and how loud a client's logger may be."""

import logging

import pytest

from features.errors import ConfigurationError
from streaming.brokers.security import check_known, keep_payloads_out_of_logs


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

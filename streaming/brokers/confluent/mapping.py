"""From the client's world to ours: errors, and the logger that it writes to."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from features.errors import BrokerUnavailable
from streaming.brokers import failures

LOG = logging.getLogger("librdkafka")
LOGIN_REFUSED = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
_SETTINGS = {KafkaError._INVALID_ARG, KafkaError._UNKNOWN_PROTOCOL, KafkaError._CRIT_SYS_RESOURCE}


@contextmanager
def mapped(bootstrap: str, what: str) -> Iterator[None]:
    """Turn the client's errors into ours, each with the standard text of its code: its own may quote a setting."""
    try:
        yield
    except (KafkaException, BufferError) as exc:
        error = exc.args[0] if exc.args and isinstance(exc.args[0], KafkaError) else None
        if error is not None and error.code() in _SETTINGS:
            raise failures.refused_settings(what) from exc
        raise unavailable(bootstrap, what, error) from exc


def unavailable(bootstrap: str, what: str, error: KafkaError | None) -> BrokerUnavailable:
    """The error for something that the broker did not do."""
    if error is not None and error.code() in LOGIN_REFUSED:
        return failures.login_refused(bootstrap)
    if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return failures.too_large(bootstrap, what)
    reason = KafkaError(error.code()).str() if error is not None else "too much is waiting to be sent"
    return failures.unavailable(bootstrap, what, reason)

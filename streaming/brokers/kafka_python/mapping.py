"""From the client's world to ours: errors and log lines."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# kafka-python ships no type information and there are no stubs for it.
from kafka import errors as kafka_errors  # type: ignore[import-untyped]

from features.errors import BrokerUnavailable, ConfigurationError


@contextmanager
def mapped(bootstrap: str, what: str) -> Iterator[None]:
    """Turn the client's errors into ours. Their text is left out: it may quote a request and with it a secret."""
    try:
        yield
    except kafka_errors.KafkaConfigurationError as error:
        raise ConfigurationError(
            f"The Kafka client cannot {what} with these settings.",
            remedy="Check the security settings and the client options.",
        ) from error
    except (kafka_errors.KafkaError, OSError) as error:
        reason = getattr(error, "description", None) or type(error).__name__
        raise BrokerUnavailable(
            f"The broker at {bootstrap} did not {what}: {reason}.",
            remedy="Check that it runs, that KAFKA_BOOTSTRAP names it, and its topics, limits and access rules.",
        ) from error


def keep_payloads_out_of_logs() -> None:
    """Keep the client's loggers off DEBUG, where they print keys, values and passwords, and quiet unless asked."""
    client_log = logging.getLogger("kafka")
    if client_log.level == logging.NOTSET:
        client_log.setLevel(logging.ERROR)
    elif client_log.level < logging.INFO:
        client_log.setLevel(logging.INFO)

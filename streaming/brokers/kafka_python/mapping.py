"""From the client's world to ours: errors, and the logger that it writes to."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# kafka-python ships no type information and there are no stubs for it.
from kafka import errors as kafka_errors  # type: ignore[import-untyped]

from features.errors import BrokerUnavailable, ConfigurationError

LOG = logging.getLogger("kafka")


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

"""From the client's world to ours: errors, and the logger that it writes to."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# kafka-python ships no type information and there are no stubs for it.
from kafka import errors as kafka_errors  # type: ignore[import-untyped]

from streaming.brokers.failures import login_refused, refused_settings, too_large, unavailable

LOG = logging.getLogger("kafka")


@contextmanager
def mapped(bootstrap: str, what: str) -> Iterator[None]:
    """Turn the client's errors into ours, each with the reason that its kind stands for."""
    try:
        yield
    except kafka_errors.KafkaConfigurationError as error:
        raise refused_settings(what) from error
    except kafka_errors.SaslAuthenticationFailedError as error:
        raise login_refused(bootstrap) from error
    except (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError) as error:
        raise too_large(bootstrap, what) from error
    except (kafka_errors.KafkaError, OSError) as error:
        reason = getattr(error, "description", None) or type(error).__name__
        raise unavailable(bootstrap, what, reason) from error

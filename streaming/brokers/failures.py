"""What every Kafka client says of a failure. Its own text is left out: it may quote a request, and with it a secret."""

from features.errors import BrokerUnavailable, ConfigurationError, MessageTooLarge


def unavailable(bootstrap: str, what: str, reason: str) -> BrokerUnavailable:
    """The error for ``what`` the broker at ``bootstrap`` did not do."""
    return BrokerUnavailable(
        f"The broker at {bootstrap} did not {what}: {reason}.",
        remedy="Check that it runs, that KAFKA_BOOTSTRAP names it, and its topics, limits and access rules.",
    )


def too_large(bootstrap: str, what: str) -> MessageTooLarge:
    """The error for a message that is larger than its topic takes."""
    return MessageTooLarge(
        f"The broker at {bootstrap} did not {what}: a message is larger than its topic takes.",
        remedy="Send less, or raise max.message.bytes of the topic; key and headers count.",
    )


def login_refused(bootstrap: str) -> BrokerUnavailable:
    """The error for credentials that the broker does not take."""
    return BrokerUnavailable(
        f"The broker at {bootstrap} did not accept the login.",
        remedy="Check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM.",
    )


def refused_settings(what: str) -> ConfigurationError:
    """The error for settings with which a client cannot do ``what``."""
    return ConfigurationError(
        f"The Kafka client cannot {what} with these settings.",
        remedy="Check the security settings and the client options.",
    )

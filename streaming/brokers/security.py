"""Secrets of a Kafka client: which settings are taken, and that neither they nor payloads come to light in logs."""

import logging
from collections.abc import Collection

from features.errors import ConfigurationError


def check_known(security: Collection[str], known: Collection[str]) -> None:
    """Raise `ConfigurationError` for a security setting that is not ``known``.

    Takes the names and quotes them alone, for the values are secrets.
    """
    unknown = sorted(set(security) - set(known))
    if unknown:
        raise ConfigurationError(
            f"Unknown Kafka security settings: {', '.join(unknown)}.", remedy=f"Known: {', '.join(sorted(known))}."
        )


def keep_payloads_out_of_logs(client_log: logging.Logger) -> None:
    """Keep a client's logger off DEBUG, where it prints payloads and settings, and quiet unless asked."""
    if client_log.level == logging.NOTSET:
        client_log.setLevel(logging.ERROR)
    elif client_log.level < logging.INFO:
        client_log.setLevel(logging.INFO)

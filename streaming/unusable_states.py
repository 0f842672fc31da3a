"""Says in the log which feature states were given up, each once, without the key that they belong to."""

import hashlib
from collections.abc import Iterable

import structlog

from features.engine import UnusableState

log = structlog.get_logger(__name__)
LIMIT = 1_000  # states named in the log; a new version makes all of them unusable, and metrics count them anyway


class UnusableStates:
    """Remembers what it has logged: a service meets the same state with every request until the worker replaces it."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str, str]] = set()

    def log(self, found: Iterable[UnusableState]) -> None:
        """Log the states that were not logged before, up to `LIMIT` of them."""
        for entity, key, defect in found:
            known = entity, key_digest(key), defect.kind
            if known in self._logged or len(self._logged) >= LIMIT:
                continue
            self._logged.add(known)
            log.warning(
                "a feature state cannot be used; its entity counts as unknown",
                entity=entity,
                key_sha256=known[1],
                kind=defect.kind,
                reason=defect.message,
            )
            if len(self._logged) == LIMIT:
                log.warning("more feature states cannot be used; from here on they are only counted", logged=LIMIT)


def key_digest(key: str) -> str:
    """Return what stands for an entity key in the log: the first 12 digits of its sha-256 (hex)."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]

"""The online feature store's seam: packed entity states by entity and key."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

Entity = Literal["card", "merchant", "device", "ip", "customer"]
ENTITIES: tuple[Entity, ...] = ("card", "merchant", "device", "ip", "customer")
States = Mapping[Entity, Mapping[str, bytes]]
UNREADABLE = b""  # stands for a stored value that holds no state: the engine takes its entity as unknown, and says so


class FeatureStore(Protocol):
    """Holds one packed state (opaque bytes) per entity and key.

    Single writer per key. A write replaces the state; when ``write`` returns it is durable and visible to ``read``.
    Both raise `features.errors.StoreUnavailable` when the store does not answer or is damaged as a whole; one value
    that is damaged is read as `UNREADABLE` and can be replaced like any other.
    """

    def warm_up(self) -> None:
        """Pay first-call costs now, so that the first transaction does not."""

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> dict[Entity, dict[str, bytes]]:
        """Return the states found, by entity and key; unknown keys are absent. Duplicate keys are allowed."""

    def write(self, states: States, as_of: datetime) -> None:
        """Replace states in one micro-batch; ``as_of`` (UTC) is the newest event time folded in."""

    def close(self) -> None:
        """Release connections; the store must not be used afterwards."""

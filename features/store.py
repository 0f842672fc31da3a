"""The online feature store's seam: packed entity states by entity and key."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

Entity = Literal["card", "merchant", "device", "ip", "customer"]
ENTITIES: tuple[Entity, ...] = ("card", "merchant", "device", "ip", "customer")
States = Mapping[Entity, Mapping[str, bytes]]
Found = dict[Entity, dict[str, bytes]]
HISTORY_OF = "history of "  # how a store is claimed that holds a back-filled history and nothing of the ledger yet
UNREADABLE = b""  # stands for a stored value that holds no state: the engine takes its entity as unknown, and says so


class FeatureStore(Protocol):
    """Holds one packed state (opaque bytes) per entity and key.

    Several processes may read and replace states at once. When ``replace`` returns, what it replaced is durable and
    visible to ``read``. All raise `features.errors.StoreUnavailable` when the store does not answer or is damaged as a
    whole; one value that is damaged is read as `UNREADABLE` and can be replaced like any other.
    """

    def warm_up(self) -> None:
        """Pay first-call costs now, so that the first transaction does not."""

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> Found:
        """Return the states found, by entity and key; unknown keys are absent. Duplicate keys are allowed."""

    def replace(self, states: States, read: States, as_of: datetime) -> Found:
        """Replace those states that are still as they were ``read``; return the others as they are now.

        ``read`` lacks the states that were not there. Each state is compared and replaced in one step, so of two
        writers that read the same one, the second is told. ``as_of`` (UTC) is the newest event time folded in.
        """

    def write(self, states: States, as_of: datetime) -> None:
        """Replace states whatever is there, as `replace` does otherwise: for loading a history before payments flow."""

    def owner(self) -> str | None:
        """Return what `claim` said last; None for a store that is new, or has lost everything it held."""

    def claim(self, owner: str) -> None:
        """Say whose states these are: the ledger's that they are folded from.

        From then on, and in every process that warmed up on a claimed store, one that has lost its states, and the
        claim with them, raises `features.errors.StoreEmptied` instead of looking like one that knows nobody.
        """

    def refill(self) -> bool:
        """Take, or go on with, the task of filling a store that was emptied; True for one process at a time.

        That process may read and replace from then on, until it ends the task with `claim`. It calls again every few
        seconds, or another may take over. False to who had it: the store was emptied again, perhaps; begin anew.
        """

    def close(self) -> None:
        """Release connections; the store must not be used afterwards."""

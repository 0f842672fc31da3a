"""What a payment has to do with a ring: the seam between decisions and rings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from features.transaction import Transaction
from models.decision import Ring


@dataclass(frozen=True, slots=True)
class Touch:
    """A ring that a payment touches, and the reason code that its decision carries."""

    ring: Ring
    code: str


class RingLookup(Protocol):
    """What scoring asks; safe to ask in any thread."""

    def touch(self, transactions: Sequence[Transaction]) -> list[Touch | None]:
        """Return the ring that each of ``transactions`` touches, the one with the highest score; None without one."""

    def is_stale(self, now: datetime) -> bool:
        """Tell whether the rings are too old at ``now`` (UTC) to say that a payment touches none."""

"""Asks which rings payments touch, within its share of the reply's budget."""

from collections.abc import Sequence
from datetime import datetime

from features.transaction import Transaction
from models.decision import Ring
from models.rings.touch import RingLookup, Touch
from streaming.bounded_call import BoundedCall

RINGS_STAGE = "rings"
TIMEOUT_S = 0.01  # of the 100 ms; a snapshot in memory takes microseconds a payment


class RingStage:
    """Rings of payments, or that they cannot be told: too slow, failing or too old.

    Without rings to ask, because nobody has looked for any yet, payments touch none. While an answer that was not
    waited for is still being made, nothing is asked.
    """

    def __init__(self, rings: RingLookup | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._rings = rings
        self._call = BoundedCall("rings", timeout_s)

    def use(self, rings: RingLookup) -> None:
        """Ask these from the next micro-batch on; safe in any thread."""
        self._rings = rings

    def touch(self, transactions: Sequence[Transaction], now: datetime) -> list[Touch | None] | None:
        """Return the ring that each of ``transactions`` touches; None where that cannot be told at ``now`` (UTC)."""
        rings = self._rings
        if rings is None:
            return [None] * len(transactions)
        return None if rings.is_stale(now) else self._call.ask(rings.touch, transactions)

    def close(self) -> None:
        """End the thread after the question in hand."""
        self._call.close()


def carried(touch: Touch | None) -> tuple[Ring | None, tuple[str, ...]]:
    """Return the ring and the reason codes that a decision carries for what its payment touches."""
    return (touch.ring, (touch.code,)) if touch else (None, ())

"""Asks which rings payments touch, within its share of the reply's budget."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

import structlog

from features.transaction import Transaction
from models.decision import Ring
from models.rings.touch import RingLookup, Touch

log = structlog.get_logger(__name__)
RINGS_STAGE = "rings"
TIMEOUT_S = 0.01  # of the 100 ms; a snapshot in memory takes microseconds a payment


class RingStage:
    """Rings of payments, or that they cannot be told: too slow, failing or too old.

    Without rings to ask, because nobody has looked for any yet, payments touch none. While an answer that was not
    waited for is still being made, nothing is asked.
    """

    def __init__(self, rings: RingLookup | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._rings = rings
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rings")
        self._late: Future[list[Touch | None]] | None = None

    def use(self, rings: RingLookup) -> None:
        """Ask these from the next micro-batch on; safe in any thread."""
        self._rings = rings

    def touch(self, transactions: Sequence[Transaction], now: datetime) -> list[Touch | None] | None:
        """Return the ring that each of ``transactions`` touches; None where that cannot be told at ``now`` (UTC)."""
        rings = self._rings
        if rings is None:
            return [None] * len(transactions)
        if rings.is_stale(now) or not (self._late is None or self._late.done()):
            return None
        call = self._thread.submit(rings.touch, transactions)
        try:
            return call.result(self._timeout_s)
        except TimeoutError:
            self._late = call
        except Exception:  # whatever a lookup meets must not hold up a payment
            log.exception("rings cannot be told")
        return None

    def close(self) -> None:
        """End the thread after the question in hand."""
        self._thread.shutdown(wait=True)


def carried(touch: Touch | None) -> tuple[Ring | None, tuple[str, ...]]:
    """Return the ring and the reason codes that a decision carries for what its payment touches."""
    return (touch.ring, (touch.code,)) if touch else (None, ())

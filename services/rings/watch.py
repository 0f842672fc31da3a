"""Takes the newest ring snapshot into service while the process runs.

A thread looks every few seconds whether `ringfence rings find` has left a newer one. Reading and indexing happen there;
decisions only ever see one finished index in exchange for another. A damaged snapshot is refused, and the one before
stays in use; where there is none before, decisions say that rings could not be told.
"""

from collections.abc import Sequence
from datetime import datetime
from threading import Event as Flag
from threading import Thread
from types import TracebackType
from typing import Self

import structlog

from features.errors import StateError
from features.transaction import Transaction
from models.rings.communities.index import index_of
from models.rings.communities.snapshot import load_snapshot, moments
from models.rings.touch import Touch
from services.state_directory import StateDirectory
from streaming.ring_stage import RingStage

log = structlog.get_logger(__name__)
INTERVAL_S = 5.0


class RingWatch:
    """Keeps ``stage`` at the newest snapshot of a state directory."""

    def __init__(self, state: StateDirectory, stage: RingStage, *, interval_s: float = INTERVAL_S) -> None:
        self._directory = state.rings
        self._stage = stage
        self._interval_s = interval_s
        self._tried: datetime | None = None
        self._has_rings = False
        self._stop = Flag()
        self._thread = Thread(target=self._run, name="ring-watch", daemon=True)

    def __enter__(self) -> Self:
        """Look at once, then every ``interval_s`` seconds."""
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the thread, once it is done with what it is loading."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Take the newest snapshot into service if it is another than at the last look."""
        try:
            known = moments(self._directory)
            if not known or known[-1] == self._tried:
                return
            self._tried = known[-1]
            snapshot = load_snapshot(self._directory, known[-1])
        except (StateError, OSError) as error:
            log.error("a ring snapshot is refused; the one before stays in use", error=str(error))
            if not self._has_rings:
                self._stage.use(_Unreadable())
            return
        self._stage.use(index_of(snapshot))
        self._has_rings = True
        log.info("rings are in service", version=snapshot.version, at=str(snapshot.at), rings=len(snapshot.rings))

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self.look()
            except Exception:  # the thread must outlive whatever it meets; the rings in use stay
                log.exception("looking for other rings failed")


class _Unreadable:
    """Rings that nobody can tell."""

    def touch(self, transactions: Sequence[Transaction]) -> list[Touch | None]:
        """Return nothing for each; never asked, being stale."""
        return [None] * len(transactions)

    def is_stale(self, now: datetime) -> bool:  # noqa: ARG002 (they always are)
        """Say that they are too old to tell."""
        return True

"""Brings feature states up to what the ledger holds, beside the decisions, which go on without history meanwhile.

It is behind after a start or a take-over, and after the store was slow or away. A store that comes back empty is filled
again from the ledger's first event on, by one worker; the others wait for it.
"""

from collections.abc import Iterable, Mapping
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic

import structlog

from features.errors import ConfigurationError, LedgerUnavailable, StoreEmptied, StoreUnavailable
from features.events import first_seq, source_of
from monitoring.metrics import Metrics
from streaming.ledger import Ledger
from streaming.observing import observe_unusable
from streaming.scoring import Scoring
from streaming.state_claim import StateClaim

log = structlog.get_logger(__name__)
SLICE = 512  # events folded at a time
NEAR = 192  # events that a micro-batch itself folds rather than be decided without history
IN_PASSING = 128  # events folded between two micro-batches: what they wait for it leaves room in the 100 ms
LEFT_ALONE_S = 0.25  # after which the thread takes over from micro-batches that no longer come
TOO_SLOW_S = 1.0  # for which the store is left to the thread after it took too long
RETRY_S = 0.5
PATIENCE_S = 0.025  # of the 100 ms: what a micro-batch waits for the thread to end its slice


class CatchUp:
    """Folds what the ledger holds beyond what is in the states for certain, source by source.

    `ask` says how far the states have to come, `advance` does the work: in a thread of its own once `start` was called.
    """

    def __init__(self, ledger: Ledger, scoring: Scoring, metrics: Metrics) -> None:
        self._ledger = ledger
        self._scoring = scoring
        self._metrics = metrics
        self._durable: dict[int, int] = {}
        self._wanted: dict[int, int] = {}
        self._claim = StateClaim(ledger, scoring.store)
        self._complaint = ""
        self._passed_at = -LEFT_ALONE_S
        self._too_slow_until = 0.0
        self._lock = Lock()
        self._working = Lock()
        self._wake, self._stop = Flag(), Flag()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Work in a thread from now on; raises `ConfigurationError` for a store that holds another ledger's states."""
        try:
            self._claim.find_out()
        except StoreUnavailable as error:
            self._complain(error)
        if self._claim.is_filling:
            self.advance()  # with an empty ledger that is all there is to it: the first payment has its history
        self._thread = Thread(target=self._run, name="catch-up", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread after the slice in hand."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def resume(self, checkpoints: Mapping[int, int]) -> None:
        """Take note of what the ledger says is durable, and of what has to be: the same, until `ask` says more."""
        self.done(checkpoints.values())

    def done(self, seqs: Iterable[int]) -> None:
        """Take note that states hold everything up to these, of their sources."""
        with self._lock:
            for seq in seqs:
                self._durable[source_of(seq)] = max(seq, self._durable.get(source_of(seq), 0))

    def reached(self, sources: Iterable[int]) -> list[int]:
        """Return the ``seq`` through which states are durable, of each source where any is."""
        with self._lock:
            return [self._durable[source] for source in sources if source in self._durable]

    def ask(self, last: Mapping[int, int]) -> bool:
        """Say how far states have to come; return whether they are there, now or in a moment."""
        with self._lock:
            self._wanted = dict(last)
            there = self._is_there()
            gap = sum(seq - self._at(source) for source, seq in last.items())
        if not there and self._thread is not None:
            self._wake.set()
            self._scoring.store.settle(PATIENCE_S)
            if gap <= NEAR and not self._scoring.store.is_open:
                there = self._hurry()
        if self._thread is None:
            while not self._is_there() and self.advance():
                pass
            there = self._is_there()
        self._metrics.states_behind(not there)
        return there

    def _hurry(self) -> bool:
        """Fold what little is missing here and now, within the store's share of the budget; return whether it is in.

        A thread alone would never be done: while it folds one micro-batch, the next is decided without history.
        """
        if not self._working.acquire(timeout=PATIENCE_S):
            return False
        try:
            return self._claim.holds and self._hurried()
        finally:
            self._working.release()

    def _hurried(self) -> bool:
        try:
            while (reached := self._fold_behind(patient=False)) is not None:
                self.done([reached])
        except (StoreUnavailable, LedgerUnavailable):
            return False
        return True

    def in_passing(self) -> None:
        """Fold a little of what is missing, between two micro-batches decided without history.

        Under a load that leaves a thread little time the gap would otherwise stay for ever, so the thread makes room.
        """
        if self._thread is None or self._scoring.store.is_open or monotonic() < self._too_slow_until:
            return
        self._passed_at = monotonic()
        if not self._working.acquire(blocking=False):
            return
        try:
            if self._claim.holds and (reached := self._fold_behind(limit=IN_PASSING, patient=False)) is not None:
                self.done([reached])
        except (StoreUnavailable, LedgerUnavailable):
            self._passed_at = -LEFT_ALONE_S  # the thread goes on, which has patience
            self._too_slow_until = monotonic() + TOO_SLOW_S
        finally:
            self._working.release()

    def advance(self) -> bool:
        """Fold one slice; return whether that could be done."""
        with self._working:
            return self._advance()

    def _advance(self) -> bool:
        try:
            self._claim.find_out()
            if self._claim.is_filling:
                filled = self._claim.fill(self._fold_patiently)
                self.done(filled or ())
                return filled is not None
            if (reached := self._fold_behind()) is not None:
                self._ledger.save_checkpoints([reached])
                self.done([reached])
        except StoreEmptied as error:
            self._claim.lose()
            self._complain(error)
        except (StoreUnavailable, LedgerUnavailable) as error:
            self._complain(error)
        else:
            self._complaint = ""
            return True
        return False

    def _complain(self, error: Exception) -> None:
        """Log why states are behind, once."""
        if self._complaint != str(error):
            self._complaint = str(error)
            log.warning("feature states are behind", error=str(error))

    def _at(self, source: int) -> int:
        return self._durable.get(source, first_seq(source))

    def _behind(self) -> tuple[int, int] | None:
        """Return the source whose states are the furthest behind, and how far they have to come."""
        with self._lock:
            gaps = {source: seq - self._at(source) for source, seq in self._wanted.items()}
            source = max(gaps, key=gaps.__getitem__, default=None)
            return None if source is None or gaps[source] <= 0 else (source, self._wanted[source])

    def _is_there(self) -> bool:
        there = all(self._at(source) >= seq for source, seq in self._wanted.items())
        return there and self._claim.holds

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            while not self._stop.is_set() and not self._is_there():
                if not self._claim.is_filling and monotonic() < self._passed_at + LEFT_ALONE_S:
                    self._stop.wait(LEFT_ALONE_S)
                elif self._scoring.store.is_open or not self._advanced():
                    self._stop.wait(RETRY_S)

    def _advanced(self) -> bool:
        """Advance; a store that has become another ledger's is left alone, and decisions go on without it."""
        try:
            return self.advance()
        except ConfigurationError as error:
            self._complain(error)
            return False

    def _fold_behind(self, *, limit: int = SLICE, patient: bool = True) -> int | None:
        """Fold a slice of the source that is furthest behind; return how far it went, None if none is behind."""
        if (behind := self._behind()) is None:
            return None
        source, seq = behind
        return self._fold(self._at(source), seq, limit=limit, patient=patient)

    def _fold_patiently(self, after: int, until: int) -> int:
        return self._fold(after, until, limit=SLICE, patient=True)

    def _fold(self, after: int, until: int, *, limit: int, patient: bool) -> int:
        """Fold a slice of a source's events; return how far it went."""
        events = self._ledger.events_after(after, limit)
        if not events:
            return until
        observe_unusable(self._metrics, self._scoring.refold(events, patient=patient))
        return events[-1].seq

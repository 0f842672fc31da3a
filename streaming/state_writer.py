"""Writes the feature states of a micro-batch while the worker publishes it and polls the next."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import structlog

from features.errors import StoreUnavailable
from features.events import Event
from features.store import States
from monitoring.metrics import Metrics
from streaming.catch_up import CatchUp
from streaming.scoring import Clock, Scored, Scoring

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Written:
    """How many states another worker had changed, how long it took, and when it was done."""

    changed: int
    seconds: float
    at: datetime


class StateWriter:
    """One write at a time, in a thread of its own.

    The next micro-batch takes `fresh` states from here instead of reading them. Should another worker have changed one
    meanwhile, its own write finds that out and folds it anew, too. Call `settle` before whatever tells that states are
    durable.
    """

    def __init__(self, scoring: Scoring, states: CatchUp, metrics: Metrics, clock: Clock) -> None:
        self._scoring = scoring
        self._states = states
        self._metrics = metrics
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state-writer")
        self._others_write = False
        self._going_on: tuple[Future[_Written], Scored, Sequence[Event]] | None = None

    @property
    def fresh(self) -> States | None:
        """The states that are being written; None while no write goes on.

        None, too, where other workers have just changed some: only the store knows theirs.
        """
        if self._going_on is not None and (self._going_on[0].done() or self._others_write):
            self.settle()
        return self._going_on[1].states if self._going_on is not None else None

    def begin(self, scored: Scored, events: Sequence[Event]) -> None:
        """Write the states that ``events`` led to, after the write before; not if that failed: they rest on it."""
        if self.settle():
            self._going_on = self._thread.submit(self._write, scored, events), scored, events

    def settle(self) -> bool:
        """Wait for the write that is going on, if any; return whether it worked.

        A store that does not answer in time leaves the states behind, to be caught up.
        """
        if self._going_on is None:
            return True
        (future, scored, events), self._going_on = self._going_on, None
        try:
            written = future.result()
        except StoreUnavailable as error:
            log.warning("feature states are behind", error=str(error))
            return False
        self._others_write = written.changed > 0
        self._states.done(event.seq for event in events)
        self._metrics.stage("store_write", written.seconds)
        self._metrics.state_conflicts(written.changed)
        if scored.decisions:
            self._metrics.feature_freshness((written.at - scored.decisions[0].decided_at).total_seconds())
        return True

    def close(self) -> None:
        """Let the write that is going on end."""
        self._thread.shutdown(wait=True)

    def _write(self, scored: Scored, events: Sequence[Event]) -> _Written:
        started = perf_counter()
        changed = self._scoring.write(scored, events)
        return _Written(changed, perf_counter() - started, self._clock())

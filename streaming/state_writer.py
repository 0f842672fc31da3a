"""Writes the feature states of micro-batches while the worker publishes them and decides the next."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
MOST = 256  # events whose states wait for a write: how much there is to catch up if it fails


@dataclass(frozen=True, slots=True)
class _Change:
    """What ``events`` made of the states ``read``, and when the first of them was decided, if they were."""

    states: States
    read: States
    events: tuple[Event, ...]
    decided_at: datetime | None

    def then(self, later: "_Change") -> "_Change":
        """Return both as one: what was read before the first, and what there is after the second."""
        return _Change(
            _overlaid(self.states, later.states),
            _overlaid(later.read, self.read),  # a state that was not there before the first is replaced all the same
            self.events + later.events,
            self.decided_at or later.decided_at,
        )


class StateWriter:
    """One write at a time, in a thread of its own; what comes meanwhile is gathered into the next.

    A micro-batch takes `fresh` states from here instead of reading them. Should another worker have changed one
    meanwhile, its own write finds that out and folds it anew, too. Call `settle` before whatever tells that states are
    durable.
    """

    def __init__(self, scoring: Scoring, states: CatchUp, metrics: Metrics, clock: Clock) -> None:
        self._scoring = scoring
        self._states = states
        self._metrics = metrics
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state-writer")
        self._going_on: Future[int] | None = None
        self._waiting: _Change | None = None
        self._fresh: States | None = None
        self._lost = False  # whether a write has failed since `fresh` was asked for
        self._others_write = False

    @property
    def fresh(self) -> States | None:
        """The states that are on their way; None while there are none.

        None, too, where other workers have just changed some: only the store knows theirs.
        """
        self._go_on()
        if self._others_write:
            self.settle()
        self._lost = False
        return self._fresh

    def begin(self, scored: Scored, events: Sequence[Event]) -> None:
        """Write the states that ``events`` led to, after those before; not if that failed: they rest on them.

        Waits only where too many would wait.
        """
        decided_at = scored.decisions[0].decided_at if scored.decisions else None
        change = _Change(scored.states or {}, scored.read, tuple(events), decided_at)
        if self._waiting is not None and len(self._waiting.events) + len(events) > MOST:
            self.settle()
        self._go_on()
        if self._lost:
            return
        if self._going_on is None:
            self._submit(change)
        else:
            self._waiting = change if self._waiting is None else self._waiting.then(change)
            self._fresh = _overlaid(self._fresh or {}, change.states)

    def settle(self, timeout_s: float | None = None) -> None:
        """Wait until everything is written, or a write has failed; ``timeout_s`` at most for each write."""
        while self._going_on is not None and wait([self._going_on], timeout_s).done:
            self._go_on()

    def abandon(self) -> None:
        """Let no micro-batch rest on what is on its way: it lacks one. What waits is left to be caught up."""
        self._going_on = self._waiting = self._fresh = None

    def close(self) -> None:
        """Let the write that is going on end."""
        self._thread.shutdown(wait=True)

    def _go_on(self) -> None:
        """Take note of a write that has ended, and begin the next.

        A store that does not answer in time leaves the states behind, to be caught up.
        """
        if self._going_on is None or not self._going_on.done():
            return
        ended, waiting = self._going_on, self._waiting
        self.abandon()
        try:
            self._others_write = ended.result() > 0
        except StoreUnavailable as error:
            log.warning("feature states are behind", error=str(error))
            self._lost = True
            return
        if waiting is not None:
            self._submit(waiting)

    def _submit(self, change: _Change) -> None:
        self._going_on, self._fresh = self._thread.submit(self._write, change), change.states

    def _write(self, change: _Change) -> int:
        """Write, and say so; return how many states another worker had changed."""
        started = perf_counter()
        changed = self._scoring.write(change.states, change.read, change.events)
        self._states.done(event.seq for event in change.events)
        self._metrics.stage("store_write", perf_counter() - started)
        self._metrics.state_conflicts(changed)
        if change.decided_at is not None:
            self._metrics.feature_freshness((self._clock() - change.decided_at).total_seconds())
        return changed


def _overlaid(below: States, above: States) -> States:
    """Return the states of both, those of ``above`` where both have one."""
    return {entity: {**below.get(entity, {}), **above.get(entity, {})} for entity in {**below, **above}}

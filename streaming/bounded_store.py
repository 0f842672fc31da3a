"""A feature store that keeps to its share of the reply's budget, behind a circuit breaker."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

from features.errors import StoreUnavailable
from features.store import Entity, FeatureStore, Found, States

FIRST_OPEN_S, OPEN_S = 0.05, 1.0  # how long the circuit stays open after a first failure, and at most
BESIDE = 5  # times the time-out: what a write may take that no reply waits for
T = TypeVar("T")


class _TooSlow(StoreUnavailable):
    """The call was cut off."""


class BoundedStore:
    """A feature store whose calls are cut off after ``timeout_s`` seconds each, those beside the decisions later.

    While a call that was cut off still runs the circuit is open, and after reads for a moment that doubles with each in
    a row, up to a second: every other call fails at once. So a store that hiccups is back at once, one that is slow
    costs its budget once a second, not once a transaction, and one that refuses at once costs nothing. A replace that
    was cut off is likely still done; folding the same events again finds that out.

    `patient` gives the store to whoever nobody waits for.
    """

    def __init__(self, store: FeatureStore, timeout_s: float, *, now: Callable[[], float] = monotonic) -> None:
        self.patient = store
        self._timeout_s = timeout_s
        self._now = now
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="feature-store")  # one reads while the other writes
        self._late: list[Future[Any]] = []
        self._closed_from = 0.0
        self._slow_reads = 0  # in a row

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open: calls would fail at once."""
        self._late = [call for call in self._late if not call.done()]
        return bool(self._late) or self._now() < self._closed_from

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> Found:
        """Return the states found in time, or raise `StoreUnavailable`."""
        try:
            found = self._call("read", self.patient.read, keys)
        except _TooSlow:
            self._closed_from = self._now() + min(FIRST_OPEN_S * 2**self._slow_reads, OPEN_S)
            self._slow_reads = min(self._slow_reads + 1, 10)
            raise
        self._slow_reads = 0
        return found

    def replace(self, states: States, read: States, as_of: datetime) -> Found:
        """Replace states that are as they were read, and return the others, or raise `StoreUnavailable`."""
        return self._call("write", self.patient.replace, states, read, as_of)

    def replace_beside(self, states: States, read: States, as_of: datetime) -> Found:
        """Replace as `replace` does, beside the decisions: no reply waits for it, so it may take longer."""
        return self._call("write", self.patient.replace, states, read, as_of, times=BESIDE)

    def settle(self, timeout_s: float) -> None:
        """Wait a little for calls that were cut off."""
        wait(self._late, timeout_s)

    def close(self) -> None:
        """Let running calls end, then close the store."""
        self._threads.shutdown(wait=True)
        self.patient.close()

    def _call(self, what: str, function: Callable[..., T], *arguments: object, times: int = 1) -> T:
        if self.is_open:
            raise StoreUnavailable("The feature store took too long a moment ago; it is left alone for now.")
        call = self._threads.submit(function, *arguments)
        try:
            return call.result(times * self._timeout_s)
        except TimeoutError:
            self._late.append(call)
            raise _TooSlow(
                f"The feature store took more than {times * self._timeout_s * 1000:.0f} ms to {what}.",
                remedy="Look at its load and its network; decisions go on without history meanwhile.",
            ) from None

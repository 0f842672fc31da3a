"""Reads of feature states that never take longer than their share of the reply's budget."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from features.errors import StoreUnavailable
from features.store import Entity, FeatureStore, States

_Found = dict[Entity, dict[str, bytes]]


class BoundedStore:
    """A feature store whose reads are cut off after ``read_timeout_s`` seconds.

    While a read that was cut off is still running, further reads fail at once: a slow store costs its budget once, not
    once a transaction. Writes wait for the store; they come after the reply.
    """

    def __init__(self, store: FeatureStore, read_timeout_s: float) -> None:
        self._store = store
        self._timeout_s = read_timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feature-store")
        self._late: Future[_Found] | None = None

    def warm_up(self) -> None:
        """Pay first-call costs now, without a time limit."""
        self._thread.submit(self._store.warm_up).result()

    def read(self, keys: Mapping[Entity, Sequence[str]]) -> _Found:
        """Return the states found in time, or raise `StoreUnavailable`."""
        if self._late is not None:
            if not self._late.done():
                raise StoreUnavailable("The feature store is still busy with a read that took too long.")
            self._late = None
        read = self._thread.submit(self._store.read, keys)
        try:
            return read.result(self._timeout_s)
        except TimeoutError:
            self._late = read
            raise StoreUnavailable(
                f"The feature store took more than {self._timeout_s * 1000:.0f} ms to read.",
                remedy="Look at its load and its network; decisions go on without history meanwhile.",
            ) from None

    def read_patiently(self, keys: Mapping[Entity, Sequence[str]]) -> _Found:
        """Return the states found, however long it takes: for catching up, where nobody waits for a reply."""
        return self._thread.submit(self._store.read, keys).result()

    def write(self, states: States, as_of: datetime) -> None:
        """Write states; returns when they are durable."""
        self._thread.submit(self._store.write, states, as_of).result()

    def close(self) -> None:
        """Let the running call end, then close the store."""
        self._thread.shutdown(wait=True)
        self._store.close()

"""Whose feature states the store holds; and filling a store that came back empty."""

from collections.abc import Callable

import structlog

from features.errors import ConfigurationError, StoreUnavailable
from features.events import first_seq
from features.store import HISTORY_OF
from streaming.bounded_store import BoundedStore
from streaming.ledger import Ledger

log = structlog.get_logger(__name__)
# Folds the events of one source after a ``seq`` up to another and returns how far it went.
FoldSlice = Callable[[int, int], int]


class StateClaim:
    """What this process knows of the store: nothing yet, that its states are the ledger's, or that it is to fill it."""

    def __init__(self, ledger: Ledger, store: BoundedStore) -> None:
        self._ledger = ledger
        self._store = store
        self._is_known = False
        self._is_filling = False
        self._filled: dict[int, int] = {}  # how far each source has come with that

    @property
    def holds(self) -> bool:
        """Whether the states are those of the ledger, as far as they go."""
        return self._is_known and not self._is_filling

    @property
    def is_filling(self) -> bool:
        """Whether this process is filling the store."""
        return self._is_filling

    def lose(self) -> None:
        """Take note that the store is empty again."""
        self._is_known = False

    def find_out(self) -> None:
        """Find out whose states the store holds, unless that is known; take on the filling of an empty one.

        Raises `ConfigurationError` for another ledger's states, `StoreUnavailable` where this process can do nothing.
        """
        if self._is_known:
            return
        store, identity = self._store.patient, self._ledger.identity()
        owner = store.owner()
        if owner == identity:
            self._is_filling = False
        elif owner is not None and owner != HISTORY_OF + identity:
            raise ConfigurationError(
                "The feature store holds the states of another ledger.",
                remedy="Check REDIS_URL and LEDGER_URL, or give the new ledger an empty store.",
            )
        elif owner is None and self._ledger.has_history():
            raise StoreUnavailable(
                "The feature store has lost its states, and a history that was back-filled is not in the ledger.",
                remedy="Run the same `ringfence backfill` again; the worker does the rest.",
            )
        elif not store.refill():
            raise StoreUnavailable("The feature store is being filled by another worker.")
        else:
            self._is_filling, self._filled = True, {}
        self._is_known = True

    def fill(self, fold: FoldSlice) -> list[int] | None:
        """Go on with filling the store by one slice.

        Return the ``seq`` that each source has reached once the ledger has nothing more and the store is claimed, an
        empty list before that, None where another process has taken the task over.
        """
        if not self._store.patient.refill():
            self._is_known = self._is_filling = False
            return None
        for source, progress in self._ledger.sources().items():
            done = self._filled.setdefault(source, first_seq(source))
            if done < progress.last_seq:
                self._filled[source] = fold(done, progress.last_seq)
                log.info("filling the feature store", source=source, seq=self._filled[source], of=progress.last_seq)
                return []
        self._store.patient.claim(self._ledger.identity())
        self._is_filling = False
        return list(self._filled.values())

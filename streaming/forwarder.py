"""The outbox: hands decisions made over REST to the transactions topic, where the worker folds and publishes them.

The ledger is the outbox's memory, so nothing is lost with the process. Delivery is at least once: a crash between the
broker's acknowledgement and `Ledger.mark_forwarded` sends a transaction again, and the worker finds it in the ledger.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Event as Flag
from threading import Thread

import structlog

from features.codec import encode_transaction
from features.errors import BrokerUnavailable, LedgerUnavailable
from streaming.broker import TRANSACTIONS, Producer
from streaming.ledger import Ledger

log = structlog.get_logger(__name__)
BATCH = 256
GATHER_S = 0.02  # what is recorded within so long of the first goes with it: a flush and a commit for all of them
LOOK_EVERY_S = 1.0  # for decisions that another process recorded
BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # after the first, second, ... failure in a row


class Forwarder:
    """A thread that empties the outbox. A broker or ledger that is away is tried again, ever more slowly.

    ``open_producer`` is called when there is something to send, and again after each failure (`Broker.producer`).
    ``on_failure`` is called once for each failed attempt, for a counter.
    """

    def __init__(
        self, ledger: Ledger, open_producer: Callable[[], Producer], *, on_failure: Callable[[], None] | None = None
    ) -> None:
        self._ledger = ledger
        self._open_producer = open_producer
        self._on_failure = on_failure or (lambda: None)
        self._producer: Producer | None = None
        self._failures = 0
        self._work = Flag()
        self._stop = Flag()
        self._thread = Thread(target=self._run, name="forwarder", daemon=True)

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed: decisions pile up in the ledger meanwhile, and none is lost."""
        return self._failures > 0

    def start(self) -> None:
        """Start the thread; what an earlier process left behind goes first."""
        self._thread.start()

    def wake(self) -> None:
        """Look into the outbox, when what comes right behind is there too."""
        self._work.set()

    def close(self) -> None:
        """Hand over what is left, unless that keeps failing, and stop."""
        self._stop.set()
        self._work.set()
        if self._thread.is_alive():
            self._thread.join()
        self._drop_producer()

    def forward(self) -> int:
        """Hand over one batch and return its size; raises `BrokerUnavailable` or `LedgerUnavailable`."""
        waiting = self._ledger.unforwarded(BATCH)
        if not waiting:
            return 0
        if self._producer is None:
            self._producer = self._open_producer()
        for transaction in waiting:
            self._producer.send(TRANSACTIONS, encode_transaction(transaction), key=transaction.card_id.encode())
        self._producer.flush()
        self._ledger.mark_forwarded([transaction.transaction_id for transaction in waiting])
        return len(waiting)

    def _run(self) -> None:
        while not self._stop.is_set():
            # Cleared before the outbox is read: what is recorded from here on either is read or wakes the next round.
            self._work.clear()
            if self._empty_outbox():
                if self._work.wait(LOOK_EVERY_S):
                    self._stop.wait(GATHER_S)
            else:
                self._stop.wait(BACKOFF_S[min(self._failures, len(BACKOFF_S)) - 1])
        if not self.failing:
            self._empty_outbox()

    def _empty_outbox(self) -> bool:
        """Forward until nothing is left; return whether that worked."""
        try:
            while self.forward() == BATCH:
                pass
        except (BrokerUnavailable, LedgerUnavailable) as error:
            log.warning("cannot hand decisions over; trying again", failures=self._failures + 1, error=str(error))
            self._failed()
        except Exception:  # the thread must outlive a surprise: without it nothing is folded or published
            log.exception("the forwarder met an unexpected error; trying again", failures=self._failures + 1)
            self._failed()
        else:
            self._failures = 0
            return True
        return False

    def _failed(self) -> None:
        self._failures += 1
        self._drop_producer()  # what became of its messages is unknown; they are still in the outbox
        self._on_failure()

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(BrokerUnavailable):
                producer.close()

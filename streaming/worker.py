"""The stream worker: transactions and labels in, decisions out, nothing lost and nothing counted twice.

One micro-batch takes these steps, in this order:

1. poll       a micro-batch of records
2. take in    decode, validate, deduplicate; what is wrong goes to the dead-letter queue. The ledger is only asked while
              transactions come that it knows: else it tells of the first when it is to record it, and it is asked then
3. decide     read feature states, fold, score, apply the policy; every event gets its ``seq``
4. record     decisions, labels and their ``seq`` in the ledger, in one database transaction  → decisions are final
5. publish    decisions and dead letters
6. fold       write the new feature states; under a full load beside what comes next         → states are durable
7. flush      wait until the broker has acknowledged everything published
8. commit     the ledger's checkpoints and, behind them, offsets                              → input is done with

7 and 8 follow when the worker is idle, once a second, and before partitions are taken away.

A crash before 4 leaves nothing behind: the records are delivered again. After 4 they are delivered again too, found in
the ledger, and their first decision is published again. A crash between 4 and 6 leaves states behind the ledger:
whoever gets the partition next folds what the ledger holds after its checkpoint, and each state skips what it has
applied already.

Any number of workers share the partitions. Each partition is a source of events with an order of its own, which the
ledger guards: a worker that was stopped for so long that another has gone on is refused at step 4 (`Superseded`),
having changed nothing, and finds the decisions of the other when it looks again. Step 6 replaces a state only if it is
as it was read (`streaming.replacing`). While the feature store is out of reach or behind, decisions go on without
history (``degraded``) and `streaming.catch_up` folds them later.
"""

from collections.abc import Callable
from threading import Event as Flag
from time import monotonic

import structlog

from features.errors import BrokerUnavailable, LedgerUnavailable
from monitoring.metrics import Metrics
from streaming.broker import Consumer, OnRevoke, Position, Producer, Record
from streaming.handling import Handling, WorkerLimits
from streaming.ledger import Ledger
from streaming.publishing import Publisher
from streaming.scoring import Clock, Scoring, utc_now

log = structlog.get_logger(__name__)
RETRY_S = 0.5
REVOKE_S = 1.0  # what partitions that are taken away wait for the broker to acknowledge decisions


class Worker:
    """One of the writers of feature states.

    ``open_consumer`` joins the group; it gets what tells the last offsets before partitions are taken away.
    """

    def __init__(
        self,
        *,
        open_consumer: Callable[[OnRevoke], Consumer],
        open_producer: Callable[[], Producer],
        ledger: Ledger,
        scoring: Scoring,
        metrics: Metrics,
        limits: WorkerLimits | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._publisher = Publisher(open_producer)
        self._ledger = ledger
        self._scoring = scoring
        self._metrics = metrics
        self._limits = limits or WorkerLimits()
        self._handling = Handling(self._publisher, ledger, scoring, metrics, self._limits, clock)
        self._has_to_resume = False
        self._unfinished: list[Record] = []  # to be handled, again or at last
        self._unflushed: list[Record] = []  # handled; whether all of what they led to is with the broker is not known
        self._offsets: dict[Position, int] = {}
        self._reached: list[int] = []
        self._committed_at = monotonic()
        self._consumer = open_consumer(self._hand_over)

    def warm_up(self) -> None:
        """Connect the producer, so that the first decision does not wait for it; catch up in a thread from now on."""
        self._publisher.connect()
        self._handling.start()

    @property
    def caught_up(self) -> bool:
        """Whether feature states hold everything that was decided."""
        return self._handling.catch_up()

    @property
    def has_joined(self) -> bool:
        """Whether the consumer group has dealt this worker its partitions, be it none."""
        return self._consumer.held() is not None

    def run(self, stop: Flag) -> None:
        """Work until ``stop`` is set, then finish the micro-batch in hand and commit.

        A ledger or broker that is out of reach holds the worker up, nothing else: the micro-batch is tried again, and
        until it is through no other is taken on, so that what waits, waits on the broker.
        """
        while not stop.is_set():
            try:
                self.step()
            except (LedgerUnavailable, BrokerUnavailable) as error:
                log.error("cannot go on; trying again", error=str(error))
                stop.wait(RETRY_S)
        if not self._unfinished:
            self.commit()

    def step(self) -> int:
        """Handle one micro-batch; return how many records it had."""
        try:
            return self._step()
        except (LedgerUnavailable, BrokerUnavailable):
            self._has_to_resume = True
            raise

    def _step(self) -> int:
        if self._has_to_resume:
            self._resume(self._handling.held)
        again = self._unfinished[: self._limits.batch]
        records = again or self._consumer.poll(self._limits.wait_s, self._limits.batch)
        if not again and self._handling.held != (held := self._consumer.held() or frozenset()):
            self._offsets = {position: offset for position, offset in self._offsets.items() if position in held}
            self._unfinished = records  # if the ledger does not answer now, they are not lost
            self._resume(held)
        if records or self._handling.has_only_labels:
            if not again:
                self._unfinished = records
            self._handling.handle(records)
            self._unfinished = self._unfinished[len(records) :]
            self._unflushed += records
            for record in records:
                position = record.topic, record.partition
                # A rebalance may deliver again what is finished but not committed: offsets only go up.
                self._offsets[position] = max(record.offset + 1, self._offsets.get(position, 0))
        else:
            self._handling.catch_up()  # without payments, too
        since = monotonic() - self._committed_at
        if since >= (self._limits.commit_at_last_s if records else self._limits.commit_interval_s):
            self.commit()
        return len(records)

    def _resume(self, held: frozenset[Position]) -> None:
        self._has_to_resume = True  # until the ledger has answered
        self._handling.resume(held)
        self._has_to_resume = False

    def commit(self) -> None:
        """Commit the ledger's checkpoints and the offsets of micro-batches that the broker has everything of."""
        reached = self._handling.settle()
        self._flush()
        if self._offsets or reached != self._reached:  # states may have been caught up since the last payment
            self._ledger.save_checkpoints(reached)
            self._reached = reached
        if self._offsets:
            self._consumer.commit(self._offsets)
            self._offsets = {}
        self._committed_at = monotonic()
        self._metrics.consumer_lag(self._consumer.lag())

    def close(self) -> None:
        """Leave the consumer group and release everything the worker was given."""
        self._consumer.close()
        self._publisher.close()
        self._handling.close()
        self._scoring.close()
        self._ledger.close()

    def _flush(self) -> None:
        """Step 7. What the broker did not acknowledge is handled again: the ledger knows the decisions."""
        unflushed, self._unflushed = self._unflushed, []
        try:
            self._publisher.flush()
        except BrokerUnavailable:
            self._unfinished = [*unflushed, *self._unfinished]
            self._offsets = {}
            raise

    def _hand_over(self) -> dict[Position, int]:
        """Return what can be committed before partitions are taken away; the next owner does the rest again."""
        offsets, self._offsets, self._unflushed = self._offsets, {}, []
        reached = self._handling.settle()
        if not self._publisher.is_flushed(REVOKE_S):
            return {}
        try:
            self._ledger.save_checkpoints(reached)
        except LedgerUnavailable as error:
            log.warning("not committed before a rebalance", error=str(error))
            return {}
        return offsets

"""The stream worker: transactions and labels in, decisions out, nothing lost and nothing counted twice.

One micro-batch takes these steps, in this order:

1. poll       a micro-batch of records
2. take in    decode, validate, deduplicate; what is wrong goes to the dead-letter queue
3. decide     read feature states, fold, score, apply the policy; every event gets its ``seq``
4. record     decisions, labels and their ``seq`` in the ledger, in one database transaction  → decisions are final
5. publish    decisions and dead letters
6. fold       write the new feature states                                                    → states are durable
7. flush      wait until the broker has acknowledged everything published
8. commit     offsets, when idle or once a second, and the ledger's checkpoint with them      → input is done with

A crash before 4 leaves nothing behind: the records are delivered again. After 4 they are delivered again too, found in
the ledger, and their first decision is published again. A crash between 4 and 6 leaves states behind the ledger:
the next start folds what the ledger holds after its checkpoint, and each state skips what it has applied already.
While the feature store is out of reach, decisions go on without history (``degraded``) and states are
caught up in the same way once it answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from time import monotonic

import structlog

from features.errors import BrokerUnavailable, DuplicateConflict, LedgerUnavailable, StoreUnavailable
from features.events import Event, LabelEvent, TransactionEvent
from features.store import Entity
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import Consumer, Position, Producer, Record
from streaming.intake import Intake, take_in
from streaming.ledger import Ledger, LedgerBatch, Recorded
from streaming.observing import observe_stream, observe_unusable
from streaming.order import Order
from streaming.publishing import Publisher
from streaming.scoring import Clock, Scoring, Stopwatch, utc_now

log = structlog.get_logger(__name__)
CATCH_UP_EVENTS = 512
RETRY_S = 0.5
REST_RACES = 5  # attempts at a batch that REST keeps recording transactions of


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Bounds of a micro-batch and of what is done between two commits; seconds and messages."""

    batch: int = 64
    wait_s: float = 0.02
    commit_interval_s: float = 0.2  # when there is nothing else to do
    commit_at_last_s: float = 1.0  # in any case
    refuse_future: bool = True


class Worker:
    """The single writer of feature states."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        open_producer: Callable[[], Producer],
        ledger: Ledger,
        scoring: Scoring,
        metrics: Metrics,
        limits: WorkerLimits | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._consumer = consumer
        self._publisher = Publisher(open_producer)
        self._ledger = ledger
        self._scoring = scoring
        self._metrics = metrics
        self._limits = limits or WorkerLimits()
        self._clock = clock
        self._unfinished: list[Record] = []
        self._offsets: dict[Position, int] = {}
        self._committed_at = monotonic()
        self._durable = 0  # the ``seq`` through which feature states are durable
        self._resume()

    def warm_up(self) -> None:
        """Connect the producer, so that the first decision does not wait for it."""
        self._publisher.connect()

    @property
    def caught_up(self) -> bool:
        """Whether feature states hold everything that was decided."""
        return self._durable == self._order.seq

    def run(self, stop: Flag) -> None:
        """Work until ``stop`` is set, then finish the micro-batch in hand and commit.

        A ledger or broker that is out of reach holds the worker up, nothing else: the micro-batch is tried again.
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
        if self._unfinished:
            self._resume()
        if not self.caught_up:
            self._catch_up()
        records = self._unfinished or self._consumer.poll(self._limits.wait_s, self._limits.batch)
        if records:
            self._unfinished = records
            self._handle(records)
            self._publisher.flush()
            self._unfinished = []
            for record in records:
                position = record.topic, record.partition
                # A rebalance may deliver again what is finished but not committed: offsets only go up.
                self._offsets[position] = max(record.offset + 1, self._offsets.get(position, 0))
        since = monotonic() - self._committed_at
        if since >= (self._limits.commit_at_last_s if records else self._limits.commit_interval_s):
            self.commit()
        return len(records)

    def commit(self) -> None:
        """Commit the ledger's checkpoint and the offsets of finished micro-batches."""
        if self._offsets:
            self._ledger.save_checkpoint(self._durable)
            self._consumer.commit(self._offsets)
            self._offsets = {}
        self._committed_at = monotonic()
        self._metrics.consumer_lag(self._consumer.lag())

    def close(self) -> None:
        """Leave the consumer group and release everything the worker was given."""
        self._consumer.close()
        self._publisher.close()
        self._scoring.close()
        self._ledger.close()

    @property
    def has_partitions(self) -> bool:
        """Whether the consumer group has given this worker partitions, and the broker has answered for them."""
        return bool(self._consumer.lag())

    def _resume(self) -> None:
        """Take up the order where the ledger left it."""
        self._order = Order(self._ledger.pending_labels(), self._ledger.last_seq())
        self._durable = max(self._durable, self._ledger.checkpoint())

    def _catch_up(self) -> None:
        """Fold what the ledger holds beyond the durable states; give up for now if the store does not answer."""
        try:
            while events := self._ledger.events_after(self._durable, CATCH_UP_EVENTS):
                observe_unusable(self._metrics, self._scoring.refold(events))
                self._durable = events[-1].seq
            self._ledger.save_checkpoint(self._durable)
            log.info("feature states caught up", seq=self._durable)
        except StoreUnavailable as error:
            log.warning("feature states are behind", seq=self._durable, error=str(error))

    def _handle(self, records: Sequence[Record]) -> None:
        """Steps 2 to 6. A transaction that REST records in between sends the micro-batch back to step 2."""
        for _ in range(REST_RACES):
            watch = Stopwatch()
            with_history = self.caught_up
            intake = take_in(records, self._ledger, self._clock() if self._limits.refuse_future else None)
            watch.lap("intake")
            events = self._place(intake)
            scored = self._scoring.decide(events, stage_ms=watch.stage_ms, with_history=with_history)
            watch.skip()
            try:
                outgoing = self._record(intake, events, scored.decisions)
            except DuplicateConflict:
                self._resume()
                continue
            watch.lap("ledger")
            self._publish(intake, outgoing)
            watch.lap("publish")
            if with_history and scored.states is not None:
                self._fold(scored.states, events)
            watch.lap("store_write")
            observe_stream(self._metrics, records, intake, scored, watch.stage_ms, self._clock())
            return
        raise LedgerUnavailable("The ledger keeps refusing a micro-batch as decided already.")

    def _place(self, intake: Intake) -> list[Event]:
        """Number what is to be folded: each label before the first transaction that may know of it."""
        for label in intake.label_events:
            self._order.add(label)
        return [event for arrival in intake.arrivals for event in self._order.place(arrival.transaction)]

    def _record(self, intake: Intake, events: Sequence[Event], decisions: Sequence[Decision]) -> list[Recorded]:
        """Step 4; return the decision of every arrival, in order: the new one, or the one REST gave before."""
        seqs = [event.seq for event in events if isinstance(event, TransactionEvent)]
        outgoing = [
            arrival.known or Recorded(arrival.transaction, arrival.content_hash, decision, "stream", seq)
            for arrival, decision, seq in zip(intake.arrivals, decisions, seqs, strict=True)
        ]
        self._ledger.commit(
            LedgerBatch(
                decisions=[recorded for recorded in outgoing if recorded.seq is not None],
                placed=[
                    (r.transaction.transaction_id, seq) for r, seq in zip(outgoing, seqs, strict=True) if r.seq is None
                ],
                labels=intake.labels,
                folded_labels=[event for event in events if isinstance(event, LabelEvent)],
            )
        )
        return outgoing

    def _publish(self, intake: Intake, outgoing: Sequence[Recorded]) -> None:
        """Step 5."""
        for recorded in outgoing:
            self._publisher.decision(recorded)
        first = self._ledger.find(intake.repeats) if intake.repeats else {}
        for transaction_id in intake.repeats:
            self._publisher.decision(first[transaction_id], repeated=True)
        for record, reason in intake.dead:
            log.warning("dead letter", code=reason.code, topic=record.topic, offset=record.offset, error=str(reason))
            self._publisher.dead_letter(record, reason, self._clock())

    def _fold(self, states: dict[Entity, dict[str, bytes]], events: Sequence[Event]) -> None:
        """Step 6; a store that does not answer leaves the states behind, to be caught up."""
        if not events:
            return
        try:
            self._scoring.write(states, events)
        except StoreUnavailable as error:
            log.warning("feature states are behind", seq=self._durable, error=str(error))
        else:
            self._durable = self._order.seq

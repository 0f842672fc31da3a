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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from time import monotonic

import structlog

from features.errors import BrokerUnavailable, DuplicateConflict, LedgerUnavailable, Superseded
from features.events import Event, LabelEvent, TransactionEvent
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import LABELS, Consumer, OnRevoke, Position, Producer, Record
from streaming.catch_up import PATIENCE_S, CatchUp
from streaming.intake import Intake, take_in
from streaming.ledger import Ledger, LedgerBatch, Recorded
from streaming.observing import observe_stream
from streaming.order import Order
from streaming.publishing import Publisher
from streaming.scoring import Clock, Scoring, utc_now
from streaming.sources import EARLIER, source_of_partition
from streaming.state_writer import StateWriter
from streaming.stopwatch import Stopwatch

log = structlog.get_logger(__name__)
RETRY_S = 0.5
REVOKE_S = 1.0  # what partitions that are taken away wait for the broker to acknowledge decisions
RACES = 5  # attempts at a batch that REST or another worker keeps recording transactions of


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Bounds of a micro-batch and of what is done between two commits; seconds and messages.

    After ``ask_first`` micro-batches in a row of which the ledger knew nothing it is asked no more beforehand.
    """

    batch: int = 64
    wait_s: float = 0.02
    commit_interval_s: float = 0.2  # when there is nothing else to do
    commit_at_last_s: float = 1.0  # in any case
    refuse_future: bool = True
    ask_first: int = 50


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
        self._clock = clock
        self._states = CatchUp(ledger, scoring, metrics)
        self._writer = StateWriter(scoring, self._states, metrics, clock)
        self._held: frozenset[Position] = frozenset()
        self._has_to_resume = False
        self._ask = self._limits.ask_first
        self._order = Order()
        self._unfinished: list[Record] = []  # to be handled, again or at last
        self._unflushed: list[Record] = []  # handled; whether all of what they led to is with the broker is not known
        self._offsets: dict[Position, int] = {}
        self._reached: list[int] = []
        self._committed_at = monotonic()
        self._consumer = open_consumer(self._hand_over)

    def warm_up(self) -> None:
        """Connect the producer, so that the first decision does not wait for it; catch up in a thread from now on."""
        self._publisher.connect()
        self._states.start()

    @property
    def caught_up(self) -> bool:
        """Whether feature states hold everything that was decided."""
        self._writer.settle(PATIENCE_S)
        return self._states.ask(self._order.last)

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
            self._resume()
        again = self._unfinished[: self._limits.batch]
        records = again or self._consumer.poll(self._limits.wait_s, self._limits.batch)
        if not again and self._held != (held := self._consumer.held() or frozenset()):
            self._held, self._has_to_resume = held, True  # until the ledger has answered
            self._offsets = {position: offset for position, offset in self._offsets.items() if position in held}
            self._unfinished = records  # if the ledger does not answer now, they are not lost
            self._resume()
        if records or self._has_only_labels:
            if not again:
                self._unfinished = records
            self._handle(records)
            self._unfinished = self._unfinished[len(records) :]
            self._unflushed += records
            for record in records:
                position = record.topic, record.partition
                # A rebalance may deliver again what is finished but not committed: offsets only go up.
                self._offsets[position] = max(record.offset + 1, self._offsets.get(position, 0))
        else:
            _ = self.caught_up  # states that are behind are caught up without payments, too
        since = monotonic() - self._committed_at
        if since >= (self._limits.commit_at_last_s if records else self._limits.commit_interval_s):
            self.commit()
        return len(records)

    def commit(self) -> None:
        """Commit the ledger's checkpoints and the offsets of micro-batches that the broker has everything of."""
        self._writer.settle()
        self._flush()
        reached = self._states.reached(self._order.last)
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
        self._writer.close()
        self._states.close()
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

    @property
    def _has_only_labels(self) -> bool:
        """Whether no partition of transactions is held whose event time could make labels due."""
        return bool(self._held) and all(topic == LABELS for topic, _ in self._held)

    def _hand_over(self) -> dict[Position, int]:
        """Return what can be committed before partitions are taken away; the next owner does the rest again."""
        offsets, self._offsets, self._unflushed = self._offsets, {}, []
        self._writer.settle()
        if not self._publisher.is_flushed(REVOKE_S):
            return {}
        try:
            self._ledger.save_checkpoints(self._states.reached(self._order.last))
        except LedgerUnavailable as error:
            log.warning("not committed before a rebalance", error=str(error))
            return {}
        return offsets

    def _resume(self) -> None:
        """Take up the order of the partitions held where the ledger is."""
        self._writer.settle()
        own = {EARLIER, *map(source_of_partition, self._held)}
        progress = {source: found for source, found in self._ledger.sources().items() if source in own}
        labels = self._ledger.pending_labels({partition for topic, partition in self._held if topic == LABELS})
        self._order = Order(labels, {source: found.last_seq for source, found in progress.items()})
        self._states.resume({source: found.checkpoint for source, found in progress.items()})
        self._has_to_resume = False
        self._ask = self._limits.ask_first  # after a take-over what comes may have been decided

    def _handle(self, records: Sequence[Record]) -> None:
        """Steps 2 to 6. A transaction that REST or another worker records in between leads back to step 2."""
        for _ in range(RACES):
            watch = Stopwatch()
            now = self._clock() if self._limits.refuse_future else None
            intake = take_in(records, self._ledger, now, ask=self._ask > 0)
            watch.lap("intake")
            fresh = self._writer.fresh
            with_history = fresh is not None or self.caught_up
            watch.lap("catch_up")
            events = self._place(intake)
            scored = self._scoring.decide(events, stage_ms=watch.stage_ms, with_history=with_history, fresh=fresh)
            watch.skip()
            try:
                outgoing = self._record(intake, events, scored.decisions)
            except (DuplicateConflict, Superseded) as refusal:
                log.info("taking a micro-batch in again", error=str(refusal))
                self._resume()
                self._ask += 1
                continue
            self._ask = self._limits.ask_first if intake.has_known else max(0, self._ask - 1)
            watch.lap("ledger")
            self._publish(intake, outgoing)
            watch.lap("publish")
            if scored.states is None:
                self._writer.abandon()
                self._states.in_passing()
            elif events:
                self._writer.begin(scored, events)
                if len(records) < self._limits.batch:  # nothing waits: the next read is not to wait for this write
                    self._writer.settle(PATIENCE_S)
            observe_stream(self._metrics, records, intake, scored, watch.stage_ms, self._clock())
            return
        raise LedgerUnavailable("The ledger keeps refusing a micro-batch as decided already.")

    def _place(self, intake: Intake) -> list[Event]:
        """Number what is to be folded: each label before the first transaction that may know of it."""
        for label in intake.label_events:
            self._order.add(label)
        if self._has_only_labels:
            return [*self._order.due(self._clock(), min(map(source_of_partition, self._held)))]
        return [
            event for arrival in intake.arrivals for event in self._order.place(arrival.transaction, arrival.source)
        ]

    def _record(self, intake: Intake, events: Sequence[Event], decisions: Sequence[Decision]) -> list[Recorded]:
        """Step 4; return the decision of every arrival, in order: the new one, or the one REST gave before."""
        seqs = [event.seq for event in events if isinstance(event, TransactionEvent)]
        outgoing = [
            arrival.known or Recorded(arrival.transaction, arrival.content_hash, decision, "stream", seq)
            for arrival, decision, seq in zip(intake.arrivals, decisions, seqs, strict=True)
        ]
        batch = LedgerBatch(
            decisions=[recorded for recorded in outgoing if recorded.seq is not None],
            placed=[
                (r.transaction.transaction_id, seq) for r, seq in zip(outgoing, seqs, strict=True) if r.seq is None
            ],
            labels=intake.labels,
            label_partitions=intake.label_partitions,
            folded_labels=[event for event in events if isinstance(event, LabelEvent)],
        )
        if batch.decisions or batch.placed or batch.labels or batch.folded_labels:
            self._ledger.commit(batch)
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

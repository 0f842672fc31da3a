"""Steps 2 to 6 of a micro-batch, in the order that `streaming.worker` gives: what a worker does with its records."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from features.errors import DuplicateConflict, LedgerUnavailable, Superseded
from features.events import Event, LabelEvent, TransactionEvent
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import LABELS, Position, Record
from streaming.catch_up import PATIENCE_S, CatchUp
from streaming.intake import Intake, take_in
from streaming.ledger import Ledger, LedgerBatch, Recorded
from streaming.observing import observe_stream
from streaming.order import Order
from streaming.publishing import Publisher
from streaming.scoring import Clock, Scoring
from streaming.sources import EARLIER, source_of_partition
from streaming.state_writer import StateWriter
from streaming.stopwatch import Stopwatch

log = structlog.get_logger(__name__)
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


class Handling:
    """Takes in, decides, records, publishes and folds the records of the partitions held."""

    def __init__(
        self,
        publisher: Publisher,
        ledger: Ledger,
        scoring: Scoring,
        metrics: Metrics,
        limits: WorkerLimits,
        clock: Clock,
    ) -> None:
        self._publisher = publisher
        self._ledger = ledger
        self._scoring = scoring
        self._metrics = metrics
        self._limits = limits
        self._clock = clock
        self._states = CatchUp(ledger, scoring, metrics)
        self._writer = StateWriter(scoring, self._states, metrics, clock)
        self.held: frozenset[Position] = frozenset()  # those that `resume` was told of last
        self._ask = limits.ask_first
        self._order = Order()

    def start(self) -> None:
        """Catch states up in a thread from now on."""
        self._states.start()

    def catch_up(self) -> bool:
        """Ask for what states lack of what was decided; return whether they have it all, now or in a moment."""
        self._writer.settle(PATIENCE_S)
        return self._states.ask(self._order.last)

    def settle(self) -> list[int]:
        """End the writing of states that goes on; return the ``seq`` through which they are durable, by source."""
        self._writer.settle()
        return self._states.reached(self._order.last)

    def close(self) -> None:
        """Let the writing of states end, and catch up no more."""
        self._writer.close()
        self._states.close()

    @property
    def has_only_labels(self) -> bool:
        """Whether no partition of transactions is held whose event time could make labels due."""
        return bool(self.held) and all(topic == LABELS for topic, _ in self.held)

    def resume(self, held: frozenset[Position]) -> None:
        """Take up the order of the partitions held where the ledger is."""
        self.held = held
        self._writer.settle()
        own = {EARLIER, *map(source_of_partition, self.held)}
        progress = {source: found for source, found in self._ledger.sources().items() if source in own}
        labels = self._ledger.pending_labels({partition for topic, partition in self.held if topic == LABELS})
        self._order = Order(labels, {source: found.last_seq for source, found in progress.items()})
        self._states.resume({source: found.checkpoint for source, found in progress.items()})
        self._ask = self._limits.ask_first  # after a take-over what comes may have been decided

    def handle(self, records: Sequence[Record]) -> None:
        """Steps 2 to 6. A transaction that REST or another worker records in between leads back to step 2."""
        for _ in range(RACES):
            watch = Stopwatch()
            now = self._clock() if self._limits.refuse_future else None
            intake = take_in(records, self._ledger, now, ask=self._ask > 0)
            watch.lap("intake")
            fresh = self._writer.fresh
            with_history = fresh is not None or self.catch_up()
            watch.lap("catch_up")
            events = self._place(intake)
            scored = self._scoring.decide(events, stage_ms=watch.stage_ms, with_history=with_history, fresh=fresh)
            watch.skip()
            try:
                outgoing = self._record(intake, events, scored.decisions)
            except (DuplicateConflict, Superseded) as refusal:
                log.info("taking a micro-batch in again", error=str(refusal))
                self.resume(self.held)
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
        if self.has_only_labels:
            return [*self._order.due(self._clock(), min(map(source_of_partition, self.held)))]
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

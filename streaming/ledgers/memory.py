"""The ledger's twin in memory: the same rules without a database, for tests and dry runs."""

import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from features.events import Event, LabelEvent, TransactionEvent, first_seq, source_of
from features.label import Label, LabelSource
from features.transaction import Transaction
from streaming.ledger import LabelHistory, LedgerBatch, Progress, Recorded, TransactionRef
from streaming.ledgers.batches import (
    check_no_duplicates,
    check_seqs_differ,
    duplicate,
    ends_of_sources,
    given_seqs,
    not_waiting,
    out_of_order,
)
from streaming.ledgers.rows import label_event, ref_of

Fault = Callable[[str], None]
_LabelKey = tuple[str, LabelSource, datetime]


@dataclass(slots=True)
class _StoredLabel:
    label: Label
    partition: int
    seq: int | None = None


class MemoryLedger:
    """Holds everything in dictionaries; safe to share between threads.

    ``fault`` is called with a method's name before the method does anything, and with ``"commit.done"`` once a batch
    is recorded. Whatever it raises (`LedgerUnavailable`, a simulated crash) reaches the caller, so that a test can
    fail any step without patching.
    """

    def __init__(self, fault: Fault | None = None) -> None:
        self._fault = fault or (lambda _step: None)
        self._lock = threading.RLock()
        self._decisions: dict[str, Recorded] = {}
        self._forwarded: set[str] = set()
        self._history: dict[str, TransactionRef] = {}
        self._labels: dict[_LabelKey, _StoredLabel] = {}
        self._identity = uuid.uuid4().hex
        self._sources: dict[int, Progress] = {}

    def find(self, transaction_ids: Sequence[str]) -> dict[str, Recorded]:
        """Return the recorded decisions among ``transaction_ids``."""
        self._fault("find")
        with self._lock:
            return {key: self._decisions[key] for key in transaction_ids if key in self._decisions}

    def recent(self, limit: int, before: str | None = None) -> list[Recorded]:
        """At most ``limit`` decisions, newest first; ``before`` (a transaction id) continues behind that one."""
        self._fault("recent")
        with self._lock:
            keys = list(self._decisions)
            end = keys.index(before) if before in self._decisions else 0 if before else len(keys)
            return [self._decisions[key] for key in reversed(keys[max(0, end - limit) : end])]

    def commit(self, batch: LedgerBatch) -> None:
        """Write a batch or nothing, as `streaming.ledger.Ledger.commit` says."""
        self._fault("commit")
        with self._lock:
            self._commit(batch)
        self._fault("commit.done")

    def _commit(self, batch: LedgerBatch) -> None:
        # Everything is checked before anything is changed: a refused batch leaves nothing behind.
        check_no_duplicates(batch)
        added = {recorded.transaction.transaction_id: recorded for recorded in batch.decisions}
        if known := added.keys() & self._decisions.keys():
            raise duplicate(known)
        seqs = given_seqs(batch)
        check_seqs_differ(seqs)
        ends = ends_of_sources(seqs)
        for source, (first, last) in ends.items():
            if source in self._sources and first <= self._sources[source].last_seq:
                raise out_of_order(first, last)
        for transaction_id, seq in batch.placed:
            recorded = added.get(transaction_id) or self._decisions.get(transaction_id)
            if recorded is None or recorded.seq is not None:
                raise not_waiting("The decision", transaction_id)
            added[transaction_id] = replace(recorded, seq=seq)
        received: dict[_LabelKey, _StoredLabel] = {}
        partitions = batch.label_partitions or [0] * len(batch.labels)
        for label, partition in zip(batch.labels, partitions, strict=True):
            key = (label.transaction_id, label.source, label.label_time)
            if key not in self._labels:
                received.setdefault(key, _StoredLabel(label, partition))
        folded: dict[_LabelKey, int] = {}
        for event in batch.folded_labels:
            folded[_waiting(self._labels | received, event, folded)] = event.seq
        self._decisions |= added
        self._labels |= received
        for key, seq in folded.items():
            self._labels[key].seq = seq
        for source, (_, last) in ends.items():
            before = self._sources.get(source, Progress(first_seq(source), first_seq(source)))
            self._sources[source] = before._replace(last_seq=last)

    def identity(self) -> str:
        """What tells this ledger from any other."""
        self._fault("identity")
        return self._identity

    def sources(self) -> dict[int, Progress]:
        """Every source that was given a ``seq``, and how far it has come."""
        self._fault("sources")
        with self._lock:
            return dict(self._sources)

    def save_checkpoints(self, seqs: Collection[int]) -> None:
        """Move the checkpoints of the sources of ``seqs`` forward; a lower value than the stored one is ignored."""
        self._fault("save_checkpoints")
        with self._lock:
            for seq in seqs:
                before = self._sources.get(source_of(seq))
                if before is not None and before.checkpoint < seq:
                    self._sources[source_of(seq)] = before._replace(checkpoint=seq)

    def events_after(self, seq: int, limit: int) -> list[Event]:
        """Transactions and labels of the same source with a larger ``seq``, in order, at most ``limit``."""
        self._fault("events_after")
        end = first_seq(source_of(seq) + 1)
        with self._lock:
            events: list[Event] = [
                TransactionEvent(recorded.seq, recorded.transaction)
                for recorded in self._decisions.values()
                if recorded.seq is not None and seq < recorded.seq < end
            ]
            events += [
                label_event(stored.label, self._ref(stored.label.transaction_id), stored.seq)
                for stored in self._labels.values()
                if stored.seq is not None and seq < stored.seq < end
            ]
        return sorted(events, key=lambda event: event.seq)[:limit]

    def pending_labels(self, partitions: Collection[int]) -> list[LabelEvent]:
        """Labels of known transactions that came by these partitions and have no ``seq`` yet, by label time."""
        self._fault("pending_labels")
        with self._lock:
            waiting = [
                stored.label
                for stored in self._labels.values()
                if stored.seq is None and stored.partition in partitions
            ]
            known = self._refs([label.transaction_id for label in waiting])
        return [
            label_event(label, known[label.transaction_id], 0)
            for label in sorted(waiting, key=lambda label: label.label_time)
            if label.transaction_id in known
        ]

    def refs(self, transaction_ids: Sequence[str]) -> dict[str, TransactionRef]:
        """Entities of decided or imported transactions, for joining labels."""
        self._fault("refs")
        with self._lock:
            return self._refs(transaction_ids)

    def _refs(self, transaction_ids: Sequence[str]) -> dict[str, TransactionRef]:
        return {key: self._ref(key) for key in transaction_ids if key in self._decisions or key in self._history}

    def _ref(self, transaction_id: str) -> TransactionRef:
        if transaction_id not in self._decisions:
            return self._history[transaction_id]
        return ref_of(self._decisions[transaction_id].transaction)

    def import_history(self, refs: Sequence[TransactionRef]) -> None:
        """Remember transactions that were never decided here; those known already keep their entities."""
        self._fault("import_history")
        with self._lock:
            for ref in refs:
                self._history.setdefault(ref.transaction_id, ref)

    def has_history(self) -> bool:
        """Whether transactions that were never decided here have been imported."""
        self._fault("has_history")
        return bool(self._history)

    def labels(self, transaction_ids: Sequence[str]) -> dict[str, LabelHistory]:
        """Label histories of the transactions that have any."""
        self._fault("labels")
        wanted = set(transaction_ids)
        found: dict[str, list[Label]] = {}
        with self._lock:
            for stored in self._labels.values():
                if stored.label.transaction_id in wanted:
                    found.setdefault(stored.label.transaction_id, []).append(stored.label)
        # The sort is stable: of two labels with the same time, the one received later wins.
        return {
            key: LabelHistory(key, tuple(sorted(labels, key=lambda label: label.label_time)))
            for key, labels in found.items()
        }

    def unforwarded(self, limit: int) -> list[Transaction]:
        """Transactions decided over REST that were not yet handed to the transactions topic, oldest first."""
        self._fault("unforwarded")
        with self._lock:
            waiting = (
                recorded.transaction
                for key, recorded in self._decisions.items()
                if recorded.origin == "rest" and key not in self._forwarded
            )
            return [transaction for transaction, _ in zip(waiting, range(limit), strict=False)]

    def mark_forwarded(self, transaction_ids: Sequence[str]) -> None:
        """Record that these were handed over."""
        self._fault("mark_forwarded")
        with self._lock:
            self._forwarded.update(transaction_ids)

    def count(self) -> int:
        """How many decisions are recorded."""
        self._fault("count")
        return len(self._decisions)

    def close(self) -> None:
        """Nothing to release; what was recorded stays readable, as it would in a database opened again."""


def _waiting(labels: dict[_LabelKey, _StoredLabel], event: LabelEvent, taken: dict[_LabelKey, int]) -> _LabelKey:
    """The first label received that ``event`` stands for and that has no seq; the event does not name its source."""
    for key, stored in labels.items():
        label = stored.label
        same = (label.transaction_id, label.label_time, label.is_fraud) == (
            event.transaction_id,
            event.label_time,
            event.is_fraud,
        )
        if same and stored.seq is None and key not in taken:
            return key
    raise not_waiting("The label", event.transaction_id)

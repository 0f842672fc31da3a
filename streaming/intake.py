"""The first step of a micro-batch: sort what arrived into what to decide, to repeat, to label and to set aside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from features.codec import content_hash, decode_label, decode_transaction
from features.errors import InvalidInput, InvalidLabel, InvalidTransaction, RingfenceError
from features.events import LabelEvent
from features.label import Label
from features.transaction import Transaction
from features.validation import check_time
from streaming.broker import LABELS, Record
from streaming.conflicts import decided_before
from streaming.ledger import Ledger, Recorded
from streaming.ledgers.rows import label_event, ref_of
from streaming.sources import source_of_partition


@dataclass(frozen=True, slots=True)
class Arrival:
    """A transaction as it came in; ``known`` is its decision where REST took it before the worker did."""

    transaction: Transaction
    content_hash: str
    source: int
    known: Recorded | None = None


@dataclass(slots=True)
class Intake:
    """A sorted micro-batch.

    ``arrivals`` are to be folded, in order. ``repeats`` are ids seen before, whose first decision is sent again.
    ``dead`` goes to the dead-letter queue with its reason. ``has_known`` says that the ledger knew transactions.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    label_partitions: list[int] = field(default_factory=list)
    label_events: list[LabelEvent] = field(default_factory=list)
    dead: list[tuple[Record, RingfenceError]] = field(default_factory=list)
    has_known: bool = False


def take_in(records: Sequence[Record], ledger: Ledger, now: datetime | None, *, ask: bool = True) -> Intake:
    """Decode, validate and deduplicate a micro-batch against itself and, if told to ``ask``, against the ledger.

    ``now`` is the processing time that future event times are held against; None accepts any (replays). A transaction
    that was decided is past that question: whoever decided it may have had another clock, so of one that would be
    refused the ledger is asked in any case.
    """
    intake = Intake()
    transactions: list[tuple[Record, Transaction]] = []
    labels: list[tuple[Record, Label]] = []
    for record in records:
        try:
            if record.topic == LABELS:
                labels.append((record, decode_label(record.value, now=now)))
            else:
                transactions.append((record, decode_transaction(record.value)))
        except InvalidInput as refusal:
            intake.dead.append((record, refusal))
    if transactions:
        _deduplicate(transactions, ledger, now, intake, ask=ask)
    if labels:
        _join_labels(labels, ledger, intake)
    return intake


def _deduplicate(
    transactions: Sequence[tuple[Record, Transaction]],
    ledger: Ledger,
    now: datetime | None,
    intake: Intake,
    *,
    ask: bool,
) -> None:
    doubtful = [t.transaction_id for _, t in transactions if ask or _refusal(t, now)]
    found = ledger.find(doubtful) if doubtful else {}
    intake.has_known = bool(found)
    hashes = {recorded.transaction.transaction_id: recorded.content_hash for recorded in found.values()}
    placed = {key for key, recorded in found.items() if recorded.seq is not None}
    for record, transaction in transactions:
        key = transaction.transaction_id
        if key not in hashes and (refusal := _refusal(transaction, now)):
            intake.dead.append((record, refusal))
            continue
        digest = content_hash(transaction)
        if hashes.setdefault(key, digest) != digest:
            intake.dead.append((record, decided_before(key)))
        elif key in placed:
            intake.repeats.append(key)
        else:
            placed.add(key)
            source = source_of_partition((record.topic, record.partition))
            intake.arrivals.append(Arrival(transaction, digest, source, found.get(key)))


def _refusal(transaction: Transaction, now: datetime | None) -> InvalidTransaction | None:
    try:
        check_time(transaction.event_time, "event_time", InvalidTransaction, now)
    except InvalidTransaction as refusal:
        return refusal
    return None


def _join_labels(labels: Sequence[tuple[Record, Label]], ledger: Ledger, intake: Intake) -> None:
    """Find each label's transaction: among those decided or imported, or in this very micro-batch.

    A label is known by transaction, source and time; one that comes again is dropped, one that contradicts what the
    same source said at the same moment is set aside.
    """
    ids = [label.transaction_id for _, label in labels]
    known = ledger.refs(ids)
    said = {_identity(label): label for history in ledger.labels(ids).values() for label in history.labels}
    fresh = {arrival.transaction.transaction_id: ref_of(arrival.transaction) for arrival in intake.arrivals}
    for record, label in labels:
        before = said.setdefault(_identity(label), label)
        if before is not label:
            if before != label:
                intake.dead.append((record, _contradiction(label)))
            continue
        ref = known.get(label.transaction_id) or fresh.get(label.transaction_id)
        if ref is None:
            intake.dead.append((record, _orphan(label)))
            continue
        intake.labels.append(label)
        intake.label_partitions.append(record.partition)
        intake.label_events.append(label_event(label, ref, seq=0))


def _identity(label: Label) -> tuple[str, str, datetime]:
    return label.transaction_id, label.source, label.label_time


def _orphan(label: Label) -> InvalidLabel:
    return InvalidLabel(
        "unknown_transaction",
        f"There is no transaction {label.transaction_id} to label.",
        field="transaction_id",
        remedy="Replay this label once its transaction has been decided.",
    )


def _contradiction(label: Label) -> InvalidLabel:
    return InvalidLabel(
        "label_conflict",
        f"The {label.source} of transaction {label.transaction_id} at that time said the opposite before.",
        field="is_fraud",
        remedy="A change of mind needs a later label_time; the last label wins.",
    )

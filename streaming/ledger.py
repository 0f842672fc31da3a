"""The ledger's seam: the durable record of decisions and labels, and the order in which states were folded.

A decision is final when it is in the ledger. ``seq`` numbers what a worker folds into feature states (transactions and
labels), strictly increasing within its source (see `features.events`); a source's ``checkpoint`` is the ``seq`` through
which the feature store is known to be durable. Whoever takes over a source folds ``events_after`` its checkpoint again:
states skip what they have applied already.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from features.events import Event, LabelEvent
from features.label import Label
from features.transaction import Transaction
from models.decision import Decision

Origin = Literal["stream", "rest"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One decision as the ledger holds it. ``content_hash`` identifies the transaction's content (sha-256 hex).

    ``seq`` is None until the worker has taken the transaction into its order (decided over REST, not folded yet).
    """

    transaction: Transaction
    content_hash: str
    decision: Decision
    origin: Origin
    seq: int | None


@dataclass(frozen=True, slots=True)
class LedgerBatch:
    """What one micro-batch adds; written in one database transaction or not at all."""

    decisions: Sequence[Recorded] = ()
    placed: Sequence[tuple[str, int]] = ()  # (transaction_id, seq) of decisions recorded over REST before
    labels: Sequence[Label] = ()  # newly arrived, not folded yet
    label_partitions: Sequence[int] = ()  # of the labels topic, by which each of them came; all 0 if not said
    folded_labels: Sequence[LabelEvent] = ()  # labels recorded earlier or in this batch that now get their seq


@dataclass(frozen=True, slots=True)
class TransactionRef:
    """The entities of a transaction that a label may come for."""

    transaction_id: str
    event_time_us: int
    card_id: str
    merchant_id: str
    device_id: str | None = None
    ip: str | None = None
    customer_id: str | None = None


@dataclass(frozen=True, slots=True)
class LabelHistory:
    """All labels of one transaction, oldest ``label_time`` first; the last one wins."""

    transaction_id: str
    labels: tuple[Label, ...] = field(default=())


class Progress(NamedTuple):
    """How far a source of events has come."""

    last_seq: int  # the last given
    checkpoint: int  # through which feature states are durable


class Ledger(Protocol):
    """Durable decisions and labels. Methods raise `LedgerUnavailable` when the database does not answer."""

    def find(self, transaction_ids: Sequence[str]) -> dict[str, Recorded]:
        """Return the recorded decisions among ``transaction_ids``."""

    def commit(self, batch: LedgerBatch) -> None:
        """Write a batch atomically and durably.

        Raises `features.errors.DuplicateConflict` (nothing written) if a decision's transaction id is recorded already,
        and `features.errors.Superseded` if a ``seq`` is not above the last of its source, or something that is to get
        one has one: another worker has gone on with the source. A label equal to one recorded before (same transaction,
        source and label time) is ignored.
        """

    def identity(self) -> str:
        """What tells this ledger from any other; made with it, and never changed."""

    def sources(self) -> dict[int, Progress]:
        """Every source that was given a ``seq``, and how far it has come."""

    def save_checkpoints(self, seqs: Collection[int]) -> None:
        """Move the checkpoints of the sources of ``seqs`` forward; a lower value than the stored one is ignored."""

    def events_after(self, seq: int, limit: int) -> list[Event]:
        """Transactions and labels of the same source with a larger ``seq``, in order, at most ``limit``."""

    def pending_labels(self, partitions: Collection[int]) -> list[LabelEvent]:
        """Labels that came by these partitions and have no ``seq`` yet (their ``seq`` field is 0), by label time."""

    def refs(self, transaction_ids: Sequence[str]) -> dict[str, TransactionRef]:
        """Entities of decided or imported transactions, for joining labels."""

    def import_history(self, refs: Sequence[TransactionRef]) -> None:
        """Remember transactions that were never decided here (a back-filled history) so that labels find them."""

    def has_history(self) -> bool:
        """Whether `import_history` has remembered any: then feature states hold more than this ledger can tell."""

    def labels(self, transaction_ids: Sequence[str]) -> dict[str, LabelHistory]:
        """Label histories of the transactions that have any."""

    def unforwarded(self, limit: int) -> list[Transaction]:
        """Transactions decided over REST that were not yet handed to the transactions topic, oldest first."""

    def mark_forwarded(self, transaction_ids: Sequence[str]) -> None:
        """Record that these were handed over."""

    def count(self) -> int:
        """How many decisions are recorded."""

    def close(self) -> None:
        """Release connections."""

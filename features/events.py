"""What the feature fold consumes: transactions and labels, in the order of their source.

A source is where events come from in one order: a partition of the transactions topic. ``seq`` holds the source in its
upper bits and the event's number, strictly increasing within the source, in the others. Entity states remember the last
``seq`` of every source that they applied, so folding an event again changes nothing, and several writers, each with
sources of its own, can take turns with one state.
"""

from dataclasses import dataclass
from datetime import datetime

from features.state_layout import NUMBER_BITS
from features.transaction import Transaction


def first_seq(source: int) -> int:
    """Return the ``seq`` before a source's first: it is never given."""
    return source << NUMBER_BITS


def source_of(seq: int) -> int:
    """Return the source that a ``seq`` belongs to."""
    return seq >> NUMBER_BITS


@dataclass(frozen=True, slots=True)
class TransactionEvent:
    """A transaction to compute features for and then to fold into the states of its entities."""

    seq: int
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """A label to fold into the states of its transaction's entities.

    It may influence features only from ``label_time`` on.
    """

    seq: int
    transaction_id: str
    is_fraud: bool
    label_time: datetime
    event_time: datetime
    card_id: str
    merchant_id: str
    device_id: str | None = None
    ip: str | None = None
    customer_id: str | None = None


Event = TransactionEvent | LabelEvent

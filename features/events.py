"""What the feature fold consumes: transactions and labels, in one order.

``seq`` is the position in the single writer's order, strictly increasing. Entity states remember the last
``seq`` that they applied, so folding an event again changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from features.transaction import Transaction


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

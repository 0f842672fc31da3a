"""What the demo sends: transactions in event time, and each label when it becomes known."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from features.codec import encode_label, encode_transaction
from features.label import Label
from features.table import datetimes, transactions
from streaming.broker import LABELS, TRANSACTIONS

# Labels travel this far ahead of event time, so that the worker has each one before the transactions that may know
# of it; it folds them only when event time has reached them.
LABEL_LEAD = timedelta(days=1)
BROKEN = (
    b"not json at all",
    b'{"transaction_id": "broken-1", "amount": 12.5}',
    b'{"transaction_id": "broken-2", "event_time": "2026-01-31T12:00:00Z", "card_id": "card", "merchant_id": "m",'
    b' "amount": -3, "currency": "EUR"}',
    b'{"transaction_id": "broken-3", "event_time": "yesterday", "card_id": "card", "merchant_id": "m", "amount": 3,'
    b' "currency": "EUR"}',
    b'{"transaction_id": "broken-4", "event_time": "2026-01-31T12:00:00Z", "card_id": "card", "merchant_id": "m",'
    b' "amount": 3, "currency": "XXX"}',
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message to send; ``transaction_id`` is that of the transaction or label, empty for a broken message."""

    topic: str
    key: bytes | None
    value: bytes
    transaction_id: str = ""


def messages(table: pd.DataFrame, labels: pd.DataFrame, *, broken: int = 0) -> Iterator[Message]:
    """Yield the transactions of ``table`` in order, among them ``labels`` a little before they are due.

    A label comes after its own transaction, however soon it was known; those due before the first transaction are left
    to `waiting_labels`. ``broken`` messages that cannot be scored are spread over the stream.
    """
    every = max(1, len(table) // (broken + 1))
    due = (timed for timed in _labels(labels) if timed[0] >= table["event_time"].iloc[0])
    waiting = next(due, None)
    sent_broken = 0
    for row, transaction in enumerate(transactions(table)):
        while waiting is not None and waiting[0] < transaction.event_time:
            label = waiting[1]
            yield Message(LABELS, label.transaction_id.encode(), encode_label(label), label.transaction_id)
            waiting = next(due, None)
        if sent_broken < broken and row == every * (sent_broken + 1):
            yield Message(TRANSACTIONS, None, BROKEN[sent_broken % len(BROKEN)])
            sent_broken += 1
        yield Message(
            TRANSACTIONS,
            transaction.card_id.encode(),
            encode_transaction(transaction),
            transaction.transaction_id,
        )


def waiting_labels(labels: pd.DataFrame, start: datetime) -> list[Label]:
    """Return the labels that are due before a stream begins at ``start``."""
    return [label for moment, label in _labels(labels) if moment < start]


def labels_between(table: pd.DataFrame, after: datetime, until: datetime) -> pd.DataFrame:
    """Return the labelled rows whose label became known in (after, until + `LABEL_LEAD`]."""
    known = table["label_time"].notna() & table["is_fraud"].notna()
    return table[known & (table["label_time"] > after) & (table["label_time"] <= until + LABEL_LEAD)]


def _labels(rows: pd.DataFrame) -> Iterator[tuple[datetime, Label]]:
    """Yield labels with the time that they are sent at, in its order."""
    ahead = rows["label_time"] - LABEL_LEAD
    sent = ahead.where(ahead >= rows["event_time"], rows["event_time"]).sort_values(kind="stable")
    rows = rows.loc[sent.index]
    for moment, transaction_id, is_fraud, label_time in zip(
        datetimes(sent), rows["transaction_id"], rows["is_fraud"], datetimes(rows["label_time"]), strict=True
    ):
        yield (
            moment,
            Label(transaction_id=transaction_id, is_fraud=bool(is_fraud), source="chargeback", label_time=label_time),
        )

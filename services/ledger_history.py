"""The ledger's transactions and labels: as they come, and as a canonical table (`features.table`)."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
import pandas as pd

from features.errors import DataError
from features.events import Event, LabelEvent, first_seq
from features.progress import Progress
from features.table import COLUMNS, OPTIONAL_NUMBERS
from features.transaction import Transaction
from streaming.ledger import Ledger

_EVENTS = 20_000  # at a time


def table_of(ledger: Ledger, at: datetime, *, progress: Progress | None = None) -> pd.DataFrame:
    """Return what the workers have taken in, with the last label of each transaction that was known before ``at``.

    ``progress`` hears (events read, events in all). Raises `DataError` where there is no transaction.
    """
    rows: dict[str, Transaction] = {}
    labels: dict[str, LabelEvent] = {}
    total = sum(reached.last_seq - first_seq(source) for source, reached in ledger.sources().items())
    seen: dict[int, int] = {}
    for events in events_since(ledger, seen):
        for event in events:
            if not isinstance(event, LabelEvent):
                rows[event.transaction.transaction_id] = event.transaction
            elif event.label_time < at and not _later(labels.get(event.transaction_id), event):
                labels[event.transaction_id] = event
        if progress is not None:
            progress(sum(seq - first_seq(source) for source, seq in seen.items()), total)
    if not rows:
        raise DataError("The ledger holds no transactions.", remedy="Give a file with --data, or run the worker first.")
    return _frame(rows, labels)


def events_since(ledger: Ledger, seen: dict[int, int], *, most: int | None = None) -> Iterator[list[Event]]:
    """Yield what the workers have taken in after ``seen``, the last ``seq`` by source, and move that on.

    Of a source that has not been looked at only about the newest ``most`` come, where that is given.
    """
    for source, reached in ledger.sources().items():
        first = first_seq(source)
        seq = seen.get(source, first if most is None else max(first, reached.last_seq - most))
        while events := ledger.events_after(seq, _EVENTS):
            seq = seen[source] = events[-1].seq
            yield events


def _later(known: LabelEvent | None, label: LabelEvent) -> bool:
    return known is not None and known.label_time > label.label_time


def _frame(rows: dict[str, Transaction], labels: dict[str, LabelEvent]) -> pd.DataFrame:
    ordered = sorted(rows.values(), key=lambda transaction: transaction.event_time)
    table = pd.DataFrame([msgspec.structs.asdict(transaction) for transaction in ordered])
    known = [labels.get(name) for name in table["transaction_id"]]
    table["is_fraud"] = pd.array([None if label is None else int(label.is_fraud) for label in known], dtype="Int8")
    table["label_time"] = [None if label is None else label.label_time for label in known]
    for name in ("event_time", "label_time"):
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
    for name in OPTIONAL_NUMBERS:
        table[name] = table[name].astype(float)
    return table[list(COLUMNS)]

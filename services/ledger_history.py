"""The ledger's transactions and labels as a canonical table (`features.table`)."""

from collections.abc import Callable
from datetime import datetime

import msgspec
import pandas as pd

from features.errors import DataError
from features.events import LabelEvent, first_seq
from features.table import COLUMNS, OPTIONAL_NUMBERS
from features.transaction import Transaction
from streaming.ledger import Ledger

_EVENTS = 20_000  # at a time


def table_of(ledger: Ledger, at: datetime, *, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Return what the workers have taken in, with the last label of each transaction that was known before ``at``.

    ``progress`` hears (events read, events in all). Raises `DataError` where there is no transaction.
    """
    rows: dict[str, Transaction] = {}
    labels: dict[str, LabelEvent] = {}
    sources = ledger.sources()
    done, total = 0, sum(reached.last_seq - first_seq(source) for source, reached in sources.items())
    for source in sources:
        seq = first_seq(source)
        while events := ledger.events_after(seq, _EVENTS):
            for event in events:
                if not isinstance(event, LabelEvent):
                    rows[event.transaction.transaction_id] = event.transaction
                elif event.label_time < at and not _later(labels.get(event.transaction_id), event):
                    labels[event.transaction_id] = event
            done += events[-1].seq - seq
            seq = events[-1].seq
            if progress is not None:
                progress(done, total)
    if not rows:
        raise DataError("The ledger holds no transactions.", remedy="Give a file with --data, or run the worker first.")
    return _frame(rows, labels)


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

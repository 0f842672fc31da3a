"""Tells the ledger of a history's transactions that a label may still come for."""

import pandas as pd

from features.table import KEY_COLUMNS
from streaming.ledger import Ledger, TransactionRef

_ROWS = 50_000  # at a time


def announce(ledger: Ledger, history: pd.DataFrame, known: pd.Timestamp) -> None:
    """Import the transactions whose label was not known at the time ``known``, when the history ended."""
    waiting = history[~(history["label_time"] <= known)]
    for start in range(0, len(waiting), _ROWS):
        rows = waiting.iloc[start : start + _ROWS]
        times = rows["event_time"].dt.as_unit("us").astype("int64")
        columns = [rows[name].astype(object).where(rows[name].notna(), None) for name in KEY_COLUMNS.values()]
        ledger.import_history(
            [
                TransactionRef(key, int(time), **dict(zip(KEY_COLUMNS.values(), entities, strict=True)))
                for key, time, *entities in zip(rows["transaction_id"], times, *columns, strict=True)
            ]
        )

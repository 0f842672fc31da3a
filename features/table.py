"""The canonical table: a history of transactions, with labels where they are known, as one pandas frame.

Columns are the fields of `features.transaction.Transaction`, then ``is_fraud`` and ``label_time``:

| column | dtype | missing |
| --- | --- | --- |
| transaction_id, card_id, merchant_id | str | never |
| event_time | datetime64[us, UTC] | never |
| amount | float64, major units | never |
| currency | str | never |
| mcc, customer_id, counterparty_id, device_id, ip, country, channel, entry_mode | str | None |
| latitude, longitude | float64, degrees | NaN |
| is_fraud | Int8 (nullable) | unlabelled |
| label_time | datetime64[us, UTC]: when the label became known | NaT |

Rows are sorted by ``event_time``; equal times keep the file's order, which is the order of the fold. String columns
may be categorical. Columns that a data set lacks entirely are present and all missing.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd

from features.epoch import from_epoch_us
from features.store import Entity
from features.transaction import Transaction

REQUIRED = ("transaction_id", "event_time", "card_id", "merchant_id", "amount", "currency")
OPTIONAL_TEXT = ("mcc", "customer_id", "counterparty_id", "device_id", "ip", "country", "channel", "entry_mode")
OPTIONAL_NUMBERS = ("latitude", "longitude")
LABELS = ("is_fraud", "label_time")
COLUMNS = (*REQUIRED, *OPTIONAL_TEXT, *OPTIONAL_NUMBERS, *LABELS)
KEY_COLUMNS: dict[Entity, str] = {
    "card": "card_id",
    "merchant": "merchant_id",
    "device": "device_id",
    "ip": "ip",
    "customer": "customer_id",
}


def transactions(table: pd.DataFrame) -> Iterator[Transaction]:
    """Yield the rows of a canonical table as transactions, missing values as None."""
    names = (*REQUIRED, *OPTIONAL_TEXT, *OPTIONAL_NUMBERS)
    columns = [datetimes(table[name]) if name == "event_time" else _or_none(table[name]) for name in names]
    for values in zip(*columns, strict=True):
        yield Transaction(**dict(zip(names, values, strict=True)))


def datetimes(column: "pd.Series[Any]") -> list[datetime]:
    """Return a column of UTC times as datetimes, microseconds kept."""
    return [from_epoch_us(time) for time in column.dt.as_unit("us").astype("int64").tolist()]


def _or_none(column: "pd.Series[Any]") -> list[Any]:
    values = column.astype(object)
    return values.where(values.notna(), None).tolist()

"""Rows of the canonical table become transactions exactly."""

import pandas as pd
import pytest

from features.codec import decode_transaction
from features.table import COLUMNS, datetimes, transactions


@pytest.fixture
def table():
    rows = {name: [None, None] for name in COLUMNS}
    rows |= {
        "transaction_id": ["a", "b"],
        "event_time": pd.to_datetime(["2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:01Z"], format="ISO8601").as_unit(
            "us"
        ),
        "card_id": pd.Categorical(["c1", "c2"]),
        "merchant_id": ["m", "m"],
        "amount": [1.25, 2.0],
        "currency": ["EUR", "EUR"],
        "device_id": pd.Categorical([None, "d"]),
        "latitude": [48.5, float("nan")],
        "longitude": [2.5, float("nan")],
    }
    return pd.DataFrame(rows)


def test_rows_become_transactions(table):
    assert list(transactions(table)) == [
        decode_transaction(
            b'{"transaction_id":"a","event_time":"2026-01-01T00:00:00.000001Z","card_id":"c1","merchant_id":"m",'
            b'"amount":1.25,"currency":"EUR","latitude":48.5,"longitude":2.5}'
        ),
        decode_transaction(
            b'{"transaction_id":"b","event_time":"2026-01-01T00:00:01Z","card_id":"c2","merchant_id":"m",'
            b'"amount":2.0,"currency":"EUR","device_id":"d"}'
        ),
    ]


def test_times_keep_their_microseconds(table):
    assert [moment.microsecond for moment in datetimes(table["event_time"])] == [1, 0]

"""A row is read if and only if the same values as one message are accepted, and then as the same transaction."""

import json
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.codec import decode_transaction
from features.datasets.mapping import load_mapping
from features.datasets.reader import read_table
from features.errors import InvalidTransaction
from features.table import OPTIONAL_NUMBERS, OPTIONAL_TEXT

IDS = st.sampled_from(
    ["a", "c-1", "4111111111111111", "4111111111111112", "4111-1111-1111-1111", "x" * 128, "x" * 129, "é", "a b", "~!"]
)
FIELDS = {
    "event_time": st.sampled_from(
        ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456+05:30", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z",
         "1999-12-31T23:59:59.999999Z", "2000-01-01T00:00:00Z", "2000-01-01T00:00:00+00:01", "2026-01-31t12:00:00z",
         "x"]
    ),
    "card_id": IDS,
    "merchant_id": IDS,
    "amount": st.one_of(st.sampled_from([0.0, -1.0, 1e9, 1e9 + 1, 5e-324, 0.1, 12345678.9]), st.floats(0, 2e9)),
    "currency": st.sampled_from(["EUR", "USD", "eur", "XXX", "ZZZ", "EURO"]),
    "mcc": st.sampled_from([None, "5411", "0742", "742", "54111", "٥٤١١"]),
    "country": st.sampled_from([None, "FR", "XK", "fr", "QQ", "FRA"]),
    "ip": st.one_of(st.none(), IDS),
    "latitude": st.one_of(st.none(), st.floats(-100, 100)),
    "longitude": st.one_of(st.none(), st.floats(-200, 200)),
    "channel": st.sampled_from([None, "pos", "transfer", "POS", "web"]),
    "entry_mode": st.sampled_from([None, "chip", "wallet", "chips"]),
}  # fmt: skip
GOOD = {
    "transaction_id": "t", "event_time": "2026-01-31T12:00:00Z", "card_id": "c", "merchant_id": "m", "amount": 1.0,
    "currency": "EUR", "mcc": None, "country": None, "ip": None, "latitude": None, "longitude": None, "channel": None,
    "entry_mode": None,
}  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=FIELDS), min_size=10, max_size=40))
def test_rows_and_messages_agree(changes):
    rows = [GOOD] + [GOOD | change | {"transaction_id": f"t{number}"} for number, change in enumerate(changes)]
    expected = {row["transaction_id"]: accepted(row) for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        lines = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
        path.write_text("\n".join([",".join(GOOD), *lines, ""]))
        found = read_table(path, load_mapping("simulator")).table.set_index("transaction_id", drop=False)
    assert set(found.index) == {key for key, transaction in expected.items() if transaction is not None}
    for key, row in found.to_dict("index").items():
        for name in GOOD:
            missing = name in (*OPTIONAL_TEXT, *OPTIONAL_NUMBERS) and pd.isna(row[name])
            assert (None if missing else row[name]) == getattr(expected[key], name)


def accepted(row):
    """Return the row as a transaction, None if it would be refused as a message."""
    try:
        return decode_transaction(
            json.dumps({name: value for name, value in row.items() if value is not None}).encode()
        )
    except InvalidTransaction:
        return None

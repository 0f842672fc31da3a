"""What the demo sends, and in which order."""

from datetime import timedelta
from itertools import pairwise

import msgspec
import pandas as pd

from features.label import Label
from features.table import COLUMNS
from services.demo.stream import LABEL_LEAD, labels_between, messages, waiting_labels
from streaming.broker import LABELS

START = pd.Timestamp("2026-01-01", tz="UTC")


def table(delays_h):
    """Payments an hour apart; each one's label is known after the given hours, None for never."""
    count = len(delays_h)
    times = pd.Series([START + pd.Timedelta(hours=n) for n in range(count)]).dt.as_unit("us")
    rows = {name: [None] * count for name in COLUMNS}
    rows |= {
        "transaction_id": [f"t{n}" for n in range(count)],
        "event_time": times,
        "card_id": ["c"] * count,
        "merchant_id": ["m"] * count,
        "amount": [1.0] * count,
        "currency": ["EUR"] * count,
        "is_fraud": pd.array([None if h is None else 1 for h in delays_h], dtype="Int8"),
        "label_time": times + pd.to_timedelta([float("nan") if h is None else h for h in delays_h], unit="h"),
    }
    return pd.DataFrame(rows)


def sent(rows, **options):
    last = rows["event_time"].iloc[-1]
    return list(messages(rows, labels_between(rows, START - pd.Timedelta(days=1), last), **options))


def test_each_payment_goes_once_in_order_and_unlabelled_ones_get_no_label():
    out = sent(table([None, 3, None]))
    assert [m.transaction_id for m in out if m.topic != LABELS] == ["t0", "t1", "t2"]
    assert all(m.transaction_id != "t0" for m in out if m.topic == LABELS)


def test_a_label_comes_before_the_payments_that_may_know_of_it_and_after_its_own():
    rows = table([9, 0.5, 20] + [None] * 30)
    out = sent(rows)
    place = {(m.topic == LABELS, m.transaction_id): n for n, m in enumerate(out)}
    for m in out:
        if m.topic == LABELS:
            label = msgspec.json.decode(m.value, type=Label)
            assert place[True, m.transaction_id] > place[False, m.transaction_id]
            later = rows[rows["event_time"] >= label.label_time]["transaction_id"]
            assert all(place[True, m.transaction_id] < place[False, key] for key in later)
    assert timedelta(0) < LABEL_LEAD


def test_broken_messages_are_spread_over_the_stream():
    out = sent(table([None] * 60), broken=5)
    broken = [n for n, m in enumerate(out) if not m.transaction_id]
    assert len(broken) == 5
    assert min(b - a for a, b in pairwise(broken)) >= 9


def test_labels_due_before_the_stream_begins_are_not_sent_but_waiting():
    rows = table([1, 20, None, None])
    stream = rows.iloc[2:].reset_index(drop=True)
    labels = labels_between(rows, START - pd.Timedelta(days=1), rows["event_time"].iloc[-1])
    assert [label.transaction_id for label in waiting_labels(labels, stream["event_time"].iloc[0])] == ["t0", "t1"]
    assert all(m.topic != LABELS for m in messages(stream, labels))

import random
import struct
from bisect import bisect_right, insort
from datetime import timedelta
from operator import itemgetter

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.catalogue import NAMES
from features.errors import DataError
from features.events import LabelEvent, TransactionEvent
from features.replay import CHUNK, replay
from features.state_layout import H_MARKERS
from features.table import COLUMNS, LABELS
from tests.arrays import same_bits
from tests.unit.features.event_streams import Segment, stream, transactions_of
from tests.unit.features.examples import LONG, many
from tests.unit.features.folding import ENGINE, fold_in_batches

SEGMENTS = [Segment(100, "minutes"), Segment(30, "none"), Segment(60, "hours"), Segment(3, "months")]
few = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def compiled():
    ENGINE.warm_up()


def history(seed, segments=SEGMENTS, *, labelled=0.7, **options):
    """Return a canonical table; labels arrive days later, some at once, some absurdly before their transaction."""
    rng = random.Random(seed)
    payments = sorted(
        transactions_of(stream(seed, segments, labels=0.0, **options)), key=lambda payment: payment.event_time
    )
    rows = []
    for payment in payments:
        row = {name: getattr(payment, name) for name in COLUMNS if name not in LABELS}
        known = rng.random() < labelled
        row["is_fraud"] = int(rng.random() < 0.3) if known else None
        delay = rng.choice((timedelta(days=7), timedelta(hours=3), timedelta(0), -timedelta(days=1)))
        row["label_time"] = payment.event_time + delay if known else None
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("event_time", "label_time"):
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
    for name in ("latitude", "longitude"):
        table[name] = table[name].astype(float)
    table["is_fraud"] = table["is_fraud"].astype("Int8")
    return table, payments


def fold_order(waiting):
    label_time, label = waiting
    return label_time, label.transaction_id


def as_events(table, payments):
    """Interleave by hand: a label before the first transaction at or after its time, never before its own."""
    waiting = []
    events = []
    labels = table[["is_fraud", "label_time"]].to_dict("records")
    for payment, known in zip(payments, labels, strict=True):
        reached = bisect_right(waiting, payment.event_time, key=itemgetter(0))
        known_now, too_early = [], []
        for label_time, label in waiting[:reached]:
            own_moment = label.event_time == payment.event_time == label_time
            (too_early if own_moment else known_now).append((label_time, label))
        waiting[:reached] = too_early
        events.extend(label for _, label in known_now)
        events.append(payment)
        if not pd.isna(known["label_time"]):
            label = LabelEvent(
                0, payment.transaction_id, bool(known["is_fraud"]), known["label_time"].to_pydatetime(),
                payment.event_time, payment.card_id, payment.merchant_id, payment.device_id, payment.ip,
                payment.customer_id,
            )  # fmt: skip
            insort(waiting, (max(label.label_time, label.event_time), label), key=fold_order)
    last = payments[-1].event_time
    events.extend(label for label_time, label in waiting if label_time <= last)
    return [numbered(event, seq) for seq, event in enumerate(events, start=1)]


def numbered(event, seq):
    if isinstance(event, LabelEvent):
        return LabelEvent(seq, *(getattr(event, name) for name in LabelEvent.__slots__[1:]))
    return TransactionEvent(seq, event)


def words_without_marker(states):
    words = {}
    for entity, found in states.items():
        for key, data in found.items():
            state = list(struct.unpack(f"<{len(data) // 8}q", data))
            markers = state[1 + H_MARKERS]
            state[0] = state[1 + H_MARKERS] = 0  # checksum and number of markers, which come last
            words[entity, key] = state[: len(state) - markers]
    return words


@few
@given(st.integers(0, 10**6), st.integers(1, 80), st.floats(0.2, 1.0))
def test_replay_and_live_micro_batches_give_the_same_bits(seed, size, optional):
    assert_live_agrees(*history(seed, optional=optional), size)


def assert_live_agrees(table, payments, size):
    replayed, events = replay(table), as_events(table, payments)
    features, states = fold_in_batches(events, range(0, len(events), size))
    assert same_bits(replayed.features, features)
    assert words_without_marker(replayed.states) == words_without_marker(states)


def test_replay_and_live_agree_where_entities_overflow_their_memory():
    segments = [Segment(1500, "seconds"), Segment(100, "hours")]
    assert_live_agrees(*history(1, segments, entities=1, optional=1.0), 64)


@pytest.mark.slow
@many
@given(st.integers(0, 10**6), st.integers(1, 500), LONG)
def test_replay_and_live_agree_on_many_long_histories(seed, size, segments):
    assert_live_agrees(*history(seed, segments, entities=1), size)


def test_live_events_continue_a_replay():
    table, payments = history(4, labelled=0.0)
    whole = replay(table).features
    states = replay(table.iloc[:100]).states
    live = ENGINE.fold([TransactionEvent(seq, payment) for seq, payment in enumerate(payments[100:], start=1)], states)
    assert same_bits(live.features, whole[100:])
    assert all(flag.startswith("missing:") for flags in live.flags for flag in flags)


def test_the_future_leaves_the_past_alone():
    table, _ = history(2)
    cut = 90
    changed = table.copy()
    rng = np.random.default_rng(0)
    after = changed.index >= cut
    changed.loc[after, "amount"] = rng.lognormal(4, 2, after.sum())
    changed.loc[after, "card_id"] = rng.choice(["card-0", "stranger"], after.sum())
    changed.loc[after, "is_fraud"] = 1 - changed.loc[after, "is_fraud"]
    late_labels = changed["label_time"] > changed["event_time"].iloc[cut - 1]
    changed.loc[late_labels, "is_fraud"] = 1
    changed.loc[late_labels, "label_time"] += timedelta(days=3)
    first, second = replay(table).features, replay(changed).features
    assert same_bits(first[:cut], second[:cut])
    assert not same_bits(first[cut:], second[cut:])


def one_card(times, label_times):
    table, _ = history(3, [Segment(len(times), "hours")], entities=1, labelled=0.0)
    table["event_time"] = pd.to_datetime(times, utc=True).astype("datetime64[us, UTC]")
    table["label_time"] = pd.to_datetime(pd.Series(label_times), utc=True).astype("datetime64[us, UTC]")
    table["is_fraud"] = pd.Series([None if one is None else 1 for one in label_times], dtype="Int8")
    return table


def test_a_label_counts_from_its_arrival_and_never_for_its_own_transaction():
    times = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-03", "2024-01-04"]
    table = one_card(times, ["2024-01-03", "2024-01-02", "2024-01-01", None, "2024-01-05"])
    labelled = replay(table).features[:, NAMES.index("card_labelled_all")]
    # The first label arrives with the third transaction; the second at its own time, the third before it: after it.
    assert labelled.tolist() == [0, 0, 2, 2, 3]


def test_labels_after_the_last_transaction_wait_unless_asked_for():
    table = one_card(["2024-01-01", "2024-01-02"], ["2024-01-05", "2024-01-09"])
    assert replay(table).labels == 0
    known = replay(table, until=pd.Timestamp("2024-01-05", tz="UTC").to_pydatetime())
    assert known.labels == 1
    assert known.states != replay(table).states
    assert same_bits(known.features, replay(table).features)


def test_a_table_that_is_not_sorted_is_refused():
    table = one_card(["2024-01-02", "2024-01-01"], [None, None])
    with pytest.raises(DataError, match="row 1 is earlier") as refused:
        replay(table)
    assert "Sort" in refused.value.remedy


def test_progress_ends_at_the_last_row():
    table, _ = history(5)
    long = pd.concat([table] * (CHUNK // len(table) + 2)).sort_values("event_time", kind="stable", ignore_index=True)
    calls = []
    replay(long, progress=lambda done, total: calls.append((done, total)))
    assert len(calls) > 1
    assert calls == sorted(calls)
    assert calls[-1] == (len(long), len(long))


def test_categorical_columns_and_columns_without_values_are_the_same_as_text():
    table, _ = history(6)
    table["country"] = table["device_id"] = None
    categorical = table.astype(
        dict.fromkeys(("card_id", "merchant_id", "ip", "mcc", "currency", "channel"), "category")
    )
    first, second = replay(table), replay(categorical)
    assert same_bits(first.features, second.features)
    assert first.states == second.states
    assert np.isnan(first.features[:, NAMES.index("device_count_1h")]).all()


def test_an_empty_table_gives_no_rows():
    table, _ = history(1)
    nothing = replay(table.iloc[:0])
    assert nothing.features.shape == (0, len(NAMES))
    assert nothing.states == {}

import numpy as np
import pandas as pd
import pytest

from features.catalogue import FEATURES, column
from features.events import TransactionEvent
from features.lateness import Delivery, explained_by_lateness, make_delivery
from features.parity import differs
from features.state_layout import ALLOWED_LATENESS_US, EVENT_LIMIT, HOUR_US
from tests.unit.features.event_streams import Segment, stream, transactions_of
from tests.unit.features.folding import fold_unrounded
from tests.unit.features.window_bounds import assert_bounded

START = pd.Timestamp("2026-01-01", tz="UTC")


def payments(*hours, cards=None, labels=None):
    """A table of payments at these hours, all of one merchant; labels by row, in hours."""
    rows = len(hours)
    known = labels or {}
    return pd.DataFrame(
        {
            "event_time": [START + pd.Timedelta(hours=hour) for hour in hours],
            "card_id": cards or ["c"] * rows,
            "merchant_id": ["m"] * rows,
            "device_id": [None] * rows,
            "ip": [None] * rows,
            "customer_id": [None] * rows,
            "is_fraud": pd.Series([1 if row in known else None for row in range(rows)], dtype="Int8"),
            "label_time": pd.to_datetime(
                pd.Series([START + pd.Timedelta(hours=known[row]) if row in known else None for row in range(rows)]),
                utc=True,
            ),
        }
    )


def delivered(table, **delays):
    """Deliver rows late: ``r3=5`` delays row 3 by 5 hours."""
    times = pd.DatetimeIndex(table["event_time"]).as_unit("us").asi8
    arrivals = times.copy()
    for row, hours in delays.items():
        arrivals[int(row[1:])] += round(hours * HOUR_US)
    return Delivery(times, arrivals, np.argsort(arrivals, kind="stable"))


def rows_of(explained, name):
    return np.flatnonzero(explained[:, column(name)]).tolist()


def test_the_same_seed_delays_the_same_share_alike_and_within_a_day():
    table = payments(*range(1000))
    first, second, other = (make_delivery(table, 0.1, seed) for seed in (1, 1, 2))
    assert first.late.sum() == 100
    assert first.delivered.tolist() == second.delivered.tolist() != other.delivered.tolist()
    assert (first.delivered - first.times).max() <= ALLOWED_LATENESS_US
    assert sorted(first.order.tolist()) == list(range(1000))
    assert not make_delivery(table).late.any()


def test_payments_of_one_moment_stay_in_place():
    assert make_delivery(payments(0, 1, 1, 2), 1.0).late.tolist() == [True, False, False, True]


def test_in_order_nothing_is_explained():
    table = payments(0, 1, 2, labels={0: 1})
    assert not explained_by_lateness(table, delivered(table)).any()


def test_what_overtook_a_late_payment_misses_it_in_the_windows_that_hold_it():
    table = payments(0, 0.5, 5, 30, cards=["c", "c", "c", "d"])
    explained = explained_by_lateness(table, delivered(table, r0=6))
    assert rows_of(explained, "card_count_1h") == [1]
    assert rows_of(explained, "card_count_24h") == [1, 2]
    assert rows_of(explained, "card_velocity_1h") == [0, 1, 2]
    assert rows_of(explained, "merchant_count_30d") == [1, 2]
    for at, feature in enumerate(FEATURES):
        if feature.entity in ("request", "device", "ip", "customer") or feature.source == "labels":
            assert not explained[:, at].any()


def test_other_cards_are_left_alone():
    table = payments(0, 1, cards=["c", "d"])
    explained = explained_by_lateness(table, delivered(table, r0=6))
    assert rows_of(explained, "card_count_24h") == []
    assert rows_of(explained, "merchant_count_24h") == [1]


def test_a_late_payment_differs_only_in_what_has_no_window():
    table = payments(0, 1, 2)
    explained = explained_by_lateness(table, delivered(table, r1=6))
    assert 1 in rows_of(explained, "distance_km")
    assert 1 not in rows_of(explained, "card_count_24h")


def test_a_late_payment_that_nothing_overtook_explains_nothing():
    table = payments(0, 10)
    assert not explained_by_lateness(table, delivered(table, r0=6)).any()


def test_the_label_of_a_late_payment_is_missed_once_it_was_known():
    table = payments(0, 1, 3, labels={0: 2})
    explained = explained_by_lateness(table, delivered(table, r0=6))
    assert rows_of(explained, "card_labelled_24h") == [2]
    assert rows_of(explained, "card_labelled_all") == [2]


def test_a_label_that_came_before_a_late_payment_is_seen_early():
    table = payments(0, 50, 52, labels={0: 51})
    explained = explained_by_lateness(table, delivered(table, r1=3))
    assert rows_of(explained, "card_fraud_run_length") == [1]
    assert rows_of(explained, "card_labelled_24h") == []


def test_sums_of_an_outgrown_memory_may_differ_as_long_as_the_window_holds_a_late_payment():
    hours = np.arange(EVENT_LIMIT[0] + 400) / 20
    table = payments(*hours)
    explained = explained_by_lateness(table, delivered(table, r100=0.15))
    after = rows_of(explained, "card_sum_24h")
    assert after[0] == 101
    assert EVENT_LIMIT[0] not in after
    assert EVENT_LIMIT[0] + 1 in after
    assert after[-1] == 100 + 499  # 24 hours and a tile of one hour, its edge left out
    assert rows_of(explained, "card_sum_1h") == [101, 102]  # the memory holds them all


def test_windows_that_the_memory_holds_are_not_explained_however_much_came_before_them():
    table = payments(*np.arange(EVENT_LIMIT[0] + 400))
    explained = explained_by_lateness(table, delivered(table, r600=6.5))
    assert 600 in rows_of(explained, "card_sum_30d")
    assert 600 not in rows_of(explained, "card_sum_7d")
    assert rows_of(explained, "card_sum_24h") == [*range(601, 607)]


@pytest.mark.parametrize("seed", range(3))
def test_what_late_payments_see_at_an_outgrown_entity_is_explained_and_bounded(seed):
    rng = np.random.default_rng(seed)
    stored = transactions_of(stream(seed, [Segment(4500, "minute")], entities=1, labels=0.0))
    table = payments(*((one.event_time - stored[0].event_time).total_seconds() / 3600 for one in stored))
    delivery = make_delivery(table, 0.05, seed)
    arrived = [stored[row] for row in delivery.order]
    live = fold_unrounded([TransactionEvent(seq, one) for seq, one in enumerate(arrived, start=1)])
    replayed = fold_unrounded([TransactionEvent(seq, one) for seq, one in enumerate(stored, start=1)])
    late = np.flatnonzero(delivery.late[delivery.order])
    assert assert_bounded(arrived, live, late) > 100
    assert assert_bounded(arrived, live, rng.choice(len(arrived), 200)) > 100
    explained = explained_by_lateness(table, delivery)
    columns = [at for at, feature in enumerate(FEATURES) if feature.entity in ("card", "merchant")]
    differ = differs(live.astype(np.float32), replayed[delivery.order].astype(np.float32)) & ~explained[delivery.order]
    assert late.size == 225
    assert not differ[:, columns].any()

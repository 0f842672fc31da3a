"""Thousands of events on one entity: windows are exact within its memory, and off by one tile at most beyond it."""

import random
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from features.catalogue import NAMES
from features.catalogue_windows import STATISTICS
from features.events import TransactionEvent
from tests.unit.features.event_streams import START, Segment, stream, transactions_of
from tests.unit.features.examples import LONG, SEEDS, few, many
from tests.unit.features.feature_oracle import SPANS, Oracle
from tests.unit.features.folding import ENGINE, assert_agrees, fold_in_batches, fold_unrounded
from tests.unit.features.window_bounds import assert_bounded

EVERY = 17  # each so many-th transaction is computed the slow way, too
# Exact but for the order of adding; all else goes through angles and logarithms.
TO_THE_LAST_BITS = np.array(
    [1e-9 if any(f"_{one}_{span}" in name for one in STATISTICS for span in SPANS) else 3e-6 for name in NAMES]
)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    ENGINE.warm_up()


def assert_right(events):
    """Hold a stream's features against the definitions, and its windows against the bound."""
    oracle = Oracle()
    expected = oracle.fold(events, EVERY)
    assert any(history.outgrown.times for history in oracle.histories.values())
    features = fold_unrounded(events)
    assert_agrees(features[::EVERY], expected, TO_THE_LAST_BITS, 1e-6)
    payments = transactions_of(events)
    assert assert_bounded(payments, features, range(0, len(payments), EVERY)) > 0


@few
@example(1, [Segment(5000, "minute", 0.3)], 1)  # for three days more than is remembered, a third of it late
@given(SEEDS, LONG, st.sampled_from((1, 2)))
def test_an_entity_with_thousands_of_events_agrees_with_the_definitions(seed, segments, entities):
    assert_right(stream(seed, segments, entities=entities))


@pytest.mark.slow
@many
@given(SEEDS, LONG, st.sampled_from((1, 2)))
def test_many_entities_with_thousands_of_events_agree_with_the_definitions(seed, segments, entities):
    assert_right(stream(seed, segments, entities=entities))


@pytest.mark.parametrize("gap", ["none", "second", "seconds", "minutes"])
def test_a_burst_after_a_month_of_silence_agrees_with_the_definitions(gap):
    assert_right(stream(5, [Segment(1500, gap), Segment(1, "months"), Segment(1500, gap)], entities=1, optional=1.0))


@pytest.mark.parametrize(("a_day", "days"), [(6000, 1), (6000, 5), (720, 40)])
def test_a_late_payment_at_a_busy_merchant_misses_less_than_an_hour_and_sees_less_than_a_tile_too_much(a_day, days):
    first, step = stream(1, [Segment(1, "none")], entities=1, labels=0.0)[0].transaction, timedelta(days=1) / a_day
    payments = [
        replace(first, transaction_id=f"t{at}", event_time=START + at * step, amount=float(1 + at % 50))
        for at in range(a_day * days)
    ]
    lateness = [0, 0.1, 1, 6, 12, 18, 22, 23, 23.9, 24]
    late = [replace(first, event_time=payments[-1].event_time - timedelta(hours=hours)) for hours in lateness]
    events = [TransactionEvent(seq, payment) for seq, payment in enumerate(payments, start=1)]
    features = fold_unrounded([*events, *(TransactionEvent(0, payment) for payment in late)])  # they only read
    for payment, row in zip(late, features[-len(late) :], strict=True):
        assert assert_bounded([*payments, payment], {len(payments): row}, [len(payments)]) > 0
    if a_day == 6000:
        hourly = dict(zip(lateness, features[-len(late) :, NAMES.index("merchant_count_1h")], strict=True))
        assert [hourly[6], hourly[12]] == pytest.approx([250, 250], abs=1)


def assert_batches_change_nothing(seed, segments):
    events, rng = stream(seed, segments, entities=1), random.Random(seed)
    together = ENGINE.fold(events, {})
    features, states = fold_in_batches(events, [rng.randint(0, len(events)) for _ in range(rng.randint(5, 40))])
    assert features.tobytes() == together.features.tobytes()
    assert states == together.states


@few
@given(SEEDS, LONG)
def test_batches_change_nothing_beyond_the_memory(seed, segments):
    assert_batches_change_nothing(seed, segments)


@pytest.mark.slow
@many
@given(SEEDS, LONG)
def test_batches_change_nothing_beyond_many_memories(seed, segments):
    assert_batches_change_nothing(seed, segments)

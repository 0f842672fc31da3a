import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from features.catalogue import FEATURES, NAMES
from features.engine import FeatureEngine
from features.events import LabelEvent, TransactionEvent
from features.state_layout import TILES
from features.table import OPTIONAL_NUMBERS, OPTIONAL_TEXT
from tests.arrays import same_bits
from tests.unit.features.event_streams import GAPS, START, Segment, stream, transactions_of
from tests.unit.features.feature_oracle import SPANS, Oracle
from tests.unit.features.folding import ENGINE, assert_agrees, fold_in_batches

SEGMENTS = st.lists(
    st.builds(Segment, st.integers(1, 40), st.sampled_from(sorted(GAPS)), st.sampled_from((0.0, 0.3))),
    min_size=1,
    max_size=5,
)
few = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", autouse=True)
def compiled():
    ENGINE.warm_up()


@few
@given(st.integers(0, 10**6), SEGMENTS, st.sampled_from((1, 3)))
def test_features_agree_with_the_definitions_on_random_streams(seed, segments, entities):
    events = stream(seed, segments, entities=entities)
    assert_agrees(ENGINE.fold(events, {}).features, Oracle().fold(events))


def test_features_agree_with_the_definitions_over_a_long_history():
    events = stream(7, [Segment(250, "minutes", 0.1), Segment(200, "hours", 0.1), Segment(60, "days")], entities=2)
    oracle = Oracle()
    expected = oracle.fold(events)
    assert not any(history.outgrown.times for history in oracle.histories.values())
    assert_agrees(ENGINE.fold(events, {}).features, expected)


@few
@given(st.integers(0, 10**6), SEGMENTS, st.randoms(use_true_random=False))
def test_batches_and_packed_states_change_nothing(seed, segments, rng):
    events = stream(seed, segments)
    together = ENGINE.fold(events, {})
    features, states = fold_in_batches(events, [rng.randint(0, len(events)) for _ in range(rng.randint(0, 9))])
    assert same_bits(features, together.features)
    assert states == together.states


def test_batches_change_nothing_where_an_entity_overflows_its_memory():
    events = stream(3, [Segment(900, "seconds", 0.2), Segment(60, "hours")], entities=1, optional=1.0)
    together = ENGINE.fold(events, {})
    features, states = fold_in_batches(events, range(0, len(events), 37))
    assert same_bits(features, together.features)
    assert states == together.states


@few
@given(st.integers(0, 10**6), SEGMENTS, st.randoms(use_true_random=False))
def test_folding_again_after_a_crash_changes_nothing(seed, segments, rng):
    events = stream(seed, segments)
    done = rng.randint(0, len(events))
    _, states = fold_in_batches(events[:done], [])
    survived = {
        entity: {key: state for key, state in of.items() if rng.random() < 0.5} for entity, of in states.items()
    }
    lost_too = ENGINE.fold(events[:done], survived)  # some entities were written, others not
    assert lost_too.states == states
    assert ENGINE.fold(events, states).states == ENGINE.fold(events, {}).states


def test_an_event_that_was_applied_is_flagged_and_seq_zero_only_reads():
    events = stream(5, [Segment(20, "minutes")], labels=0.0, optional=1.0)
    states = ENGINE.fold(events, {}).states
    again = ENGINE.fold(events[-1:], states)
    assert again.flags[0] >= {f"already_applied:{entity}" for entity in ("card", "merchant", "device", "ip")}
    reading = ENGINE.fold([TransactionEvent(0, events[-1].transaction)], states)
    for entity, found in reading.states.items():
        assert found == {key: states[entity][key] for key in found}


def look_back(events, cut):
    """Return how many transactions lie before the cut, and their features with and without another future."""
    changed = events[:cut] + stream(99, [Segment(300, "minutes")], labels=0.6)[cut:]
    seen = len(transactions_of(events[:cut]))
    return seen, ENGINE.fold(events, {}).features, ENGINE.fold(changed, {}).features


def test_the_future_leaves_the_past_alone():
    """Perturb everything after T (amounts, labels, entities): features at or before T are bit-identical."""
    events = stream(11, [Segment(150, "minutes"), Segment(150, "hours")], labels=0.4)
    seen, first, second = look_back(events, 170)
    assert same_bits(first[:seen], second[:seen])
    assert not same_bits(first[seen : seen + 20], second[seen : seen + 20])


def test_an_injected_look_ahead_is_caught(monkeypatch):
    """An engine that folds the next transaction's label one event early fails the test above."""
    fold = FeatureEngine.fold

    def leaky(self, events, states):
        swapped = list(events)
        for at in range(1, len(swapped)):
            if isinstance(swapped[at], LabelEvent):
                swapped[at - 1], swapped[at] = swapped[at], swapped[at - 1]
        return fold(self, swapped, states)

    monkeypatch.setattr(FeatureEngine, "fold", leaky)
    events = stream(11, [Segment(300, "minutes")], labels=0.4)
    cut = next(at for at in range(150, 300) if isinstance(events[at], LabelEvent))  # the first perturbed event
    seen, first, second = look_back(events, cut)
    assert not same_bits(first[:seen], second[:seen])


@few
@given(st.integers(0, 10**6))
def test_a_late_transaction_does_not_see_what_is_dated_after_it(seed):
    """Events folded before it but dated later change none of its features; at most its distance becomes missing."""
    events = stream(seed, [Segment(60, "minutes")], labels=0.3)
    now = max(payment.event_time for payment in transactions_of(events))
    ahead = now - START + timedelta(seconds=1)
    later = [dated_later(event, ahead, len(events)) for event in stream(seed + 1, [Segment(60, "seconds")], labels=0.5)]
    late = TransactionEvent(10**6, replace(transactions_of(later)[0], event_time=now, transaction_id="late"))
    without = ENGINE.fold([*events, late], {})
    with_later = ENGINE.fold([*events, *later, late], {})
    assert "late" in with_later.flags[-1]
    for name, one, other in zip(NAMES, without.features[-1], with_later.features[-1], strict=True):
        missing = name in ("distance_km", "speed_kmh") and np.isnan(other)
        assert missing or one.tobytes() == other.tobytes(), f"{name}: {one} became {other}"


def dated_later(event, ahead, seqs):
    """Move an event, and all that it knows, into the future."""
    if isinstance(event, LabelEvent):
        moved = {"event_time": event.event_time + ahead, "label_time": event.label_time + ahead}
        return dataclasses.replace(event, seq=event.seq + seqs, transaction_id=f"later-{event.transaction_id}", **moved)
    payment = event.transaction
    payment = replace(payment, event_time=payment.event_time + ahead, transaction_id=f"later-{payment.transaction_id}")
    return TransactionEvent(event.seq + seqs, payment)


def test_a_late_transaction_lands_in_its_own_window():
    payments = stream(1, [Segment(1, "hours")], entities=1, labels=0.0)[0].transaction
    at = payments.event_time
    times = [at, at + timedelta(hours=10), at + timedelta(minutes=30), at + timedelta(hours=10, minutes=1)]
    events = [
        TransactionEvent(seq, replace(payments, transaction_id=f"t{seq}", event_time=time))
        for seq, time in enumerate(times, start=1)
    ]
    result = ENGINE.fold(events, {})
    counts = result.features[:, NAMES.index("card_count_1h")].tolist()
    assert counts == [0, 0, 1, 1]
    assert [sorted(flags & {"late", "too_late"}) for flags in result.flags] == [[], [], ["late"], []]
    long_ago = TransactionEvent(9, replace(payments, transaction_id="t9", event_time=at - timedelta(days=2)))
    assert ENGINE.fold([long_ago], result.states).flags[0] >= {"late", "too_late"}


def test_a_quiet_entity_ages_to_zero():
    events = stream(2, [Segment(30, "seconds"), Segment(1, "months")], entities=1, labels=0.0, optional=1.0)
    last = ENGINE.fold(events, {}).features[-1]
    for name in ("card_count_1h", "merchant_count_24h", "device_count_7d", "card_sum_30d"):
        assert last[NAMES.index(name)] == 0
    assert last[NAMES.index("card_history_count")] == 30


@pytest.mark.parametrize(
    ("window", "gap", "count"),
    [("1h", "second", 4000), ("24h", "seconds", 6000), ("7d", "minutes", 1500), ("30d", "minutes", 3500)],
)
def test_beyond_its_memory_an_entity_is_off_by_at_most_one_tile(window, gap, count):
    events = stream(4, [Segment(count, gap)], entities=1, labels=0.0, optional=1.0)
    features = ENGINE.fold(events, {}).features
    times = np.array([payment.event_time.timestamp() for payment in transactions_of(events)])
    amounts = np.array([payment.amount for payment in transactions_of(events)])
    span = SPANS[window].total_seconds()
    for entity in ("card", "merchant"):
        counted = features[:, NAMES.index(f"{entity}_count_{window}")]
        largest = features[:, NAMES.index(f"{entity}_max_{window}")]
        assert counted.max() > 600  # more than any entity remembers
        for row in range(1, count, 13):
            inside = times[:row] > times[row] - span
            with_tile = times[:row] > times[row] - span * (1 + 1 / TILES)
            assert inside.sum() <= counted[row] <= with_tile.sum()
            assert np.float32(amounts[:row][inside].max()) <= largest[row] <= np.float32(amounts[:row][with_tile].max())


@pytest.mark.parametrize(("window", "gap"), [("24h", "seconds"), ("7d", "minutes")])
def test_beyond_its_memory_labels_are_off_by_at_most_one_tile(window, gap):
    payments = stream(6, [Segment(6000 if gap == "seconds" else 1500, gap)], entities=1, labels=0.0, optional=1.0)
    events = [event for payment in payments for event in (payment, labelled_soon(payment))]
    events = [dataclasses.replace(event, seq=seq) for seq, event in enumerate(events, start=1)]
    features = ENGINE.fold(events, {}).features
    times = np.array([payment.transaction.event_time.timestamp() for payment in payments])
    span = SPANS[window].total_seconds()
    for entity in ("card", "merchant", "device", "ip"):
        counted = features[:, NAMES.index(f"{entity}_labelled_{window}")]
        rate = features[:, NAMES.index(f"{entity}_fraud_rate_{window}")]
        assert counted.max() > 300
        for row in range(1, len(payments), 13):
            fewest = np.sum(times[:row] > times[row] - span)
            assert fewest <= counted[row] <= np.sum(times[:row] > times[row] - span * (1 + 1 / TILES))
            assert rate[row] * (counted[row] + 10) - 0.05 == pytest.approx(counted[row] / 3, abs=1.1)


def labelled_soon(event):
    """Label a payment at its own time, every third one as fraud."""
    payment = event.transaction
    return LabelEvent(
        0, payment.transaction_id, event.seq % 3 == 0, payment.event_time, payment.event_time,
        payment.card_id, payment.merchant_id, payment.device_id, payment.ip,
    )  # fmt: skip


def test_equal_amounts_have_no_deviation():
    events = [
        TransactionEvent(event.seq, replace(event.transaction, amount=0.1))
        for event in stream(2, [Segment(1200, "seconds")], entities=1, labels=0.0)
    ]
    features = ENGINE.fold(events, {}).features
    assert (features[1:256, NAMES.index("card_std_24h")] == 0).all()
    assert features[-1, NAMES.index("card_std_24h")] < 1e-6


def test_cold_start_gives_the_catalogue_defaults():
    payment = stream(1, [Segment(1, "hours")], labels=0.0, optional=1.0)[0]
    row = ENGINE.fold([payment], {}).features[0]
    for feature, value in zip(FEATURES, row, strict=True):
        if not feature.request_only:
            assert np.array_equal(value, np.float32(feature.default), equal_nan=True), feature.name


def test_missing_optional_fields_give_missing_features():
    events = stream(1, [Segment(30, "minutes")], labels=0.2, optional=0.0)
    features = ENGINE.fold(events, {}).features
    for feature, column in zip(FEATURES, features.T, strict=True):
        if feature.entity in ("device", "ip") or feature.name in ("distance_km", "mcc", "card_new_country"):
            assert np.isnan(column).all(), feature.name
    assert set(ENGINE.keys(events)) == {"card", "merchant"}


def test_request_features_do_not_depend_on_states():
    events = stream(8, [Segment(200, "minutes")], labels=0.2)
    columns = [at for at, feature in enumerate(FEATURES) if feature.request_only]
    alone = [ENGINE.fold([event], {}).features for event in events if isinstance(event, TransactionEvent)]
    assert same_bits(np.concatenate(alone)[:, columns], ENGINE.fold(events, {}).features[:, columns])


DAMAGES = {
    "nothing": (lambda state: b"", "unreadable"),
    "truncated": (lambda state: state[:-8], "corrupt"),
    "cut": (lambda state: state[:50], "corrupt"),
    "cut short": (lambda state: state[:5], "corrupt"),
    "flipped": (lambda state: state[:40] + bytes([state[40] ^ 1]) + state[41:], "corrupt"),
    "another version": (lambda state: state[:2] + b"\x07" + state[3:], "version"),
    "another version's sizes": (lambda state: state[:2] + b"\x07" + state[3:51], "version"),
    "another entity's": (lambda state: state[:3] + b"\x00" + state[4:], "foreign"),
    "garbage": (lambda state: b"something else entirely" * 9, "foreign"),
}


@pytest.mark.parametrize(("damage", "kind"), DAMAGES.values(), ids=DAMAGES)
def test_unusable_states_are_flagged_and_taken_as_unknown(damage, kind):
    events = stream(1, [Segment(40, "minutes")], entities=1, labels=0.2, optional=1.0)
    states = ENGINE.fold(events[:-1], {}).states
    last = stream(2, [Segment(1, "minutes")], entities=1, labels=0.0, optional=1.0)[0].transaction
    late = TransactionEvent(1000, replace(last, event_time=START + timedelta(days=9), transaction_id="t1000"))
    broken = {entity: dict(of) for entity, of in states.items()}
    broken["merchant"] = {key: damage(state) for key, state in states["merchant"].items()}
    unknown = {entity: of for entity, of in states.items() if entity != "merchant"}
    result, cold = ENGINE.fold([late], broken), ENGINE.fold([late], unknown)
    assert result.flags == ({"unusable:merchant"},)
    assert {(each.entity, each.key, each.defect.kind) for each in result.unusable} == {
        ("merchant", key, kind) for key in states["merchant"]
    }
    assert cold.flags == ({"cold:merchant"},)
    assert cold.unusable == ()
    assert same_bits(result.features, cold.features)
    assert result.states == cold.states


def test_an_unusable_state_that_only_a_label_meets_is_reported():
    (payment,) = stream(1, [Segment(1, "minutes")], entities=1, labels=0.0, optional=1.0)
    states = ENGINE.fold([payment], {}).states
    (card,) = states["card"]
    label = dataclasses.replace(labelled_soon(payment), seq=2)
    result = ENGINE.fold([label], states | {"card": {card: b"garbage"}})
    assert result.flags == ()
    assert [(each.entity, each.key, each.defect.kind) for each in result.unusable] == [("card", card, "corrupt")]
    assert result.states["card"] == ENGINE.fold([label], {}).states["card"]
    assert ENGINE.fold([label], states).unusable == ()


def test_an_entity_is_cold_until_its_first_transaction_is_folded():
    payments = stream(1, [Segment(3, "minutes")], entities=1, labels=0.0, optional=1.0)
    known = {"card", "merchant", "device", "ip", "customer"}
    first = ENGINE.fold(payments[:2], {})
    assert first.flags == ({f"cold:{entity}" for entity in known}, set())  # the second sees the first, in one batch
    elsewhere = replace(payments[2].transaction, device_id="new")
    assert ENGINE.fold([TransactionEvent(3, elsewhere)], first.states).flags == ({"cold:device"},)
    label = dataclasses.replace(labelled_soon(payments[0]), seq=1)
    labelled = ENGINE.fold([label], {}).states
    assert "cold:card" in ENGINE.fold(payments[1:2], labelled).flags[0]  # known by a label only


@pytest.mark.parametrize("field", [*OPTIONAL_TEXT, *OPTIONAL_NUMBERS])
def test_an_absent_field_is_flagged_where_features_use_it(field):
    (event,) = stream(1, [Segment(1, "minutes")], labels=0.0, optional=1.0)
    without = TransactionEvent(1, replace(event.transaction, **{field: None}))
    whole, lacking = ENGINE.fold([event], {}).flags[0], ENGINE.fold([without], {}).flags[0]
    assert not any(flag.startswith("missing:") for flag in whole)
    expected = set() if field == "counterparty_id" else {f"missing:{field}"}  # no feature knows the counterparty
    assert {flag for flag in lacking if flag.startswith("missing:")} == expected


def test_no_events_give_no_rows():
    result = ENGINE.fold((), {})
    assert result.features.shape == (0, len(NAMES))
    assert result.states == {}
    assert ENGINE.keys(()) == {}

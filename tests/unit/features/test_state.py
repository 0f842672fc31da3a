import struct
import zlib
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import NAMES
from features.engine import FeatureEngine
from features.errors import StateError
from features.events import LabelEvent, TransactionEvent
from features.flags import UNUSABLE
from features.state import STATE_VERSION, Arena, check_state, up_to_date
from features.state_layout import ENTITY_CODES, H_EVENTS, H_MARKERS, H_OUTCOMES, H_TILED
from features.store import ENTITIES
from features.transaction import Transaction
from tests.unit.features.event_streams import START, Segment, stream
from tests.unit.features.examples import LONG, SEEDS, few


def states(count=60, gap="minutes", entities=2):
    events = stream(3, [Segment(count, gap)], entities=entities, labels=0.3, optional=0.9)
    return FeatureEngine().fold(events, {}).states


def reload(entity, data):
    """Unpack a state into an arena of its own and pack it again."""
    check_state(data, entity)
    nothing = np.zeros(1, np.int64)
    return Arena.load([data], np.array([ENTITY_CODES[entity]], np.int64), nothing, nothing).pack()[0]


def word(data, at):
    return struct.unpack_from("<q", data, 8 + at * 8)[0]


@pytest.mark.parametrize("size", [{}, {"count": 2000, "gap": "seconds", "entities": 1}], ids=["small", "tiled"])
def test_packing_is_lossless(size):
    packed = states(**size)
    assert set(packed) == set(ENTITIES)
    for entity, found in packed.items():
        for data in found.values():
            assert reload(entity, data) == data
            assert bool(word(data, H_TILED)) == bool(size)


@few
@given(SEEDS, LONG)
def test_packing_is_lossless_whatever_was_folded(seed, segments):
    for entity, found in FeatureEngine().fold(stream(seed, segments), {}).states.items():
        for data in found.values():
            assert reload(entity, data) == data


def test_a_state_seen_once_is_small():
    for found in states(count=1).values():
        assert all(len(data) <= 160 for data in found.values())


def test_the_heaviest_state_stays_bounded():
    packed = states(count=4000, gap="second", entities=1)
    assert {entity: len(next(iter(found.values()))) <= 30_000 for entity, found in packed.items()} == dict.fromkeys(
        ENTITIES, True
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "holds no card state"),
        (lambda data: data[:-3], "truncated"),
        (lambda data: data[:-8], "checksum"),
        (lambda data: data[:30] + b"!" + data[31:], "checksum"),
        (lambda data: b"XX" + data[2:], "something else"),
        (lambda data: data[:2] + b"\x07" + data[3:], f"version 7, not {STATE_VERSION}"),
        (lambda data: data[:2] + b"\x01" + data[3:-8], "checksum"),
    ],
)
def test_unusable_bytes_are_refused_with_a_reason(damage, message):
    data = next(iter(states()["card"].values()))
    with pytest.raises(StateError, match=message) as refused:
        check_state(damage(data), "card")
    assert refused.value.remedy


def test_a_state_of_another_entity_is_refused():
    with pytest.raises(StateError, match="something else"):
        check_state(next(iter(states()["merchant"].values())), "card")


def steady(count, start=0):
    """Payments at one merchant, twenty minutes apart, each labelled at once."""
    events = []
    for number in range(start, start + count):
        time = START + number * timedelta(minutes=20)
        payment = Transaction(
            transaction_id=f"t{number}", event_time=time, card_id="c", merchant_id="m",
            amount=float(10 + number % 7), currency="EUR",
        )  # fmt: skip
        label = LabelEvent(2 * number + 2, payment.transaction_id, number % 3 == 0, time, time, "c", "m")
        events += [TransactionEvent(2 * number + 1, payment), label]
    return events


def test_a_state_of_version_1_goes_on_as_one_of_this_version():
    """The stored bytes were written by version 1, from the thousand payments that are folded here."""
    old = zlib.decompress(Path(__file__).with_name("merchant_state_v1.zlib").read_bytes())
    assert old[2] == 1
    new = FeatureEngine().fold(steady(1000), {}).states["merchant"]["m"]
    upgraded = up_to_date(old, "merchant")
    check_state(upgraded, "merchant")
    assert len(upgraded) == len(new)
    from_old, from_new = (FeatureEngine().fold(steady(3000, 1000), {"merchant": {"m": state}}) for state in (old, new))
    assert from_old.features.tobytes() == from_new.features.tobytes()
    assert from_old.states == from_new.states
    assert not any(flag.startswith(UNUSABLE) for flags in from_old.flags for flag in flags)
    assert from_old.features[0, NAMES.index("merchant_count_30d")] == 1000


@settings(deadline=None, derandomize=True)
@given(
    st.integers(0, 12),
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300)),
    st.sampled_from((1, STATE_VERSION)),
)
def test_sizes_that_contradict_each_other_are_refused_though_the_checksum_holds(at, value, version):
    """The kernel checks no bounds: whatever gets through here must be safe to work on."""
    data = next(iter(states()["card"].values()))
    body = bytearray(data[8:] if version == STATE_VERSION else data[8:-8])  # one marker, which was in the header
    struct.pack_into("<q", body, at * 8, value)
    forged = struct.pack("<2sBBI", b"RF", version, 0, zlib.crc32(body)) + bytes(body)
    sized = at in (H_EVENTS, H_OUTCOMES, H_TILED, *([H_MARKERS] if version == STATE_VERSION else []))
    try:
        check_state(forged, "card")
    except StateError:
        assert sized
    else:
        assert not sized or (value & 3 if at == H_TILED else value) == word(data, at)

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.engine import FeatureEngine
from features.errors import StateError
from features.state import Arena, check_state
from features.state_layout import ENTITY_CODES, H_EVENTS, H_OUTCOMES, H_TILED
from features.store import ENTITIES
from tests.unit.features.event_streams import Segment, stream
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
        (lambda data: b"", "truncated"),
        (lambda data: data[:-3], "truncated"),
        (lambda data: data[:-8], "checksum"),
        (lambda data: data[:30] + b"!" + data[31:], "checksum"),
        (lambda data: b"XX" + data[2:], "something else"),
        (lambda data: data[:2] + b"\x02" + data[3:], "version 2, not 1"),
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


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 12), st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300)))
def test_sizes_that_contradict_each_other_are_refused_though_the_checksum_holds(at, value):
    """The kernel checks no bounds: whatever gets through here must be safe to work on."""
    data = next(iter(states()["card"].values()))
    body = bytearray(data[8:])
    struct.pack_into("<q", body, at * 8, value)
    forged = struct.pack("<2sBBI", b"RF", 1, 0, zlib.crc32(body)) + bytes(body)
    sized = at in (H_EVENTS, H_OUTCOMES, H_TILED)
    try:
        check_state(forged, "card")
    except StateError:
        assert sized
    else:
        assert not sized or (value & 3 if at == H_TILED else value) == word(data, at)

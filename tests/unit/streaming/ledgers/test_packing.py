import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import StateError
from streaming.ledgers.packing import decode_names, encode_names, names_id, pack_features, unpack_features

values = st.one_of(st.none(), st.floats(width=32), st.floats(allow_nan=True))


@given(st.integers(0, 40).flatmap(lambda size: st.lists(st.lists(values, min_size=size, max_size=size), max_size=4)))
def test_features_come_back_bit_for_bit(vectors: list[list[float | None]]) -> None:
    named = [{f"feature_{place}": value for place, value in enumerate(vector)} for vector in vectors]
    back = [unpack_features(tuple(each), packed) for each, packed in zip(named, pack_features(named), strict=True)]
    assert repr(back) == repr(named)  # sees order, signs of zero, None against NaN


def test_scored_vectors_take_four_bytes_a_value_and_others_eight() -> None:
    scored = {f"f{n}": float(n) / 4 for n in range(80)}
    packed = pack_features([scored, {**scored, "f3": 0.1}])
    assert list(map(len, packed)) == [1 + 10 + 4 * 80, 1 + 10 + 8 * 80]


def test_values_beyond_float32_are_kept() -> None:
    assert unpack_features(("a", "b"), pack_features([{"a": 1e300, "b": math.inf}])[0]) == {"a": 1e300, "b": math.inf}


@pytest.mark.parametrize("damage", [b"", b"f", b"x\x00\x00\x00\x00\x00", pack_features([{"a": 1.0, "b": 2.0}])[0]])
def test_bytes_that_do_not_fit_the_names_are_refused(damage: bytes) -> None:
    with pytest.raises(StateError, match="1 names"):
        unpack_features(("a",), damage)


def test_names_have_an_id_of_their_content_and_order() -> None:
    assert decode_names(encode_names(("a", "b"))) == ("a", "b")
    assert names_id(("a", "b")) == 320862978261066923
    assert len({names_id(("a", "b")), names_id(("b", "a")), names_id(("ab",)), names_id(())}) == 4

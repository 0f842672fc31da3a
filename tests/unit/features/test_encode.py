import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.encode import (
    channel_code,
    entry_mode_code,
    key_hash,
    letters_code,
    mcc_code,
    outcome_word,
)
from features.state_layout import COUNTRY_MASK, CURRENCY_MASK, MCC_MASK


def test_hashes_are_the_same_everywhere_and_for_ever():
    """States outlive processes, machines and versions: these values must never change."""
    assert key_hash("card-1") == 0x64ECD394
    assert outcome_word("t1", False) == 1506449374003098852
    assert key_hash(None) == 0


@given(st.text(min_size=1))
def test_hashes_fit_their_fields(text):
    assert 0 < key_hash(text) < 2**32
    assert outcome_word(text, True) == outcome_word(text, False) + 1 < 2**63


@pytest.mark.parametrize(
    ("encode", "largest", "limit"),
    [(letters_code, "ZZ", COUNTRY_MASK), (letters_code, "ZZZ", CURRENCY_MASK), (mcc_code, "9999", MCC_MASK)],
)
def test_codes_start_at_one_and_fit_their_fields(encode, largest, limit):
    assert encode(None) == 0
    assert encode({"ZZ": "AA", "ZZZ": "AAA"}.get(largest, "0000")) == 1
    assert encode(largest) <= limit


def test_schema_lists_are_numbered_from_one():
    assert [channel_code(None), channel_code("pos"), channel_code("transfer")] == [0, 1, 5]
    assert [entry_mode_code(None), entry_mode_code("chip"), entry_mode_code("wallet")] == [0, 1, 6]

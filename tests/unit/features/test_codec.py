"""Every kind of bad input is refused with its code and its field, and good input survives the round trip."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.codec import (
    MAX_MESSAGE_BYTES,
    content_hash,
    decode_label,
    decode_transaction,
    encode_label,
    encode_transaction,
    transaction_json_schema,
)
from features.errors import InvalidLabel, InvalidTransaction
from features.transaction import Transaction

NOW = datetime(2026, 2, 1, tzinfo=UTC)
GOOD = {
    "transaction_id": "t-1",
    "event_time": "2026-01-31T12:00:00.123456Z",
    "card_id": "card_1",
    "merchant_id": "m-1",
    "amount": 12.5,
    "currency": "EUR",
}
CARD_NUMBER = "4111111111111111"


def body(**changes):
    message = {**GOOD, **changes}
    return json.dumps({k: v for k, v in message.items() if v is not ...}).encode()


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (b"", "not_json", ""),
        (b"not json", "not_json", ""),
        (b"\xff\xfe", "not_json", ""),
        (body()[:-1], "not_json", ""),
        (b'{"amount": NaN}', "not_json", ""),
        (b"[" * 60_000, "wrong_type", ""),
        (b"[]", "wrong_type", ""),
        (b"x" * 1_000_000, "too_large", ""),
        (body(card_id=...), "missing_field", "card_id"),
        (body(colour="red"), "unknown_field", "colour"),
        (body(amount="12"), "wrong_type", "amount"),
        (body(amount=True), "wrong_type", "amount"),
        (body(mcc=5411), "wrong_type", "mcc"),
        (body(amount=-1), "out_of_range", "amount"),
        (body(amount=1e300), "out_of_range", "amount"),
        (body(amount=10**400), "out_of_range", "amount"),
        (body(latitude=400), "out_of_range", "latitude"),
        (body(longitude=-181), "out_of_range", "longitude"),
        (body(card_id=""), "out_of_range", "card_id"),
        (body(card_id="x" * 129), "out_of_range", "card_id"),
        (body(card_id="a\u0000b"), "bad_format", "card_id"),
        (body(merchant_id="a\nb"), "bad_format", "merchant_id"),
        (body(device_id="a b"), "bad_format", "device_id"),
        (body(currency="eur"), "bad_format", "currency"),
        (body(currency="EUR\n"), "bad_format", "currency"),
        (body(currency="XXX"), "unknown_currency", "currency"),
        (body(country="ZZ"), "unknown_country", "country"),
        (body(channel="pigeon"), "bad_format", "channel"),
        (body(event_time="2026-01-31T12:00:00"), "naive_time", "event_time"),
        (body(event_time="2026-02-31T12:00:00Z"), "impossible_time", "event_time"),
        (body(event_time="1969-12-31T12:00:00Z"), "impossible_time", "event_time"),
        (body(event_time="0001-01-01T00:00:00+14:00"), "impossible_time", "event_time"),
        (body(event_time=1769860800), "impossible_time", "event_time"),
        (body(event_time="2026-02-01T00:05:01Z"), "future_time", "event_time"),
        (body(card_id=CARD_NUMBER), "card_number", "card_id"),
        (body(card_id="4111-1111-1111-1111"), "card_number", "card_id"),
    ],
)
def test_refusals_name_code_and_field(raw, code, field):
    with pytest.raises(InvalidTransaction) as refusal:
        decode_transaction(raw, now=NOW)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert refusal.value.message


@pytest.mark.parametrize("raw", [body(card_id=CARD_NUMBER), body(**{CARD_NUMBER: 1})])
def test_a_card_number_never_appears_in_a_message(raw):
    with pytest.raises(InvalidTransaction) as refusal:
        decode_transaction(raw)
    assert CARD_NUMBER not in f"{refusal.value!s} {refusal.value.field}"


def test_an_account_verification_has_amount_zero():
    assert decode_transaction(body(amount=0)).amount == 0


def test_times_come_out_in_utc_with_microseconds():
    transaction = decode_transaction(body(event_time="2026-01-31T13:00:00.123456+01:00"))
    assert transaction.event_time == datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert transaction.event_time.tzinfo is UTC


def test_a_little_clock_skew_is_allowed_and_replays_need_no_clock():
    assert decode_transaction(body(event_time="2026-02-01T00:04:59Z"), now=NOW)
    assert decode_transaction(body(event_time="2126-02-01T00:00:00Z"))


def test_the_size_limit_is_exact():
    padding = MAX_MESSAGE_BYTES - len(body())
    assert decode_transaction(body() + b" " * padding)
    with pytest.raises(InvalidTransaction, match="65,537"):
        decode_transaction(body() + b" " * (padding + 1))


def test_content_hash_is_about_content_not_form():
    shuffled = json.dumps(dict(reversed(GOOD.items())), indent=2).encode()
    assert content_hash(decode_transaction(shuffled)) == content_hash(decode_transaction(body()))
    assert content_hash(decode_transaction(body(amount=12.51))) != content_hash(decode_transaction(body()))


identifiers = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
moments = st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 hypothesis wants naive bounds


@given(
    st.builds(
        Transaction,
        transaction_id=identifiers,
        event_time=moments,
        card_id=identifiers.filter(lambda text: not text.isdigit()),
        merchant_id=identifiers,
        amount=st.floats(0.01, 1e9),
        currency=st.sampled_from(["EUR", "JPY"]),
        latitude=st.none() | st.floats(-90, 90),
        device_id=st.none() | identifiers,
    )
)
def test_round_trip(transaction):
    assert decode_transaction(encode_transaction(transaction)) == transaction


def test_labels():
    raw = b'{"transaction_id":"t","is_fraud":true,"source":"chargeback","label_time":"2026-01-01T00:00:00Z"}'
    assert decode_label(encode_label(decode_label(raw))) == decode_label(raw)
    with pytest.raises(InvalidLabel) as refusal:
        decode_label(raw.replace(b"chargeback", b"rumour"))
    assert (refusal.value.code, refusal.value.field) == ("bad_format", "source")


def test_the_json_schema_names_every_field():
    properties = transaction_json_schema()["$defs"]["Transaction"]["properties"]
    assert set(properties) == set(Transaction.__struct_fields__)

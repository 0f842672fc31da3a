"""Wire codec: JSON bytes to validated transactions and labels, and back.

Refusals carry a stable code and the field at fault, never the value: it may be a card number.
"""

import hashlib
import re
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from features.errors import InvalidInput, InvalidLabel, InvalidTransaction
from features.label import Label
from features.reference import mask_card_numbers
from features.transaction import SCHEMA_VERSION, Transaction
from features.validation import check_time, check_transaction

MAX_MESSAGE_BYTES = 64 * 1024

_transaction_decoder = msgspec.json.Decoder(Transaction)
_label_decoder = msgspec.json.Decoder(Label)
_encoder = msgspec.json.Encoder(order="deterministic")
_T = TypeVar("_T", Transaction, Label)

# msgspec ends each message with the JSON path: "Expected `str`, got `int` - at `$.card_id`".
_PATH = re.compile(r" - at `\$\.?([^`]*)`\Z")
_NAMED = re.compile(r"`([^`]+)`")
_FORMS = {
    "currency": "three capital letters, such as EUR",
    "country": "two capital letters, such as FR",
    "mcc": "four digits, such as 5411",
    "channel": "one of pos, ecommerce, atm, moto, transfer",
    "entry_mode": "one of chip, contactless, magstripe, manual, stored, wallet",
    "source": "one of chargeback, analyst, customer",
}
_IDENTIFIER_FORM = "1 to 128 printable ASCII characters without spaces"
_ANY_NUMBER = re.compile(rb"-?(?:NaN|Infinity)\b")


def decode_transaction(raw: bytes, *, now: datetime | None = None) -> Transaction:
    """Decode and validate one transaction.

    Args:
        raw: UTF-8 JSON, at most `MAX_MESSAGE_BYTES`.
        now: processing time (UTC); event times more than `features.validation.MAX_CLOCK_SKEW` ahead of it are
            refused. None skips that check, for replaying histories.

    Raises:
        InvalidTransaction: with one of the codes ``too_large``, ``not_json``, ``unknown_field``, ``missing_field``,
            ``wrong_type``, ``out_of_range``, ``bad_format``, ``naive_time``, ``impossible_time``, ``future_time``,
            ``unknown_currency``, ``unknown_country`` and ``card_number``.

    """
    transaction = _decode(_transaction_decoder, raw, InvalidTransaction)
    return check_transaction(transaction, now=now)


def decode_label(raw: bytes, *, now: datetime | None = None) -> Label:
    """Decode and validate one label; raises `InvalidLabel` with the codes of `decode_transaction` that apply."""
    label = _decode(_label_decoder, raw, InvalidLabel)
    label_time = check_time(label.label_time, "label_time", InvalidLabel, now)
    return label if label_time is label.label_time else msgspec.structs.replace(label, label_time=label_time)


def encode_transaction(transaction: Transaction) -> bytes:
    """Return the canonical JSON of a transaction: fixed field order, absent fields left out."""
    return _encoder.encode(transaction)


def encode_label(label: Label) -> bytes:
    """Return the canonical JSON of a label."""
    return _encoder.encode(label)


def content_hash(transaction: Transaction) -> str:
    """Return the sha-256 (hex) of the canonical JSON: equal exactly for equal content."""
    return hashlib.sha256(encode_transaction(transaction)).hexdigest()


def transaction_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the wire format."""
    schema = msgspec.json.schema(Transaction)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "x-version": SCHEMA_VERSION, **schema}


def _decode(decoder: msgspec.json.Decoder[_T], raw: bytes, error: type[InvalidInput]) -> _T:
    if len(raw) > MAX_MESSAGE_BYTES:
        raise error(
            "too_large",
            f"The message has {len(raw):,} bytes; the limit is {MAX_MESSAGE_BYTES:,}.",
            remedy="Send one transaction a message, without attachments.",
        )
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as exc:
        raise _invalid(str(exc), error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        hint = "NaN and Infinity are not JSON." if _ANY_NUMBER.search(raw[:MAX_MESSAGE_BYTES]) else ""
        raise error("not_json", f"The message is not JSON: {_reason(exc)}.", remedy=hint) from None


def _reason(exc: Exception) -> str:
    return "not UTF-8" if isinstance(exc, UnicodeDecodeError) else str(exc).rstrip(".").lower()


def _invalid(message: str, error: type[InvalidInput]) -> InvalidInput:
    """Translate msgspec's message into a code and a field."""
    path = _PATH.search(message)
    field = path[1] if path else ""
    text = _PATH.sub("", message)
    if "missing required field" in text or "contains unknown field" in text:
        named = _NAMED.findall(text)
        code = "missing_field" if "missing" in text else "unknown_field"
        field = mask_card_numbers(named[-1])[:64]
        what = "is missing" if code == "missing_field" else "is not part of the schema"
        return error(code, f"{field} {what}.", field=field, remedy="The schema is at /v1/schema/transaction.")
    if "timezone" in text:
        return error(
            "naive_time",
            f"{field} has no time zone.",
            field=field,
            remedy="Send RFC 3339, such as 2026-01-31T12:00:00Z.",
        )
    if field.endswith("_time"):
        return error(
            "impossible_time",
            f"{field} is not a time: {_plain(text)}.",
            field=field,
            remedy="Send RFC 3339, such as 2026-01-31T12:00:00Z.",
        )
    if "regex" in text or "enum" in text.lower():
        form = _FORMS.get(field, _IDENTIFIER_FORM)
        return error("bad_format", f"{field} has a form that is not allowed.", field=field, remedy=f"Send {form}.")
    if any(sign in text for sign in (">", "<", "length", "out of range")):
        return error("out_of_range", f"{field} is out of range: {_plain(text)}.", field=field)
    return error("wrong_type", f"{field or 'The message'} has the wrong type: {_plain(text)}.", field=field)


def _plain(text: str) -> str:
    return text.replace("`", "").replace(" | null", "").lower()

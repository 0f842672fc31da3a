"""The transaction: the one schema that every transport, store and model shares."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from features.label import Identifier

SCHEMA_VERSION = 1
MAX_AMOUNT = 1e9

Channel = Literal["pos", "ecommerce", "atm", "moto", "transfer"]
EntryMode = Literal["chip", "contactless", "magstripe", "manual", "stored", "wallet"]
Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]


class Transaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One payment, as it is when it asks to be approved.

    ``event_time`` is UTC (RFC 3339 on the wire, any offset accepted, microseconds kept). ``card_id`` is a token, never
    a card number. ``amount`` is in major units of ``currency`` (ISO 4217), 0 for an account verification;
    ``country`` is ISO 3166-1 alpha-2 of the merchant or terminal; ``latitude`` and ``longitude`` are degrees. Absent
    optional fields are None: missing, not wrong.
    """

    transaction_id: Identifier
    event_time: Timestamp
    card_id: Identifier
    merchant_id: Identifier
    mcc: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}\Z")] | None = None
    amount: Annotated[float, msgspec.Meta(ge=0, le=MAX_AMOUNT)]
    currency: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
    customer_id: Identifier | None = None
    counterparty_id: Identifier | None = None
    device_id: Identifier | None = None
    ip: Identifier | None = None
    country: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{2}\Z")] | None = None
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    channel: Channel | None = None
    entry_mode: EntryMode | None = None

"""The rules that a schema's types cannot express: known codes, no card numbers, possible times."""

from datetime import UTC, datetime, timedelta

import msgspec

from features.errors import InvalidInput, InvalidTransaction
from features.reference import COUNTRIES, CURRENCIES, is_card_number
from features.transaction import Transaction

MAX_CLOCK_SKEW = timedelta(minutes=5)
EARLIEST_EVENT_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def check_transaction(transaction: Transaction, *, now: datetime | None = None) -> Transaction:
    """Apply the rules that the schema's types cannot express; return the transaction with its time in UTC."""
    if is_card_number(transaction.card_id):
        raise InvalidTransaction(
            "card_number",
            "card_id is a card number.",
            field="card_id",
            remedy="Send a token instead; card numbers are neither stored nor logged here.",
        )
    if transaction.currency not in CURRENCIES:
        raise InvalidTransaction(
            "unknown_currency", "currency is not an ISO 4217 code.", field="currency", remedy="Send a code such as EUR."
        )
    if transaction.country is not None and transaction.country not in COUNTRIES:
        raise InvalidTransaction(
            "unknown_country",
            "country is not an ISO 3166-1 alpha-2 code.",
            field="country",
            remedy="Send a code such as FR, or leave the field out.",
        )
    event_time = check_time(transaction.event_time, "event_time", InvalidTransaction, now)
    if event_time is transaction.event_time:
        return transaction
    return msgspec.structs.replace(transaction, event_time=event_time)


def check_time(moment: datetime, field: str, error: type[InvalidInput], now: datetime | None) -> datetime:
    """Return ``moment`` in UTC; refuse times before 2000 and, given ``now``, more than `MAX_CLOCK_SKEW` ahead of it."""
    try:
        utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except OverflowError:
        raise error("impossible_time", f"{field} does not exist in UTC.", field=field) from None
    if utc < EARLIEST_EVENT_TIME:
        raise error(
            "impossible_time", f"{field} lies before the year 2000.", field=field, remedy="Check the unit of the clock."
        )
    if now is not None and utc > now + MAX_CLOCK_SKEW:
        raise error(
            "future_time",
            f"{field} lies more than {MAX_CLOCK_SKEW.seconds // 60} minutes in the future.",
            field=field,
            remedy="Check the sender's clock.",
        )
    return utc

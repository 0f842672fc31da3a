"""Features that need nothing but the request."""

from features.feature import NAN, Feature

SMALL_AMOUNT = 5.0  # payments at or below this are what card testers use
THRESHOLDS = (50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0, 10000.0)
JUST_UNDER = 0.05  # at most this share below a threshold
NIGHT_UNTIL_HOUR = 6  # hours 0 to 6 inclusive are night
FIRST_WEEKEND_DAY = 5  # Monday is 0


def _request(name: str, meaning: str, reason: str) -> Feature:
    return Feature(name, "request", "", NAN, meaning, reason, source="request")


REQUEST = (
    _request("amount", "Amount in major units of its currency.", "the amount of this payment"),
    _request("amount_log", "Natural logarithm of 1 + amount.", "the amount of this payment"),
    _request("hour_sin", "Sine of the UTC time of day.", "the time of day"),
    _request("hour_cos", "Cosine of the UTC time of day.", "the time of day"),
    _request("weekday_sin", "Sine of the time of week (Monday 0:00 UTC is 0).", "the day of the week"),
    _request("weekday_cos", "Cosine of the time of week (Monday 0:00 UTC is 0).", "the day of the week"),
    _request("is_night", "1 from 0:00 to 6:59 UTC, else 0.", "payment at night"),
    _request("is_weekend", "1 on Saturday and Sunday (UTC), else 0.", "payment at the weekend"),
    _request("mcc", "Merchant category code as a number.", "the merchant's category"),
    _request("channel", "Channel as a number: its position in the schema's list.", "the payment channel"),
    _request("entry_mode", "Entry mode as a number: its position in the schema's list.", "how the card was entered"),
    _request(
        "amount_roundness",
        "3 for a multiple of 100, 2 of 10, 1 for a whole amount, else 0.",
        "a conspicuously round amount",
    ),
    _request(
        "amount_just_under",
        "1 if at most 5 % below 50, 100, 250, 500, 1000, 5000 or 10000, else 0.",
        "amount just under a common limit",
    ),
    _request("amount_small", "1 if the amount is at most 5, else 0.", "a very small amount, as used to test cards"),
)

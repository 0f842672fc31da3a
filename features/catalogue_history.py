"""Features that compare the transaction with what its card usually does."""

from features.feature import NAN, Feature


def _card(name: str, meaning: str, reason: str, *, window: str = "remembered", default: float = NAN) -> Feature:
    return Feature(name, "card", window, default, meaning, reason)


def _first(what: str, spoken: str) -> Feature:
    return _card(
        f"card_new_{what}",
        f"1 if the card's remembered transactions know no such {spoken}, else 0; missing without history.",
        f"first payment of this card with this {spoken}",
    )


HISTORY = (
    _card("card_history_count", "Number of remembered transactions of this card.", "little or much history", default=0),
    _card(
        "amount_to_card_mean", "Amount divided by the card's mean amount.", "amount far above this card's usual amounts"
    ),
    _card(
        "amount_to_card_median",
        "Amount divided by the card's median amount.",
        "amount far above this card's typical amount",
    ),
    _card(
        "amount_to_card_max", "Amount divided by the card's largest amount.", "amount near or above this card's record"
    ),
    _card(
        "amount_to_card_last", "Amount divided by the card's last amount.", "amount far above this card's last payment"
    ),
    _card(
        "card_amount_zscore",
        "Amount less the card's mean, in standard deviations (missing below 2 transactions).",
        "amount far above this card's usual amounts",
    ),
    _card(
        "card_amount_robust_zscore",
        "Amount less the card's median, in scaled median absolute deviations (missing below 2 transactions).",
        "amount far outside this card's usual range",
    ),
    _card(
        "card_amount_rank",
        "Share of the card's remembered amounts that are below this one, ties counting half.",
        "amount among the highest of this card",
    ),
    _first("merchant", "merchant"),
    _first("country", "country"),
    _first("mcc", "merchant category"),
    _first("device", "device"),
    _first("currency", "currency"),
    _card(
        "card_merchant_count",
        "Number of the card's remembered transactions at this merchant.",
        "how well this card knows the merchant",
        default=0,
    ),
    _card(
        "card_same_amount_count_7d",
        "Number of the card's transactions of exactly this amount in the last 7 days, among those remembered.",
        "the same amount again and again",
        window="7d",
        default=0,
    ),
    _card(
        "card_just_under_count_24h",
        "Number of the card's amounts just under a common limit in the last 24 hours, among those remembered.",
        "several amounts just under common limits",
        window="24h",
        default=0,
    ),
    _card(
        "distance_km",
        "Great-circle distance from the card's last located transaction.",
        "far from this card's last payment",
        window="",
    ),
    _card(
        "speed_kmh",
        "That distance divided by the time since (at least a minute).",
        "impossibly fast travel since this card's last payment",
        window="",
    ),
    _card(
        "card_hour_distance",
        "1 - cosine between the time of day and the card's mean time of day (0 usual, 2 opposite).",
        "unusual time of day for this card",
    ),
    _card(
        "card_hour_share",
        "Share of the card's remembered transactions within 2 hours of this time of day.",
        "unusual time of day for this card",
    ),
    _card(
        "card_velocity_1h",
        "1 + transactions in the last hour, divided by 1 + what the card's own rate lets expect.",
        "far more payments in an hour than this card usually makes",
        window="1h",
        default=1,
    ),
    _card(
        "card_velocity_24h",
        "1 + transactions in the last 24 hours, divided by 1 + what the card's own rate lets expect.",
        "far more payments in a day than this card usually makes",
        window="24h",
        default=1,
    ),
)

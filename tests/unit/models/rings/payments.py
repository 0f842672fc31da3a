"""Small histories written down payment by payment."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from features.table import COLUMNS, OPTIONAL_NUMBERS

START = datetime(2026, 1, 1, tzinfo=UTC)
AT = START + timedelta(days=30)


def paid(card, day, *, fraud=None, known=None, **fields):
    """One payment on a day after `START`; ``fraud`` became known on the day ``known`` (a day later if absent)."""
    label = None if fraud is None else START + timedelta(days=day + 1 if known is None else known)
    made = dict.fromkeys(COLUMNS) | {name: float("nan") for name in OPTIONAL_NUMBERS}
    return made | {
        "event_time": START + timedelta(days=day),
        "card_id": card,
        "merchant_id": "shop",
        "amount": 10.0,
        "currency": "EUR",
        "is_fraud": fraud,
        "label_time": label,
        **fields,
    }


def history(*payments):
    """The canonical table of payments, in order of time."""
    table = pd.DataFrame(list(payments), columns=list(COLUMNS))
    table = table.sort_values("event_time", kind="stable", ignore_index=True)
    table["transaction_id"] = [f"t{number}" for number in range(len(table))]
    for name in ("event_time", "label_time"):
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
    table["is_fraud"] = table["is_fraud"].astype("Int8")
    for name in OPTIONAL_NUMBERS:
        table[name] = table[name].astype(float)
    return table


def ring_payments(cards=("a", "b", "c"), device="dev", start=1):
    """A ring's payments: each of its cards twice through one device, all known to be fraud."""
    return [
        paid(card, start + index + round_, fraud=1, device_id=device, ip=f"ip-{device}")
        for round_ in (0, 5)
        for index, card in enumerate(cards)
    ]


def household(cards=("h1", "h2", "h3"), device="tv"):
    """A family that shares a device and an address for weeks; one of them was once defrauded on it."""
    honest = [paid(card, day, fraud=0, device_id=device, ip="home") for day in range(1, 20, 2) for card in cards]
    return [*honest, paid(cards[0], 21, fraud=1, device_id=device, ip="home")]

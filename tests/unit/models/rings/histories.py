"""Small histories for the tests of rings."""

import numpy as np
import pandas as pd

START = pd.Timestamp("2030-01-01", tz="UTC")


def table_of(rows):
    """Return a canonical table of (hours, card, merchant, device, ip, account, fraud, label hours) tuples, in order."""
    hours, cards, merchants, devices, ips, accounts, fraud, known = zip(*rows, strict=True)
    count = len(rows)

    def at(values):
        times = [pd.NaT if value is None else START + pd.Timedelta(hours=value) for value in values]
        return pd.Series(pd.to_datetime(times, utc=True)).astype("datetime64[us, UTC]")

    return pd.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(count)],
            "event_time": at(hours),
            "card_id": list(cards),
            "merchant_id": list(merchants),
            "device_id": pd.Series(devices, dtype=object),
            "ip": pd.Series(ips, dtype=object),
            "counterparty_id": pd.Series(accounts, dtype=object),
            "amount": np.linspace(5.0, 80.0, count),
            "is_fraud": pd.array(fraud, dtype="Int8"),
            "label_time": at(known),
        }
    )


def random_table(count=400, seed=0, cards=25, hours=500):
    """Return a history with repeats, missing entities, equal times and labels that come late or never."""
    random = np.random.default_rng(seed)
    rows = []
    for hour in np.sort(random.integers(0, hours, count)).tolist():
        card = int(random.integers(cards))
        online = random.random() < 0.7
        labelled = random.random() < 0.8
        rows.append(
            (
                hour,
                f"c{card}",
                f"m{int(random.integers(8))}",
                f"d{card // 2 + int(random.random() < 0.1)}" if online else None,
                f"i{card // 3 + int(random.integers(2))}" if online else None,
                f"c{int(random.integers(cards))}" if random.random() < 0.2 else None,
                int(random.random() < 0.1) if labelled else None,
                hour + float(random.exponential(60)) if labelled else None,
            )
        )
    return table_of(rows)


def moment(hours):
    """Return a time of these histories in µs."""
    return int((START + pd.Timedelta(hours=hours)).value // 1000)


def perturbed_from(table, hours, seed=1):
    """Return the table with everything from a time on another: new payments, parties, amounts and late labels."""
    at = START + pd.Timedelta(hours=hours)
    past = table[table["event_time"] < at].copy()
    later = past["label_time"] >= at
    past.loc[later, "is_fraud"] = 1 - past.loc[later, "is_fraud"]
    past.loc[later, "label_time"] += pd.Timedelta(hours=3)
    other = random_table(300, seed, cards=40, hours=200)
    other["event_time"] += pd.Timedelta(hours=hours)
    other["label_time"] += pd.Timedelta(hours=hours)
    return pd.concat([past, other], ignore_index=True)

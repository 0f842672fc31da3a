"""A history whose rings only their neighbours' neighbours give away, so that a network has something to find."""

import numpy as np
import pandas as pd

from tests.unit.models.rings.histories import START

HOURS = 2_400.0
QUIET = 150.0  # hours until the first group
RING, OTHER = "mule_ring", "stolen_card"


def two_hop_history(groups=400, shops=60, seed=0):
    """Return a table and its campaigns.

    Every second shop is known for frauds of large amounts, which trees find by the amount. In each group two cards pay
    at a shop, then at a kiosk through one new device, and harm nobody; then a new card pays through that device. Where
    the shops are the bad ones, that payment is fraud. Its card, its kiosk, its device and the cards seen there have a
    clean past alike: only the shops of those cards differ, two hops away.
    """
    random = np.random.default_rng(seed)
    rows = []  # hours, card, merchant, device, amount, campaign
    for shop in range(shops):
        for number in range(20):
            at = random.uniform(0, HOURS if number % 2 else QUIET)
            fraud = shop % 2
            rows.append((at, f"guest{shop}-{number}", f"shop{shop}", None, 4000.0 if fraud else 40.0, fraud and OTHER))
    for group in range(groups):
        at, bad = random.uniform(QUIET, HOURS), group % 2
        for helper in range(2):
            shop = 2 * int(random.integers(shops // 2)) + bad
            rows.append((at - 48 + helper, f"helper{group}-{helper}", f"shop{shop}", None, 40.0, None))
            rows.append((at - 24 + helper, f"helper{group}-{helper}", _kiosk(random), f"device{group}", 40.0, None))
        rows.append((at, f"new{group}", _kiosk(random), f"device{group}", 40.0, bad and RING))
    rows.sort(key=lambda row: row[0])
    hours, cards, merchants, devices, amounts, campaigns = zip(*rows, strict=True)
    times = START + pd.to_timedelta(np.round(hours, 3), unit="h")
    table = pd.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(len(rows))],
            "event_time": times,
            "card_id": cards,
            "merchant_id": merchants,
            "device_id": devices,
            "amount": amounts,
            "currency": "EUR",
            "is_fraud": [int(bool(campaign)) for campaign in campaigns],
            "label_time": times + pd.Timedelta(hours=12),
        }
    )
    truth = pd.DataFrame({"transaction_id": table["transaction_id"], "campaign": campaigns})
    return table, truth[table["is_fraud"] == 1]


def _kiosk(random):
    return f"kiosk{random.integers(40)}"

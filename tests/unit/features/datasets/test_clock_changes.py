"""Local times around clock changes and leap days, read through a mapping and folded, agree with the definitions."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from msgspec.structs import replace

from features.datasets.mapping_parser import parse_mapping
from features.datasets.reader import read_table
from features.events import TransactionEvent
from features.replay import replay
from features.transaction import Transaction
from tests.unit.features.feature_oracle import Oracle
from tests.unit.features.folding import assert_agrees

MAPPING = """
columns:
  transaction_id: transaction_id
  event_time: {{column: event_time, zone: {zone}}}
  card_id: {{constant: card}}
  merchant_id: {{constant: shop}}
  amount: amount
  currency: {{constant: EUR}}
"""
PAYMENT = Transaction(transaction_id="", event_time=datetime.now(UTC), card_id="card", merchant_id="shop",
                      amount=0.0, currency="EUR")  # fmt: skip


def moments(wall, zone):
    """Return when a clock of the zone shows this time: once, in spring perhaps never, in autumn perhaps twice."""
    found = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return [moment for moment in found if moment.astimezone(zone).replace(tzinfo=None) == wall]


@pytest.mark.parametrize(
    ("zone", "day", "changes"),
    [
        ("Europe/Berlin", "2024-03-31", True),
        ("Europe/Berlin", "2024-10-27", True),
        ("Europe/Berlin", "2024-02-29", False),
        ("America/New_York", "2024-03-10", True),
        ("America/New_York", "2024-11-03", True),
        ("Australia/Lord_Howe", "2024-04-07", True),  # by half an hour
        ("Australia/Lord_Howe", "2024-10-06", True),
    ],
)
def test_local_times_agree_with_the_definitions_and_those_without_one_moment_are_refused(tmp_path, zone, day, changes):
    rng = random.Random(day)
    before = datetime.fromisoformat(day) - timedelta(hours=12)
    rows = [
        (f"t{at}", before + timedelta(minutes=rng.randrange(36 * 60)), rng.choice((1.0, 9.99, 250.0)))
        for at in range(600)
    ]
    path = tmp_path / "local.csv"
    pd.DataFrame(rows, columns=["transaction_id", "event_time", "amount"]).to_csv(path, index=False)
    read = read_table(path, parse_mapping(MAPPING.format(zone=zone), "local"))

    payments, refused = [], 0
    for name, wall, amount in rows:
        known = moments(wall, ZoneInfo(zone))
        refused += len(known) != 1
        if len(known) == 1:
            payments.append(replace(PAYMENT, transaction_id=name, event_time=known[0], amount=amount))
    payments.sort(key=lambda payment: payment.event_time)
    assert (refused > 0) == changes
    assert read.reasons == ({"ambiguous_time": refused} if changes else {})
    assert read.table["transaction_id"].tolist() == [payment.transaction_id for payment in payments]
    events = [TransactionEvent(seq, payment) for seq, payment in enumerate(payments, start=1)]
    assert_agrees(replay(read.table).features, Oracle().fold(events))

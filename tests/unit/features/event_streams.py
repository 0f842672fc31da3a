"""Random streams of transactions and labels: late, simultaneous, in bursts, with gaps, over leap days."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from features.events import Event, LabelEvent, TransactionEvent
from features.transaction import Transaction

START = datetime(2024, 2, 27, 21, 30, tzinfo=UTC)  # two days before a leap day, a month before clocks change
GAPS = {
    "none": timedelta(0),
    "microseconds": timedelta(microseconds=3),
    "second": timedelta(seconds=1),
    "seconds": timedelta(seconds=20),
    "minute": timedelta(minutes=1),
    "minutes": timedelta(minutes=15),
    "hours": timedelta(hours=5),
    "hour": timedelta(hours=1),  # exactly a window apart
    "days": timedelta(days=3),
    "months": timedelta(days=40),
}


@dataclass(frozen=True)
class Segment:
    """So many events about one gap apart; ``late`` is the share of transactions that arrive late."""

    count: int
    gap: str
    late: float = 0.0


def stream(seed: int, segments: list[Segment], *, entities: int = 3, labels: float = 0.4, optional: float = 0.8):
    """Return events with ``seq`` from 1. Lateness stays below a day; labels are known before they are folded."""
    rng = random.Random(seed)
    clock, events, past = START, [], []
    for segment in segments:
        for _ in range(segment.count):
            exact = segment.gap in ("none", "hour")
            clock += GAPS[segment.gap] * (1 if exact else rng.randint(1, 20) / 10)
            seq = len(events) + 1
            if past and rng.random() < labels:
                events.append(label(rng, seq, rng.choice(past[-40:]), clock))
                continue
            late = timedelta(hours=rng.choice((0, 0.05, 1, 6, 23))) if rng.random() < segment.late else timedelta(0)
            payment = transaction(rng, seq, max(clock - late, START), entities, optional)
            past.append(payment)
            events.append(TransactionEvent(seq, payment))
    return events


def transaction(rng: random.Random, number: int, time: datetime, entities: int, optional: float) -> Transaction:
    def maybe(value):
        return value if rng.random() < optional else None

    located = rng.random() < optional
    return Transaction(
        transaction_id=f"t{number}",
        event_time=time,
        card_id=f"card-{rng.randrange(entities)}",
        merchant_id=f"shop-{rng.randrange(entities)}",
        amount=rng.choice((0.0, 0.0, 10.0, 49.9, 0.01, 1e9, 100.0, 999.99, rng.lognormvariate(3, 1))),
        currency=rng.choice(("EUR", "USD")),
        mcc=maybe(rng.choice(("0000", "5411", "9999"))),
        device_id=maybe(f"phone-{rng.randrange(entities)}"),
        ip=maybe(f"10.0.0.{rng.randrange(entities)}"),
        customer_id=maybe(f"customer-{rng.randrange(entities)}"),
        country=maybe(rng.choice(("AA", "DE", "ZZ"))),
        latitude=rng.uniform(-90, 90) if located else None,
        longitude=rng.uniform(-180, 180) if located else None,
        channel=maybe(rng.choice(("pos", "transfer"))),
        entry_mode=maybe(rng.choice(("chip", "wallet"))),
    )


def label(rng: random.Random, seq: int, of: Transaction, clock: datetime) -> LabelEvent:
    known = of.event_time + rng.random() * max(clock - of.event_time, timedelta(0))
    return LabelEvent(
        seq=seq,
        transaction_id=of.transaction_id,
        is_fraud=rng.random() < 0.4,
        label_time=rng.choice((clock, known)),
        event_time=of.event_time,
        card_id=of.card_id,
        merchant_id=of.merchant_id,
        device_id=of.device_id,
        ip=of.ip,
        customer_id=of.customer_id,
    )


def transactions_of(events: list[Event]) -> list[Transaction]:
    return [event.transaction for event in events if isinstance(event, TransactionEvent)]

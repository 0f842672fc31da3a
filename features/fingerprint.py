"""What each feature computes, as a short hash: a formula that changes under its old name is noticed.

The hash is of the values that the compiled fold gives for one made-up history, so comments, wording and tidying change
nothing, and a formula, a constant, a default or a shared helper that changes a value changes the hashes of the
features concerned. What makes no difference in that history goes unnoticed.
"""

import functools
import hashlib
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from features.catalogue import NAMES
from features.engine import FeatureEngine
from features.events import Event, LabelEvent, TransactionEvent
from features.transaction import Transaction

DIGITS = 12  # of a sha-256 (hex)
_START = datetime(2024, 1, 1, tzinfo=UTC)
# Payments, and the seconds between them on average: beyond every memory, through every window, and quiet at times.
_SEGMENTS = ((400, 25), (300, 240), (300, 5_400), (60, 43_200), (12, 500_000), (400, 12), (60, 9_000))
_AMOUNTS = (0.0, 1.0, 4.5, 10.0, 49.9, 99.0, 100.0, 2_000.0)
_MCCS, _COUNTRIES, _CURRENCIES = ("5411", "5732", "6011", None), ("DE", "FR", "US", None), ("EUR", "USD", "GBP")


@functools.cache
def feature_digests() -> dict[str, str]:
    """Return the hash of every feature of the catalogue, by name; the first call folds the history."""
    return digests(FeatureEngine().fold(list(made_up_history()), {}).features)


def digests_of(names: Sequence[str]) -> dict[str, str]:
    """Return the hashes of those of ``names`` that the catalogue has; asks for no fold where it has none of them."""
    known = [name for name in names if name in NAMES]
    return {name: feature_digests()[name] for name in known}


def changed_features(before: dict[str, str]) -> list[str]:
    """Return the features of ``before`` that the catalogue has and computes in another way now."""
    now = digests_of(list(before))
    return [name for name, digest in now.items() if before[name] != digest]


def digests(features: NDArray[np.float32]) -> dict[str, str]:
    """Return the hash of each column of a feature matrix, by name; all NaN are one, and so are 0 and -0."""
    columns = np.where(np.isnan(features), np.float32(np.nan), features + np.float32(0)).T.astype("<f4")
    return {
        name: hashlib.sha256(column.tobytes()).hexdigest()[:DIGITS] for name, column in zip(NAMES, columns, strict=True)
    }


def made_up_history() -> Iterator[Event]:
    """Yield payments and labels in the order of the fold, some late, the same on every machine and Python.

    Arithmetic is that of IEEE 754 alone: powers and the like may differ between C libraries.
    """
    # The one method whose sequence Python promises to keep.
    draw = random.Random(1).random  # noqa: S311 (nothing secret)
    clock, seq = _START, 0
    waiting: list[tuple[datetime, int, Transaction]] = []
    for number, gap in enumerate(gap for count, gap in _SEGMENTS for _ in range(count)):
        clock += timedelta(seconds=int(gap * 2 * draw()))
        late = timedelta(seconds=int(80_000 * draw())) if number % 37 == 36 else timedelta(0)
        payment = _payment(number, clock - late, [draw() for _ in range(12)])
        while waiting and waiting[0][0] <= payment.event_time:
            seq += 1
            yield _label(seq, *heappop(waiting))
        seq += 1
        yield TransactionEvent(seq, payment)
        if draw() < 0.6:
            heappush(waiting, (clock + timedelta(seconds=int(200_000 * draw() * draw())), number, payment))


def _payment(number: int, time: datetime, draws: list[float]) -> Transaction:
    """Return a payment made of 12 numbers in [0, 1): few entities, of which the first are busy."""
    entity = [int(5 * draw * draw) for draw in draws[:5]]
    located = draws[5] < 0.8
    return Transaction(
        transaction_id=f"t{number}",
        event_time=time,
        card_id=f"card-{entity[0]}",
        merchant_id=f"shop-{entity[1] % 3}",
        device_id=f"device-{entity[2]}" if draws[6] < 0.9 else None,
        ip=f"ip-{entity[3]}" if draws[6] > 0.1 else None,
        customer_id=f"customer-{entity[4]}" if draws[7] < 0.9 else None,
        amount=_AMOUNTS[int(16 * draws[8])] if draws[8] < 0.5 else round(300 * draws[9] * draws[9], 2),
        currency=_CURRENCIES[int(3 * draws[11] * draws[11])],
        mcc=_MCCS[int(4 * draws[5])],
        country=_COUNTRIES[int(4 * draws[7])],
        latitude=round(180 * draws[10] - 90, 3) if located else None,
        longitude=round(360 * draws[11] - 180, 3) if located else None,
        channel=("pos", "ecommerce", "atm", None)[int(4 * draws[9])],
        entry_mode=("chip", "manual", None)[int(3 * draws[10])],
    )


def _label(seq: int, time: datetime, number: int, of: Transaction) -> LabelEvent:
    return LabelEvent(
        seq=seq,
        transaction_id=of.transaction_id,
        is_fraud=number % 7 < 2,
        label_time=time,
        event_time=of.event_time,
        card_id=of.card_id,
        merchant_id=of.merchant_id,
        device_id=of.device_id,
        ip=of.ip,
        customer_id=of.customer_id,
    )

"""Online against offline: a table through micro-batches and a feature store, and through a replay, bit by bit."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.engine import FeatureEngine
from features.events import Event, LabelEvent
from features.label import Label
from features.lateness import Delivery, explained_by_lateness, make_delivery
from features.parity import Comparison, Features, Parity
from features.progress import Progress
from features.replay import replay
from features.store import FeatureStore
from features.table import datetimes, transactions
from features.transaction import Transaction
from streaming.ledgers.rows import label_event, ref_of
from streaming.order import Order
from streaming.sources import EARLIER


def verify(
    table: pd.DataFrame,
    store: FeatureStore,
    *,
    batch: int = 64,
    late: float = 0.0,
    seed: int = 0,
    engine: FeatureEngine | None = None,
    offline_progress: Progress | None = None,
    online_progress: Progress | None = None,
) -> Parity:
    """Compute the features of a canonical table both ways and compare them.

    Online, events pass through ``engine`` in micro-batches of ``batch`` transactions, with states read from and written
    to ``store``, which must be empty. ``late`` is the share of transactions delivered late to that side only.
    """
    delivery = make_delivery(table, late, seed)
    delayed = int(delivery.late.sum())
    comparison = Comparison(
        table["transaction_id"].tolist(),
        replay(table, progress=offline_progress).features,
        explained_by_lateness(table, delivery) if delayed else None,
    )
    done = 0
    for rows, features in online_features(table, delivery, engine or FeatureEngine(), store, batch):
        comparison.add(rows, features)
        done += len(rows)
        if online_progress is not None:
            online_progress(done, len(table))
    return comparison.report(delayed)


def online_features(
    table: pd.DataFrame, delivery: Delivery, engine: FeatureEngine, store: FeatureStore, batch: int
) -> Iterator[tuple[NDArray[np.int64], Features]]:
    """Yield rows and their features, a micro-batch at a time, in the order of delivery.

    What the worker does, without the model: labels and transactions in its order, each with its ``seq``, states read
    before the fold and written after it. The label of a late transaction is queued once that transaction has come.
    """
    payments = list(transactions(table))
    labels = _labels(table, payments)
    order = Order()
    for begin in range(0, len(payments), batch):
        rows = delivery.order[begin : begin + batch]
        events: list[Event] = []
        for row in rows.tolist():
            events.extend(order.place(payments[row], EARLIER))
            if (known := labels[row]) is not None:
                order.add(known)
        fold = engine.fold(events, store.read(engine.keys(events)))
        store.write(fold.states, max(payments[row].event_time for row in rows.tolist()))
        yield rows, fold.features


def _labels(table: pd.DataFrame, payments: Sequence[Transaction]) -> list[LabelEvent | None]:
    """Return the label of each row that has one; its ``seq`` is given when it is folded."""
    labels: list[LabelEvent | None] = [None] * len(table)
    labelled = np.flatnonzero(table["is_fraud"].notna() & table["label_time"].notna())
    known = table.iloc[labelled]
    for row, is_fraud, time in zip(labelled.tolist(), known["is_fraud"], datetimes(known["label_time"]), strict=True):
        payment = payments[row]
        label = Label(
            transaction_id=payment.transaction_id,
            is_fraud=bool(is_fraud),
            source="chargeback",  # a table does not tell, and features do not ask
            label_time=time,
        )
        labels[row] = label_event(label, ref_of(payment), seq=0)
    return labels

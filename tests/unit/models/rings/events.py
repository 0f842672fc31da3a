"""A history as the events that a ledger gives."""

import pandas as pd

from features.events import LabelEvent, TransactionEvent
from features.table import transactions


def payments_of(table):
    return [TransactionEvent(n + 1, payment) for n, payment in enumerate(transactions(table))]


def label(payment, *, is_fraud, at):
    return LabelEvent(
        seq=0,
        transaction_id=payment.transaction_id,
        is_fraud=is_fraud,
        label_time=at,
        event_time=payment.event_time,
        card_id=payment.card_id,
        merchant_id=payment.merchant_id,
    )


def labels_of(table):
    return [
        label(payment, is_fraud=bool(fraud), at=known.to_pydatetime())
        for payment, fraud, known in zip(transactions(table), table["is_fraud"], table["label_time"], strict=True)
        if not pd.isna(fraud) and not pd.isna(known)
    ]

"""Conversions between domain objects and the rows of a ledger's tables. Pure: no database here.

Rows read are objects with the columns as attributes, rows to write are dictionaries.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from features.codec import encode_transaction
from features.epoch import epoch_us, from_epoch_us
from features.events import Event, LabelEvent, TransactionEvent
from features.label import Label
from features.transaction import Transaction
from models.decision import Decision
from streaming.ledger import Recorded, TransactionRef
from streaming.ledgers.packing import Names, pack_features, unpack_features

Row = Any  # a database's row: columns as attributes

_transactions = msgspec.json.Decoder(Transaction)
_decisions = msgspec.json.Decoder(Decision)


def ref_of(transaction: Transaction) -> TransactionRef:
    """The entities of a transaction."""
    return TransactionRef(
        transaction.transaction_id,
        epoch_us(transaction.event_time),
        transaction.card_id,
        transaction.merchant_id,
        transaction.device_id,
        transaction.ip,
        transaction.customer_id,
    )


def label_event(label: Label, ref: TransactionRef, seq: int) -> LabelEvent:
    """A label joined with the entities of its transaction."""
    return LabelEvent(
        seq=seq,
        transaction_id=label.transaction_id,
        is_fraud=label.is_fraud,
        label_time=label.label_time,
        event_time=from_epoch_us(ref.event_time_us),
        card_id=ref.card_id,
        merchant_id=ref.merchant_id,
        device_id=ref.device_id,
        ip=ref.ip,
        customer_id=ref.customer_id,
    )


def to_rows(batch: Sequence[Recorded], feature_names: Mapping[Names, int]) -> list[Row]:
    """The columns of the decisions table; ``feature_names`` are the ids of the names of features."""
    rows: list[Row] = [None] * len(batch)
    places: dict[Names, list[int]] = {}  # one batch may be scored by two models
    for place, recorded in enumerate(batch):
        places.setdefault(tuple(recorded.decision.features), []).append(place)
    for names, of_names in places.items():
        packed = pack_features([batch[place].decision.features for place in of_names])
        for place, features in zip(of_names, packed, strict=True):
            rows[place] = _to_row(batch[place], feature_names[names], features)
    return rows


def _to_row(recorded: Recorded, feature_names: int, features: bytes) -> Row:
    transaction, decision = recorded.transaction, recorded.decision
    return {
        "transaction_id": transaction.transaction_id,
        "seq": recorded.seq,
        "origin": recorded.origin,
        "forwarded": False,
        "content_hash": recorded.content_hash,
        "card_id": transaction.card_id,
        "event_time_us": epoch_us(transaction.event_time),
        "decided_at_us": epoch_us(decision.decided_at),
        "decision": decision.decision,
        "transaction_json": encode_transaction(transaction),
        "decision_json": msgspec.json.encode(msgspec.structs.replace(decision, features={})),
        "feature_names": feature_names,
        "features": features,
    }


def recorded_from(row: Row, names: Names) -> Recorded:
    """Read back what `to_rows` wrote."""
    decision = _decisions.decode(row.decision_json)
    return Recorded(
        transaction=transaction_from(row),
        content_hash=row.content_hash,
        decision=msgspec.structs.replace(decision, features=unpack_features(names, row.features)),
        origin=row.origin,
        seq=row.seq,
    )


def transaction_from(row: Row) -> Transaction:
    """The transaction of a row of decisions."""
    return _transactions.decode(row.transaction_json)


def label_row(label: Label, partition: int) -> dict[str, Any]:
    """The columns of the labels table for a label just received by a partition of the labels topic."""
    return {
        "transaction_id": label.transaction_id,
        "source": label.source,
        "label_time_us": epoch_us(label.label_time),
        "is_fraud": label.is_fraud,
        "seq": None,
        "topic_partition": partition,
    }


def label_from(row: Row) -> Label:
    """Read back what `label_row` wrote."""
    return Label(
        transaction_id=row.transaction_id,
        is_fraud=row.is_fraud,
        source=row.source,
        label_time=from_epoch_us(row.label_time_us),
    )


def history_row(ref: TransactionRef) -> dict[str, Any]:
    """The columns of the history table."""
    return dataclasses.asdict(ref)


def history_ref(row: Row) -> TransactionRef:
    """Read back what `history_row` wrote."""
    return TransactionRef(
        row.transaction_id,
        row.event_time_us,
        row.card_id,
        row.merchant_id,
        row.device_id,
        row.ip,
        row.customer_id,
    )


def decided_ref(row: Row) -> TransactionRef:
    """The entities of a decided transaction."""
    return ref_of(transaction_from(row))


def label_event_from(row: Row) -> LabelEvent:
    """A label joined with its transaction: the decision's JSON if there is one, else the imported history."""
    ref = history_ref(row) if row.transaction_json is None else decided_ref(row)
    return label_event(label_from(row), ref, row.seq or 0)


def event_from(row: Row) -> Event:
    """A transaction or a label in the worker's order; rows of transactions have no label columns."""
    if row.label_time_us is None:
        return TransactionEvent(row.seq, transaction_from(row))
    return label_event_from(row)

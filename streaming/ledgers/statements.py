"""The ledger's statements, built once. Reads that join two kinds of rows are single statements: one snapshot."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Select,
    String,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
    update,
)

from streaming.ledgers.schema import decisions, feature_names, history, identity, labels, sources

_recorded = select(
    decisions.c.transaction_json,
    decisions.c.content_hash,
    decisions.c.decision_json,
    decisions.c.feature_names,
    decisions.c.features,
    decisions.c.origin,
    decisions.c.seq,
)
_ids: BindParameter[Any] = bindparam("ids", expanding=True)

FIND = _recorded.where(decisions.c.transaction_id.in_(_ids))
KNOWN_IDS = select(decisions.c.transaction_id).where(decisions.c.transaction_id.in_(_ids))
ROW_NUMBER = select(decisions.c.id).where(decisions.c.transaction_id == bindparam("transaction_id"))
RECENT = _recorded.where(decisions.c.id < bindparam("before")).order_by(decisions.c.id.desc()).limit(bindparam("limit"))
UNFORWARDED = (
    # Spelled as in the partial index, which the planner then recognises.
    select(decisions.c.transaction_json)
    .where(literal_column("origin = 'rest' AND NOT forwarded", Boolean))
    .order_by(decisions.c.id)
    .limit(bindparam("limit"))
)
MARK_FORWARDED = update(decisions).where(decisions.c.transaction_id.in_(_ids)).values(forwarded=True)
COUNT = select(func.count()).select_from(decisions)

PLACE = (
    update(decisions)
    .where(decisions.c.transaction_id == bindparam("id_"), decisions.c.seq.is_(None))
    .values(seq=bindparam("seq_"))
)
_first_waiting = (
    select(func.min(labels.c.id))
    .where(
        labels.c.transaction_id == bindparam("id_"),
        labels.c.label_time_us == bindparam("label_time_us_"),
        labels.c.is_fraud == bindparam("is_fraud_"),
        labels.c.seq.is_(None),
    )
    .scalar_subquery()
)
PLACE_LABEL = update(labels).where(labels.c.id == _first_waiting).values(seq=bindparam("seq_"))

IDENTITY = select(identity.c.identity)
SOURCES = select(sources)
ADVANCE_CHECKPOINT = (
    update(sources)
    .where(sources.c.source == bindparam("source_"), sources.c.checkpoint < bindparam("to"))
    .values(checkpoint=bindparam("to"))
)

NAMES = select(feature_names.c.id, feature_names.c.names_json).where(feature_names.c.id.in_(_ids))
ANY_HISTORY = select(history.c.transaction_id).limit(1)
HISTORY_REFS = select(history).where(history.c.transaction_id.in_(_ids))
DECIDED_REFS = select(decisions.c.transaction_json).where(decisions.c.transaction_id.in_(_ids))
LABELS = select(labels).where(labels.c.transaction_id.in_(_ids)).order_by(labels.c.label_time_us, labels.c.id)

# A label with the entities of its transaction: from the decision's JSON, else from the imported history.
_label = (
    select(
        labels.c.seq,
        decisions.c.transaction_json,
        labels.c.transaction_id,
        labels.c.source,
        labels.c.label_time_us,
        labels.c.is_fraud,
        history.c.event_time_us,
        history.c.card_id,
        history.c.merchant_id,
        history.c.device_id,
        history.c.ip,
        history.c.customer_id,
    )
    .outerjoin_from(labels, decisions, decisions.c.transaction_id == labels.c.transaction_id)
    .outerjoin(history, history.c.transaction_id == labels.c.transaction_id)
)
_known = decisions.c.id.is_not(None) | history.c.transaction_id.is_not(None)
PENDING_LABELS = _label.where(
    labels.c.seq.is_(None), labels.c.topic_partition.in_(bindparam("partitions", expanding=True)), _known
).order_by(labels.c.label_time_us, labels.c.id)


def _events() -> Select[Any]:
    absent = [
        cast(null(), kind).label(column)
        for column, kind in (
            ("transaction_id", String),
            ("source", String),
            ("label_time_us", BigInteger),
            ("is_fraud", Boolean),
            ("event_time_us", BigInteger),
            ("card_id", String),
            ("merchant_id", String),
            ("device_id", String),
            ("ip", String),
            ("customer_id", String),
        )
    ]
    after: BindParameter[Any] = bindparam("after")
    before: BindParameter[Any] = bindparam("before")
    paid = select(decisions.c.seq, decisions.c.transaction_json, *absent)
    paid = paid.where(decisions.c.seq > after, decisions.c.seq < before)
    either = union_all(paid, _label.where(labels.c.seq > after, labels.c.seq < before)).subquery()
    return select(either).order_by(either.c.seq).limit(bindparam("limit"))


EVENTS_AFTER = _events()

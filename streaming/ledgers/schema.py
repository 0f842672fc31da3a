"""The ledger's tables, for SQLite and PostgreSQL alike. Times are microseconds since 1970-01-01 UTC."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    false,
    text,
)

VERSION_TABLE = "ringfence_ledger_version"  # alembic's own; named so that no other program's is taken for it
metadata = MetaData()

# SQLite numbers rows itself only where the key is declared as INTEGER.
_row_number = BigInteger().with_variant(Integer, "sqlite")

# One row: what a feature store is claimed by.
identity = Table(
    "ledger_identity",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("identity", String, nullable=False),
)

# Of each source of events: the last seq given and the seq through which the feature store is durable.
sources = Table(
    "ledger_sources",
    metadata,
    Column("source", Integer, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("checkpoint", BigInteger, nullable=False),
)

# The names of a feature vector, once per model version; the id is made from the names (`rows.names_id`).
feature_names = Table(
    "feature_names",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("names_json", LargeBinary, nullable=False),
)

# ``id`` is the order of recording. Entities other than the card are read from the transaction's JSON.
decisions = Table(
    "decisions",
    metadata,
    Column("id", _row_number, primary_key=True, autoincrement=True),
    Column("transaction_id", String, nullable=False, unique=True),
    Column("seq", BigInteger, unique=True),
    Column("origin", String, nullable=False),
    Column("forwarded", Boolean, nullable=False, server_default=false()),
    Column("content_hash", String, nullable=False),
    Column("card_id", String, nullable=False),
    Column("event_time_us", BigInteger, nullable=False),
    Column("decided_at_us", BigInteger, nullable=False),
    Column("decision", String, nullable=False),
    Column("transaction_json", LargeBinary, nullable=False),
    Column("decision_json", LargeBinary, nullable=False),
    Column("feature_names", BigInteger, nullable=False),
    Column("features", LargeBinary, nullable=False),
)
Index("decisions_by_time", decisions.c.decided_at_us)
Index("decisions_by_decision", decisions.c.decision, decisions.c.decided_at_us)
Index("decisions_by_card", decisions.c.card_id, decisions.c.event_time_us)
_waiting = text("origin = 'rest' AND NOT forwarded")
Index("decisions_unforwarded", decisions.c.id, sqlite_where=_waiting, postgresql_where=_waiting)

# ``id`` is the order of receipt. ``seq`` is null until the label is folded; ``topic_partition`` says who is to fold it.
labels = Table(
    "labels",
    metadata,
    Column("id", _row_number, primary_key=True, autoincrement=True),
    Column("transaction_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("label_time_us", BigInteger, nullable=False),
    Column("is_fraud", Boolean, nullable=False),
    Column("seq", BigInteger, unique=True),
    Column("topic_partition", Integer, nullable=False, server_default=text("0")),
)
Index("labels_once", labels.c.transaction_id, labels.c.source, labels.c.label_time_us, unique=True)
_pending = text("seq IS NULL")
Index("labels_pending", labels.c.label_time_us, sqlite_where=_pending, postgresql_where=_pending)

# Transactions that were never decided here (a back-filled history), so that labels find their entities.
history = Table(
    "history",
    metadata,
    Column("transaction_id", String, primary_key=True),
    Column("event_time_us", BigInteger, nullable=False),
    Column("card_id", String, nullable=False),
    Column("merchant_id", String, nullable=False),
    Column("device_id", String),
    Column("ip", String),
    Column("customer_id", String),
    sqlite_with_rowid=False,
)

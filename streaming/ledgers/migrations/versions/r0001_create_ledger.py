"""Create the ledger.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    row_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    position = op.create_table(
        "ledger_position",
        sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("checkpoint", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(position, [{"id": 1, "last_seq": 0, "checkpoint": 0}])
    op.create_table(
        "feature_names",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("names_json", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("id", row_number, primary_key=True, autoincrement=True),
        sa.Column("transaction_id", sa.String, nullable=False, unique=True),
        sa.Column("seq", sa.BigInteger, unique=True),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("forwarded", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("content_hash", sa.String, nullable=False),
        sa.Column("card_id", sa.String, nullable=False),
        sa.Column("event_time_us", sa.BigInteger, nullable=False),
        sa.Column("decided_at_us", sa.BigInteger, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("transaction_json", sa.LargeBinary, nullable=False),
        sa.Column("decision_json", sa.LargeBinary, nullable=False),
        sa.Column("feature_names", sa.BigInteger, nullable=False),
        sa.Column("features", sa.LargeBinary, nullable=False),
    )
    op.create_index("decisions_by_time", "decisions", ["decided_at_us"])
    op.create_index("decisions_by_decision", "decisions", ["decision", "decided_at_us"])
    op.create_index("decisions_by_card", "decisions", ["card_id", "event_time_us"])
    unforwarded = sa.text("origin = 'rest' AND NOT forwarded")
    op.create_index(
        "decisions_unforwarded", "decisions", ["id"], sqlite_where=unforwarded, postgresql_where=unforwarded
    )
    op.create_table(
        "labels",
        sa.Column("id", row_number, primary_key=True, autoincrement=True),
        sa.Column("transaction_id", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("label_time_us", sa.BigInteger, nullable=False),
        sa.Column("is_fraud", sa.Boolean, nullable=False),
        sa.Column("seq", sa.BigInteger, unique=True),
    )
    op.create_index("labels_once", "labels", ["transaction_id", "source", "label_time_us"], unique=True)
    pending = sa.text("seq IS NULL")
    op.create_index("labels_pending", "labels", ["label_time_us"], sqlite_where=pending, postgresql_where=pending)
    op.create_table(
        "history",
        sa.Column("transaction_id", sa.String, primary_key=True),
        sa.Column("event_time_us", sa.BigInteger, nullable=False),
        sa.Column("card_id", sa.String, nullable=False),
        sa.Column("merchant_id", sa.String, nullable=False),
        sa.Column("device_id", sa.String),
        sa.Column("ip", sa.String),
        sqlite_with_rowid=False,
    )

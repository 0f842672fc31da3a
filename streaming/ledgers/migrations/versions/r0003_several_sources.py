"""Several workers: each partition of the input has its own order and checkpoint.

Revision ID: 0003
Revises: 0002
"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply this step."""
    identity = op.create_table(
        "ledger_identity",
        sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("identity", sa.String, nullable=False),
    )
    op.bulk_insert(identity, [{"id": 1, "identity": uuid.uuid4().hex}])
    op.create_table(
        "ledger_sources",
        sa.Column("source", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("checkpoint", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO ledger_sources (source, last_seq, checkpoint)"
        " SELECT 0, last_seq, checkpoint FROM ledger_position WHERE last_seq > 0"
    )
    op.drop_table("ledger_position")
    op.add_column("labels", sa.Column("topic_partition", sa.Integer, nullable=False, server_default=sa.text("0")))

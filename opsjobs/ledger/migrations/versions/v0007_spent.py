"""What was read of money on each day, so that it need not be asked again, and what was expected of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Amounts are whole numbers of millionths."""
    op.create_table(
        "spent_days",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("item", sa.String(200), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("definition", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
    )
    op.create_table(
        "spent_lines",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("item", sa.String(200), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("member", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.Float(53)),
        sa.Column("failed", sa.Float(53)),
        sa.Column("tokens", sa.Float(53)),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "traffic_days",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("definition", sa.String(64), nullable=False),
        sa.Column("traffic", sa.Float(53)),
        sa.Column("hits", sa.Float(53)),
        sa.Column("run_id", sa.String(36), nullable=False),
    )
    op.create_table(
        "outlays",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("stated", sa.Date, primary_key=True),
        sa.Column("first", sa.Date, primary_key=True),
        sa.Column("last", sa.Date, primary_key=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("expected", sa.BigInteger, nullable=False),
        sa.Column("low", sa.BigInteger, nullable=False),
        sa.Column("high", sa.BigInteger, nullable=False),
        sa.Column("slot", sa.String(50), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
    )


def downgrade() -> None:
    """Remove them: each report then asks for all days again, as far as the source still knows them."""
    op.drop_table("outlays")
    op.drop_table("traffic_days")
    op.drop_table("spent_lines")
    op.drop_table("spent_days")

"""What database servers said on a day, and the forecasts that were made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of both."""
    op.create_table(
        "server_days",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("server", sa.String(20), primary_key=True),
        sa.Column("database", sa.String(400), primary_key=True),
        sa.Column("item", sa.String(300), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("unit", sa.String(20), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
    )
    op.create_table(
        "forecasts",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("subject", sa.String(750), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("slot", sa.String(50), nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("low", sa.Float(53), nullable=False),
        sa.Column("slope", sa.Float(53), nullable=False),
        sa.Column("high", sa.Float(53), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
    )


def downgrade() -> None:
    """Remove them, and with them what growth and forecasts are held against."""
    op.drop_table("forecasts")
    op.drop_table("server_days")

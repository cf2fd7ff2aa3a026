"""Runs and the day values of indicators."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("system", sa.String(200), nullable=False),
        sa.Column("job", sa.String(50), nullable=False),
        sa.Column("slot", sa.String(50), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20)),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("artifacts", sa.JSON, nullable=False),
    )
    op.create_index("ix_runs_system_job_slot", "runs", ["system", "job", "slot"])
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_table(
        "indicator_days",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("indicator", sa.String(200), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("value", sa.Float(53)),
        sa.Column("unit", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("quality", sa.String(20), nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
    )


def downgrade() -> None:
    """Remove the first tables, and with them everything remembered."""
    op.drop_table("indicator_days")
    op.drop_table("runs")

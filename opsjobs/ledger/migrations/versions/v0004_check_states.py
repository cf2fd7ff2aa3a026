"""Since when each check is as it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "check_states",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("check", sa.String(750), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String(36), nullable=False),
    )


def downgrade() -> None:
    """Remove it: each check that is bad is then bad since the next look."""
    op.drop_table("check_states")

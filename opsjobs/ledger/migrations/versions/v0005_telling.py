"""What receivers were told of each check, what somebody knows of, and the messages themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Remember more of each check, and keep messages in the ledger."""
    op.add_column("check_states", sa.Column("title", sa.String(300), nullable=False, server_default=""))
    op.add_column("check_states", sa.Column("trail", sa.String(50), nullable=False, server_default=""))
    op.add_column("check_states", sa.Column("flapping", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("check_states", sa.Column("team", sa.String(200), nullable=False, server_default=""))
    op.add_column("check_states", sa.Column("definition", sa.String(64), nullable=False, server_default=""))
    op.add_column("check_states", sa.Column("told", sa.JSON, nullable=False, server_default="{}"))
    op.create_table(
        "acknowledgements",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("check", sa.String(750), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("delivery_id", sa.String(300), primary_key=True),
        sa.Column("form", sa.String(20), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Remove it: what waits to be sent is then lost."""
    op.drop_table("messages")
    op.drop_table("acknowledgements")
    for column in ("told", "definition", "team", "flapping", "trail", "title"):
        op.drop_column("check_states", column)

"""What is advised about money, what people decided, and what it saved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Remember advice and savings; amounts are millionths."""
    op.create_table(
        "recommendations",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(50), primary_key=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("arithmetic", sa.Text, nullable=False),
        sa.Column("saving", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("effort", sa.String(20), nullable=False),
        sa.Column("confidence", sa.String(20), nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("goal", sa.Float(53), nullable=False),
        sa.Column("worth", sa.BigInteger, nullable=False),
        sa.Column("first_seen", sa.Date, nullable=False),
        sa.Column("last_seen", sa.Date, nullable=False),
        sa.Column("gone", sa.Date),
        sa.Column("decision", sa.String(20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("until", sa.Date),
    )
    op.create_table(
        "savings",
        sa.Column("system", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(50), primary_key=True),
        sa.Column("week", sa.Date, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove it: what people decided is then lost."""
    op.drop_table("savings")
    op.drop_table("recommendations")

"""The tables of the ledger. A change here needs a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite keeps no offset, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        if value is not None and value.tzinfo is None:
            raise ValueError("the ledger keeps aware times only")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        if value is None:
            return None
        aware: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC)


def fitting(text: str, most: int | None = None) -> str:
    """As much of a text as a column takes; PostgreSQL has no place for NUL."""
    return text.replace("\0", "")[:most]


_MILLION = 1_000_000


class Millionths(TypeDecorator[Decimal]):
    """An amount to a millionth, exact, as the whole number of its millionths: SQLite has no decimals."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        if value is None:
            return None
        number = value * _MILLION
        if number != int(number):
            raise ValueError("the ledger keeps amounts to a millionth")
        return int(number)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        return None if value is None else Decimal(value).scaleb(-6)


metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("system", String(200), nullable=False),
    Column("job", String(50), nullable=False),
    Column("slot", String(50), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("outcome", String(20), nullable=False),
    Column("status", String(20)),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("artifacts", JSON, nullable=False),
    Column("due_at", Instant),
    Index("ix_runs_system_job_slot", "system", "job", "slot"),
    Index("ix_runs_started_at", "started_at"),
)

slots = Table(
    "slots",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("job", String(50), primary_key=True),
    Column("due_at", Instant, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_slots_due_at", "due_at"),
)

indicator_days = Table(
    "indicator_days",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("indicator", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("value", Float(53)),
    Column("unit", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("quality", String(20), nullable=False),
    Column("run_id", String(36), nullable=False),
)

server_days = Table(
    "server_days",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("server", String(20), primary_key=True),
    Column("database", String(400), primary_key=True),
    Column("item", String(300), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("value", Float(53), nullable=False),
    Column("unit", String(20), nullable=False),
    Column("run_id", String(36), nullable=False),
)

forecasts = Table(
    "forecasts",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("subject", String(750), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("slot", String(50), nullable=False),
    Column("value", Float(53), nullable=False),
    Column("low", Float(53), nullable=False),
    Column("slope", Float(53), nullable=False),
    Column("high", Float(53), nullable=False),
    Column("run_id", String(36), nullable=False),
)

spent_days = Table(
    "spent_days",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("item", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("definition", String(64), nullable=False),
    Column("amount", Millionths, nullable=False),
    Column("run_id", String(36), nullable=False),
)

spent_lines = Table(
    "spent_lines",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("item", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("member", Text, nullable=False),
    Column("amount", Millionths, nullable=False),
    Column("requests", Float(53)),
    Column("failed", Float(53)),
    Column("tokens", Float(53)),
    sqlite_with_rowid=False,
)

traffic_days = Table(
    "traffic_days",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("definition", String(64), nullable=False),
    Column("traffic", Float(53)),
    Column("hits", Float(53)),
    Column("run_id", String(36), nullable=False),
)

outlays = Table(
    "outlays",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("stated", Date, primary_key=True),
    Column("first", Date, primary_key=True),
    Column("last", Date, primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("expected", Millionths, nullable=False),
    Column("low", Millionths, nullable=False),
    Column("high", Millionths, nullable=False),
    Column("slot", String(50), nullable=False),
    Column("run_id", String(36), nullable=False),
)

check_states = Table(
    "check_states",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("check", String(750), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("since", Instant, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("title", String(300), nullable=False),
    Column("trail", String(50), nullable=False),
    Column("flapping", Boolean, nullable=False),
    Column("team", String(200), nullable=False),
    Column("definition", String(64), nullable=False),
    Column("told", JSON, nullable=False),
)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("check", String(750), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("run_id", String(36), nullable=False),
    Column("system", String(200), nullable=False),
    Column("job", String(50), nullable=False),
    Column("slot", String(50), nullable=False),
    Column("channel", String(50), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("state", String(20), nullable=False),
    Column("light", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Index("ix_deliveries_state_due_at", "state", "due_at"),
)

messages = Table(
    "messages",
    metadata,
    Column("delivery_id", String(300), primary_key=True),
    Column("form", String(20), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

recommendations = Table(
    "recommendations",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("id", String(50), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("title", Text, nullable=False),
    Column("arithmetic", Text, nullable=False),
    Column("saving", Millionths, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("effort", String(20), nullable=False),
    Column("confidence", String(20), nullable=False),
    Column("value", Float(53), nullable=False),
    Column("goal", Float(53), nullable=False),
    Column("worth", Millionths, nullable=False),
    Column("first_seen", Date, nullable=False),
    Column("last_seen", Date, nullable=False),
    Column("gone", Date),
    Column("decision", String(20), nullable=False),
    Column("at", Instant),
    Column("by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Date),
)

savings = Table(
    "savings",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("id", String(50), primary_key=True),
    Column("week", Date, primary_key=True),
    Column("amount", Millionths, nullable=False),
)

"""What is older than it is to be kept, counted and removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from opsjobs.ledger import runs, tables
from opsjobs.model import DeliveryState


def prune(
    connection: Connection, system: str, before: datetime, values_before: datetime, *, dry: bool
) -> dict[str, int]:
    """How many rows of a system are older, by what they are; with `dry` they stay.

    The last run, the last that did its work and the last slot of each job stay, and so does what is still to be sent.
    """
    counts: dict[str, int] = {}
    for what, table, old in _old(system, before, values_before):
        if dry:
            count = connection.scalar(sa.select(sa.func.count()).select_from(table).where(old)) or 0
        else:
            count = connection.execute(sa.delete(table).where(old)).rowcount
        counts[what] = counts.get(what, 0) + count
    return {what: count for what, count in counts.items() if count}


def _old(system: str, before: datetime, values_before: datetime) -> Iterator[tuple[str, sa.Table, Any]]:
    """What is counted, in which table, and which of its rows are old."""
    deliveries, messages = tables.deliveries, tables.messages
    over = sa.and_(
        deliveries.c.system == system,
        deliveries.c.created_at < before,
        deliveries.c.state != DeliveryState.PENDING.value,
    )
    yield "messages", messages, messages.c.delivery_id.in_(sa.select(deliveries.c.id).where(over))
    yield "messages", deliveries, over
    table, slots = tables.runs, tables.slots
    lasts = [_last(table, table.c.started_at, system, where) for where in (sa.true(), runs.DONE)]
    yield (
        "runs",
        table,
        sa.and_(
            table.c.system == system,
            table.c.started_at < before,
            *(sa.tuple_(table.c.job, table.c.started_at).not_in(last) for last in lasts),
        ),
    )
    last_slot = _last(slots, slots.c.due_at, system, sa.true())
    stays = sa.tuple_(slots.c.job, slots.c.due_at).in_(last_slot)
    yield "slots", slots, sa.and_(slots.c.system == system, slots.c.due_at < before, sa.not_(stays))
    known = tables.acknowledgements
    yield "acknowledgements", known, sa.and_(known.c.system == system, known.c.until < before)
    day = values_before.date()
    for table in (
        tables.indicator_days,
        tables.server_days,
        tables.spent_lines,
        tables.spent_days,
        tables.traffic_days,
        tables.forecasts,
    ):
        yield "day values", table, sa.and_(table.c.system == system, table.c.day < day)
    outlays = tables.outlays
    yield "day values", outlays, sa.and_(outlays.c.system == system, outlays.c.last < day)


def _last(table: sa.Table, when: Any, system: str, where: Any) -> Any:
    """The last time of each job of a system."""
    return sa.select(table.c.job, sa.func.max(when)).where(table.c.system == system, where).group_by(table.c.job)

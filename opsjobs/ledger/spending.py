"""What was read of money, as rows: each item's day once, and the forecasts of what is to be paid."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import date
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from opsjobs.daybook import Daybook, SpentDay, SpentLine, SpentSum, StatedOutlay, TrafficDay
from opsjobs.ledger import tables
from opsjobs.model import Run

_DAYS, _LINES, _TRAFFIC, _OUTLAYS = tables.spent_days, tables.spent_lines, tables.traffic_days, tables.outlays
_LINE = ("item", "day", "member", "amount", "requests", "failed", "tokens")


def keep(connection: Connection, run: Run, spent: Daybook) -> None:
    """One reading for each item and day: the last; and the forecasts of the slot, in place of what it stated before."""
    for each in spent.days:
        for table in (_LINES, _DAYS):
            same = sa.and_(table.c.system == run.system, table.c.item == each.item, table.c.day == each.day)
            connection.execute(sa.delete(table).where(same))
        named = {"system": run.system, "item": each.item, "day": each.day}
        amount = sum((line.amount for line in each.lines), Decimal(0))
        row = {**named, "definition": each.definition, "amount": amount, "run_id": run.id}
        connection.execute(sa.insert(_DAYS).values(row))
        if each.lines:
            rows = [
                {**named, "number": number, **line._asdict(), "member": json.dumps(line.member)}
                for number, line in enumerate(each.lines)
            ]
            connection.execute(sa.insert(_LINES), rows)
    for counted in spent.traffic:
        same = sa.and_(_TRAFFIC.c.system == run.system, _TRAFFIC.c.day == counted.day)
        connection.execute(sa.delete(_TRAFFIC).where(same))
        connection.execute(sa.insert(_TRAFFIC).values(system=run.system, **asdict(counted), run_id=run.id))
    connection.execute(sa.delete(_OUTLAYS).where(_OUTLAYS.c.system == run.system, _OUTLAYS.c.slot == run.slot))
    for stated in spent.outlays:
        row = {"system": run.system, **asdict(stated), "slot": run.slot, "run_id": run.id}
        connection.execute(sa.insert(_OUTLAYS).values(row))


def read(connection: Connection, system: str, first: date, last: date) -> Daybook:
    """In full from one day to another, and the sums of all days up to that.

    With them the forecasts of money whose days were over by then.
    """
    before = sa.and_(_DAYS.c.system == system, _DAYS.c.day <= last)
    sums = tuple(
        SpentSum(item=row.item, day=row.day, definition=row.definition, amount=row.amount)
        for row in connection.execute(sa.select(_DAYS).where(before).order_by(_DAYS.c.day, _DAYS.c.item))
    )
    lines = _lines(connection, system, first, last)
    days = tuple(
        SpentDay(
            item=each.item,
            day=each.day,
            definition=each.definition,
            lines=tuple(lines.get((each.item, each.day), ())),
        )
        for each in sums
        if each.day >= first
    )
    asked = sa.select(_TRAFFIC).where(_TRAFFIC.c.system == system, _TRAFFIC.c.day.between(first, last))
    traffic = tuple(
        TrafficDay(day=row.day, definition=row.definition, traffic=row.traffic, hits=row.hits)
        for row in connection.execute(asked.order_by(_TRAFFIC.c.day))
    )
    over = sa.select(_OUTLAYS).where(_OUTLAYS.c.system == system, _OUTLAYS.c.last <= last)
    kept = [field.name for field in fields(StatedOutlay)]
    outlays = tuple(
        StatedOutlay(**{name: row[name] for name in kept})
        for row in connection.execute(over.order_by(_OUTLAYS.c.stated, _OUTLAYS.c.last)).mappings()
    )
    return Daybook(days=days, traffic=traffic, sums=sums, outlays=outlays)


def _lines(connection: Connection, system: str, first: date, last: date) -> dict[tuple[str, date], list[SpentLine]]:
    found: dict[tuple[str, date], list[SpentLine]] = {}
    # The same members come back each day.
    members: dict[str, tuple[tuple[str, str], ...]] = {}
    query = sa.select(*(_LINES.c[name] for name in _LINE)).where(
        _LINES.c.system == system, _LINES.c.day.between(first, last)
    )
    for item, day, member, *counted in connection.execute(query.order_by(_LINES.c.number)):
        if member not in members:
            members[member] = tuple((name, value) for name, value in json.loads(member))
        found.setdefault((item, day), []).append(SpentLine(members[member], *counted))
    return found

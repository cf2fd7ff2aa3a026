"""Recommendations and what they saved, as rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from opsjobs.ledger import tables
from opsjobs.recommendation import Decision, Realised, Recommendation

_DECISION = ("decision", "at", "by", "reason", "until")
_TABLE, _SAVINGS = tables.recommendations, tables.savings


def read(connection: Connection, system: str) -> dict[str, Recommendation]:
    """What was ever advised about a system, by its name."""
    rows = connection.execute(sa.select(_TABLE).where(_TABLE.c.system == system)).mappings()
    found = [{key: value for key, value in row.items() if key != "system"} for row in rows]
    return {row["id"]: Recommendation(**{**row, "decision": Decision(row["decision"])}) for row in found}


def write(connection: Connection, system: str, found: Recommendation) -> None:
    """In place of what is known of it, with what somebody decided."""
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.system == system, _TABLE.c.id == found.id))
    connection.execute(sa.insert(_TABLE).values(_row(system, found)))


def keep(
    connection: Connection, system: str, week: date, advised: Iterable[Recommendation], realised: Iterable[Realised]
) -> None:
    """What the report of a week found, in place of what an earlier one did.

    What somebody decided while it was made stays decided.
    """
    known = read(connection, system)
    for found in advised:
        now = known.get(found.id)
        if now is None or now.at == found.at:
            write(connection, system, found)
    connection.execute(sa.delete(_SAVINGS).where(_SAVINGS.c.system == system, _SAVINGS.c.week == week))
    for each in realised:
        connection.execute(sa.insert(_SAVINGS).values(system=system, **asdict(each)))


def saved(connection: Connection, system: str) -> dict[str, dict[date, Decimal]]:
    """What was saved, by name and by the Monday of the week."""
    found: dict[str, dict[date, Decimal]] = {}
    for row in connection.execute(sa.select(_SAVINGS).where(_SAVINGS.c.system == system)):
        found.setdefault(row.id, {})[row.week] = row.amount
    return found


def _row(system: str, found: Recommendation) -> dict[str, Any]:
    # PostgreSQL has no place for NUL, and labels are part of the words.
    words = {key: value.replace("\0", "") if isinstance(value, str) else value for key, value in asdict(found).items()}
    return {"system": system, **words, "decision": found.decision.value}

"""How the checks of a system were when they were looked at last, and what somebody knows of, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from opsjobs.ledger import tables
from opsjobs.model import Acknowledgement, CheckState, Run, Status, Told

_CHECK, _TITLE, _TEAM = 750, 300, 200
_TABLE, _KNOWN = tables.check_states, tables.acknowledgements
_KEPT = ("check", "title", "since", "looks", "trail", "flapping", "team", "definition")


def keep(connection: Connection, run: Run, states: Sequence[CheckState]) -> None:
    """Those that are bad, in place of those that were."""
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.system == run.system))
    if states:
        connection.execute(sa.insert(_TABLE), [_row(run, state) for state in states])


def read(connection: Connection, system: str) -> dict[str, CheckState]:
    """The checks that were bad, by name."""
    rows = connection.execute(sa.select(_TABLE).where(_TABLE.c.system == system)).mappings()
    return {row["check"]: _state(row) for row in rows}


def acknowledge(connection: Connection, system: str, known: Acknowledgement) -> None:
    """Write down that somebody knows of a check, in place of what was written of it before."""
    withdraw(connection, system, known.check)
    connection.execute(sa.insert(_KNOWN).values({"system": system, **asdict(known), "status": known.status.name}))


def withdraw(connection: Connection, system: str, check: str) -> bool:
    """Forget that somebody knows of a check; whether anybody did."""
    same = sa.and_(_KNOWN.c.system == system, _KNOWN.c.check == check)
    return connection.execute(sa.delete(_KNOWN).where(same)).rowcount > 0


def acknowledged(connection: Connection, system: str) -> dict[str, Acknowledgement]:
    """What somebody knows of, by check; also what they said long ago."""
    rows = connection.execute(sa.select(_KNOWN).where(_KNOWN.c.system == system)).mappings()
    known = [{key: value for key, value in row.items() if key != "system"} for row in rows]
    return {each["check"]: Acknowledgement(**{**each, "status": Status[each["status"]]}) for each in known}


def _row(run: Run, state: CheckState) -> dict[str, Any]:
    return {
        "system": run.system,
        "check": tables.fitting(state.check, _CHECK),
        "status": state.status.name,
        "since": state.since,
        "looks": state.looks,
        "run_id": run.id,
        "title": tables.fitting(state.title, _TITLE),
        "trail": state.trail,
        "flapping": state.flapping,
        "team": tables.fitting(state.team, _TEAM),
        "definition": state.definition,
        "told": {receiver: _told_row(told) for receiver, told in state.told.items()},
    }


def _told_row(told: Told) -> dict[str, Any]:
    return {
        "status": told.status.name,
        "at": told.at.isoformat(),
        "since": told.since.isoformat(),
        "incident": told.incident,
        "flapping": told.flapping,
        "run": told.run,
    }


def _state(row: Any) -> CheckState:
    told = {
        receiver: Told(
            status=Status[known["status"]],
            at=datetime.fromisoformat(known["at"]),
            since=datetime.fromisoformat(known["since"]),
            incident=known["incident"],
            flapping=known["flapping"],
            run=known.get("run", ""),
        )
        for receiver, known in row["told"].items()
    }
    return CheckState(**{name: row[name] for name in _KEPT}, status=Status[row["status"]], told=told)

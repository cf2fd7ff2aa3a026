"""Slots as rows: each instant of a job of a system once, however many schedulers ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from opsjobs.errors import GivenUp, OpsjobsError, SlotOver
from opsjobs.ledger import tables
from opsjobs.model import Outcome, Run, Slot, SlotState

ATTEMPTS = 3
"""How often a slot is begun whose runs are killed."""
_TABLE = tables.slots
_OPEN = (SlotState.WAITING.value, SlotState.RUNNING.value)
_STATES = {Outcome.SUCCEEDED: SlotState.DONE, Outcome.PARTIAL: SlotState.DONE}


def claim(connection: Connection, run: Run, at: datetime) -> OpsjobsError | None:
    """Make a slot that of a run; else say why that is not possible. Only for the holder of the job's lock.

    Whoever was at it before is dead, since they held the lock; so is whoever was at an earlier one.
    """
    if run.due_at is None:
        return None
    about = f"{run.job} for {run.system}, due {run.due_at:%Y-%m-%d %H:%M} UTC"
    same = _same(run.system, run.job, run.due_at)
    row = connection.execute(sa.select(_TABLE).where(same)).mappings().one_or_none()
    if row is None:
        _insert(connection, [Slot(system=run.system, job=run.job, due_at=run.due_at, state=SlotState.WAITING, at=at)])
    elif row["state"] not in _OPEN:
        return SlotOver(f"{about}, is {row['state']}")
    attempt = row["attempt"] + 1 if row else 1
    if attempt > ATTEMPTS:
        reason = f"given up: {ATTEMPTS} runs of it ended without a word"
        connection.execute(sa.update(_TABLE).where(same).values(state=SlotState.FAILED.value, at=at, reason=reason))
        advice = f"`opsjobs runs list --system {run.system} --job {run.job}` shows them; make it again by hand."
        return GivenUp(f"{about}, was {reason}", advice=advice)
    connection.execute(
        sa.update(_TABLE)
        .where(same)
        .values(state=SlotState.RUNNING.value, attempt=attempt, run_id=run.id, at=at, reason="")
    )
    earlier = sa.and_(
        _TABLE.c.system == run.system,
        _TABLE.c.job == run.job,
        _TABLE.c.due_at < run.due_at,
        _TABLE.c.state.in_(_OPEN),
    )
    values = {"state": SlotState.MISSED.value, "at": at, "reason": "it did not end before the next one was due"}
    connection.execute(sa.update(_TABLE).where(earlier).values(values))
    return None


def close(connection: Connection, run: Run, *, again: bool = False) -> None:
    """Write what became of the slot of a run that ended; with `again` it is to be run by the next who comes."""
    if run.due_at is None:
        return
    state = SlotState.WAITING if again else _STATES.get(run.outcome, SlotState.FAILED)
    mine = sa.and_(_same(run.system, run.job, run.due_at), _TABLE.c.run_id == run.id)
    reason = "" if state is SlotState.DONE else run.error
    connection.execute(sa.update(_TABLE).where(mine).values(state=state.value, at=run.finished_at, reason=reason))


def newest(connection: Connection, until: datetime, job: str) -> dict[tuple[str, str], Slot]:
    """The last slot of each system and job, or of one job, that anything is known of.

    What is to come was run by a clock that went wrong; it says nothing of what is due now.
    """
    latest = sa.select(_TABLE.c.system, _TABLE.c.job, sa.func.max(_TABLE.c.due_at).label("due_at"))
    latest = latest.where(_TABLE.c.due_at <= until)
    latest = latest.where(_TABLE.c.job == job) if job else latest
    last = latest.group_by(_TABLE.c.system, _TABLE.c.job).subquery()
    joined = sa.and_(*(_TABLE.c[name] == last.c[name] for name in ("system", "job", "due_at")))
    rows = connection.execute(sa.select(_TABLE).join(last, joined)).mappings()
    return {(row["system"], row["job"]): _slot(row) for row in rows}


def first(connection: Connection, system: str) -> dict[str, datetime]:
    """The first slot of each job of a system, but those from before its schedule began."""
    query = sa.select(_TABLE.c.job, sa.func.min(_TABLE.c.due_at).label("due_at")).where(
        _TABLE.c.system == system, _TABLE.c.state != SlotState.SKIPPED.value
    )
    rows = connection.execute(query.group_by(_TABLE.c.job))
    return {row.job: row.due_at for row in rows}


def read(connection: Connection, system: str, since: datetime) -> list[Slot]:
    """The slots of a system after an instant, the newest first."""
    query = sa.select(_TABLE).where(_TABLE.c.system == system, _TABLE.c.due_at > since)
    rows = connection.execute(query.order_by(_TABLE.c.due_at.desc(), _TABLE.c.job)).mappings()
    return [_slot(row) for row in rows]


def note(connection: Connection, slots: Iterable[Slot]) -> list[Slot]:
    """Write down slots of which nothing is known yet; which those were."""
    return _insert(connection, slots)


def _insert(connection: Connection, slots: Iterable[Slot]) -> list[Slot]:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    found = []
    for slot in slots:
        row = {
            "system": slot.system,
            "job": slot.job,
            "due_at": slot.due_at,
            "state": slot.state.value,
            "attempt": slot.attempt,
            "run_id": slot.run_id,
            "at": slot.at,
            "reason": slot.reason,
        }
        # Its count of rows is not known with each driver.
        written = insert(_TABLE).values(row).on_conflict_do_nothing().returning(_TABLE.c.due_at)
        if connection.execute(written).first():
            found.append(slot)
    return found


def _same(system: str, job: str, due_at: datetime) -> Any:
    return sa.and_(_TABLE.c.system == system, _TABLE.c.job == job, _TABLE.c.due_at == due_at)


def _slot(row: Any) -> Slot:
    return Slot(**{**row, "state": SlotState(row["state"])})

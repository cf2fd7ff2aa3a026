"""Runs as rows. What ends a run, or is seen of it elsewhere, asks first whether the run is still that of its slot."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from opsjobs.errors import SlotLost
from opsjobs.ledger import tables
from opsjobs.model import WHOLE, Artifact, Outcome, Run, Status

_TABLE = tables.runs
DONE = sa.or_(
    _TABLE.c.outcome == Outcome.SUCCEEDED.value,
    sa.and_(_TABLE.c.outcome == Outcome.PARTIAL.value, _TABLE.c.job.not_in(WHOLE)),
)
"""What a run is that did its work."""


def insert(connection: Connection, run: Run) -> None:
    """Write that a run begins."""
    connection.execute(sa.insert(_TABLE).values(_row(run)))


def end(connection: Connection, run: Run) -> bool:
    """Write how a run ended; whether it was still under way."""
    return connection.execute(sa.update(_TABLE).where(_unfinished(run)).values(_row(run))).rowcount > 0


def hold(connection: Connection, run: Run) -> None:
    """Keep others from taking a run over until the transaction ends. Raises `SlotLost` where somebody has."""
    if not connection.execute(sa.update(_TABLE).where(_unfinished(run)).values(pid=run.pid)).rowcount:
        raise lost(run)


def crash(connection: Connection, system: str, job: str, host: str, at: datetime) -> int:
    """Mark the unfinished runs of a job as crashed, or with `host` those of that host; how many there were."""
    unfinished = sa.and_(_TABLE.c.system == system, _TABLE.c.job == job, _TABLE.c.outcome == Outcome.RUNNING.value)
    if host:
        unfinished = sa.and_(unfinished, _TABLE.c.host == host)
    error = "The process ended without a word: it was killed, or the machine stopped."
    values = {"outcome": Outcome.CRASHED.value, "finished_at": at, "error": error}
    return connection.execute(sa.update(_TABLE).where(unfinished).values(values)).rowcount


def unfinished(connection: Connection, system: str, job: str, due_at: datetime) -> Run | None:
    """The run of a slot that goes on, as far as is known."""
    same = sa.and_(_TABLE.c.system == system, _TABLE.c.job == job, _TABLE.c.due_at == due_at)
    going = sa.and_(same, _TABLE.c.outcome == Outcome.RUNNING.value)
    found = read(connection, sa.select(_TABLE).where(going).limit(1))
    return found[0] if found else None


def newest(connection: Connection, where: sa.ColumnElement[bool]) -> list[Run]:
    """The newest of those runs of each system and job."""
    last = (
        sa.select(_TABLE.c.system, _TABLE.c.job, sa.func.max(_TABLE.c.started_at).label("started_at"))
        .where(where)
        .group_by(_TABLE.c.system, _TABLE.c.job)
        .subquery()
    )
    same = sa.and_(*(_TABLE.c[name] == last.c[name] for name in ("system", "job", "started_at")), where)
    # Two may have begun at the same moment.
    ids = sa.select(sa.func.max(_TABLE.c.id)).join(last, same).group_by(_TABLE.c.system, _TABLE.c.job)
    return read(connection, sa.select(_TABLE).where(_TABLE.c.id.in_(ids)).order_by(_TABLE.c.system, _TABLE.c.job))


def read(connection: Connection, query: sa.Select[Any]) -> list[Run]:
    """The runs that a query finds."""
    return [_run(row) for row in connection.execute(query).mappings()]


def lost(run: Run) -> SlotLost:
    """That a run is not that of its slot any more."""
    return SlotLost(
        f"{run.job} for {run.system} was taken over by another run while this one did not answer",
        advice=f"Nothing is lost: `opsjobs runs list --system {run.system}` shows the other one.",
    )


def _unfinished(run: Run) -> Any:
    return sa.and_(_TABLE.c.id == run.id, _TABLE.c.outcome == Outcome.RUNNING.value)


def _row(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "system": run.system,
        "job": run.job,
        "slot": run.slot,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "outcome": run.outcome.value,
        "status": run.status.name if run.status else None,
        "host": run.host,
        "pid": run.pid,
        "error": run.error,
        "artifacts": [asdict(artifact) for artifact in run.artifacts],
        "due_at": run.due_at,
    }


def _run(row: Any) -> Run:
    values = dict(row)
    values["outcome"] = Outcome(values["outcome"])
    values["status"] = Status[values["status"]] if values["status"] else None
    values["artifacts"] = tuple(Artifact(**artifact) for artifact in values["artifacts"])
    return Run(**values)

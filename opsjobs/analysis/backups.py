"""How the backups of each Grafana are: old, incomplete, or never proven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from opsjobs.analysis.databases import DatabaseResult, DatabaseRow, judged, unknown
from opsjobs.model import Status, Team
from opsjobs.objects import BackedUp
from opsjobs.words import span

_CRITICAL = 3
"""How many times the age that is too old is critical."""
_PROOF = timedelta(days=40)
"""How long a restore for trial proves that the backups can be restored: it is tried once a month."""
_NAMED = 8
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "backup": "`opsjobs dashboards backup` makes one, and says what it cannot read.",
        "drill": "`opsjobs dashboards drill` tries it again, and names each object that does not come back.",
        "unknown": "See that the place of the backups (storage.backups) can be read: `opsjobs dashboards list`.",
    }
)


def evaluate(backups: Sequence[BackedUp], now: datetime, *, team: Team, runbook: str) -> DatabaseResult:
    """The section of a report, and what of it needs a person."""
    rows = tuple(row for each in backups for row in _rows(each, now))
    return judged("backup", "Backups of Grafana", rows, None, advice=_ADVICE, team=team, runbook=runbook)


def _rows(backup: BackedUp, now: datetime) -> Iterator[DatabaseRow]:
    name, of = backup.target, "" if backup.target == "grafana" else f" of {backup.target}"
    if backup.error:
        yield unknown(f"backup:{name}", f"Newest complete backup{of}", backup.error)
        return
    status, value, reason = _newest(backup, now)
    yield DatabaseRow(
        id=f"backup:{name}",
        title=f"Newest complete backup{of}",
        value=value,
        status=status,
        reason=reason,
        number=_age(backup.complete_at, now),
        unit="seconds",
    )
    status, value, reason = _proof(backup, now)
    yield DatabaseRow(id=f"drill:{name}", title=f"Proven by a restore{of}", value=value, status=status, reason=reason)
    if backup.changed_since:
        changes = backup.changes
        more = [f"{len(changes) - _NAMED} more"] if len(changes) > _NAMED else []
        yield DatabaseRow(
            id=f"changes:{name}",
            title=f"Different since the day before{of}",
            value=f"{len(changes)} objects" if len(changes) != 1 else "1 object",
            reason="; ".join([*changes[:_NAMED], *more]),
            number=len(changes),
            unit="count",
        )


def _newest(backup: BackedUp, now: datetime) -> tuple[Status, str, str]:
    age = _age(backup.complete_at, now)
    if age is None:
        never = backup.worth or "there was never one"
        return Status.WARNING, "none", never
    value = f"{span(age)} ago: {backup.held}"
    if age > backup.max_age:
        bad = Status.CRITICAL if age > _CRITICAL * backup.max_age else Status.WARNING
        return bad, value, "; ".join(filter(None, [f"older than {span(backup.max_age)}", backup.worth]))
    if backup.worth:
        return Status.WARNING, value, f"the newest one is {backup.worth}"
    return Status.OK, value, ""


def _proof(backup: BackedUp, now: datetime) -> tuple[Status, str, str]:
    age = _age(backup.proven_at, now)
    value = "never tried" if age is None else f"{span(age)} ago"
    if backup.drill:
        return Status.WARNING, value, f"the last one did not hold: {backup.drill}"
    if age is not None and age > _PROOF.total_seconds():
        return Status.WARNING, value, f"longer than {span(_PROOF.total_seconds())}"
    since = _age(backup.since, now)
    if age is None and since is not None and since > _PROOF.total_seconds():
        return Status.WARNING, value, f"there are backups since {span(since)}, and nobody knows if they can be restored"
    return Status.OK, value, ""


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max(0.0, (now - at).total_seconds())

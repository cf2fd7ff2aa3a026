"""What a database server says of itself, judged: rows for people, and a finding for each thing that is wrong.

Limits are violated strictly beyond them. What a server did not say is UNKNOWN, never well. `postgresql` and `redis`
make the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from opsjobs.analysis.forecast import Fared, Forecast
from opsjobs.errors import SourceError
from opsjobs.model import Finding, Gap, Status, Team
from opsjobs.words import NO_DATA, span

LAG_WARNING = 60
"""Seconds by which a replica is behind."""
LOADING = "it is still loading its data"
"""The reason of whatever is not known for that."""
NOBODY = Team(name="")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseRow:
    """One thing that a server says of itself, in words, and how it is."""

    id: str
    title: str
    value: str
    status: Status = Status.OK
    """OK where there is no limit says only that there is data."""
    reason: str = ""
    number: float | None = None
    """The value in its base unit, for what remembers or compares; None where it is no number or not known."""
    unit: str = ""
    optional: bool = False
    """Whether nobody has to act on it when it is not known."""
    grows: bool = False
    """Whether its value is told against the one of a week ago."""
    full_at: float | None = None
    """The number at which there is no more; None where there is no such end."""
    end: str = "full"
    """What it is then."""
    forecast: Forecast | None = None
    fared: Fared | None = None
    """How earlier forecasts did, beside one that is stated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseResult:
    """One server at the moment when it was asked."""

    id: str
    """`postgresql`, `redis` or `sentry`."""
    title: str
    rows: tuple[DatabaseRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    """The worst first."""
    gap: Gap | None = None
    """Why there are no rows."""
    at: datetime | None = None
    """When it was asked, by its own clock."""
    database: str = ""
    """What the database is called that was asked; empty where there is only one."""


def down(name: str, title: str, error: SourceError, team: Team, runbook: str) -> DatabaseResult:
    """The gap that a server leaves that could not be asked."""
    finding = Finding(
        subject=f"source:{name}",
        status=Status.UNKNOWN,
        title=f"{title} could not be asked",
        detail=f"{str(error).rstrip('.')}.",
        advice=error.advice,
        team=team,
        runbook=runbook,
    )
    gap = Gap(source=title, reason=str(error), advice=error.advice)
    return DatabaseResult(id=name, title=title, findings=(finding,), gap=gap)


def judged(
    name: str,
    title: str,
    rows: tuple[DatabaseRow, ...],
    at: datetime | None,
    *,
    advice: Mapping[str, str],
    team: Team,
    runbook: str,
) -> DatabaseResult:
    """A server that answered. `advice` says what to do by the first part of a row's id, and of what is `unknown`."""
    bad = [row for row in rows if row.status in {Status.WARNING, Status.CRITICAL}]
    findings = [
        Finding(
            subject=f"{name}:{row.id}",
            status=row.status,
            title=f"{title}: {row.title[:1].lower()}{row.title[1:]}: {row.value}",
            detail=f"{row.reason[:1].upper()}{row.reason[1:]}." if row.reason else "",
            advice=advice.get(row.id.partition(":")[0], ""),
            team=team,
            runbook=runbook,
        )
        for row in bad
    ]
    silent = [row for row in rows if row.status is Status.UNKNOWN and not row.optional]
    if silent:
        reasons = "; ".join(dict.fromkeys(row.reason for row in silent))
        loading = LOADING in reasons
        findings.append(
            Finding(
                subject=f"source:{name}",
                status=Status.UNKNOWN,
                title=f"{title} is still loading" if loading else f"{title} did not tell everything",
                detail=f"{reasons[:1].upper()}{reasons[1:]}.",
                explains=() if loading else tuple(row.title for row in silent),
                advice=advice["unknown"],
                team=team,
                runbook=runbook,
            )
        )
    ordered = tuple(sorted(findings, key=lambda finding: -finding.status.rank))
    return DatabaseResult(id=name, title=title, rows=rows, findings=ordered, at=at)


def above(value: float, warning: float, critical: float | None = None) -> tuple[Status, float]:
    """How bad it is to be above a limit, and the limit that was passed or that comes next."""
    if critical is not None and value > critical:
        return Status.CRITICAL, critical
    return (Status.WARNING if value > warning else Status.OK), warning


def unknown(name: str, title: str, reason: str, *, optional: bool = False) -> DatabaseRow:
    """What is not known, and why; `optional` where nobody has to act on it."""
    return DatabaseRow(
        id=name, title=title, value=NO_DATA, status=Status.UNKNOWN, reason=f"{title}: {reason}", optional=optional
    )


def beyond(status: Status, passed: float, who: str) -> str:
    """Why a length of time is too long."""
    parts = [who] if who else []
    return ", ".join([*parts, f"longer than {span(passed)}"] if status is not Status.OK else parts)

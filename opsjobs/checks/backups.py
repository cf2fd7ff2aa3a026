"""The backups of each Grafana: how old the newest complete one is, and whether a restore of one was tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from opsjobs.analysis import backups
from opsjobs.checks.check import Around, Check, Found, Probe
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Status

_SECONDS = 20


def checks(around: Around) -> Iterator[Check]:
    """One where there is a Grafana."""
    if around.backups is not None:
        team, runbook = around.owners.monitoring, around.owners.of_server("grafana")[1]
        ask = partial(_ask, around)
        yield Probe(id="backups", title="Backups", ask=ask, seconds=_SECONDS, team=team, runbook=runbook)


def _ask(around: Around, __: Deadline) -> Iterable[Found]:
    found = around.backups() if around.backups else ()
    team, runbook = around.owners.monitoring, around.owners.of_server("grafana")[1]
    judged = backups.evaluate(found, around.now, team=team, runbook=runbook)
    advice = {finding.subject: finding.advice for finding in judged.findings}
    for row in judged.rows:
        kind, _, target = row.id.partition(":")
        if kind == "changes":
            # What people change is no fault of the system.
            continue
        subject = f"source:{judged.id}" if row.status is Status.UNKNOWN else f"{judged.id}:{row.id}"
        yield CheckResult(
            id=row.id if kind == "backup" else f"backup:{target}:{kind}",
            title=row.title,
            status=row.status,
            text=f"{row.value}, {row.reason}" if row.reason else row.value,
            # The run that failed is how that came about.
            cause="job:backup" if kind == "backup" else "",
            advice=advice.get(subject, ""),
            team=team,
            runbook=runbook,
        )

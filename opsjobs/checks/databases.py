"""What PostgreSQL and Redis say of themselves, where they are configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from opsjobs.analysis import growth, postgresql, redis
from opsjobs.analysis.databases import LOADING, DatabaseResult
from opsjobs.checks.check import Around, Check, Found, Probe
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Status

_SECONDS = 10


def checks(around: Around) -> Iterator[Check]:
    """One for each database, with a result for each thing that it says."""
    for name, title, ask in (
        ("postgresql", "PostgreSQL", partial(_postgresql, around)),
        ("redis", "Redis", partial(_redis, around)),
    ):
        if getattr(around, name) is not None:
            team, runbook = around.owners.of_server(name)
            yield Probe(
                id=f"source:{name}",
                title=title,
                ask=ask,
                seconds=_SECONDS,
                team=team,
                runbook=runbook,
                cause=f"component:{name}",
            )


def _postgresql(around: Around, deadline: Deadline) -> Iterable[Found]:
    if around.postgresql is None:
        return []
    team, runbook = around.owners.of_server("postgresql")
    facts = around.postgresql.facts(deadline)
    return _results(around, postgresql.evaluate(facts, team=team, runbook=runbook))


def _redis(around: Around, deadline: Deadline) -> Iterable[Found]:
    if around.redis is None:
        return []
    team, runbook = around.owners.of_server("redis")
    facts = around.redis.facts(deadline)
    return _results(around, redis.evaluate(facts, team=team, runbook=runbook))


def _results(around: Around, result: DatabaseResult) -> Iterator[Found]:
    team, runbook = around.owners.of_server(result.id)
    source, component = f"source:{result.id}", f"component:{result.id}"
    findings = {finding.subject: finding for finding in result.findings}
    if source in findings:
        # Why several things are not known is told once.
        found = findings[source]
        yield CheckResult(
            id=source,
            title=found.title,
            status=found.status,
            text=found.detail,
            cause=component,
            advice=found.advice,
            team=team,
            runbook=runbook,
        )
    today = around.now.astimezone(around.zone).date()
    for row in growth.told(result, around.places.get(result.id, ""), around.memory, today).rows:
        # What is not known because it loads is its source's one check.
        if row.status is Status.UNKNOWN and (row.optional or row.reason == LOADING):
            continue
        subject = f"{result.id}:{row.id}"
        yield CheckResult(
            id=subject,
            title=f"{result.title}: {row.title[:1].lower()}{row.title[1:]}",
            status=row.status,
            text=f"{row.value}, {row.reason}" if row.reason else row.value,
            value=row.number,
            unit=row.unit,
            cause=source if row.status is Status.UNKNOWN else component,
            advice=findings[subject].advice if subject in findings else "",
            team=team,
            runbook=runbook,
        )

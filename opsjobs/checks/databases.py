"""What PostgreSQL and Redis say of themselves where they are configured, and the numbers that they keep."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from opsjobs.analysis import growth, postgresql, redis
from opsjobs.analysis.databases import LOADING, DatabaseResult
from opsjobs.checks import figures
from opsjobs.checks.check import Around, Check, Found, Probe
from opsjobs.errors import Overloaded, SourceError, TimedOut, Unreachable
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Status
from opsjobs.sources import Figures, unconfigured

_SECONDS, _FACTS = 25, 10
"""For all that one is asked, and for what it says of itself."""
_GONE = (Unreachable, TimedOut, Overloaded)


def checks(around: Around) -> Iterator[Check]:
    """One for each database, with a result for each thing that it says and for each number that it keeps."""
    for store, title in (("postgresql", "PostgreSQL"), ("redis", "Redis")):
        if _source(around, store) is not None or figures.declared(around, store):
            team, runbook = around.owners.of_server(store)
            yield Probe(
                id=f"source:{store}",
                title=title,
                ask=partial(_ask, around, store),
                seconds=_SECONDS,
                team=team,
                runbook=runbook,
                cause=f"component:{store}",
            )


def _source(around: Around, store: str) -> Figures | None:
    return {"postgresql": around.postgresql, "redis": around.redis}[store]


def _ask(around: Around, store: str, deadline: Deadline) -> Iterator[Found]:
    """First how it is, then its numbers: never two sessions at once."""
    source, questions = _source(around, store), figures.questions(around, store)
    try:
        yield from _results(around, _facts(around, store, deadline.within(_FACTS)))
    except SourceError as error:
        if source is None or isinstance(error, _GONE):
            yield from figures.judged(around, store, [error] * len(questions))
        else:
            # Who may not see how it is may still read its numbers.
            yield from figures.judged(around, store, source.figures(questions, deadline))
        raise
    if source is not None and questions:
        yield from figures.judged(around, store, source.figures(questions, deadline))


def _facts(around: Around, store: str, deadline: Deadline) -> DatabaseResult:
    team, runbook = around.owners.of_server(store)
    if store == "postgresql" and around.postgresql is not None:
        return postgresql.evaluate(around.postgresql.facts(deadline), team=team, runbook=runbook)
    if store == "redis" and around.redis is not None:
        return redis.evaluate(around.redis.facts(deadline), team=team, runbook=runbook)
    raise unconfigured(store)


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

"""What fires now, and what fired since it was looked at last and is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

from opsjobs.analysis.alerts import STEP
from opsjobs.checks.check import Around, Check, Found, Inquiry, Reply
from opsjobs.errors import SourceError
from opsjobs.model import CheckResult, Passed, Series, Status, Window
from opsjobs.sources import Question
from opsjobs.system.alerting import ANY
from opsjobs.words import clock

_SEVERITY = {"critical": Status.CRITICAL, "warning": Status.WARNING, "info": Status.OK}
_SLACK = 1.5
_FIRING = 'max by (alertname, severity, team, job) (ALERTS{alertstate="firing"})'
"""As the daily report asks, and of which job, by which the component is known that it is about."""


def checks(around: Around) -> Iterator[Check]:
    """One for all alerts of Prometheus: each that fires is a result of its own."""
    window = Window(start=around.since, end=around.now)
    question = Question(query=_FIRING, at=around.now, window=window, step=STEP)
    yield Inquiry(questions=(question,), judge=partial(_judge, around))


def _judge(around: Around, replies: Sequence[Reply]) -> Iterable[Found]:
    (reply,) = replies
    if isinstance(reply, SourceError):
        yield CheckResult(
            id="alerts",
            title="Alerts of Prometheus",
            status=Status.UNKNOWN,
            text=reply.message,
            advice=reply.advice,
            team=around.owners.monitoring,
        )
        return
    if reply.warnings:
        yield CheckResult(
            id="alerts",
            title="Alerts of Prometheus",
            status=Status.UNKNOWN,
            text=f"there may be more: the source warns: {'; '.join(reply.warnings)}",
            team=around.owners.monitoring,
        )
    found = [each for series in reply.series for each in _alert(around, series)]
    yield from (each for each in found if isinstance(each, Passed))
    firing: dict[str, list[CheckResult]] = {}
    for each in found:
        if isinstance(each, CheckResult):
            firing.setdefault(each.id, []).append(each)
    for same in firing.values():
        worst = max(same, key=lambda each: each.status.rank)
        # What explains one of them says nothing of the others.
        cause = worst.cause if {each.cause for each in same} == {worst.cause} else ""
        times = f", {len(same)} times at once" if len(same) > 1 else ""
        yield replace(worst, text=worst.text + times, cause=cause)


def _alert(around: Around, series: Series) -> Iterator[Found]:
    name, team = series.labels.get("alertname", ""), series.labels.get("team", "")
    spec = around.system.alerts.get(name)
    status = _SEVERITY.get(series.labels.get("severity", ""), Status.WARNING)
    for start, end in _spells(series):
        if (around.now - end).total_seconds() > STEP * _SLACK:
            title = (spec and spec.title) or name
            yield Passed(subject=f"alert:{name}", title=title, start=start, end=end, severity=status)
            continue
        longer = "at least " if (start - around.since).total_seconds() <= STEP * _SLACK else ""
        yield CheckResult(
            id=f"alert:{name}",
            title=(spec and spec.title) or name,
            status=status,
            text=f"fires since {longer}{clock(start, around.zone, around.now)}",
            cause=_watched(around, name, series.labels.get("job", "")),
            team=around.owners.team(team) if team in around.system.teams else around.owners.monitoring,
            runbook=around.owners.runbook((spec and spec.runbook) or name.lower()) if spec else "",
        )


def _watched(around: Around, name: str, job: str) -> str:
    """The check of what an alert watches: it says the same, with its value."""
    spec = around.system.alerts.get(name)
    if spec is None:
        return ""
    component = spec.component
    if component == ANY:
        scraped = around.system.components.items()
        component = next((each for each, about in scraped if about.scrape and about.scrape.job == job), None)
    watched = (("component", component), ("indicator", spec.indicator), ("slo", spec.slo))
    return next((f"{kind}:{of}" for kind, of in watched if of), "")


def _spells(series: Series) -> Iterator[tuple[datetime, datetime]]:
    """From when to when it fired, to the minute."""
    times = [sample.time for sample in series.samples if sample.value is not None]
    if not times:
        return
    breaks = [number for number, (one, next_) in enumerate(pairwise(times), 1) if next_ - one > STEP * _SLACK]
    for first, last in pairwise([0, *breaks, len(times)]):
        yield datetime.fromtimestamp(times[first] - STEP, UTC), datetime.fromtimestamp(times[last - 1], UTC)

"""The daily report: whether the system was healthy, on target, and seen at all on that day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from opsjobs import promql
from opsjobs.analysis import components, findings, indicators
from opsjobs.analysis.findings import Situation
from opsjobs.analysis.indicators import Days
from opsjobs.errors import QueryRejected, SourceError, UsageError
from opsjobs.jobs.context import Context, Result
from opsjobs.model import (
    Answer,
    ComponentResult,
    Evidence,
    IndicatorResult,
    Quality,
    Status,
    Team,
    Window,
)
from opsjobs.report.document import Charts, ComponentTable, IndicatorTable, Report, Section
from opsjobs.report.pictures import picture
from opsjobs.sources import Question, ask_all
from opsjobs.words import measured

_HOUR = 3600
_DAY = 24 * _HOUR
_INVENTORY = "inventory"
# Their absence is their message: nothing is firing.
_MAY_BE_ABSENT = {"ALERTS", "ALERTS_FOR_STATE"}
_METHODS = {
    "last": "the last point of the window",
    "mean": "the mean of the window's points",
    "max": "the highest of the window's points",
    "sum": "the sum of the window's points",
    "p95": "the 95th percentile of the window's points",
    "ratio": "the numerator's sum over the denominator's, over the window's points",
}

_Reply = Answer | SourceError


def run(context: Context) -> Result:
    """Ask everything at once, judge it, and say it. Raises `UsageError` for a day that has not begun."""
    days = _days(context)
    questions = dict(_questions(context, days))
    replies = _asked(context, questions)
    last_seen = _last_seen(context, days, replies[_INVENTORY])

    rows = tuple(_components(context, days, replies))
    results = tuple(_indicators(context, days, replies, last_seen))
    situation = Situation(
        system=context.system,
        window=days.window,
        zone=days.zone,
        components=rows,
        indicators=results,
        last_seen=last_seen,
        failures=tuple(
            reply
            for reply in replies.values()
            if isinstance(reply, SourceError) and not isinstance(reply, QueryRejected)
        ),
        warnings=tuple(
            dict.fromkeys(text for reply in replies.values() if isinstance(reply, Answer) for text in reply.warnings)
        ),
        asked=len(questions),
        runbooks={name: _runbook(context, spec.runbook) for name, spec in context.system.components.items()},
    )
    found = findings.find(situation)
    gaps = findings.gaps(found, situation.failures)
    report = Report(
        job="daily",
        system=context.name,
        system_title=context.system.title,
        title="Daily report",
        slot=context.day.isoformat(),
        window=days.window,
        zone=context.system.zone,
        status=Status.worst([*(row.status for row in rows), *(result.status for result in results)]),
        complete=not gaps,
        verdict=findings.verdict(situation, found),
        tally=tuple(_tally(rows, results)),
        findings=found,
        sections=tuple(_sections(days, rows, results)),
        gaps=gaps,
        evidence=tuple(_evidence(context, questions, replies, rows, results)),
    )
    return Result(report=report, indicators=results)


def _days(context: Context) -> Days:
    """The day, or as much of it as has passed, and the two that it is compared with."""
    zone = ZoneInfo(context.system.zone)
    window = Window.day(context.day, zone)
    if context.now < window.end:
        until = context.now.astimezone(zone).replace(second=0, microsecond=0)
        if until.timestamp() - window.start.timestamp() < _HOUR:
            raise UsageError(
                f"{context.day} has not begun, or is less than an hour old, in {context.system.zone}",
                advice="Give an earlier day with --date, or leave it out for yesterday.",
            )
        window = replace(window, end=until)
    return Days(
        window=window,
        day_before=Window.day(context.day - timedelta(days=1), zone),
        week_before=Window.day(context.day - timedelta(days=7), zone),
        zone=zone,
    )


def _questions(context: Context, days: Days) -> Iterator[tuple[str, Question]]:
    """Everything that is asked in the first round, by a name."""
    end = days.window.end
    whole = Window(start=days.week_before.start, end=end)
    names = sorted(_needed(context))
    matcher = promql.quote("|".join(names))
    yield _INVENTORY, Question(query=f"count by (__name__) ({{__name__=~{matcher}}})", at=end)
    for name, component in context.system.components.items():
        yield f"component:{name}", Question(query=component.up, at=end, window=days.window, step=components.STEP)
        before = f"count_over_time(({component.up})[{components.EXPECTED_FROM}:1h])"
        yield f"members:{name}", Question(query=before, at=days.window.start)
    for name, _, spec in context.system.indicators:
        yield f"indicator:{name}", Question(query=spec.promql, at=end, window=whole, step=spec.step_seconds)
        if spec.breakdown:
            yield f"breakdown:{name}", Question(query=promql.at_step(spec.breakdown.query, _DAY), at=end)


def _needed(context: Context) -> set[str]:
    names = {name for _, _, spec in context.system.indicators for name in promql.metrics(spec.promql)}
    return names - _MAY_BE_ABSENT


def _asked(context: Context, questions: Mapping[str, Question]) -> dict[str, _Reply]:
    replies = ask_all(context.metrics, list(questions.values()), context.deadline)
    return dict(zip(questions, replies, strict=True))


def _last_seen(context: Context, days: Days, inventory: _Reply) -> dict[str, datetime | None]:
    """The series that had no samples at the end of the window, and when each was last seen in the range."""
    if isinstance(inventory, SourceError):
        return {}
    present = {series.labels.get("__name__", "") for series in inventory.series}
    absent = sorted(_needed(context) - present)
    whole = Window(start=days.week_before.start, end=days.window.end)
    replies = _asked(
        context,
        {
            name: Question(query=f"max(timestamp({name}))", at=whole.end, window=whole, step=components.STEP)
            for name in absent
        },
    )
    return {
        name: None
        if isinstance(reply, SourceError) or not reply.series
        else datetime.fromtimestamp(reply.series[0].samples[-1].value or 0.0, UTC)
        for name, reply in replies.items()
    }


def _components(context: Context, days: Days, replies: Mapping[str, _Reply]) -> Iterator[ComponentResult]:
    for name, spec in context.system.components.items():
        yield from components.evaluate(
            name,
            spec,
            replies[f"component:{name}"],
            replies[f"members:{name}"],
            days.window,
            zone=days.zone,
            max_age=context.system.max_age,
            team=_team(context, spec.team),
            runbook=_runbook(context, spec.runbook),
        )


def _indicators(
    context: Context, days: Days, replies: Mapping[str, _Reply], last_seen: Mapping[str, datetime | None]
) -> Iterator[IndicatorResult]:
    for declared in context.system.indicators:
        spec = declared.spec
        yield indicators.evaluate(
            declared,
            replies[f"indicator:{declared.id}"],
            days,
            max_age=context.system.max_age,
            missing=[name for name in promql.metrics(spec.promql) if name in last_seen],
            breakdown=replies.get(f"breakdown:{declared.id}"),
            team=_team(context, spec.team),
            dashboard=_dashboard(context, spec.dashboard),
            runbook=_runbook(context, spec.runbook),
        )


def _team(context: Context, name: str) -> Team:
    spec = context.system.teams[name]
    return Team(name=name, contact=spec.contact, hours=spec.hours)


def _dashboard(context: Context, name: str) -> str:
    """A link where the address of Grafana is known, else the dashboard's title."""
    if not name:
        return ""
    spec = context.system.dashboards[name]
    return f"{context.grafana}{spec.path}" if context.grafana else spec.title


def _runbook(context: Context, anchor: str) -> str:
    """A link where the runbooks' page is known, else the anchor."""
    return f"{context.runbooks}#{anchor}" if anchor and context.runbooks else anchor


def _tally(rows: tuple[ComponentResult, ...], results: tuple[IndicatorResult, ...]) -> Iterator[tuple[str, str]]:
    """How much is well, and the few numbers that matter."""
    yield "Components", _count(rows)
    yield "Indicators", _count(results)
    aimed = [
        result for result in results if result.threshold.target is not None and result.measurement.value is not None
    ]
    met = sum(result.threshold.meets_target(result.measurement.value or 0.0) is True for result in aimed)
    yield "Targets met", f"{met} of {len(aimed)}"
    for result in results:
        if result.chart:
            yield result.title, measured(result)


def _count(rows: tuple[ComponentResult, ...] | tuple[IndicatorResult, ...]) -> str:
    return f"{sum(row.status is Status.OK for row in rows)} of {len(rows)} OK"


def _sections(days: Days, rows: tuple[ComponentResult, ...], results: tuple[IndicatorResult, ...]) -> Iterator[Section]:
    yield Section(id="components", title="Components", blocks=(ComponentTable(rows=rows),))
    for group, members in groupby(results, key=lambda result: result.group):
        blocks = (IndicatorTable(rows=tuple(members)),)
        yield Section(id=f"group-{group.lower().replace(' ', '-')}", title=group, blocks=blocks)
    pictures = tuple(picture(result, days.window, days.week_before) for result in results if result.chart)
    if pictures:
        yield Section(id="charts", title="The numbers that matter", blocks=(Charts(charts=pictures),))


def _evidence(
    context: Context,
    questions: Mapping[str, Question],
    replies: Mapping[str, _Reply],
    rows: tuple[ComponentResult, ...],
    results: tuple[IndicatorResult, ...],
) -> Iterator[Evidence]:
    """How each number came about, in the order of the report."""

    def asked(subject: str, title: str, method: str, quality: Quality | None = None, **known: object) -> Evidence:
        question, reply = questions[subject], replies[subject]
        failed = isinstance(reply, SourceError)
        weak = Quality.PARTIAL if isinstance(reply, Answer) and reply.warnings else Quality.OK
        said = str(reply) if failed else "; ".join((*reply.warnings, *reply.infos)) if isinstance(reply, Answer) else ""
        return Evidence(
            **{  # type: ignore[arg-type]  # the keys of Evidence, some of them from the caller
                "subject": subject,
                "title": title,
                "source": context.metrics.name,
                "query": question.query,
                "method": method,
                "quality": quality or (Quality.ERROR if failed else weak),
                "start": question.window.start if question.window else None,
                "end": question.at,
                "step": float(question.step) if question.window else None,
                "reason": said,
                **{key: value for key, value in known.items() if value or key != "reason"},
            }
        )

    yield asked(_INVENTORY, "Which metrics were there", "present within 5 minutes before the end of the window")
    for name, spec in context.system.components.items():
        worst = Status.worst(row.status for row in rows if row.id == name)
        quality = (
            Quality.EMPTY if worst is Status.UNKNOWN and isinstance(replies[f"component:{name}"], Answer) else None
        )
        reason = "; ".join(row.reason for row in rows if row.id == name and row.status is Status.UNKNOWN)
        yield asked(f"component:{name}", spec.title, "up while 1, down while 0, at each minute", quality, reason=reason)
        yield asked(f"members:{name}", f"{spec.title}: expected members", "seen in the 7 days before")
    for result in results:
        measurement = result.measurement
        yield asked(
            f"indicator:{result.id}",
            result.title,
            _METHODS[result.summary],
            measurement.quality,
            sample_at=measurement.at,
            coverage=result.coverage,
            reason=measurement.reason,
        )
        if f"breakdown:{result.id}" in questions:
            yield asked(f"breakdown:{result.id}", f"{result.title}, by {result.breakdown_by}", "the largest five")

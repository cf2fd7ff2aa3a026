"""The daily report: whether the system was healthy, on target, and seen at all on that day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from opsjobs import promql
from opsjobs.analysis import components, findings, indicators, verdict
from opsjobs.analysis.situation import Situation
from opsjobs.analysis.trust import Days, Surroundings
from opsjobs.errors import UsageError
from opsjobs.jobs.context import Context, Result
from opsjobs.jobs.inquiry import Inquiry, evidence, inquire
from opsjobs.model import (
    ComponentResult,
    IndicatorResult,
    Quality,
    Status,
    Team,
    Window,
)
from opsjobs.report.document import Charts, ComponentTable, Fact, IndicatorTable, Report, Section
from opsjobs.report.pictures import picture
from opsjobs.words import measured

_HOUR = 3600


def run(context: Context) -> Result:
    """Ask everything at once, judge it, and say it. Raises `UsageError` for a day that has not begun."""
    days = _days(context)
    inquiry = inquire(context, days)
    rows = tuple(_components(context, days, inquiry))
    results = tuple(_indicators(context, days, inquiry, rows))
    situation = Situation(
        system=context.system,
        window=days.window,
        zone=days.zone,
        components=rows,
        indicators=results,
        last_seen=inquiry.last_seen,
        failures=inquiry.failures,
        warnings=inquiry.warnings,
        asked=len(inquiry.questions),
        runbooks={name: _runbook(context, spec.runbook) for name, spec in context.system.components.items()},
    )
    found = findings.find(situation)
    gaps = verdict.gaps(found)
    report = Report(
        job="daily",
        system=context.name,
        system_title=context.system.title,
        title="Daily report",
        slot=context.day.isoformat(),
        window=days.window,
        zone=context.system.zone,
        status=Status.worst(
            [*(row.status for row in rows), *(result.status for result in results), *(each.status for each in found)]
        ),
        complete=not gaps,
        over=_is_over(context, days),
        verdict=verdict.verdict(situation, found),
        tally=tuple(_tally(rows, results)),
        findings=found,
        sections=tuple(_sections(days, rows, results)),
        gaps=gaps,
        evidence=tuple(evidence(context, inquiry, rows, results)),
    )
    # The values of a day that goes on are not those that later days are compared with.
    return Result(report=report, indicators=results if report.over else ())


def _days(context: Context) -> Days:
    """The day, or as much of it as has passed, and as much of the two that it is compared with."""
    zone = ZoneInfo(context.system.zone)
    window = _day(context.day, zone)
    whole = window.seconds
    if context.now < window.end:
        until = context.now.astimezone(zone).replace(second=0, microsecond=0)
        if until.timestamp() - window.start.timestamp() < _HOUR:
            raise UsageError(
                f"{context.day} has not begun, or is less than an hour old, in {context.system.zone}",
                advice="Give an earlier day with --date, or leave it out for yesterday.",
            )
        window = replace(window, end=until)

    def before(days: int) -> Window:
        earlier = _day(context.day - timedelta(days=days), zone)
        if window.seconds == whole:
            return earlier
        return replace(earlier, end=earlier.start.astimezone(UTC) + timedelta(seconds=window.seconds))

    return Days(window=window, day_before=before(1), week_before=before(7), zone=zone)


def _day(day: date, zone: ZoneInfo) -> Window:
    try:
        return Window.day(day, zone)
    except (OverflowError, ValueError):
        raise UsageError(f"{day} is out of the calendar's reach", advice="Give a day of this century.") from None


def _is_over(context: Context, days: Days) -> bool:
    return days.window.end <= context.now and days.window.end == Window.day(context.day, days.zone).end


def _components(context: Context, days: Days, inquiry: Inquiry) -> Iterator[ComponentResult]:
    for name, spec in context.system.components.items():
        yield from components.evaluate(
            name,
            spec,
            inquiry.replies[f"component:{name}"],
            inquiry.replies[f"members:{name}"],
            days.window,
            zone=days.zone,
            max_age=context.system.max_age,
            team=_team(context, spec.team),
            runbook=_runbook(context, spec.runbook),
        )


def _indicators(
    context: Context, days: Days, inquiry: Inquiry, rows: Sequence[ComponentResult]
) -> Iterator[IndicatorResult]:
    last_seen, known = inquiry.last_seen, inquiry.history
    for declared in context.system.indicators:
        spec = declared.spec
        names = promql.metrics(spec.promql)
        around = Surroundings(
            days=days,
            over=_is_over(context, days),
            max_age=context.system.max_age,
            missing=[name for name in names if name in last_seen],
            history=known,
            outages={
                row.title: [outage for outage in row.outages if outage.known]
                for row in rows
                if row.id in _origins(context, names)
            },
        )
        yield indicators.evaluate(
            declared,
            inquiry.replies[f"indicator:{declared.id}"],
            around,
            breakdown=inquiry.replies.get(f"breakdown:{declared.id}"),
            team=_team(context, spec.team),
            dashboard=_dashboard(context, spec.dashboard),
            runbook=_runbook(context, spec.runbook),
        )


def _origins(context: Context, names: Iterable[str]) -> set[str]:
    """The components that expose these metrics."""
    families = {context.system.family(name) for name in names}
    return {spec.component for name, spec in context.system.metrics.items() if name in families}


def _team(context: Context, name: str | None) -> Team:
    spec = context.system.teams[name or ""]
    return Team(name=name or "", contact=spec.contact, hours=spec.hours)


def _dashboard(context: Context, name: str | None) -> str:
    """A link where the address of Grafana is known, else the dashboard's title."""
    if not name:
        return ""
    spec = context.system.dashboards[name]
    return f"{context.grafana}{spec.path}" if context.grafana else spec.title


def _runbook(context: Context, anchor: str) -> str:
    """Where the runbook is: on the page that the configuration names, else on that of the profile."""
    page = context.runbooks or context.system.runbooks
    return f"{page}#{anchor}" if anchor and page else anchor


def _tally(rows: tuple[ComponentResult, ...], results: tuple[IndicatorResult, ...]) -> Iterator[Fact]:
    """The few numbers that matter, and how much is well."""
    for result in results:
        if result.chart:
            yield Fact(name=result.title, value=measured(result), status=result.status)
    up = sum(row.status is Status.OK for row in rows)
    yield Fact(name="Components up all day", value=f"{up} of {len(rows)}")
    judged = [result for result in results if result.judged]
    kept = sum(result.status is Status.OK for result in judged)
    yield Fact(name="Limits kept", value=f"{kept} of {len(judged)}")
    aimed = [result for result in results if result.threshold.target is not None]
    met = sum(_meets(result) for result in aimed)
    yield Fact(name="Targets met", value=f"{met} of {len(aimed)}")


def _meets(result: IndicatorResult) -> bool:
    value = result.measurement.value
    known = value is not None and result.measurement.quality is Quality.OK
    return known and result.threshold.meets_target(value or 0.0) is True


def _sections(days: Days, rows: tuple[ComponentResult, ...], results: tuple[IndicatorResult, ...]) -> Iterator[Section]:
    pictures = tuple(picture(result, days.window, days.week_before) for result in results if result.chart)
    if pictures:
        yield Section(id="charts", title="The numbers that matter", blocks=(Charts(charts=pictures),))
    yield Section(id="components", title="Components", blocks=(ComponentTable(rows=rows),))
    for group, members in groupby(results, key=lambda result: result.group):
        blocks = (IndicatorTable(rows=tuple(members)),)
        yield Section(id=f"group-{group.lower().replace(' ', '-')}", title=group, blocks=blocks)

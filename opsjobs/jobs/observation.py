"""What is found out of a day: everything is asked at once, and judged; nothing is said yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

from opsjobs.analysis import (
    alerts,
    backups,
    bands,
    components,
    figures,
    findings,
    indicators,
    objectives,
    postgresql,
    redis,
    runs,
)
from opsjobs.analysis.alerts import AlertHistory
from opsjobs.analysis.databases import DatabaseResult
from opsjobs.analysis.runs import JobsResult
from opsjobs.analysis.situation import Situation
from opsjobs.analysis.trust import Days, Surroundings
from opsjobs.errors import SourceError, UsageError
from opsjobs.jobs import drift
from opsjobs.jobs.context import Context
from opsjobs.jobs.inquiry import Inquiry, inquire
from opsjobs.jobs.sentry import Tracked, track
from opsjobs.model import (
    ComponentResult,
    Finding,
    IndicatorResult,
    SloResult,
    Status,
    Window,
)

_HOUR = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """Everything that was found out of a day, before it is said."""

    days: Days
    over: bool
    """False while the day goes on."""
    inquiry: Inquiry
    components: tuple[ComponentResult, ...]
    indicators: tuple[IndicatorResult, ...]
    alerts: AlertHistory
    servers: tuple[DatabaseResult, ...]
    tracked: Tracked | None
    """The errors of the application; None where nobody is asked for them."""
    drift: DatabaseResult | None
    backups: DatabaseResult | None
    """Where what runs is not as it is declared; None where nobody wants that."""
    jobs: JobsResult
    situation: Situation
    findings: tuple[Finding, ...]
    """The worst first."""

    @property
    def status(self) -> Status:
        """The worst of everything."""
        results = (each.status for part in (self.components, self.indicators) for each in part)
        slos = (slo.status for slo in self.situation.slos)
        return Status.worst([*results, *slos, *(finding.status for finding in self.findings)])


def observe(context: Context, *, bands: bool = True) -> Observed:
    """Ask everything at once and judge it. Raises `UsageError` for a day that has not begun.

    Without `bands`, not how the weekday usually is.
    """
    days = _days(context) if bands else replace(_days(context), earlier=())
    inquiry = inquire(context, days)
    rows = tuple(_components(context, days, inquiry))
    results = tuple(_indicators(context, days, inquiry, rows))
    fired = alerts.evaluate(
        inquiry.replies["alerts:day"], inquiry.replies["alerts:before"], inquiry.replies["alerts:rules"], days
    )
    servers = tuple(_servers(context))
    team, runbook = context.owners.of_server("sentry")
    tracked = track(context, days, team=team, runbook=runbook)
    kept = _backups(context)
    drifted = _drift(context, told_already=bool(inquiry.failures))
    asides = [each for each in (tracked.result if tracked else None, drifted, kept) if each]
    others = (*_told(servers), *(finding for each in asides for finding in each.findings))
    own = runs.evaluate(
        context.runs,
        context.undelivered,
        days.window,
        days.zone,
        team=context.owners.monitoring,
        kept=runs.Kept(slots=context.slots, expected=context.expected),
    )
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
        runbooks={name: context.owners.runbook(spec.runbook) for name, spec in context.system.components.items()},
        slos=tuple(_objectives(context, days, inquiry)),
        others={finding.subject: finding for finding in (*others, *_once(own, kept))},
    )
    return Observed(
        days=days,
        over=_is_over(context, days),
        inquiry=inquiry,
        components=rows,
        indicators=results,
        alerts=fired,
        servers=servers,
        tracked=tracked,
        drift=drifted,
        backups=kept,
        jobs=own,
        situation=situation,
        findings=findings.find(situation),
    )


def _servers(context: Context) -> Iterator[DatabaseResult]:
    """What the databases that are configured say of themselves now, each judged or the gap that it leaves."""
    for name, source, judge in (
        ("postgresql", context.postgresql, postgresql.evaluate),
        ("redis", context.redis, redis.evaluate),
    ):
        if source is None:
            continue
        team, runbook = context.owners.of_server(name)
        try:
            facts = source.facts(context.deadline)
        except SourceError as error:
            yield judge(error, team=team, runbook=runbook)
        else:
            yield judge(facts, team=team, runbook=runbook)  # type: ignore[arg-type]  # each judges its own facts


def _once(own: JobsResult, kept: DatabaseResult | None) -> Iterator[Finding]:
    """What opsjobs' own jobs need a person for; a backup that failed is told by what it is worth, where it is."""
    told = {"job:backup"} if kept and kept.findings else set()
    return (finding for finding in own.findings if finding.subject not in told)


def _backups(context: Context) -> DatabaseResult | None:
    """How the backups of each Grafana are; None where there is none."""
    if context.backups is None:
        return None
    runbook = context.owners.of_server("grafana")[1]
    return backups.evaluate(context.backups(), context.now, team=context.owners.monitoring, runbook=runbook)


def _drift(context: Context, *, told_already: bool) -> DatabaseResult | None:
    if context.running is None:
        return None
    _, runbook = context.owners.of_server("prometheus")
    compared = drift.compare(context.running, context.deadline)
    return drift.evaluate(compared, told_already=told_already, team=context.owners.monitoring, runbook=runbook)


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

    # A day that goes on is not held against whole ones.
    dates = bands.same_weekdays(context.day)[1:] if window.seconds == whole else ()
    earlier = tuple(_day(day, zone) for day in dates)
    return Days(window=window, day_before=before(1), week_before=before(7), zone=zone, earlier=earlier)


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
            team=context.owners.team(spec.team),
            runbook=context.owners.runbook(spec.runbook),
        )


def _indicators(
    context: Context, days: Days, inquiry: Inquiry, rows: Sequence[ComponentResult]
) -> Iterator[IndicatorResult]:
    last_seen, known = inquiry.last_seen, inquiry.history
    for declared in context.system.indicators:
        spec = declared.spec
        names = spec.metrics
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
        told = {
            "team": context.owners.team(spec.team),
            "dashboard": context.owners.dashboard(spec.dashboard),
            "runbook": context.owners.runbook(spec.runbook),
        }
        name = declared.id
        if spec.store == "prometheus":
            reply, members = inquiry.replies[f"indicator:{name}"], inquiry.replies.get(f"breakdown:{name}")
            yield indicators.evaluate(declared, reply, around, breakdown=members, **told)  # type: ignore[arg-type]
        else:
            days_of, members = inquiry.figures.days[name], inquiry.figures.breakdowns.get(name)
            yield figures.evaluate(declared, days_of, around, breakdown=members, **told)  # type: ignore[arg-type]


def _told(servers: Iterable[DatabaseResult]) -> Iterator[Finding]:
    return (finding for server in servers for finding in server.findings)


def _objectives(context: Context, days: Days, inquiry: Inquiry) -> Iterator[SloResult]:
    day = int(days.window.seconds)
    for name, spec in context.system.slos.items():
        replies = {length: inquiry.replies[f"slo:{name}:{length}"] for length in objectives.spans(spec, day)}
        yield objectives.evaluate(
            name,
            spec,
            replies,
            day=day,
            end=days.window.end.timestamp(),
            history=inquiry.history,
            team=context.owners.team(spec.team),
            dashboard=context.owners.dashboard(spec.dashboard),
            runbook=context.owners.runbook(spec.runbook),
        )


def _origins(context: Context, names: Iterable[str]) -> set[str]:
    """The components that expose these metrics."""
    families = {context.system.family(name) for name in names}
    return {spec.component for name, spec in context.system.metrics.items() if name in families}

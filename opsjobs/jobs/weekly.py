"""The weekly digest: the seven days of an ISO week on one page, each as its own daily report would have judged it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opsjobs.errors import UsageError
from opsjobs.jobs import week
from opsjobs.jobs.context import Context, Result
from opsjobs.jobs.evidence import evidence
from opsjobs.jobs.observation import Observed, observe
from opsjobs.jobs.week import Seen, listed, weekdays
from opsjobs.model import Evidence, Finding, Gap, Status, Window
from opsjobs.report.document import Fact, Report

_DAYS = 7
_FIRST_HOUR = timedelta(hours=1)
"""A day that is younger than this says nothing yet."""
_STATED = {
    Status.OK: ("was well", "were well"),
    Status.WARNING: ("had warnings", "had warnings"),
    Status.CRITICAL: ("was critical", "were critical"),
    Status.UNKNOWN: ("is not known in full", "are not known in full"),
}


def slot(day: date) -> str:
    """The ISO week of a day: `2026-W46`."""
    year, number, _ = day.isocalendar()
    return f"{year}-W{number:02}"


def run(context: Context) -> Result:
    """Judge each day of the week that `context.day` is in. Raises `UsageError` for a week that has not begun."""
    days = _days(context.day)
    begun = [day for day in days if _has_begun(day, context)]
    if not begun:
        raise UsageError(
            f"{slot(context.day)} has not begun, or is less than an hour old, in {context.system.zone}",
            advice="Give an earlier week, or `--week last` for the last one that is over.",
        )
    seen = tuple(_seen(context, day, last=day == begun[-1]) for day in begun)
    report = _report(context, seen, to_come=days[len(begun) :])
    # The values of days are for their own reports to remember.
    return Result(report=report)


def _days(day: date) -> tuple[date, ...]:
    """Monday to Sunday of the week of a day."""
    monday = day - timedelta(days=day.weekday())
    return tuple(monday + timedelta(days=number) for number in range(_DAYS))


def _has_begun(day: date, context: Context) -> bool:
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(context.system.zone))
    return context.now.timestamp() - start.timestamp() >= _FIRST_HOUR.total_seconds()


def _seen(context: Context, day: date, *, last: bool) -> Seen:
    """One day, without what databases say of themselves now; what was not delivered is told of the last one."""
    asked = {declared.spec.store for declared in context.system.indicators}
    observed = observe(
        replace(
            context,
            day=day,
            # Only for what they know of the day.
            postgresql=context.postgresql if "postgresql" in asked else None,
            redis=context.redis if "redis" in asked else None,
            sentry=None,
            undelivered=context.undelivered if last else (),
        ),
        bands=False,
    )
    now = {finding.subject for server in observed.servers for finding in server.findings}
    findings = tuple(each for each in observed.findings if each.subject not in now or each.explains)
    return Seen(day=day, observed=observed, findings=findings)


def _report(context: Context, seen: Sequence[Seen], *, to_come: Sequence[date]) -> Report:
    first, last = seen[0].observed, seen[-1].observed
    over = not to_come and last.over
    findings, gaps = tuple(_findings(seen)), tuple(_gaps(seen))
    return Report(
        job="weekly",
        system=context.name,
        system_title=context.system.title,
        title="Weekly report",
        slot=slot(context.day),
        window=Window(start=first.days.window.start, end=last.days.window.end),
        zone=context.system.zone,
        status=Status.worst(each.status for each in seen),
        complete=not gaps,
        over=over,
        verdict=_verdict(seen, over=over),
        tally=tuple(_tally(seen, findings)),
        findings=findings,
        sections=tuple(week.sections(seen, to_come)),
        gaps=gaps,
        evidence=tuple(_evidence(context, last)),
        evidence_window=last.days.window,
    )


def _verdict(seen: Sequence[Seen], *, over: bool) -> str:
    """How many days were well, and of the others what they were; what is not known is said so."""
    so_far = "" if over else " so far"
    silent = [each for each in seen if each.observed.situation.silent]
    count = len(seen)
    if len(silent) == count:
        days = "the day" if count == 1 else f"any of the {count} days"
        return f"Nothing is known of {days}{so_far}: Prometheus could not be asked."
    statuses = [each.status for each in seen]
    well = statuses.count(Status.OK)
    if well == count:
        return f"All {count} days{so_far} were well." if count > 1 else f"The day{so_far} was well."
    noun = "day" if count == 1 else "days"
    said = [f"{well} of {count} {noun}{so_far} {_STATED[Status.OK][well != 1]}"]
    for status in (Status.CRITICAL, Status.UNKNOWN, Status.WARNING):
        such = [each.day for each in seen if each.status is status and each not in silent]
        if such:
            each_of = len(such) == count
            said.append(f"{_spoken(such, count)} {_STATED[status][len(such) > 1 and not each_of]}")
    if silent:
        said.append(f"nothing is known of {listed(weekdays(each.day for each in silent))}")
    return f"{'; '.join(said)}."


def _tally(seen: Sequence[Seen], findings: Sequence[Finding]) -> Iterator[Fact]:
    count = len(seen)
    yield Fact(name="Days that were well", value=f"{sum(each.status is Status.OK for each in seen)} of {count}")
    yield Fact(name="Things that need a person", value=f"{len(findings)}")
    well, kept, met = zip(*(_well(each.observed) for each in seen), strict=True)
    yield Fact(name="Components up all the time", value=_on_each(well))
    yield Fact(name="Limits kept on each day", value=_on_each(kept))
    yield Fact(name="Targets met on each day", value=_on_each(met))


def _well(day: Observed) -> tuple[dict[str, bool], dict[str, bool], dict[str, bool]]:
    """Which components were up, limits kept and targets met on a day, by what they are of."""
    up = {row.id: True for row in day.components}
    for row in day.components:
        up[row.id] &= row.status is Status.OK
    kept = {row.id: row.status is Status.OK for row in day.indicators if row.judged}
    met = {row.id: week.meets_target(row) for row in day.indicators if row.threshold.target is not None}
    return up, kept, met


def _on_each(days: Sequence[dict[str, bool]]) -> str:
    """How many of the things that were looked at on any day were well on each."""
    everything = {name for day in days for name in day}
    good = sum(all(day.get(name, False) for day in days) for name in everything)
    return f"{good} of {len(everything)}"


def _findings(seen: Sequence[Seen]) -> Iterator[Finding]:
    """One for each subject, as it was on its worst day, with all its days: the worst first, then the most frequent."""
    found = _by_subject(seen, lambda _: True)
    for days in sorted(found, key=lambda days: (-max(each.finding.status.rank for each in days), -len(days))):
        # Of equally bad days the last: it is what is there to be looked at.
        worst = max(reversed(days), key=lambda each: each.finding.status.rank)
        on = f"On {_spoken([each.day for each in days], len(seen))}"
        detail = f"{on}: {worst.finding.detail}" if len(days) == 1 else f"{on}. {worst.day:%A}: {worst.finding.detail}"
        yield replace(worst.finding, detail=detail if worst.finding.detail else f"{on}.")


def _gaps(seen: Sequence[Seen]) -> Iterator[Gap]:
    """What some day could not see, once for each subject, also where another day had worse of it."""
    for days in _by_subject(seen, lambda finding: finding.status is Status.UNKNOWN):
        last = days[-1].finding
        on = _spoken([each.day for each in days], len(seen))
        yield Gap(source=last.title, reason=f"On {on}. {last.detail}".rstrip(), advice=last.advice)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """A finding, and the day on which it was found."""

    day: date
    finding: Finding


def _by_subject(seen: Sequence[Seen], wanted: Callable[[Finding], bool]) -> list[list[_Found]]:
    """The wanted findings of each subject, in the order of the days."""
    found: dict[str, list[_Found]] = {}
    for each in seen:
        for finding in filter(wanted, each.findings):
            found.setdefault(finding.subject, []).append(_Found(day=each.day, finding=finding))
    return list(found.values())


def _spoken(days: Iterable[date], of: int) -> str:
    named = weekdays(days)
    return f"each of the {of} days" if len(named) == of and of > 2 else listed(named)  # noqa: PLR2004 - two are named


def _evidence(context: Context, last: Observed) -> Iterator[Evidence]:
    """Each query once, as it was asked for the last day: the report of each day has its own."""
    items = evidence(context, last.days, last.inquiry, last.components, last.indicators)
    yield from (item for item in items if item.subject.startswith(("component:", "indicator:")))

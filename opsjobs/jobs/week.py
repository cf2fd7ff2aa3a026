"""The days of a week as the parts of its report: a strip of the days, and a table with a column for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from itertools import groupby

from opsjobs.analysis import alerts
from opsjobs.analysis.alerts import AlertResult
from opsjobs.jobs.observation import Observed
from opsjobs.jobs.sections import objectives
from opsjobs.model import ComponentResult, Finding, IndicatorResult, Outage, Quality, Status
from opsjobs.report import filters
from opsjobs.report.document import DayCell, DayFinding, DayStrip, DaySummary, Section, WeekRow, WeekTable
from opsjobs.words import NO_DATA, change, measured, percent, span

_OUTAGES = 4
"""Outages of a member that are named."""
_NOTHING = "\N{EN DASH}"
_WEEK = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A day, and what of it belongs to its week."""

    day: date
    observed: Observed
    findings: tuple[Finding, ...]
    """The worst first."""

    @property
    def status(self) -> Status:
        """The worst of everything."""
        observed = self.observed
        results = (each.status for part in (observed.components, observed.indicators) for each in part)
        told = (each.status for part in (observed.situation.slos, self.findings) for each in part)
        return Status.worst([*results, *told])


def sections(seen: Sequence[Seen], to_come: Sequence[date]) -> Iterator[Section]:
    """The sections in the order of the report; the days themselves stand before what needs a person."""
    days = tuple(
        DaySummary(
            day=each.day,
            status=each.status,
            over=each.observed.over,
            findings=tuple(
                DayFinding(subject=found.subject, status=found.status, title=found.title) for found in each.findings
            ),
        )
        for each in seen
    )
    note = f"Still to come: {listed(weekdays(to_come))}." if to_come else ""
    yield Section(id="days", title="The days", note=note, blocks=(DayStrip(days=days),), first=True)
    yield _indicators(seen)
    yield from objectives(seen[-1].observed.situation.slos)
    yield _components(seen)
    yield _alerts(seen)


def weekdays(days: Iterable[date]) -> list[str]:
    """The days by their short names."""
    return [f"{day:%a}" for day in days]


def listed(names: Sequence[str]) -> str:
    """`Mon`, `Mon and Tue`, `Mon, Tue and Fri`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def meets_target(result: IndicatorResult) -> bool:
    """Whether a value is known well enough, and within its target."""
    measurement = result.measurement
    if measurement.value is None or measurement.quality is not Quality.OK:
        return False
    return result.threshold.meets_target(measurement.value) is True


def _indicators(seen: Sequence[Seen]) -> Section:
    """A row for each indicator: the days have the same ones, in the same order."""
    columns = [each.observed.indicators for each in seen]
    # What a day that goes on has so far is not held against a whole one.
    whole = [number for number, each in enumerate(seen) if each.observed.over]
    ends = (whole[0], whole[-1]) if len(whole) > 1 else None
    rows = tuple(_indicator(results, ends) for results in zip(*columns, strict=True))
    heading = f"{seen[ends[0]].day:%a} to {seen[ends[1]].day:%a}" if ends else ""
    days = tuple(each.day for each in seen)
    table = WeekTable(name="Indicator", days=days, rows=rows, whole=heading, remark="Target and limits")
    going_on = [each for each in seen if not each.observed.over]
    note = f"{going_on[0].day:%A} has only what there was of it so far." if going_on else ""
    return Section(id="indicators", title="Indicators", note=note, blocks=(table,))


def _indicator(results: Sequence[IndicatorResult], ends: tuple[int, int] | None) -> WeekRow:
    last = results[-1]
    return WeekRow(
        id=last.id,
        title=last.title,
        group=last.group,
        unit=last.unit,
        cells=tuple(_value(result) for result in results),
        whole=_moved(results[ends[0]], results[ends[1]]) if ends else "",
        remark=_aims(last),
        threshold=last.threshold,
    )


def _value(result: IndicatorResult) -> DayCell:
    return DayCell(
        text=measured(result).replace("at least ", "≥"),
        value=result.measurement.value,
        status=result.status,
        reason=result.measurement.reason,
    )


def _moved(first: IndicatorResult, last: IndicatorResult) -> str:
    """How far a value moved between two days; nothing is said of one that is weak."""
    known = all(result.measurement.quality is Quality.OK for result in (first, last))
    return change(last.measurement.value, first.measurement.value, last.unit) if known else "not known"


def _aims(result: IndicatorResult) -> str:
    target = [f"target {filters.target(result.threshold, result.unit)}"] if result.threshold.target is not None else []
    return ", ".join([*target, *(" ".join(each) for each in filters.limits(result.threshold, result.unit))])


def _components(seen: Sequence[Seen]) -> Section:
    """A row for each member that any day knew."""
    days = [{(row.id, row.member): row for row in each.observed.components} for each in seen]
    keys = list(dict.fromkeys(key for rows in days for key in rows))
    named = {name for name, member in keys if member}
    # Members of one component stand together, also those that came later in the week.
    order = list(dict.fromkeys(name for name, _ in keys))
    shown = sorted((key for key in keys if key[1] or key[0] not in named), key=lambda key: order.index(key[0]))
    # A day on which no member could be told apart speaks of each of them.
    rows = tuple(_component([day.get(key) or day.get((key[0], "")) for day in days], seen) for key in shown)
    table = WeekTable(
        name="Component", days=tuple(each.day for each in seen), rows=rows, whole="In all", remark="What happened"
    )
    return Section(id="components", title="Components", blocks=(table,))


def _component(days: Sequence[ComponentResult | None], seen: Sequence[Seen]) -> WeekRow:
    known = [row for row in days if row is not None]
    one = next((row for row in known if row.member), known[0])
    return WeekRow(
        id=one.id,
        title=one.title,
        unit="ratio",
        about=one.member,
        cells=tuple(_availability(row) for row in days),
        whole=_up(days, seen),
        remark=_outages(known, seen[0].observed.days.zone),
    )


def _availability(row: ComponentResult | None) -> DayCell:
    if row is None:
        return DayCell(text=_NOTHING, value=None, reason="not among the members")
    return DayCell(text=percent(row.availability), value=row.availability, status=row.status, reason=row.reason)


def _up(days: Sequence[ComponentResult | None], seen: Sequence[Seen]) -> str:
    """Its availability over all the days of which it was a member, where each is known."""
    up = measured_for = 0.0
    for row, each in zip(days, seen, strict=True):
        if row is None:
            continue
        if row.availability is None:
            return NO_DATA
        seconds = row.coverage * each.observed.days.window.seconds
        up, measured_for = up + row.availability * seconds, measured_for + seconds
    return percent(up / measured_for) if measured_for else NO_DATA


def _outages(days: Sequence[ComponentResult], zone: tzinfo) -> str:
    """When it was down, or was not measured; over midnight it is one outage."""
    joined: list[Outage] = []
    for outage in (outage for row in days for outage in row.outages):
        before = joined[-1] if joined else None
        if before and not before.ended and before.end == outage.start and before.known == outage.known:
            joined[-1] = replace(outage, start=before.start)
        else:
            joined.append(outage)
    said = [_outage(outage, zone) for outage in joined[:_OUTAGES]]
    rest = len(joined) - _OUTAGES
    return "; ".join([*said, *([f"and {rest} more"] if rest > 0 else [])])


def _outage(outage: Outage, zone: tzinfo) -> str:
    start, end = outage.start.astimezone(zone), outage.end.astimezone(zone)
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%a %H:%M}"
    word = "down" if outage.known else "not measured"
    return f"{word} {start:%a %H:%M} to {until} ({span(outage.seconds)})"


def _alerts(seen: Sequence[Seen]) -> Section:
    """A row for each alert that fired: how long on each day."""
    days = [{_key(alert): alert for alert in each.observed.alerts.of_the_day} for each in seen]
    keys = {key for fired in days for key in fired}
    rows = [_alert(key, [fired.get(key) for fired in days], seen) for key in keys]
    rows.sort(key=lambda row: (-sum(cell.value or 0.0 for cell in row.cells), row.id))
    table = WeekTable(
        name="Alert", days=tuple(each.day for each in seen), rows=tuple(rows), whole="In all", remark="How it went"
    )
    note = " ".join(_silence(seen, fired=bool(rows)))
    return Section(id="alerts", title="Alerts", note=note, blocks=(table,) if rows else ())


def _key(alert: AlertResult) -> tuple[str, str, str]:
    return alert.name, alert.severity, alert.team


def _alert(key: tuple[str, str, str], days: Sequence[AlertResult | None], seen: Sequence[Seen]) -> WeekRow:
    name, severity, team = key
    unknown = any(each.observed.alerts.error for each in seen)
    seconds = sum(alert.seconds for alert in days if alert is not None)
    return WeekRow(
        id=name,
        title=name,
        unit="seconds",
        about=", ".join(filter(None, (severity, team))),
        cells=tuple(_fired(alert, each) for alert, each in zip(days, seen, strict=True)),
        whole=f"≥ {span(seconds)}" if unknown else span(seconds),
        remark=_course(key, days[-1], seen),
    )


def _fired(alert: AlertResult | None, each: Seen) -> DayCell:
    if alert is not None:
        return DayCell(text=span(alert.seconds), value=alert.seconds)
    if each.observed.alerts.error:
        return DayCell(text=NO_DATA, value=None, status=Status.UNKNOWN, reason=each.observed.alerts.error)
    return DayCell(text=_NOTHING, value=0.0)


def _course(key: tuple[str, str, str], last: AlertResult | None, seen: Sequence[Seen]) -> str:
    """How often it fired, where the seven days that end with the last day are this week; and how it ended."""
    history = seen[-1].observed.alerts
    said = []
    if len(seen) == _WEEK and not history.week_error:
        times = next((alert.week_firings for alert in history.alerts if _key(alert) == key), 0)
        said.append({1: "fired once", 2: "fired twice"}.get(times, f"fired {times} times"))
    if last is not None and last.firing:
        said.append("all week, never resolved" if last.unresolved and len(seen) == _WEEK else "still firing")
    elif not history.error:
        said.append("resolved")
    return ", ".join(said)


def _silence(seen: Sequence[Seen], *, fired: bool) -> Iterator[str]:
    """What makes silence less than it seems; that nothing fired is said only where rules were loaded on each day."""
    histories = [(each.day, each.observed.alerts) for each in seen]
    for error, days in groupby(histories, key=lambda each: each[1].error):
        if error:
            yield f"What fired on {listed(weekdays(day for day, _ in days))} is not known: {error}."
    blind = [day for day, history in histories if not history.error and not alerts.is_enough(history.rules)]
    if blind:
        yield f"Alert rules were not known to be loaded all day on {listed(weekdays(blind))}."
    partial = [day for day, history in histories if history.partial]
    if partial:
        yield f"The source answered in part on {listed(weekdays(partial))}: there may have been more."
    if not (fired or blind or partial or any(history.error for _, history in histories)):
        yield "No alert fired."

"""What is found out becomes the parts of a report: the few numbers of its head, and its sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import groupby

from opsjobs.analysis import alerts, changes
from opsjobs.analysis.alerts import AlertHistory, AlertResult
from opsjobs.analysis.changes import Change
from opsjobs.analysis.databases import DatabaseResult, DatabaseRow
from opsjobs.analysis.forecast import Fared, Forecast, Outcome
from opsjobs.analysis.runs import JobsResult
from opsjobs.analysis.trust import Days
from opsjobs.model import ComponentResult, IndicatorResult, Quality, SloResult, Status
from opsjobs.report.document import (
    AlertRow,
    AlertTable,
    ChangeRow,
    Changes,
    Charts,
    ComponentTable,
    Fact,
    IndicatorTable,
    Outlook,
    Section,
    SloTable,
    Spell,
    StateRow,
    StateTable,
    UsualBand,
)
from opsjobs.report.pictures import picture
from opsjobs.words import clock, measured, percent

_OTHERS = 5
"""How many that did not move much are told with those that did."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Aside:
    """What an indicator's own past says of its value, in words and as numbers."""

    band: str = ""
    full: str = ""
    """When it is full."""
    soon: bool = False
    """Whether that is so soon that it belongs to what changed."""
    usual: UsualBand | None = None
    outlook: Outlook | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Each remark by itself."""
        return tuple(filter(None, (self.band, self.full)))

    @property
    def news(self) -> tuple[str, ...]:
        """Those of them that belong to what changed."""
        return tuple(filter(None, (self.band, self.full if self.soon else "")))


def tally(rows: tuple[ComponentResult, ...], results: tuple[IndicatorResult, ...]) -> Iterator[Fact]:
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
    if aimed:
        yield Fact(name="Targets met", value=f"{met} of {len(aimed)}")


def _meets(result: IndicatorResult) -> bool:
    value = result.measurement.value
    known = value is not None and result.measurement.quality is Quality.OK
    return known and result.threshold.meets_target(value or 0.0) is True


def sections(
    days: Days,
    rows: tuple[ComponentResult, ...],
    results: tuple[IndicatorResult, ...],
    fired: AlertHistory,
    *,
    asides: Mapping[str, Aside],
    causes: Mapping[str, str],
    slos: Sequence[SloResult],
    over: bool,
) -> Iterator[Section]:
    """The sections in the order of the report. `causes` names for an indicator the one that explains it, if any."""
    yield _changes(results, asides, causes, over=over)
    pictures = tuple(picture(result, days.window, days.week_before) for result in results if result.chart)
    if pictures:
        yield Section(id="charts", title="The numbers that matter", blocks=(Charts(charts=pictures),))
    yield from objectives(slos)
    yield Section(id="components", title="Components", blocks=(ComponentTable(rows=rows),))
    yield _alerts(fired)
    for group, members in groupby(results, key=lambda result: result.group):
        rows_of_group = tuple(members)
        said = {row.id: asides[row.id] for row in rows_of_group if row.id in asides}
        table = IndicatorTable(
            rows=rows_of_group,
            notes={name: aside.words for name, aside in said.items() if aside.words},
            bands={name: aside.usual for name, aside in said.items() if aside.usual},
            outlooks={name: aside.outlook for name, aside in said.items() if aside.outlook},
        )
        yield Section(id=f"group-{group.lower().replace(' ', '-')}", title=group, blocks=(table,))


def objectives(slos: Sequence[SloResult]) -> Iterator[Section]:
    """What was promised over weeks, and whether it will be kept; nothing where nothing is."""
    if slos:
        note = "A burn rate of 1 uses the error budget up in exactly one window; what is left is what may still fail."
        yield Section(id="objectives", title="Objectives", note=note, blocks=(SloTable(rows=tuple(slos)),))


def servers(results: Sequence[DatabaseResult], zone: tzinfo) -> Iterator[Section]:
    """A section for each database that answered: it speaks of the moment when it was asked, not of the day."""
    for result in results:
        if result.rows:
            rows = tuple(_state(row) for row in result.rows)
            note = f"As it was at {clock(result.at, zone)}, when it was asked." if result.at else ""
            yield Section(id=result.id, title=result.title, note=note, blocks=(StateTable(rows=rows),))


def _state(row: DatabaseRow) -> StateRow:
    return StateRow(
        title=row.title,
        value=row.value,
        status=row.status,
        reason=row.reason,
        number=row.number,
        unit=row.unit if row.number is not None else "",
        outlook=outlook(row.forecast, row.fared) if row.forecast else None,
    )


def outlook(found: Forecast, fared: Fared | None) -> Outlook:
    """A forecast as numbers, where it is stated."""
    if not found.stated:
        beyond = found.outcome is Outcome.FULL_IN
        return Outlook(outcome="not soon" if beyond else found.outcome.value)
    return Outlook(
        outcome=found.outcome.value,
        days=found.days,
        earliest=found.earliest,
        latest=found.latest,
        checked=fared.checked if fared else None,
        held=fared.held if fared else None,
    )


def jobs(result: JobsResult) -> Section:
    """How opsjobs' own jobs went."""
    rows = tuple(
        StateRow(title=row.title, value=row.value, status=row.status, reason=row.reason) for row in result.rows
    )
    note = "" if rows else "No run is known that began before the end of the day."
    return Section(id="jobs", title="Jobs of opsjobs", note=note, blocks=(StateTable(rows=rows),) if rows else ())


def _changes(
    results: Sequence[IndicatorResult], asides: Mapping[str, Aside], causes: Mapping[str, str], *, over: bool
) -> Section:
    """What moved since the day before; that nothing did is said only of what both days are known of."""
    found = changes.find(results, causes)
    moved = {change.indicator for change in found}
    news = [result for result in results if result.id in asides and asides[result.id].news]
    others = [result for result in news if not {result.id, causes.get(result.id, "")} & moved]
    rows = (
        *(_change(change, asides.get(change.indicator)) for change in found),
        *(_remarkable(result, asides[result.id]) for result in others[:_OTHERS]),
    )
    comparable = sum(changes.is_comparable(result) for result in results)
    said = [] if over else ["Against the same hours of the day before."]
    if not comparable:
        said.append("Nothing can be compared with the day before.")
    elif not found:
        said.append("Nothing moved by more than a tenth.")
    if 0 < comparable < len(results):
        said.append(f"{len(results) - comparable} of {len(results)} indicators cannot be compared.")
    if len(others) > _OTHERS:
        said.append(f"Remarks on {len(others) - _OTHERS} more indicators stand under their rows.")
    blocks = (Changes(rows=rows),) if rows else ()
    return Section(id="changes", title="What changed", note=" ".join(said), blocks=blocks)


def _remarkable(result: IndicatorResult, aside: Aside) -> ChangeRow:
    """What did not move much since the day before, and still is not what it was."""
    text = f"{result.title}, {measured(result)}: {'; '.join(aside.news)}"
    return ChangeRow(indicator=result.id, text=text, unit=result.unit, value=result.measurement.value or 0.0)


def _change(change: Change, aside: Aside | None) -> ChangeRow:
    return ChangeRow(
        indicator=change.indicator,
        text=change.text,
        unit=change.unit,
        before=change.before,
        value=change.value,
        better=change.better,
        remarks=aside.news if aside else (),
    )


def _alerts(history: AlertHistory) -> Section:
    of_the_day = history.of_the_day
    known = not history.week_error
    earlier = tuple(_alert(alert, known=known) for alert in history.alerts if not alert.spells)
    table = AlertTable(rows=tuple(_alert(alert, known=known) for alert in of_the_day), earlier=earlier)
    note = " ".join((*_evidence(history), *_day(history), *_week(history)))
    return Section(id="alerts", title="Alerts", note=note, blocks=(table,) if history.alerts else ())


def _evidence(history: AlertHistory) -> Iterator[str]:
    """What makes silence, or a count, less than it seems."""
    if history.rules is None:
        yield "Whether alert rules are loaded is not known."
    elif not history.rules:
        yield "No alert rules are loaded, or nobody says so: that an alert did not fire says nothing."
    elif not alerts.is_enough(history.rules):
        yield f"Alert rules were loaded in only {percent(history.rules)} of the day."
    if history.partial:
        yield "The source answered in part: there may have been more."


def _day(history: AlertHistory) -> Iterator[str]:
    """What fired in the day; where nothing did, that is said only of rules that were loaded."""
    of_the_day = history.of_the_day
    if history.error:
        yield f"What fired is not known: {history.error}."
    elif of_the_day:
        firing = sum(alert.firing for alert in of_the_day)
        still = f", {firing} still at its end" if firing else ", none of them at its end"
        parts = ", ".join(f"{count} {name}" for name, count in alerts.tally(of_the_day, "severity").items())
        teams = ", ".join(f"{name} {count}" for name, count in alerts.tally(of_the_day, "team").items())
        named = f"; by team: {teams}" if any(alert.team for alert in of_the_day) else ""
        yield f"{_count(len(of_the_day), 'alert')} fired in the day{still}: {parts}{named}."
    elif alerts.is_enough(history.rules) and not history.partial:
        yield "No alert fired in the day."


def _week(history: AlertHistory) -> Iterator[str]:
    """The seven days that end with the day, in one sentence."""
    if history.error:
        return
    if history.week_error:
        yield f"The days before it are not known: {history.week_error}."
        return
    if not history.alerts:
        if alerts.is_enough(history.week_rules) and not history.partial:
            yield "Nor did any in the six days before."
        return
    times = sum(alert.week_firings for alert in history.alerts)
    said = f"In the week, {_count(len(history.alerts), 'alert')} fired {_times(times)}"
    if noisiest := history.noisiest:
        said += f", {noisiest.name} most often ({_times(noisiest.week_firings)})"
    unresolved = [alert.name for alert in history.alerts if alert.unresolved]
    if unresolved:
        said += f"; never resolved: {', '.join(unresolved)}"
    if not alerts.is_enough(history.week_rules):
        share = "an unknown part" if history.week_rules is None else f"only {percent(history.week_rules)}"
        said += f"; rules were loaded in {share} of it"
    yield f"{said}."


def _alert(alert: AlertResult, *, known: bool) -> AlertRow:
    """An alert as a row; of the week only what is known."""
    return AlertRow(
        name=alert.name,
        severity=alert.severity,
        team=alert.team,
        spells=tuple(Spell(start=spell.start, end=spell.end, ended=spell.ended) for spell in alert.spells),
        seconds=alert.seconds,
        longest=alert.longest,
        flapping=alert.flapping,
        firing=alert.firing,
        week_firings=alert.week_firings if known else None,
        week_seconds=alert.week_seconds if known else None,
        unresolved=alert.unresolved,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")

"""The words of a report beside plain values, which `opsjobs.words` says: rows, times and links, one for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from opsjobs.model import Direction, Evidence, Gap, IndicatorResult, Quality, SloResult, Status, Team, Threshold, Window
from opsjobs.report.document import AlertRow, ChangeRow, Fact, Report
from opsjobs.words import NO_DATA, change, clock, limit, percent, quantity, span

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_UNIT = re.compile(r"(?<=\d) (?=(?:%|pp|µs|ms|s|min|h|d|days|B|[KMGT]iB)(?:\W|$))|(?<=\d [hd]) (?=\d+ (?:min|h)\b)")
"""The blank between a number and its unit, and between the two of a length of time."""
_COLUMNS = (6, 5, 4)
_SPELLS = 3
_NO_TENTHS = 10
_LONGEST_DAY = timedelta(hours=25).total_seconds()
NOT_JUDGED = "not judged"
_SUMMARIES = {
    "last": "last value",
    "mean": "mean",
    "max": "highest value",
    "sum": "total",
    "p95": "95th percentile",
    "ratio": "ratio of totals",
}


def target(threshold: Threshold, unit: str) -> str:
    """The target in words, or nothing."""
    if threshold.target is None:
        return ""
    return ("≤ " if threshold.direction is Direction.BELOW else "≥ ") + limit(threshold.target, unit)


def limits(threshold: Threshold, unit: str) -> tuple[tuple[str, str], ...]:
    """The limits that alarm: name, and beyond what value it does."""
    sign = "> " if threshold.direction is Direction.BELOW else "< "
    named = (("warning", threshold.warning), ("critical", threshold.critical))
    return tuple((name, sign + limit(value, unit)) for name, value in named if value is not None)


def burn(rate: float | None) -> str:
    """A burn rate in words: 0.4, 14."""
    if rate is None:
        return NO_DATA
    return "0" if not rate else f"{rate:.1f}" if rate < _NO_TENTHS else f"{rate:.0f}"


def budget(row: SloResult) -> tuple[str, str]:
    """What is left of an error budget: `62.0 %`, `27 min of 43 min`."""
    if row.left is None:
        return NO_DATA, ""
    if row.left < 0:
        return "overspent", f"by {span(-row.left * row.budget)}"
    return percent(row.left), f"{span(row.left * row.budget)} of {span(row.budget)}"


def spent(row: SloResult) -> tuple[str, str]:
    """What the day cost of the budget: `3.0 %`, `1 min`."""
    if row.day_burn is None:
        return NO_DATA, ""
    share = row.day_burn * row.day / row.window
    return (percent(share), span(share * row.budget)) if share else ("nothing", "")


def objective(row: SloResult) -> str:
    """What is promised: `99.9 % in 30 d`."""
    return f"{limit(row.objective, 'ratio')} in {span(row.window)}"


def misses_target(row: IndicatorResult) -> bool:
    """Whether the value is known and beyond its target."""
    return row.measurement.value is not None and row.threshold.meets_target(row.measurement.value) is False


def is_judged(row: IndicatorResult) -> bool:
    """Whether the status says something of the value; without a limit, OK says only that there is one."""
    return row.judged or row.status is not Status.OK


def comparisons(row: IndicatorResult) -> tuple[str, str]:
    """How far the value moved in a day and in a week; nothing where it is too weak to be compared."""
    measurement = row.measurement
    if measurement.quality is not Quality.OK:
        return "", ""
    day_before = change(measurement.value, row.day_before, row.unit)
    return day_before, change(measurement.value, row.week_before, row.unit)


def episodes(row: IndicatorResult, window: Window, zone: tzinfo) -> tuple[tuple[Status, str], ...]:
    """When a limit was passed, for how long and how far; each with the status of that limit."""
    said = []
    for episode in row.episodes:
        start = clock(episode.start, zone, window.start)
        when = f"from {start} to {clock(episode.end, zone, window.start)}" if episode.ended else f"since {start}"
        worst = quantity(episode.worst, row.unit, _marks(row))
        name = episode.status.name.lower()
        said.append((episode.status, f"{name} limit passed {when} ({span(episode.seconds)}), worst {worst}"))
    return tuple(said)


def spells(row: AlertRow, window: Window, zone: tzinfo) -> str:
    """When an alert fired, the first few firings by their times."""
    said = []
    for spell in row.spells[:_SPELLS]:
        start = clock(spell.start, zone, window.start)
        said.append(f"from {start} to {clock(spell.end, zone, window.start)}" if spell.ended else f"since {start}")
    rest = len(row.spells) - _SPELLS
    return ", ".join(said) + (f", and {rest} more" if rest > 0 else "")


def fired(row: AlertRow) -> str:
    """How an alert ended the window, in one or two words."""
    marks = {"flapping": row.flapping, "all week": row.unresolved}
    return ", ".join(["still firing" if row.firing else "resolved", *(word for word, so in marks.items() if so)])


def often(row: AlertRow) -> str:
    """How often an alert fired in the week."""
    return "not known" if row.week_firings is None else f"{row.week_firings:,}"


def judgement(row: ChangeRow) -> str:
    """Whether a change is for the better, as the end of its line."""
    return "" if row.better is None else ", better" if row.better else ", worse"


def breakdown(row: IndicatorResult) -> str:
    """The shares of an indicator on one line."""
    shares = ", ".join(f"{share.name} {quantity(share.value, row.unit, _marks(row))}" for share in row.breakdown)
    return f"by {row.breakdown_by}: {shares}" if row.breakdown_by else shares


def remarks(row: IndicatorResult) -> tuple[str, ...]:
    """What a reader must know beside the number: why it is missing or weak, and how much of the window it covers."""
    measurement = row.measurement
    if measurement.quality is Quality.OK:
        # An outage that left a hole is told once, by itself; here only where the number is less because of it.
        return (measurement.reason,) if measurement.reason and row.summary == "sum" else ()
    said = [": ".join(filter(None, (measurement.quality.word, measurement.reason)))]
    if 0 < row.coverage < 1:
        said.append(f"measured in {percent(row.coverage)} of the window")
    return tuple(said)


def summarised(summary: str) -> str:
    """How the points of the window became one number."""
    return _SUMMARIES.get(summary, summary)


def instant(time: datetime | None, zone: tzinfo) -> str:
    """A moment in local time with its offset, which tells the two 02:30 of an autumn night apart."""
    return NO_DATA if time is None else time.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def day(window: Window, zone: tzinfo) -> str:
    """The date of a window of one day, or of its first and last day."""
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    last = (end - timedelta(microseconds=1)).date()
    return f"{start:%Y-%m-%d}" if start.date() == last else f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"


def stretch(window: Window) -> str:
    """What a share of the window is a share of."""
    return "day" if window.seconds <= _LONGEST_DAY else "time"


def spoken(report: Report, zone: tzinfo) -> str:
    """The span that a report speaks of; of one that is not over, how far it has come."""
    if report.over:
        return period(report.window, zone) if stretch(report.window) == "day" else _dates(report.window, zone)
    start = report.window.start
    return f"{_date(start.astimezone(zone))}, so far, until {clock(report.window.end, zone, start)}"


def _dates(window: Window, zone: tzinfo) -> str:
    """The first and the last day of a window of whole days."""
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    last = end - timedelta(days=1)
    return f"{_date(start)} to {_date(last)}" if (end.hour, end.minute) == (0, 0) else period(window, zone)


def period(window: Window, zone: tzinfo) -> str:
    """A window in words: the local day where it is one, otherwise both ends."""
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    tomorrow = start.date() + timedelta(days=1)
    if (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0) and end.date() == tomorrow:
        hours = "" if window.seconds == timedelta(days=1).total_seconds() else f" ({limit(window.seconds, 'seconds')})"
        return f"{_date(start)}, 00:00 to 24:00{hours}"
    if start.date() == end.date():
        return f"{_date(start)}, {start:%H:%M} to {end:%H:%M}"
    return f"{_date(start)}, {start:%H:%M} to {_date(end)}, {end:%H:%M}"


def zone_of(report: Report) -> tzinfo:
    """The zone that the report names; that of its window where the name is none."""
    try:
        return ZoneInfo(report.zone)
    except (ValueError, OSError, KeyError):
        # The window is aware by construction.
        return report.window.start.tzinfo or ZoneInfo("UTC")


def called(team: Team) -> str:
    """The name of a team as a title; teams are declared by lower case keys."""
    return team.name[:1].upper() + team.name[1:]


def advice(gap: Gap, report: Report) -> str:
    """What to do about a gap, unless a finding about the same says so already."""
    subject = f"source:{gap.source}".casefold()
    told = any(
        finding.advice and (finding.subject.casefold() == subject or finding.advice == gap.advice)
        for finding in report.findings
    )
    return "" if told else gap.advice


def rerun(report: Report, zone: tzinfo) -> str:
    """How the queries of the appendix become the numbers of the report."""
    window = report.evidence_window or report.window
    start, end = instant(window.start, zone), instant(window.end, zone)
    one = report.evidence_window is not None
    whose = f" of {evidence_day(report, zone)}" if one else ""
    others = " The report of each other day has its own." if one else ""
    return (
        f"How each number{whose} came about, to run it by hand.{others} A range has a point at the end of each step,"
        f" the first one at its start plus one step. The value of the {stretch(window)} is made of the points after"
        f" {start} up to {end}, by the method given."
    )


def evidence_day(report: Report, zone: tzinfo) -> str:
    """The day that the evidence is of, where that is only a part of what the report speaks of."""
    return _date(report.evidence_window.start.astimezone(zone)) if report.evidence_window else ""


def calm(report: Report) -> str:
    """What is said where nothing needs a person."""
    if report.complete and report.status is Status.OK:
        return "Nothing today." if stretch(report.window) == "day" else "Nothing in these days."
    return ""


def asked(item: Evidence, zone: tzinfo) -> str:
    """What was asked, what came back and what was made of it, as sentences."""
    when = f"At {instant(item.end, zone)}"
    if item.start is not None:
        when = f"From {instant(item.start, zone)} to {instant(item.end, zone)}"
        when += f", every {limit(item.step, 'seconds')}" if item.step is not None else ""
    sample = f"Sample at {instant(item.sample_at, zone)}" if item.sample_at is not None else ""
    answer = f"Answer: {', '.join(filter(None, (item.quality.word, item.reason)))}"
    return " ".join(sentence(part) for part in (when, sample, answer, item.method) if part)


def sentence(text: str) -> str:
    """A text with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def tight(text: str) -> str:
    """A text whose lines do not break between a number and its unit."""
    return _UNIT.sub("\u00a0", text)


def columns(facts: Sequence[Fact]) -> int:
    """In how many columns some facts leave the smallest hole in their last row."""
    return min(_COLUMNS, key=lambda count: -len(facts) % count)


def is_web(url: str) -> bool:
    """Whether a text may become a link: absolute, http or https, without blanks or quotes."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    clean = not any(character.isspace() or character in "\"'<>\\…" for character in url)
    return clean and parts.scheme in ("http", "https") and bool(parts.hostname)


def _marks(row: IndicatorResult) -> tuple[float | None, ...]:
    """What a number of this row must stay on its side of."""
    return row.threshold.target, row.threshold.warning, row.threshold.critical


def _date(time: datetime) -> str:
    return f"{_WEEKDAYS[time.weekday()]} {time.day} {_MONTHS[time.month - 1]} {time.year}"

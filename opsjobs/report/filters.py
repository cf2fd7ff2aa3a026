"""The words of a report beside plain values, which `opsjobs.words` says: rows, times and links, one for each."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from opsjobs.model import Direction, IndicatorResult, Quality, Threshold, Window
from opsjobs.report.document import Report
from opsjobs.words import NO_DATA, limit, percent, quantity

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
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


def misses_target(row: IndicatorResult) -> bool:
    """Whether the value is known and beyond its target."""
    return row.measurement.value is not None and row.threshold.meets_target(row.measurement.value) is False


def breakdown(row: IndicatorResult) -> str:
    """The shares of an indicator on one line."""
    marks = (row.threshold.target, row.threshold.warning, row.threshold.critical)
    shares = ", ".join(f"{share.name} {quantity(share.value, row.unit, marks)}" for share in row.breakdown)
    return f"by {row.breakdown_by}: {shares}" if row.breakdown_by else shares


def remarks(row: IndicatorResult) -> tuple[str, ...]:
    """What a reader must know beside the number: why it is missing or weak, and how much of the window it covers."""
    measurement = row.measurement
    if measurement.quality is Quality.OK:
        return (measurement.reason,) if measurement.reason else ()
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


def period(window: Window, zone: tzinfo) -> str:
    """A window in words: the local day where it is one, otherwise both ends."""
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    tomorrow = start.date() + timedelta(days=1)
    if (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0) and end.date() == tomorrow:
        hours = "" if window.seconds == timedelta(days=1).total_seconds() else f" ({limit(window.seconds, 'seconds')})"
        return f"{_date(start)}, 00:00 to 24:00{hours}"
    return f"{_date(start)}, {start:%H:%M} to {_date(end)}, {end:%H:%M}"


def zone_of(report: Report) -> tzinfo:
    """The zone that the report names; that of its window where the name is none."""
    try:
        return ZoneInfo(report.zone)
    except (ValueError, OSError, KeyError):
        # The window is aware by construction.
        return report.window.start.tzinfo or ZoneInfo("UTC")


def is_web(url: str) -> bool:
    """Whether a text may become a link: absolute, http or https, without blanks or quotes."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    clean = not any(character.isspace() or character in "\"'<>\\…" for character in url)
    return clean and parts.scheme in ("http", "https") and bool(parts.hostname)


def _date(time: datetime) -> str:
    return f"{_WEEKDAYS[time.weekday()]} {time.day} {_MONTHS[time.month - 1]} {time.year}"

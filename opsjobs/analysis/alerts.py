"""From the series `ALERTS` to what fired: how often, how long, what flapped, and what nobody ended.

An alert is seen at a point when it was firing there; its start is that of the step that ends with its first point. So
starts and ends are right to a minute within the day, and to five minutes in the week before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from opsjobs.analysis.spans import moment
from opsjobs.analysis.trust import ENOUGH, Days
from opsjobs.errors import SourceError
from opsjobs.model import Answer, Outage, Sample, Window

FIRING = 'max by (alertname, severity, team) (ALERTS{alertstate="firing"})'
"""PromQL: a series for each alert while it fires, whatever else its labels say."""
RULES = "sum(prometheus_rule_group_rules)"
"""PromQL: how many rules are loaded. Without any, silence says nothing."""
STEP = 60
"""Seconds between the points of the day."""
WEEK_STEP = 300
"""Seconds between the points of the days before it, and of the rules."""
_FLAPS = 3
"""From this many firings in a day on, an alert flaps."""
_SLACK = 1.5
"""Steps between two points that still belong to one firing."""
_WEEK = 6
"""Days before the day that make a week with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertResult:
    """One alert over the day and over the week that ends with it. Lengths are in seconds."""

    name: str
    severity: str
    team: str
    spells: tuple[Outage, ...]
    """The firings that reach into the day, as they were: one may have begun before it. Of the week there is a count."""
    seconds: float
    """How long it fired within the day."""
    longest: float
    """Its longest firing within the day."""
    week_firings: int
    week_seconds: float
    unresolved: bool
    """Whether it fired all week, without an end."""

    @property
    def firings(self) -> int:
        """How often it fired within the day."""
        return len(self.spells)

    @property
    def flapping(self) -> bool:
        """Whether it came and went so often in the day that nobody can act on it."""
        return self.firings >= _FLAPS

    @property
    def firing(self) -> bool:
        """Whether it still fired at the end of the day."""
        return bool(self.spells) and not self.spells[-1].ended


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertHistory:
    """What fired, and how far that can be believed."""

    alerts: tuple[AlertResult, ...] = ()
    """All of the week: those that still fire first, then those that fired longest in the day, then by the week."""
    error: str = ""
    """Why nothing is known of the day."""
    week_error: str = ""
    """Why nothing is known of the days before it."""
    rules: float | None = 0.0
    """Share of the day in which rules were loaded, 0 to 1; None where nobody could say."""
    week_rules: float | None = 0.0
    partial: bool = False
    """Whether the source warned that something may be missing."""

    @property
    def of_the_day(self) -> tuple[AlertResult, ...]:
        """The alerts that fired in the day."""
        return tuple(alert for alert in self.alerts if alert.spells)

    @property
    def noisiest(self) -> AlertResult | None:
        """The alert that fired most often in the week; None where none fired more often than once."""
        most = max(self.alerts, key=lambda alert: (alert.week_firings, alert.week_seconds), default=None)
        return most if most and most.week_firings > 1 else None


def before(days: Days) -> Window:
    """The seven days before the day, of which the last six make a week with it."""
    return Window(start=days.week_before.start, end=days.window.start)


def evaluate(
    day: Answer | SourceError, earlier: Answer | SourceError, rules: Answer | SourceError, days: Days
) -> AlertHistory:
    """The alerts of the day (`FIRING` at `STEP`) and of the seven days `before` it (at `WEEK_STEP`).

    `rules` is `RULES` over both at `WEEK_STEP`.
    """
    week = Window(start=days.window.start - timedelta(days=_WEEK), end=days.window.end)
    loaded = AlertHistory(rules=_loaded(rules, days.window), week_rules=_loaded(rules, week))
    if isinstance(day, SourceError):
        return replace(loaded, error=str(day))
    past, week_error = (Answer(), str(earlier)) if isinstance(earlier, SourceError) else (earlier, "")
    today, until_then = _by_alert(day), _by_alert(past)
    alerts = []
    for key in sorted({*today, *until_then}):
        old = list(_spells(until_then.get(key, ()), WEEK_STEP, days.window.start))
        new = list(_spells(today.get(key, ()), STEP, days.window.end))
        spells = _joined(old, new, days.window.start)
        if any(_within(spell, week) for spell in spells):
            alerts.append(_alert(key, spells, days.window, week))
    return replace(
        loaded,
        alerts=tuple(sorted(alerts, key=lambda alert: (not alert.firing, -alert.seconds, -alert.week_seconds))),
        week_error=week_error,
        partial=bool(day.warnings or past.warnings),
    )


def tally(alerts: Sequence[AlertResult], label: str) -> Mapping[str, int]:
    """How many of these alerts have each `severity` or `team`, the most frequent first; without one it is `none`."""
    values = [getattr(alert, label) or "none" for alert in alerts]
    return {value: values.count(value) for value in sorted(set(values), key=lambda each: (-values.count(each), each))}


def _alert(key: tuple[str, str, str], spells: Sequence[Outage], day: Window, week: Window) -> AlertResult:
    name, severity, team = key
    lengths = [_within(spell, day) for spell in spells]
    in_week = [length for spell in spells if (length := _within(spell, week))]
    return AlertResult(
        name=name,
        severity=severity,
        team=team,
        spells=tuple(spell for spell, length in zip(spells, lengths, strict=True) if length),
        seconds=sum(lengths),
        longest=max(lengths),
        week_firings=len(in_week),
        week_seconds=sum(in_week),
        unresolved=any(spell.start <= week.start and not spell.ended for spell in spells),
    )


def _by_alert(answer: Answer) -> dict[tuple[str, str, str], tuple[Sample, ...]]:
    found = {}
    for series in answer.series:
        labels = series.labels
        key = labels.get("alertname", ""), labels.get("severity", ""), labels.get("team", "")
        found[key] = tuple(sample for sample in series.samples if sample.value)
    return found


def _spells(samples: Sequence[Sample], step: int, end: datetime) -> Iterator[Outage]:
    """The spans in which there are points; one that has a point at the end of the range has not `ended`."""
    times = [sample.time for sample in samples]
    breaks = [number for number, (one, two) in enumerate(pairwise(times), start=1) if two - one > _SLACK * step]
    for first, last in pairwise([0, *breaks, len(times)] if times else []):
        ended = end.timestamp() - times[last - 1] >= step
        yield Outage(start=moment(times[first] - step), end=moment(times[last - 1]), known=True, ended=ended)


def _joined(old: Sequence[Outage], new: Sequence[Outage], midnight: datetime) -> list[Outage]:
    """The firings of both ranges; one that reaches over midnight is one."""
    if old and new and not old[-1].ended and new[0].start.timestamp() <= midnight.timestamp():
        bridge = Outage(start=old[-1].start, end=new[0].end, known=True, ended=new[0].ended)
        return [*old[:-1], bridge, *new[1:]]
    # What has no point in the day ended with the day before.
    closed = [Outage(start=spell.start, end=spell.end, known=True, ended=True) for spell in old]
    return [*closed, *new]


def _within(spell: Outage, window: Window) -> float:
    """For how many seconds of the window it fired."""
    start = max(spell.start.timestamp(), window.start.timestamp())
    return max(0.0, min(spell.end.timestamp(), window.end.timestamp()) - start)


def _loaded(rules: Answer | SourceError, window: Window) -> float | None:
    """Share of the window in which rules were loaded: without a rule the metric is not there at all."""
    if isinstance(rules, SourceError):
        return None
    points = int(window.seconds // WEEK_STEP)
    there = sum(1 for series in rules.series for sample in series.within(window) if sample.value)
    return min(1.0, there / points) if points else 0.0


def is_enough(share: float | None) -> bool:
    """Whether rules were loaded long enough for silence to mean something."""
    return share is not None and share >= ENOUGH

"""How far a value can be trusted: what is missing of the day, of the past that its query reads, of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from opsjobs.analysis import WARNED, spans
from opsjobs.analysis.history import History
from opsjobs.model import Answer, Outage, Quality, Sample, Window
from opsjobs.system import Indicator
from opsjobs.words import clock, span

ENOUGH = 0.9
"""Share of a window that must be covered before its value can stand for it, holes that are explained not counted."""
_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """The window that is judged and the two it is compared with, in one zone."""

    window: Window
    day_before: Window
    week_before: Window
    zone: tzinfo
    earlier: tuple[Window, ...] = ()
    """The same weekdays before `week_before` that a band is made of, the latest first; none while the day goes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What must be known beside an answer to judge it."""

    days: Days
    over: bool = True
    """False while the day goes on."""
    max_age: int
    """Seconds after which a value is stale, and without points a hole."""
    missing: Sequence[str] = ()
    """Series of the query that had no samples at the end of the window; a function over a range still has a value."""
    history: History | None = None
    """How far back its metrics go; None where nobody could say."""
    outages: Mapping[str, Sequence[Outage]] = field(default_factory=dict)
    """When the components were down that its metrics come from, by their titles: that explains a hole."""


def trust(
    spec: Indicator, samples: Sequence[Sample], answer: Answer, holes: Sequence[Outage], around: Surroundings
) -> tuple[Quality, str]:
    """How good the evidence for a value is, and why it is no better: the gravest weakness, or none."""
    return next(_weaknesses(spec, samples, answer, holes, around), (Quality.OK, ""))


def _weaknesses(
    spec: Indicator, samples: Sequence[Sample], answer: Answer, holes: Sequence[Outage], around: Surroundings
) -> Iterator[tuple[Quality, str]]:
    window, zone = around.days.window, around.days.zone

    def told(hole: Outage) -> str:
        return f"from {clock(hole.start, zone, window.start)} to {clock(hole.end, zone, window.start)}"

    down = [outage for outages in around.outages.values() for outage in outages]
    unexplained = [hole for hole in holes if not spans.within(hole, down, spec.step_seconds)]
    if unexplained and not unexplained[-1].ended:
        since, age = spans.moment(samples[-1].time), window.end.timestamp() - samples[-1].time
        yield Quality.STALE, f"no samples since {clock(since, zone, window.start)}, {span(age)} before the end"
    if around.missing:
        yield Quality.STALE, f"no samples of {', '.join(around.missing)} at the end of the window"
    if answer.warnings:
        yield Quality.PARTIAL, f"{WARNED}: {'; '.join(answer.warnings)}"
    if short := _short(spec, around):
        yield Quality.PARTIAL, short
    if unexplained:
        places = ", ".join(f"{told(hole)} ({span(hole.seconds)})" for hole in unexplained[:_NAMED])
        yield Quality.PARTIAL, f"no samples {places}"
    covered = len(samples) * spec.step_seconds + sum(hole.seconds for hole in holes)
    if covered < ENOUGH * window.seconds:
        yield Quality.PARTIAL, f"covers only {span(covered)} of {span(window.seconds)}"
    if holes:
        who = " or ".join(title for title, outages in around.outages.items() if outages)
        yield Quality.OK, f"not measured {', '.join(map(told, holes))}, while {who} was down"


def _short(spec: Indicator, around: Surroundings) -> str:
    """What is missing of the past that the query reads; empty when enough of it is there."""
    reach, end = spec.lookback, around.days.window.end.timestamp()
    names = spec.metrics
    if around.history is None or reach <= spec.step_seconds or around.history.reaches(names, reach, end):
        return ""
    return f"the query reads back {span(reach)}, and only {span(around.history.seconds(names, reach, end))} are there"

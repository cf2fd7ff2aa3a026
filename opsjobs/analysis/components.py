"""From the `up` of a day to what each expected member did: up, down, or not seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from itertools import groupby

from opsjobs.analysis import WARNED
from opsjobs.errors import SourceError
from opsjobs.model import Answer, ComponentResult, Outage, Series, Status, Team, Window
from opsjobs.system import ComponentSpec
from opsjobs.words import clock, span

STEP = 60
"""Seconds between the points at which members are looked at."""
_ENOUGH = 0.9
"""Share of the window that must be measured before a member can be called up."""
EXPECTED_FROM = "7d"
"""How far back a member was last seen and is still expected, when the profile does not name the members."""


def evaluate(
    name: str,
    spec: ComponentSpec,
    answer: Answer | SourceError,
    before: Answer | SourceError,
    window: Window,
    *,
    zone: tzinfo,
    max_age: int,
    team: Team,
    runbook: str = "",
) -> tuple[ComponentResult, ...]:
    """A row for each member that is expected or was seen.

    `answer` is the component's `up` over the window at `STEP`; `before` has a series for each member that was there in
    the week before. A hole longer than `max_age` seconds is something that nobody knows.
    """

    def row(member: str, status: Status, reason: str, **known: object) -> ComponentResult:
        values = {"availability": None, "coverage": 0.0, "outages": (), **known}
        return ComponentResult(
            id=name,
            title=spec.title,
            member=member,
            status=status,
            reason=reason,
            team=team,
            runbook=runbook,
            **values,  # type: ignore[arg-type]  # three keys, given right above and below
        )

    if isinstance(answer, SourceError):
        return (row("", Status.UNKNOWN, str(answer)),)
    told_apart_by = _distinguishing([*answer.series, *(before.series if isinstance(before, Answer) else ())])
    seen = {_member(series, told_apart_by): series for series in answer.series}
    rows = []
    for member in sorted(set(seen) | _expected(spec, before, told_apart_by)):
        series = seen.get(member)
        if series is None:
            rows.append(row(member, Status.UNKNOWN, "not seen in the window; it was there in the 7 days before"))
            continue
        states = _states(series, window)
        outages = tuple(_outages(states, window, max_age))
        known = [state for _, state in states if state is not None]
        status, reason = _status(outages), _told(outages, window, zone)
        if status in {Status.OK, Status.WARNING} and len(known) < _ENOUGH * len(states):
            status, reason = (
                Status.UNKNOWN,
                f"measured in only {len(known) / len(states):.0%} of the window" + (f"; {reason}" if reason else ""),
            )
        if status is Status.OK and answer.warnings:
            status, reason = Status.UNKNOWN, f"{WARNED}: {'; '.join(answer.warnings)}"
        rows.append(
            row(
                member,
                status,
                reason,
                availability=sum(known) / len(known) if known else None,
                coverage=len(known) / len(states),
                outages=outages,
            )
        )
    if not rows:
        rows.append(row("", Status.UNKNOWN, "not seen in the window, nor in the 7 days before"))
    elif isinstance(spec.instances, int) and len(seen) < spec.instances:
        rows.append(row("", Status.UNKNOWN, f"only {len(seen)} of {spec.instances} expected members were seen"))
    return tuple(rows)


def _distinguishing(series: Sequence[Series]) -> tuple[str, ...]:
    """The labels that tell members apart: the instance, unless several members share one as behind an exporter."""
    labels = [{key: value for key, value in each.labels.items() if key != "__name__"} for each in series]
    members = {tuple(sorted(each.items())) for each in labels}
    names = sorted({name for each in labels for name in each})
    if len({each.get("instance", "") for each in labels}) == len(members):
        return ("instance",)
    return tuple(name for name in names if len({dict(member).get(name) for member in members}) > 1)


def _member(series: Series, told_apart_by: Sequence[str]) -> str:
    """What a member is called: the value of the label that tells it apart, or all of them with their names."""
    if len(told_apart_by) == 1:
        return series.labels.get(told_apart_by[0], "")
    return ", ".join(f"{name}={series.labels[name]}" for name in told_apart_by if name in series.labels)


def _expected(spec: ComponentSpec, before: Answer | SourceError, told_apart_by: Sequence[str]) -> set[str]:
    if isinstance(spec.instances, tuple):
        return set(spec.instances)
    if isinstance(spec.instances, int) or isinstance(before, SourceError):
        return set()
    return {_member(series, told_apart_by) for series in before.series}


def _states(series: Series, window: Window) -> list[tuple[float, bool | None]]:
    """At each point of the grid: up, down, or None where nothing is known."""
    values = {round(sample.time): sample.value for sample in series.samples}
    start = window.start.timestamp()
    grid = [start + STEP * number for number in range(1, int(window.seconds // STEP) + 1)]
    return [(time, None if values.get(round(time)) is None else values[round(time)] == 1) for time in grid]


def _outages(states: Sequence[tuple[float, bool | None]], window: Window, max_age: int) -> list[Outage]:
    """Spans of one state that is not up, each to the point at which the next state was seen."""
    spans = [(state, [time for time, _ in points]) for state, points in groupby(states, key=lambda point: point[1])]
    outages = []
    for number, (state, times) in enumerate(spans):
        ended = number + 1 < len(spans)
        end = spans[number + 1][1][0] if ended else window.end.timestamp()
        # What is not known from the first point on was not known before it either.
        start = times[0] if number else window.start.timestamp()
        if state is False or (state is None and end - start > max_age):
            outages.append(Outage(start=_time(start), end=_time(end), known=state is False, ended=ended))
    return outages


def _status(outages: Sequence[Outage]) -> Status:
    """Down at the end is critical, down and up again a warning; a hole in the day is not known."""
    if any(outage.known and not outage.ended for outage in outages):
        return Status.CRITICAL
    if any(not outage.known for outage in outages):
        return Status.UNKNOWN
    return Status.WARNING if outages else Status.OK


def _told(outages: Sequence[Outage], window: Window, zone: tzinfo) -> str:
    parts = []
    for outage in outages[:3]:
        word = "down" if outage.known else "no samples"
        start = clock(outage.start, zone, window.start)
        if outage.ended:
            end = clock(outage.end, zone, window.start)
            parts.append(f"{word} from {start} to {end} ({span(outage.seconds)})")
        else:
            parts.append(f"{word} since {start} ({span(outage.seconds)})")
    if len(outages) > len(parts):
        rest = outages[len(parts) :]
        parts.append(f"and {len(rest)} more times ({span(sum(outage.seconds for outage in rest))})")
    return "; ".join(parts)


def _time(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)

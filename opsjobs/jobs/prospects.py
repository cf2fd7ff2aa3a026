"""What advice needs beside the money: requests by the hour, and how far what is paid for each month is used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from opsjobs.analysis.levers import Alone, Capacity
from opsjobs.http import Deadline
from opsjobs.jobs.bill import Asked, Reply, Rules, increase, one
from opsjobs.model import Answer, Window
from opsjobs.sources import Metrics, Question, ask_all

_HOUR = 3600
_NIGHT, _DAY = range(6), range(8, 22)
"""Local hours in which hardly any user is there, and in which they are."""
_WEEKS, _OFTEN = "28d", 900
"""How far back capacities are looked at, and each how many seconds."""
_LOOKS = 28 * 24 * 3600 // _OFTEN
WHOLE = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospects:
    """What was found, and what was asked for it."""

    alone: Sequence[Alone]
    capacities: Sequence[Capacity]
    asked: Sequence[tuple[Asked, Reply]]


def prospects(rules: Rules, metrics: Metrics, week: Sequence[date], zone: tzinfo, deadline: Deadline) -> Prospects:
    """Ask for everything at once."""
    asked = [*_of_hours(rules, week, zone), *_of_capacities(rules, week, zone)]
    said = list(zip(asked, ask_all(metrics, [each.question for each in asked], deadline), strict=True))
    found = {(each.item, each.what): reply for each, reply in said}
    users = _by_time(found.get(("", "traffic by the hour")))
    return Prospects(
        alone=[
            alone
            for item in rules.costs.items
            if (alone := _alone(item, _by_time(found.get((item, "by the hour"))), users, zone))
        ],
        capacities=[
            Capacity(
                name=each.name,
                monthly=rules.expenses.converted(each.monthly, each.currency, rules.costs.currency),
                **_used(found, each.name),
            )
            for each in rules.expenses.fixed
            if each.busy
        ],
        asked=said,
    )


def _of_hours(rules: Rules, week: Sequence[date], zone: tzinfo) -> Iterator[Asked]:
    """Of items of tokens: what they are for can wait, if nobody does."""
    costs = rules.costs
    if not costs.traffic:
        return
    hours = Window(start=Window.day(week[0], zone).start, end=Window.day(week[-1], zone).end)
    counters = {item: spec.requests for item, spec in costs.items.items() if spec.requests and spec.tokens}
    for item, counter in ({"": costs.traffic} | counters).items() if counters else ():
        query = increase(counter, (), costs.replica, _HOUR)
        what = "by the hour" if item else "traffic by the hour"
        question = Question(query=query, at=hours.end, window=hours, step=_HOUR)
        yield Asked(item=item, what=what, day=None, question=question)


def _of_capacities(rules: Rules, week: Sequence[date], zone: tzinfo) -> Iterator[Asked]:
    at = Window.day(week[-1], zone).end
    for each in rules.expenses.fixed:
        for over in ("max", "avg", "count") if each.busy else ():
            query = f"max({over}_over_time(({each.busy})[{_WEEKS}:{_OFTEN}s]))"
            yield Asked(item="", what=f"{over} of {each.name}", day=None, question=Question(query=query, at=at))


def _by_time(reply: Reply | None) -> dict[float, float]:
    if not isinstance(reply, Answer):
        return {}
    return {
        sample.time: sample.value
        for series in reply.series
        for sample in series.samples
        if sample.value is not None and math.isfinite(sample.value)
    }


def _alone(item: str, requests: dict[float, float], users: dict[float, float], zone: tzinfo) -> Alone | None:
    """How many requests of the nights the users of those hours do not explain, at the rate of the days."""
    hours = {time: _hour(time, zone) for time in requests if time in users}
    by_day = [time for time, hour in hours.items() if hour in _DAY]
    asked = sum(users[time] for time in by_day)
    if len(hours) < WHOLE * 7 * 24 or asked <= 0:
        return None
    each = sum(requests[time] for time in by_day) / asked
    night = [time for time, hour in hours.items() if hour in _NIGHT]
    beyond = sum(max(0.0, requests[time] - each * users[time]) for time in night)
    return Alone(item=item, requests=beyond, of=sum(requests.values()))


def _hour(time: float, zone: tzinfo) -> int:
    """The local hour that ends at a time."""
    return datetime.fromtimestamp(time - _HOUR, UTC).astimezone(zone).hour


def _used(found: dict[tuple[str, str], Reply], name: str) -> dict[str, float | None]:
    values = {over: one(found["", f"{over} of {name}"]) for over in ("max", "avg", "count")}
    whole = (values["count"] or 0.0) >= WHOLE * _LOOKS
    return {"peak": values["max"] if whole else None, "mean": values["avg"] if whole else None}

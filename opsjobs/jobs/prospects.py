"""What advice needs beside the money: requests by the hour, and how far what is paid for each month is used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from opsjobs.analysis.carried import SYSTEM
from opsjobs.analysis.costs import Member, Spending, key
from opsjobs.analysis.levers import Alone, Capacity
from opsjobs.analysis.prices import FixedCost
from opsjobs.http import Deadline
from opsjobs.jobs.bill import Asked, Reply, Rules, Span, increase, one
from opsjobs.model import Answer, Gap, Window
from opsjobs.sources import Metrics, Question, ask_all
from opsjobs.system.cost import CostsSpec

HOUR = 3600
_NIGHT, _DAY = range(6), range(8, 22)
"""Local hours in which hardly any user is there, and in which they are."""
_WEEKS, _OFTEN = "28d", 900
"""How far back capacities are looked at, and each how many seconds."""
_LOOKS = 28 * 24 * 3600 // _OFTEN
WHOLE = 0.95
"""Share of the hours, and of the looks at capacities, that must be known."""
_MEMBERS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospects:
    """What was found, and what was asked for it."""

    alone: Sequence[Alone]
    capacities: Sequence[Capacity]
    gaps: Sequence[Gap]
    asked: Sequence[tuple[Asked, Reply]]


def prospects(rules: Rules, metrics: Metrics, spending: Spending, span: Span, deadline: Deadline) -> Prospects:
    """Ask for everything at once."""
    paid = [each for each in rules.expenses.fixed if each.busy and each.on(span.week[-1])]
    asked = [*_of_hours(rules, spending, span), *_of_capacities(paid, span)]
    said = list(zip(asked, ask_all(metrics, [each.question for each in asked], deadline), strict=True))
    found = {(each.item, each.what): reply for each, reply in said}
    used = {each.name: _used(found, each.name) for each in paid}
    return Prospects(
        alone=[alone for item in rules.costs.items if (alone := _alone(rules.costs, item, found, span.zone))],
        capacities=[
            Capacity(
                name=each.name,
                monthly=rules.expenses.converted(each.monthly, each.currency, rules.costs.currency),
                **(used[each.name] if _is_share(used[each.name]) else {}),
            )
            for each in paid
        ],
        gaps=[
            Gap(
                source=each.name,
                reason=f"busy was {used[each.name]['peak']:g} at most, and is no share from 0 to 1",
                advice="Write a query for the share that is used, such as used / limit.",
            )
            for each in paid
            if not _is_share(used[each.name])
        ],
        asked=said,
    )


def _of_hours(rules: Rules, spending: Spending, span: Span) -> Iterator[Asked]:
    """Of items of tokens: what they are for can wait, if nobody does."""
    costs, week, zone = rules.costs, span.week, span.zone
    items = [
        item
        for item, spec in costs.items.items()
        # Hours of very many members would be very many numbers.
        if spec.requests and spec.tokens and len({line.member for line in spending.of(week, item)}) <= _MEMBERS
    ]
    if not costs.traffic or not items:
        return
    hours = Window(start=Window.day(week[0], zone).start, end=Window.day(week[-1], zone).end)
    yield _by_the_hour(SYSTEM, increase(costs.traffic, (), costs.replica, HOUR), hours)
    for item in items:
        spec = costs.items[item]
        yield _by_the_hour(item, increase(spec.requests or "", spec.by, costs.replica, HOUR), hours)


def _by_the_hour(item: str, query: str, hours: Window) -> Asked:
    question = Question(query=query, at=hours.end, window=hours, step=HOUR)
    return Asked(item=item, what="by the hour", day=None, question=question)


def _of_capacities(paid: Sequence[FixedCost], span: Span) -> Iterator[Asked]:
    at = Window.day(span.week[-1], span.zone).end
    for each in paid:
        for over in ("max", "avg", "count"):
            query = f"max({over}_over_time(({each.busy})[{_WEEKS}:{_OFTEN}s]))"
            yield Asked(item=SYSTEM, what=f"{over} of {each.name}", day=None, question=Question(query=query, at=at))


Hours = Mapping[float, float]
"""Requests by the time at which an hour ends."""


def _by_member(reply: Reply | None, by: Sequence[str]) -> dict[Member, Hours]:
    if not isinstance(reply, Answer) or reply.warnings:
        return {}
    return {
        key(series.labels, by): {
            sample.time: sample.value
            for sample in series.samples
            if sample.value is not None and math.isfinite(sample.value)
        }
        for series in reply.series
    }


def _alone(costs: CostsSpec, item: str, found: Mapping[tuple[str, str], Reply], zone: tzinfo) -> Alone | None:
    """How many requests of the nights the users of those hours do not explain, at the rate of the days."""
    users = _by_member(found.get((SYSTEM, "by the hour")), ()).get((), {})
    members = _by_member(found.get((item, "by the hour")), costs.items[item].by)
    hours = {time: _hour(time, zone) for time in users}
    days = [time for time, hour in hours.items() if hour in _DAY]
    nights = [time for time, hour in hours.items() if hour in _NIGHT]
    asked = sum(users[time] for time in days)
    if len(hours) < WHOLE * 7 * 24 or asked <= 0 or not members:
        return None
    beyond = {}
    for member, requests in members.items():
        each = sum(requests.get(time, 0.0) for time in days) / asked
        beyond[member] = sum(max(0.0, requests.get(time, 0.0) - each * users[time]) for time in nights)
    return Alone(item=item, requests=beyond)


def _hour(time: float, zone: tzinfo) -> int:
    """The local hour that ends at a time."""
    return datetime.fromtimestamp(time - HOUR, UTC).astimezone(zone).hour


def _used(found: Mapping[tuple[str, str], Reply], name: str) -> dict[str, float | None]:
    values = {over: one(found[SYSTEM, f"{over} of {name}"]) for over in ("max", "avg", "count")}
    whole = (values["count"] or 0.0) >= WHOLE * _LOOKS
    return {"peak": values["max"] if whole else None, "mean": values["avg"] if whole else None}


def _is_share(used: Mapping[str, float | None]) -> bool:
    """Whether what is known of a capacity can be a share of it."""
    return all(value is None or 0 <= value <= 1 for value in used.values())

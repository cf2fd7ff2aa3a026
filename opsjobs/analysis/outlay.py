"""What a month will have cost: the weekdays' pattern at the present level, with an interval.

A day of the time to come is expected to cost the level times the factor of its weekday. The factor is the mean of that
weekday over the mean of all, over the last four weeks; the level is the mean of the last two weeks, each day divided by
its factor, so that a weekend more or less does not move it. What single days were off by (their standard deviation) and
what the level may be off by give the interval, which is to hold 80 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

FEWEST = 14
"""Known days without which nothing is said."""
_PATTERN, _LEVEL = 28, 14
"""Days of which the pattern and the level are made."""
_Z = 1.2816
"""The quantile of the normal distribution for an interval of 80 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlay:
    """A sum of days, those that were and those that are expected."""

    so_far: float
    expected: float
    low: float
    high: float
    days: int
    """How many of them are still to come."""
    crossed: date | None = None
    """The day on which the budget is expected to be used up; None where it is not."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a day costs."""

    level: float
    factors: tuple[float, ...]
    """By weekday, Monday first."""
    spread: float
    """Standard deviation of single days about what is expected, as a share of it."""
    known: int
    """Of how many days the level is made."""

    def of(self, day: date) -> float:
        """What is expected of a day."""
        return self.level * self.factors[day.weekday()]


def model(history: Mapping[date, float], until: date) -> Model | None:
    """What the days before `until` teach; None with too few of them, or where a weekday is missing.

    `history` has whole days that are known in full.
    """
    known = {day: value for day, value in history.items() if until - timedelta(days=_PATTERN) <= day < until}
    weekdays = [[value for day, value in known.items() if day.weekday() == number] for number in range(7)]
    if len(known) < FEWEST or not all(weekdays):
        return None
    means = [statistics.fmean(values) for values in weekdays]
    mean = statistics.fmean(means)
    if mean <= 0:
        return None
    factors = tuple(each / mean for each in means)
    recent = [
        value / factors[day.weekday()]
        for day, value in known.items()
        if day >= until - timedelta(days=_LEVEL) and factors[day.weekday()] > 0
    ]
    if len(recent) < _LEVEL // 2:
        return None
    level = statistics.fmean(recent)
    off = [value / (level * factors[day.weekday()]) - 1 for day, value in known.items() if factors[day.weekday()] > 0]
    spread = math.sqrt(sum(each * each for each in off) / max(1, len(off) - 7)) if level else 0.0
    return Model(level=level, factors=factors, spread=spread, known=len(recent))


def outlay(
    history: Mapping[date, float], days: Sequence[date], until: date, budget: float | None = None
) -> Outlay | None:
    """What these days will have cost, known from what was before `until`; None where nobody can say.

    A day before `until` that is not known is expected as one to come is.
    """
    found = model(history, until)
    if found is None:
        return None
    so_far = sum(history[day] for day in days if day < until and day in history)
    ahead = [day for day in days if day >= until or day not in history]
    expected = [found.of(day) for day in ahead]
    single = found.spread * math.sqrt(sum(each * each for each in expected))
    level = found.spread / math.sqrt(found.known) * sum(expected)
    half = _Z * math.hypot(single, level)
    sum_of_all = so_far + sum(expected)
    return Outlay(
        so_far=so_far,
        expected=sum_of_all,
        low=max(so_far, sum_of_all - half),
        high=sum_of_all + half,
        days=len([day for day in ahead if day >= until]),
        crossed=_crossed(history, days, found, budget),
    )


def _crossed(history: Mapping[date, float], days: Sequence[date], found: Model, budget: float | None) -> date | None:
    if budget is None:
        return None
    spent = 0.0
    for day in sorted(days):
        spent += history.get(day, found.of(day))
        if spent > budget:
            return day
    return None


def month(day: date) -> list[date]:
    """The days of the calendar month of a day."""
    first = day.replace(day=1)
    found = [first]
    while (following := found[-1] + timedelta(days=1)).month == first.month:
        found.append(following)
    return found

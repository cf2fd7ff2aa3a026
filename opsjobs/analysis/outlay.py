"""What a month will have cost: the weekdays' pattern at the present level, with an interval.

A day of the time to come is expected to cost the level times the factor of its weekday, and to go on with a trend where
one is sure. `benchmarks/forecasts.py` measures it on simulated months beside naive forecasts.

- The factor of a weekday is the median, over the whole weeks among the last five, of its share of its week: neither a
  new level nor a day that was odd moves it.
- The level is what simple exponential smoothing makes of the days, each divided by its factor, with the constant that
  would have foretold them best; so it follows at once where costs move, and slowly where they only scatter (Hyndman and
  Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, section 8.1). A day that stands out alone moves
  the level no more than one at the edge of what is usual.
- A trend is believed when the rank correlation of four weeks and more is beyond chance (Mann, "Nonparametric tests
  against trend", 1945) and both halves of them show it, which a new level does not. It is the median slope (Theil-Sen)
  of the logarithms, and fades by 2 % a day (Gardner and McKenzie, "Forecasting trends in time series", 1985).
- The interval is to hold 80 %. What a day is off by counts on that day in full, and on each after it by the constant of
  smoothing; to this comes what the level and a trend may be off by.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from types import MappingProxyType

FEWEST = 14
"""Known days without which nothing is said."""
_WEEK, _WEEKS, _RECENT = 7, 5, 14
_CHECKED = 3
"""How many days must have been expected, after the first seven, for anybody to know how far they scatter."""
_FOR_A_TREND = 28
"""Known days without which no trend is believed."""
_SURE = 1.96
"""The quantile of the normal distribution beyond which a trend is no chance: 95 %."""
_SHOWN = 0.5
"""How much of a trend each half of the days must show."""
_FADES = 0.98
_CONSTANTS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
"""Of smoothing. With less than a tenth the level would be more than ten days old in the mean, late where costs grow."""
_ODD = 5 * 1.4826
"""Median absolute deviations beyond which a day stands out."""
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

    until: date
    """The first day that is not known."""
    level: float
    factors: tuple[float, ...]
    """By weekday, Monday first."""
    growth: float
    """By how much the logarithm of the level grows on the first day; 0 where no trend is sure."""
    constant: float
    """By which part of what a day is off the level moves."""
    spread: float
    """Standard deviation of single days about what was expected of them, as a share of the level."""
    known: int
    """Of how many days it is made."""

    def of(self, day: date) -> float:
        """What is expected of a day."""
        return self.level * math.exp(self.growth * _faded(self._ahead(day))) * self.factors[day.weekday()]

    def deviation(self, days: Sequence[date]) -> float:
        """The standard deviation of the sum of some days, the first first."""
        expected = [self.of(day) for day in days]
        variance, after = 0.0, 0.0
        for each in reversed(expected):
            variance += (each + self.constant * after) ** 2
            after += each
        level = self.constant / (2 - self.constant) * after**2
        # Of a slope through values that scatter by one.
        slope = math.sqrt(12 / self.known**3)
        trend = slope * sum(each * _faded(self._ahead(day)) for day, each in zip(days, expected, strict=True))
        return self.spread * math.sqrt(variance + level + trend**2)

    def _ahead(self, day: date) -> int:
        return max(0, (day - self.until).days + 1)


def _faded(days: int) -> float:
    """How many days' growth is left of so many."""
    return _FADES * (1 - _FADES**days) / (1 - _FADES)


def model(history: Mapping[date, float], until: date) -> Model | None:
    """What the five weeks before `until` teach; None without two whole ones among them, and half of the last two.

    `history` has whole days that are known in full.
    """
    since = until - timedelta(days=_WEEKS * _WEEK)
    known = {day: history[day] for day in sorted(history) if since <= day < until}
    if len(known) < FEWEST or len([day for day in known if day >= until - timedelta(days=_RECENT)]) < _RECENT // 2:
        return None
    if not any(known.values()):
        return Model(
            until=until, level=0.0, factors=(1.0,) * _WEEK, growth=0.0, constant=0.0, spread=0.0, known=len(known)
        )
    factors = _factors(known, until)
    if factors is None:
        return None
    values = _levelled(known, factors)
    recent = [day for day in values if day >= until - timedelta(days=_RECENT)]
    if len(recent) < _RECENT // 2 or len(values) < _WEEK + _CHECKED:
        return None
    growth = _growth(_without_odd(values))
    # The days of a week that grows lie apart by more than their weekdays.
    steady = {day: value * math.exp(growth * (until - day).days) for day, value in known.items()}
    factors = _factors(steady, until) or factors
    values = _levelled(known, factors)
    calm = _without_odd(values)
    constant, level, expected = min(
        (_smoothed(calm, growth, constant, until) for constant in _CONSTANTS),
        key=lambda found: sum((calm[day] - each) ** 2 for day, each in found[2].items()),
    )
    # What stood out is part of the cost, although nobody knows when it comes.
    whole = sum(values.values()) / sum(calm.values())
    off = [values[day] - each for day, each in expected.items()]
    spread = math.sqrt(sum(each * each for each in off) / max(1, len(off) - 2)) / (level * whole) if level else 0.0
    return Model(
        until=until,
        level=level * whole,
        factors=factors,
        growth=growth,
        constant=constant,
        spread=spread,
        known=len(values),
    )


def _factors(known: Mapping[date, float], until: date) -> tuple[float, ...] | None:
    weeks = [[until - timedelta(days=_WEEK * week + day) for day in range(1, _WEEK + 1)] for week in range(_WEEKS)]
    whole = [week for week in weeks if all(day in known for day in week) and any(known[day] for day in week)]
    if len(whole) < FEWEST // _WEEK:
        return None
    shares: list[list[float]] = [[] for _ in range(_WEEK)]
    for week in whole:
        mean = statistics.fmean(known[day] for day in week)
        for day in week:
            shares[day.weekday()].append(known[day] / mean)
    medians = [statistics.median(each) for each in shares]
    mean = statistics.fmean(medians)
    return tuple(each / mean for each in medians) if mean > 0 else None


def _levelled(known: Mapping[date, float], factors: Sequence[float]) -> dict[date, float]:
    """The days without what their weekday makes of them; one that never costs anything says nothing of the level."""
    return {day: value / factors[day.weekday()] for day, value in known.items() if factors[day.weekday()] > 0}


def _without_odd(values: Mapping[date, float]) -> dict[date, float]:
    """The days, those that stand out alone brought down to the edge of what is usual."""
    usual = statistics.median(values.values())
    edge = usual + _ODD * statistics.median(abs(value - usual) for value in values.values())
    if edge <= usual:
        return dict(values)
    one = timedelta(days=1)
    found = {}
    for day, value in values.items():
        # Two days in a row are no odd one but perhaps a new level.
        beside = max(values.get(day - one, edge), values.get(day + one, edge))
        found[day] = min(value, max(edge, beside))
    return found


def _growth(values: Mapping[date, float]) -> float:
    """By how much the logarithm grows each day; 0 where that is not sure."""
    days = list(values)
    count = len(days)
    if count < _FOR_A_TREND or min(values.values()) <= 0:
        return 0.0
    logarithms = [(day.toordinal(), math.log(value)) for day, value in values.items()]
    slope = _slope(logarithms)
    rank = sum((later > earlier) - (later < earlier) for (_, earlier), (_, later) in combinations(logarithms, 2))
    chance = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    halves = (_slope(logarithms[: count // 2]), _slope(logarithms[count // 2 :]))
    sure = abs(rank) >= _SURE * chance and slope and all(half / slope >= _SHOWN for half in halves)
    return slope if sure else 0.0


def _slope(points: Sequence[tuple[int, float]]) -> float:
    """The median of the slopes between all pairs of days."""
    pairs = combinations(points, 2)
    return statistics.median((after - before) / (second - first) for (first, before), (second, after) in pairs)


def _smoothed(
    values: Mapping[date, float], growth: float, constant: float, until: date
) -> tuple[float, float, dict[date, float]]:
    """The constant, the level on the day before `until`, and what was expected of each day but the first seven."""
    days = list(values)
    first = days[:_WEEK]
    # As of the day before the first.
    level = statistics.fmean(values[day] * math.exp(-growth * ((day - first[0]).days + 1)) for day in first)
    last, expected = first[0] - timedelta(days=1), {}
    for day in days:
        level *= math.exp(growth * (day - last).days)
        expected[day] = level
        level += constant * (values[day] - level)
        last = day
    level *= math.exp(growth * ((until - last).days - 1))
    return constant, level, {day: expected[day] for day in days[_WEEK:]}


def outlay(
    history: Mapping[date, float],
    days: Sequence[date],
    until: date,
    budget: float | None = None,
    fixed: Mapping[date, float] = MappingProxyType({}),
) -> Outlay | None:
    """What these days will have cost, known from what was before `until`; None where nobody can say.

    `history` is what was read of whole days; `fixed` comes to it on each day, is known for all of them, and scatters by
    nothing. A day before `until` that is not known is expected as one to come is.
    """
    found = model(history, until)
    if found is None or not (found.level or any(fixed.values())):
        return None
    was = {day: history[day] + fixed.get(day, 0.0) for day in days if day < until and day in history}
    ahead = {day: found.of(day) + fixed.get(day, 0.0) for day in days if day not in was}
    so_far = sum(was.values())
    sum_of_all = so_far + sum(ahead.values())
    half = _Z * found.deviation(list(ahead))
    return Outlay(
        so_far=so_far,
        expected=sum_of_all,
        low=max(so_far + sum(fixed.get(day, 0.0) for day in ahead), sum_of_all - half),
        high=sum_of_all + half,
        days=len([day for day in ahead if day >= until]),
        crossed=_crossed({**was, **ahead}, budget),
    )


def _crossed(days: Mapping[date, float], budget: float | None) -> date | None:
    if budget is None:
        return None
    spent = 0.0
    for day in sorted(days):
        spent += days[day]
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

"""Whether the day's value is what this weekday usually brings: a band around four earlier ones."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from opsjobs.analysis.changes import is_lower_bound
from opsjobs.model import IndicatorResult, Quality
from opsjobs.words import quantity

WEEKS = 4
"""How many earlier same weekdays make a band; fewer make none."""
_DEVIATIONS = 3
_CONSISTENT = 1.4826
_TENTH = 0.1
_WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True, slots=True)
class Band:
    """What is usual, in base units."""

    low: float
    usual: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value is usual."""
        return self.low <= value <= self.high


def band(values: Sequence[float]) -> Band | None:
    """The median of four values plus and minus 3 x 1.4826 MAD, or a tenth of the median where that is more.

    The rule is Hampel's identifier (Davies and Gather, "The identification of multiple outliers", 1993): the median
    absolute deviation times 1.4826 estimates the standard deviation of normal values, and is not moved by one that is
    odd. The tenth keeps four values that happen to be alike from calling every other one odd. None with fewer values,
    or where all of that is nothing: four times zero does not say how much would be much.
    """
    if len(values) < WEEKS:
        return None
    usual = statistics.median(values)
    spread = statistics.median(abs(value - usual) for value in values)
    half = max(_DEVIATIONS * _CONSISTENT * spread, _TENTH * abs(usual))
    low = usual - half
    # What was never negative is not expected to become so.
    return Band(max(low, 0.0) if min(values) >= 0 else low, usual, usual + half) if half else None


def same_weekdays(day: date) -> tuple[date, ...]:
    """The four same weekdays before a day, the latest first."""
    return tuple(day - timedelta(weeks=number) for number in range(1, WEEKS + 1))


def around(earlier: Mapping[date, float], day: date) -> Band | None:
    """The band of a day; None where not each of the four same weekdays is known.

    `earlier` holds the values of earlier days, each of a whole day that was well known.
    """
    return band([earlier[date] for date in same_weekdays(day) if date in earlier])


def outside(result: IndicatorResult, earlier: Mapping[date, float], day: date) -> Band | None:
    """The band that the day's value has left; None where it has not, or where nobody can say."""
    value = result.measurement.value
    if value is None or result.measurement.quality is not Quality.OK:
        return None
    found = around(earlier, day)
    if found is None or found.holds(value) or (value < found.low and is_lower_bound(result)):
        return None
    return found


def said(result: IndicatorResult, left: Band, day: date) -> str:
    """`outside its band for Fridays: usually 75 to 84`."""
    value = result.measurement.value or 0.0
    # A share does not usually exceed the whole; that is said only where nothing did.
    whole = result.unit == "ratio" and value < left.low and left.usual <= 1
    high = min(left.high, 1.0) if whole else left.high
    low, high_said = (quantity(limit, result.unit, (value,)) for limit in (left.low, high))
    return f"outside its band for {_WEEKDAYS[day.weekday()]}: usually {low} to {high_said}"

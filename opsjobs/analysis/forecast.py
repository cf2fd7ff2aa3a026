"""When something is full: a robust line through the last days, and how far it can be believed."""

from __future__ import annotations

import enum
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from opsjobs.model import IndicatorResult, Quality, Sample, StatedForecast, Trend

DAY = 86400.0
HORIZON = 90
"""Days ahead beyond which nothing is said."""
SOON = 14
"""Days ahead within which it belongs to what changed."""
_FEWEST = 3
"""Days without which there is no line."""
_HALF = 0.5
"""Share of a day's points that must be known for it to count."""
_Z = 1.96
"""The quantile of the normal distribution for an interval of 95 %."""
_POOR = 5.0
"""An interval whose latest end is this many times its earliest says nothing."""
_CHECKED = (7, 14, 21, 28)
"""How many days ago the forecasts were made that are held against what came, or near to that."""
REACH = 35
"""Days back within which they are looked for."""
_ROUNDING = 1e-9
METHOD = (
    "the line goes on from the value; its slope is the median of those between all pairs of days, each at the same "
    "time of day (Theil-Sen), its interval holds 95 % of what they allow (Sen)"
)
"""How a forecast is made, in the words of an evidence line."""


class Outcome(enum.Enum):
    """What can be said."""

    FULL_IN = "full in"
    NO_TREND = "no trend"
    TOO_LITTLE = "not enough data"


@dataclass(frozen=True, slots=True)
class Forecast:
    """Days until it is full, and between which it probably is; only with the outcome FULL_IN."""

    outcome: Outcome
    days: float = math.inf
    earliest: float = math.inf
    latest: float = math.inf
    trend: Trend | None = None
    """The line that it is made from; only with the outcome FULL_IN."""

    @property
    def stated(self) -> bool:
        """Whether it is worth saying: full, and before long."""
        return self.outcome is Outcome.FULL_IN and self.days < HORIZON

    @property
    def soon(self) -> bool:
        """Whether somebody should know today."""
        return self.stated and self.days < SOON

    @property
    def text(self) -> str:
        """`full in about 23 days (15 to 41)`, `no trend` or `not enough data`."""
        return self.said("full")

    def said(self, end: str) -> str:
        """The same, of what is not `full` at its end but for example `used up`."""
        if self.outcome is not Outcome.FULL_IN:
            return str(self.outcome.value)
        noun = "day" if round(self.days) == 1 else "days"
        about = f"about {self.days:.0f} {noun}" if self.days >= 1 else "less than a day"
        return f"{end} in {about} ({math.floor(self.earliest)} to {math.ceil(self.latest)})"


def evaluate(result: IndicatorResult, full_at: float, step: int, end: float) -> Forecast:
    """When an indicator reaches `full_at`, from its points up to the Unix time `end`, `step` seconds apart.

    The line goes on from the day's value. Without a value that is well known there is nothing to go on from.
    """
    value = result.measurement.value
    if value is None or result.measurement.quality is not Quality.OK:
        return Forecast(Outcome.TOO_LITTLE)
    return _reached(_days(result.series.samples, step, end), value, full_at)


def through(values: Mapping[date, float], value: float, day: date, full_at: float) -> Forecast:
    """When what had the value on that day reaches `full_at`, from one value for each of some days before."""
    days = {each.toordinal(): {0: known} for each, known in values.items() if each < day}
    return _reached({**days, day.toordinal(): {0: value}}, value, full_at)


def _reached(days: Mapping[int, Mapping[int, float]], value: float, full_at: float) -> Forecast:
    if len(days) < _FEWEST:
        return Forecast(Outcome.TOO_LITTLE)
    low, slope, high = slopes(days)
    missing = full_at - value
    if missing * slope <= 0 or low * high <= 0:
        return Forecast(Outcome.NO_TREND)
    earliest, latest = sorted((missing / low, missing / high))
    if latest > _POOR * earliest:
        return Forecast(Outcome.NO_TREND)
    trend = Trend(value=value, low=low, slope=slope, high=high)
    return Forecast(Outcome.FULL_IN, missing / slope, earliest, latest, trend)


@dataclass(frozen=True, slots=True)
class Fared:
    """How the last forecasts for a day fared against what came."""

    checked: int = 0
    held: int = 0
    """Of how many the interval held the value."""

    @property
    def text(self) -> str:
        """`its last 4 forecasts for this day: 3 within their interval`."""
        if not self.checked:
            return "no earlier forecasts to hold it against"
        if self.checked == 1:
            came = "held" if self.held else "did not hold"
            return f"the interval of its last forecast for this day {came} what came"
        return f"its last {self.checked} forecasts for this day: {self.held} within their interval"


def fared(earlier: Mapping[date, Trend], value: float, day: date) -> Fared:
    """Hold the forecasts of 7, 14, 21 and 28 days ago, or of the days nearest to those, against the day's value.

    For the day they said the value then, plus the slope for each day since; and so the ends of their interval.
    """
    left = {(day - made).days: trend for made, trend in earlier.items() if 0 < (day - made).days <= REACH}
    chosen: list[tuple[int, Trend]] = []
    for wanted in _CHECKED:
        if left:
            ago = min(left, key=lambda days: (abs(days - wanted), days))
            chosen.append((ago, left.pop(ago)))
    return Fared(len(chosen), sum(_holds(trend, ago, value) for ago, trend in chosen))


def _holds(trend: Trend, days: int, value: float) -> bool:
    low, high = (trend.value + slope * days for slope in (trend.low, trend.high))
    slack = _ROUNDING * max(abs(low), abs(high), abs(value))
    return low - slack <= value <= high + slack


def to_remember(subject: str, day: date, found: Forecast) -> StatedForecast | None:
    """What a later report needs to say how this forecast fared; only of one that is stated."""
    return StatedForecast(subject=subject, day=day, trend=found.trend) if found.stated and found.trend else None


def slopes(days: Mapping[int, Mapping[int, float]]) -> tuple[float, float, float]:
    """The slope per day with the lower and upper end of its interval: low, slope, high.

    `days` has for each day, by its number, the values at times of the day, by the number of their step. The slope is
    the median of those between all pairs of points (Theil 1950; Sen, "Estimates of the regression coefficient based on
    Kendall's tau", 1968), here only of pairs at the same time of two days, so that the rhythm of a day is no trend
    (Hirsch, Slack and Smith, "Techniques of trend analysis for monthly water quality data", 1982). The interval is
    Sen's, quantiles of those slopes. It is as wide as for one point a day, because the points of a day depend on each
    other; so it is rather too wide than too narrow.
    """
    found = sorted(
        (later[time] - earlier[time]) / (second - first)
        for (first, earlier), (second, later) in combinations(sorted(days.items()), 2)
        for time in earlier.keys() & later.keys()
    )
    if not found:
        return 0.0, 0.0, 0.0
    count = len(days)
    pairs = count * (count - 1) / 2
    spread = _Z * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    outside = max(0.0, (pairs - spread) / (2 * pairs))
    last = len(found) - 1
    return found[math.floor(outside * last)], statistics.median(found), found[math.ceil((1 - outside) * last)]


def _days(samples: Sequence[Sample], step: int, end: float) -> dict[int, dict[int, float]]:
    """The values by day and time of day, counted in steps back from the end; only days that are known well enough."""
    a_day = round(DAY / step)
    days: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for sample in samples:
        if sample.value is not None and sample.time <= end:
            before, time = divmod(round((end - sample.time) / step), a_day)
            days[-before][time] = sample.value
    return {day: values for day, values in days.items() if len(values) >= _HALF * a_day}

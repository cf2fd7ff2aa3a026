"""How good the forecast of a month is, on simulated months that it has not seen, beside naive ones.

`python benchmarks/forecasts.py` prints the table of docs/benchmarks.md; it takes half a minute and needs no server. The
seeds are fixed, so that it says the same each time.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from opsjobs.analysis.outlay import month, outlay

SEEDS = range(1000, 1400)
"""A month for each, of each kind. The method was chosen on months of the seeds 0 to 199, so these are held back."""
KNOWN = 35
"""Days before a forecast that a report knows."""
PATTERN = (1.0, 1.1, 1.15, 1.1, 0.95, 0.45, 0.35)

History = Mapping[date, float]
Forecast = Callable[[History, Sequence[date], date], float]


@dataclass(frozen=True, slots=True)
class Kind:
    """How the daily cost of a simulated system goes."""

    name: str
    pattern: Sequence[float] = PATTERN
    noise: float = 0.1
    """Standard deviation of the logarithm of single days."""
    drift: float = 0.0
    """Growth in a month, as a share."""
    shift: float = 0.0
    """By how much the level moves, for good, on a day of the month or the month before."""
    spikes: float = 0.0
    """How probable a day is that costs four times as much."""


KINDS = (
    Kind("calm", noise=0.05),
    Kind("noisy", noise=0.25),
    Kind("no weekdays", pattern=(1.0,) * 7),
    Kind("grows by 10 % a month", drift=0.1),
    Kind("grows by 40 % a month", drift=0.4),
    Kind("a new level, 50 % higher", shift=0.5),
    Kind("a new level, 40 % lower", shift=-0.4),
    Kind("spikes on 3 % of days", spikes=0.03),
    Kind("all of it", noise=0.2, drift=0.15, shift=0.3, spikes=0.02),
)


def simulated(kind: Kind, seed: int) -> tuple[dict[date, float], list[date]]:
    """Cost by day, and the month that is to be forecast."""
    chance = random.Random(seed)  # noqa: S311 - no secret depends on it
    held_back = month(date(2025, 1, 1) + timedelta(days=30 * chance.randrange(24)))
    first = held_back[0] - timedelta(days=KNOWN)
    days = [first + timedelta(days=number) for number in range((held_back[-1] - first).days + 1)]
    moved = chance.choice(days)
    level, cost = chance.uniform(20, 500), {}
    for number, day in enumerate(days):
        usual = level * kind.pattern[day.weekday()] * (1 + kind.drift) ** (number / 30)
        after = 1 + kind.shift if day >= moved else 1.0
        spike = 4.0 if chance.random() < kind.spikes else 1.0
        cost[day] = usual * after * spike * chance.lognormvariate(0, kind.noise)
    return cost, held_back


def as_last_week(history: History, days: Sequence[date], until: date) -> float:
    """Each day to come as the same weekday of the last week that is known."""
    week = {day.weekday(): history[day] for day in (until - timedelta(days=number) for number in range(1, 8))}
    return sum(history[day] if day < until else week[day.weekday()] for day in days)


def straight_on(history: History, days: Sequence[date], until: date) -> float:
    """The days of the month so far, in a straight line."""
    so_far = [history[day] for day in days if day < until]
    return sum(so_far) / len(so_far) * len(days)


def ours(history: History, days: Sequence[date], until: date) -> float:
    """What the report says."""
    found = outlay(history, days, until)
    assert found is not None, "five weeks are enough"  # noqa: S101 - a bench that cannot ask says so
    return found.expected


def held(history: History, days: Sequence[date], until: date, came: float) -> bool:
    """Whether what came lies within what the report says."""
    found = outlay(history, days, until)
    return found is not None and found.low <= came <= found.high


def main() -> None:
    """Print the tables."""
    forecasts: tuple[Forecast, ...] = (ours, as_last_week, straight_on)
    print("| costs that | week | the report | as last week | straight on | interval held |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind in KINDS:
        for week in range(1, 5):
            errors: list[list[float]] = [[] for _ in forecasts]
            within = []
            for seed in SEEDS:
                cost, days = simulated(kind, seed)
                until = days[0] + timedelta(weeks=week)
                known = {day: value for day, value in cost.items() if until - timedelta(days=KNOWN) <= day < until}
                came = sum(cost[day] for day in days)
                for number, forecast in enumerate(forecasts):
                    errors[number].append(abs(forecast(known, days, until) - came) / came)
                within.append(held(known, days, until, came))
            said = [f"{statistics.median(each) * 100:.1f} / {statistics.fmean(each) * 100:.1f}" for each in errors]
            best = min(range(len(forecasts)), key=lambda number: statistics.fmean(errors[number]))
            said[best] = f"**{said[best]}**"
            print(f"| {kind.name} | {week} | {' | '.join(said)} | {statistics.fmean(within) * 100:.0f} % |")


if __name__ == "__main__":
    main()

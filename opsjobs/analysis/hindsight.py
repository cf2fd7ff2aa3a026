"""What was expected beside what came: the last forecasts of money whose days are over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from opsjobs.analysis.carried import Carried
from opsjobs.analysis.costs import Spending
from opsjobs.analysis.money import exact, total
from opsjobs.analysis.outlay import Outlay
from opsjobs.daybook import StatedOutlay

CHECKED = 4
"""How many of the last forecasts are held against what came."""
_CENT = Decimal("0.01")


@dataclass(frozen=True, kw_only=True, slots=True)
class Came:
    """A forecast whose days are over."""

    stated: StatedOutlay
    came: Decimal | None
    """None where not all of its days are known in full."""

    @property
    def missed(self) -> Decimal | None:
        """What was expected beyond what came, as a share of that; below zero where too little was expected."""
        return (self.stated.expected - self.came) / self.came if self.came else None

    @property
    def held(self) -> bool | None:
        """Whether its interval held what came, to the cent; None where nobody can say."""
        if self.came is None:
            return None
        return self.stated.low - _CENT < self.came < self.stated.high + _CENT


def by_day(spending: Spending, known: Carried) -> dict[date, Decimal]:
    """The cost of each day that is known in full: as it was just read, and of other days as it is remembered."""
    items = [item for item in known.definitions if item]
    days = {day for _, day in known.sums} - {day for _, day in spending.seen}
    remembered = {
        day: total(known.sums[item, day] for item in items)
        for day in days
        if all((item, day) in known.sums for item in items)
    }
    return {**remembered, **spending.by_day()}


def hindsight(
    outlays: Sequence[StatedOutlay],
    read: Mapping[date, Decimal],
    fixed: Callable[[Sequence[date]], Decimal],
    until: date,
    currency: str,
) -> tuple[Came, ...]:
    """The last forecasts whose days were over on the day `until`, the newest first, with what came.

    `read` has the days that are known in full, `fixed` says what others cost whatever happens. What was stated in
    another currency cannot be held against anything.
    """
    over = [each for each in outlays if each.last <= until and each.currency == currency]
    newest = sorted(over, key=lambda each: (each.last, each.stated), reverse=True)[:CHECKED]
    return tuple(Came(stated=each, came=_came(each, read, fixed)) for each in newest)


def _came(
    stated: StatedOutlay, read: Mapping[date, Decimal], fixed: Callable[[Sequence[date]], Decimal]
) -> Decimal | None:
    days = [stated.first + timedelta(days=number) for number in range((stated.last - stated.first).days + 1)]
    if any(day not in read for day in days):
        return None
    return total(read[day] for day in days) + fixed(days)


def stated(day: date, found: Outlay | None, days: Sequence[date], currency: str) -> tuple[StatedOutlay, ...]:
    """What is to be remembered of a forecast for some days that was made after a day; nothing of days that are over."""
    if found is None or not found.days:
        return ()
    return (
        StatedOutlay(
            stated=day,
            first=days[0],
            last=days[-1],
            currency=currency,
            expected=exact(found.expected),
            low=exact(found.low),
            high=exact(found.high),
        ),
    )

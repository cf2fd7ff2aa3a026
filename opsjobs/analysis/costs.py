"""What was spent: lines of money by day, item and member, their sums, and how far they are known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property

from opsjobs.analysis import bands, drivers
from opsjobs.analysis.money import NOTHING, exact, total
from opsjobs.model import Gap
from opsjobs.words import quantity

Member = tuple[tuple[str, str], ...]
"""The labels by which an item is told apart, with their values."""
WHOLE = 0.99
"""Share of a day for which a counter must have been seen for the day to be known in full."""


def key(labels: Mapping[str, str], by: Sequence[str]) -> Member:
    """Which member labels are of."""
    return tuple((name, labels.get(name, "")) for name in by)


def called(member: Member) -> str:
    """A member in words."""
    return " ".join(value for _, value in member if value) or "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What one member of an item cost on a day, in the system's currency. What is not counted is None."""

    item: str
    day: date
    member: Member
    amount: Decimal | None
    """None where nobody knows the price: the total is then at least the rest."""
    reason: str = ""
    """Why there is no amount."""
    requests: float | None = None
    failed: float | None = None
    tokens: float | None = None


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What was read of some days."""

    lines: Sequence[Line]
    seen: Mapping[tuple[str, date], float]
    """For which share of each day the counter of an item was seen."""
    traffic: Mapping[date, float] = field(default_factory=dict)
    hits: Mapping[date, float] = field(default_factory=dict)
    gaps: Sequence[Gap] = ()

    def of(self, days: Iterable[date], item: str | None = None) -> list[Line]:
        """The lines of some days, and of one item where it is named."""
        return [line for day in days for line in self._by_day.get(day, ()) if item in (None, line.item)]

    @cached_property
    def _by_day(self) -> dict[date, list[Line]]:
        found: dict[date, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.day, []).append(line)
        return found

    @cached_property
    def _known(self) -> frozenset[date]:
        days = {day for _, day in self.seen}
        lost = {day for (_, day), share in self.seen.items() if share < WHOLE}
        unpriced = {line.day for line in self.lines if line.amount is None}
        return frozenset(days - lost - unpriced)

    def known(self, day: date) -> bool:
        """Whether every item was seen all day, and has its price."""
        return day in self._known

    def missing(self, days: Iterable[date]) -> list[date]:
        """The days that are not known in full."""
        return [day for day in days if not self.known(day)]

    def by_day(self) -> dict[date, Decimal]:
        """The cost of each day that is known in full."""
        return {day: amount(self.of([day])) for day in sorted(self._known)}


def amount(lines: Iterable[Line]) -> Decimal:
    """The sum of what is known."""
    return total(line.amount for line in lines if line.amount is not None)


def unpriced(lines: Iterable[Line]) -> dict[str, str]:
    """Tokens, or else requests, without a cost, in words, by the reason."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        if line.amount is None:
            found.setdefault(line.reason, []).append(line)
    return {reason: _uncounted(group) for reason, group in found.items()}


def _uncounted(lines: Sequence[Line]) -> str:
    tokens, requests = (sum(getattr(line, what) or 0.0 for line in lines) for what in ("tokens", "requests"))
    return f"{quantity(round(tokens or requests), 'count')} {'tokens' if tokens or not requests else 'requests'}"


LARGE = Decimal("0.1")
"""From which share of the week before on it is told that a member is gone."""


def vanished(
    spending: Spending, before: Sequence[date], members: Mapping[str, Collection[Member]]
) -> list[tuple[str, Member, Decimal]]:
    """What cost a large part of the days before, and is not among the members that are counted now, not even with 0."""
    lines = spending.of(before)
    least = LARGE * amount(lines)
    found = []
    for item, group in sums(lines).items():
        for member, each in group.items():
            if each.amount and each.amount >= least and member not in members.get(item, ()):
                found.append((item, member, each.amount))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum:
    """What a member of an item did in some days. None is what is not known, or not counted."""

    amount: Decimal | None
    requests: float | None
    tokens: float | None


Sums = Mapping[str, Mapping[Member, Sum]]
"""By item and member."""


def sums(lines: Iterable[Line]) -> Sums:
    """The lines added up by item and member."""
    groups: dict[str, dict[Member, list[Line]]] = {}
    for line in lines:
        groups.setdefault(line.item, {}).setdefault(line.member, []).append(line)
    return {
        item: {
            member: Sum(
                amount=None if any(line.amount is None for line in group) else amount(group),
                requests=counted(line.requests for line in group),
                tokens=counted(line.tokens for line in group),
            )
            for member, group in members.items()
        }
        for item, members in groups.items()
    }


def grouped(lines: Iterable[Line], by: Callable[[Line], Hashable]) -> dict[Hashable, list[Line]]:
    """The lines by what a function says of them, the costliest group first."""
    found: dict[Hashable, list[Line]] = {}
    for line in lines:
        found.setdefault(by(line), []).append(line)
    return dict(sorted(found.items(), key=lambda pair: (-amount(pair[1]), str(pair[0]))))


def span(spending: Spending, days: Sequence[date], item: str) -> drivers.Span:
    """What an item did in some days, for its change to be told apart."""
    cells = {
        member: drivers.Cell(
            cost=amount(lines),
            requests=counted(line.requests for line in lines),
            tokens=counted(line.tokens for line in lines),
        )
        for member, lines in grouped(spending.of(days, item), lambda line: line.member).items()
    }
    traffic = [spending.traffic.get(day) for day in days]
    known = [each for each in traffic if each is not None]
    return drivers.Span(cells=cells, traffic=sum(known) if known and len(known) == len(traffic) else None)


def changed(spending: Spending, before: Sequence[date], now: Sequence[date]) -> dict[str, Decimal]:
    """Why the cost changed from some days to others, over all items: the parts add up to the change."""
    found: dict[str, Decimal] = {}
    for item in dict.fromkeys(line.item for line in spending.of([*before, *now])):
        for driver, part in drivers.parts(span(spending, before, item), span(spending, now, item)).items():
            found[driver] = found.get(driver, NOTHING) + part
    return {driver: found[driver] for driver in drivers.ORDER if driver in found}


@dataclass(frozen=True, kw_only=True, slots=True)
class Spike:
    """A day that cost half as much again as the day before, and more than its weekday does."""

    day: date
    cost: Decimal
    before: Decimal
    usual: float
    """What that weekday usually costs."""
    item: str
    member: Member
    """Who rose most."""
    rise: Decimal
    """By how much it rose."""


RISE = Decimal("1.5")
"""From which part of the day before on a day is a spike."""


def spikes(spending: Spending, days: Iterable[date]) -> list[Spike]:
    """The spikes among some days, the first first; none where the day before, or its weekday, is not known."""
    by_day = spending.by_day()
    history = {day: float(cost) for day, cost in by_day.items()}
    found = []
    for day in days:
        yesterday = day - timedelta(days=1)
        if day not in by_day or yesterday not in by_day or by_day[day] <= RISE * by_day[yesterday]:
            continue
        usual = bands.around(history, day)
        if usual is not None and history[day] > usual.high:
            found.append(_spike(spending, day, yesterday, usual.usual))
    return found


def _spike(spending: Spending, day: date, yesterday: date, usual: float) -> Spike:
    now, before = spending.of([day]), spending.of([yesterday])
    was = {(line.item, line.member): line.amount or NOTHING for line in before}
    rises = {
        (line.item, line.member): (line.amount or NOTHING) - was.get((line.item, line.member), NOTHING) for line in now
    }
    (item, member), rise = max(rises.items(), key=lambda pair: pair[1])
    return Spike(day=day, cost=amount(now), before=amount(before), usual=usual, item=item, member=member, rise=rise)


def wasted(lines: Iterable[Line]) -> Decimal | None:
    """What was paid for requests that failed or were made again; None where they are not counted."""
    asked = [line for line in lines if line.failed is not None and line.requests]
    if not asked:
        return None
    shares = [exact(min(1.0, (line.failed or 0.0) / (line.requests or 1.0))) for line in asked]
    return total(exact((line.amount or NOTHING) * share) for line, share in zip(asked, shares, strict=True))


def counted(values: Iterable[float | None]) -> float | None:
    """Their sum; None where one of them is not counted."""
    known = list(values)
    return None if any(value is None for value in known) else sum(value or 0.0 for value in known)

"""What earlier reports read of money, beside what is read now: what need not be asked again, and what is to be kept.

The week that is told of is always read anew. The days before it are as they were read and priced when they were new,
where that is remembered; a day of the week is taken from memory only where the source no longer knows it in full.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from opsjobs.analysis.costs import WHOLE, Line, Spending
from opsjobs.daybook import Daybook, SpentDay, SpentLine, TrafficDay
from opsjobs.system.cost import CostsSpec

SYSTEM = ""
"""In the place of an item: what is counted of the system as a whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """What is remembered under the present definitions."""

    definitions: Mapping[str, str] = field(default_factory=dict)
    """By item, and of the system."""
    days: Mapping[tuple[str, date], SpentDay] = field(default_factory=dict)
    traffic: Mapping[date, TrafficDay] = field(default_factory=dict)
    sums: Mapping[tuple[str, date], Decimal] = field(default_factory=dict)
    """What items cost on all days that are remembered, also those long ago."""


def carried(book: Daybook, costs: CostsSpec, zone: str) -> Carried:
    """What of the daybook still holds: a definition that has changed forgets its own item and no other."""
    now = definitions(costs, zone)
    return Carried(
        definitions=now,
        days={(each.item, each.day): each for each in book.days if now.get(each.item) == each.definition},
        traffic={each.day: each for each in book.traffic if each.definition == now[SYSTEM]},
        sums={(each.item, each.day): each.amount for each in book.sums if now.get(each.item) == each.definition},
    )


def definitions(costs: CostsSpec, zone: str) -> dict[str, str]:
    """A digest of everything that says how much an item costs on a day, and of the same for the system's traffic.

    Prices and rates are not among it: a day keeps the price that it was told with. Neither is what an
    item is called, and which model could take its requests.
    """
    items = {item: spec.model_dump_json(exclude={"title", "about", "cheaper"}) for item, spec in costs.items.items()}
    system = f"{costs.traffic}\0{costs.cache_hits}"
    shared = (costs.currency, costs.replica, zone)
    return {
        item: hashlib.sha256(repr((told, *shared)).encode()).hexdigest()
        for item, told in {**items, SYSTEM: system}.items()
    }


def to_ask(known: Carried, days: Sequence[date], week: Sequence[date]) -> dict[str, list[date]]:
    """The days for which the source is to be asked, by item and for the system: the week, and what nobody remembers."""
    items = [item for item in known.definitions if item != SYSTEM]
    wanted = {item: [day for day in days if day in week or (item, day) not in known.days] for item in items}
    asked = set().union(*wanted.values())
    return {**wanted, SYSTEM: [day for day in days if day in asked]}


def joined(read: Spending, known: Carried, days: Sequence[date]) -> tuple[Spending, tuple[date, ...]]:
    """What was read together with what is remembered of those days, and the days that are from memory, if only in part.

    What was read counts where it is known in full. A day's traffic is from where its money is, since nothing else says
    whether the source still knew all of that day.
    """
    taken = {named: day for named, day in known.days.items() if named[1] in days and read.seen.get(named, 0.0) < WHOLE}
    from_memory = tuple(day for day in days if any(named[1] == day for named in taken))
    traffic = {day: value for day, value in read.traffic.items() if day not in from_memory}
    hits = {day: value for day, value in read.hits.items() if day not in from_memory}
    for day in from_memory:
        counted = known.traffic.get(day)
        if counted and counted.traffic is not None:
            traffic[day] = counted.traffic
        if counted and counted.hits is not None:
            hits[day] = counted.hits
    spending = Spending(
        lines=(
            *(line for line in read.lines if (line.item, line.day) not in taken),
            *(line for day in taken.values() for line in _lines(day)),
        ),
        seen={**read.seen, **dict.fromkeys(taken, 1.0)},
        traffic=traffic,
        hits=hits,
        gaps=read.gaps,
    )
    return spending, from_memory


def _lines(day: SpentDay) -> Iterator[Line]:
    for member, amount, requests, failed, tokens in day.lines:
        yield Line(
            item=day.item,
            day=day.day,
            member=member,
            amount=amount,
            requests=requests,
            failed=failed,
            tokens=tokens,
        )


def to_keep(read: Spending, known: Carried, lost: Collection[tuple[str, date]]) -> Daybook:
    """What later reports need not ask again: each item on each day that was read in full, and is priced.

    `lost` are items, or the system, with a day of which a question had no whole answer. The traffic of a day is kept
    where all that was asked of it was read in full.
    """
    by_item: dict[tuple[str, date], list[Line]] = {}
    for line in read.lines:
        by_item.setdefault((line.item, line.day), []).append(line)
    days = []
    for (item, day), share in read.seen.items():
        lines = by_item.get((item, day), [])
        if share >= WHOLE and (item, day) not in lost and all(line.amount is not None for line in lines):
            kept = tuple(
                SpentLine(line.member, line.amount, line.requests, line.failed, line.tokens)
                for line in lines
                if line.amount is not None
            )
            days.append(SpentDay(item=item, day=day, definition=known.definitions[item], lines=kept))
    traffic = [
        TrafficDay(
            day=day, definition=known.definitions[SYSTEM], traffic=read.traffic.get(day), hits=read.hits.get(day)
        )
        for day in sorted({day for _, day in read.seen})
        if (SYSTEM, day) not in lost and all(share >= WHOLE for (_, on), share in read.seen.items() if on == day)
    ]
    return Daybook(days=tuple(days), traffic=tuple(traffic))


def said(from_memory: Sequence[date], days: int, week: Sequence[date]) -> str:
    """How many days came from memory, in words; nothing where none did."""
    if not from_memory:
        return ""
    one = len(from_memory) == 1
    told = f"{len(from_memory)} of {days} days {'is' if one else 'are'} from the ledger, as earlier reports read them."
    lost = [f"{day:%A}" for day in week if day in from_memory]
    if not lost:
        return told
    return f"{told} Of the week itself: {', '.join(lost)}, which could not be read in full again."

"""Why a cost changed: how much of it is volume, cache, mix, tokens and price. The parts add up to the change.

A cost is a product for each of its members (a model, a provider):

    cost = traffic x requests/traffic x member's requests/requests x tokens/request x cost/token
           volume    cache              mix                          tokens           price

Of the change of a product the factors get their parts by the logarithmic mean Divisia index (LMDI-I, additive; Ang,
"The LMDI approach to decomposition analysis: a practical guide", Energy Policy 33, 2005): with c and c' the cost before
and now, a factor that went from x to x' gets (c' - c) / ln(c' / c) x ln(x' / x). It leaves no rest and does not depend
on the order of the factors. Where a number is not known, its factors are told as one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from opsjobs.analysis.money import NOTHING, exact, total

VOLUME, CACHE, MIX, TOKENS, PRICE = "volume", "cache", "mix", "tokens", "price"
REQUEST = "cost of a request"
"""Tokens and price in one, where tokens are not counted."""
RATE = "cost for the traffic"
"""All but volume in one, where requests are not counted by member."""
WHOLE = "not explained"
"""Everything in one, where nothing is counted beside the cost."""
ORDER = (VOLUME, CACHE, MIX, TOKENS, PRICE, REQUEST, RATE, WHOLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What one member did in a span of time. None is what is not counted."""

    cost: Decimal
    requests: float | None = None
    tokens: float | None = None


@dataclass(frozen=True, kw_only=True)
class Span:
    """The members of a cost in a span of time, and the traffic that it served."""

    cells: Mapping[Hashable, Cell]
    traffic: float | None = None

    @cached_property
    def cost(self) -> Decimal:
        """Of all members."""
        return total(cell.cost for cell in self.cells.values())

    @cached_property
    def requests(self) -> float:
        """Of all members, as far as they are counted."""
        return sum(cell.requests or 0.0 for cell in self.cells.values())


def parts(before: Span, now: Span) -> dict[str, Decimal]:
    """What each driver added to the cost, in the order of `ORDER`; their sum is the change, exactly."""
    found: dict[str, float] = {}
    members = dict.fromkeys([*before.cells, *now.cells])
    counted = _counted(before, now)
    for member in members:
        nothing = Cell(cost=NOTHING, requests=0.0, tokens=0.0)
        one, other = before.cells.get(member, nothing), now.cells.get(member, nothing)
        for driver, added in _added(one, other, before, now, counted):
            found[driver] = found.get(driver, 0.0) + added
    rounded = {driver: exact(found[driver]) for driver in ORDER if driver in found}
    if rounded:
        # What rounding to a millionth has moved goes to the largest, where it is least.
        largest = max(rounded, key=lambda driver: abs(rounded[driver]))
        rounded[largest] += (now.cost - before.cost) - total(rounded.values())
    return rounded


@dataclass(frozen=True, slots=True)
class _Counted:
    """What is counted in both spans."""

    traffic: bool
    requests: bool
    tokens: bool


def _counted(before: Span, now: Span) -> _Counted:
    cells = [*before.cells.values(), *now.cells.values()]
    requests = all(cell.requests is not None for cell in cells) and min(before.requests, now.requests) > 0
    tokens = requests and all(cell.tokens is not None for cell in cells)
    return _Counted(traffic=bool(before.traffic and now.traffic), requests=requests, tokens=tokens)


def _added(one: Cell, other: Cell, before: Span, now: Span, counted: _Counted) -> Iterator[tuple[str, float]]:
    """What each driver added to the cost of one member."""
    change = float(other.cost - one.cost)
    if one.cost == other.cost and not change:
        weight = float(one.cost)
    elif one.cost <= 0 or other.cost <= 0:
        # It came or went: no factor of it can be told from another.
        yield _came_or_went(one, other, counted), change
        return
    else:
        weight = change / math.log(other.cost / one.cost)
    if weight:
        for driver, was, is_now in _factors(one, other, before, now, counted):
            yield driver, weight * (math.log(is_now) - math.log(was))


def _came_or_went(one: Cell, other: Cell, counted: _Counted) -> str:
    used = bool(one.requests) and bool(other.requests)
    if counted.requests:
        return (PRICE if counted.tokens else REQUEST) if used else MIX
    return RATE if counted.traffic else WHOLE


def _factors(one: Cell, other: Cell, before: Span, now: Span, counted: _Counted) -> Iterator[tuple[str, float, float]]:
    """Each driver with its factor before and now; their product is the cost."""
    costs = float(one.cost), float(other.cost)
    traffic = (before.traffic or 0.0), (now.traffic or 0.0)
    if counted.requests and one.requests and other.requests:
        requests = one.requests, other.requests
        every = before.requests, now.requests
        yield (VOLUME, *(traffic if counted.traffic else every))
        if counted.traffic:
            yield CACHE, every[0] / traffic[0], every[1] / traffic[1]
        yield MIX, requests[0] / every[0], requests[1] / every[1]
        if counted.tokens and one.tokens and other.tokens:
            yield TOKENS, one.tokens / requests[0], other.tokens / requests[1]
            yield PRICE, costs[0] / one.tokens, costs[1] / other.tokens
        else:
            yield REQUEST, costs[0] / requests[0], costs[1] / requests[1]
    elif counted.traffic:
        yield (VOLUME, *traffic)
        yield RATE, costs[0] / traffic[0], costs[1] / traffic[1]
    else:
        yield (WHOLE, *costs)

"""What could be done about a cost: one function for each kind of advice, and the list of them.

A lever moves one number, its driver: of a week's cost, `value x worth` depends on it. A function looks at the weeks and
yields a `Reading` for everything that the driver can be measured of, each week anew; one that has a `goal` advises to
get there. To add a kind of advice: a function, and an entry in `LEVERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from statistics import median

from opsjobs.analysis import costs as spending_of
from opsjobs.analysis.costs import Member, Spending, Sum, Sums, called
from opsjobs.analysis.money import exact, total
from opsjobs.analysis.usage import Usage
from opsjobs.system.cost import CostsSpec
from opsjobs.words import percent, quantity

ENOUGH = 100
"""Requests in a week, from which on something can be learned from them."""
UPLIFT = 0.05
"""From this much more of the traffic in the cache on there is something to advise."""
FAILING, FEW = 0.05, 0.01
"""From which share of failed requests on that is worth somebody's time, and what is left when it is done."""
LONGER = 1.2
"""From how many times the usual tokens of a request on it has got longer."""
SHIFT = 0.05
"""By how much of the requests more a dear model must have got."""
SHORT, TRUSTED = 0.5, 0.05
"""How short a request is that a cheaper model can take, and which share of the requests it must have already."""
BEYOND = 0.1
"""From which share of the cost on what users cost beyond a crisis is worth a limit."""
SPARE = 0.4
"""Up to which share a capacity may be used at its busiest for half of it to do."""
ALONE, BATCH = 0.1, 0.5
"""From which share of the cost on work without users is worth batching, and what a batch costs of the usual price."""

UNUSED, NAMED = 0.2, 3
"""From which share of all series on those that nobody asks for are worth a look, and how many metrics are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How a driver stood in a week."""

    about: str = ""
    """What it is of, such as an item and a model; with the kind it makes the name of the advice."""
    value: float
    worth: Decimal
    """What a whole unit of the driver costs in a week."""
    goal: float | None = None
    """Where it could be; None where nothing is to be done."""
    title: str = ""
    arithmetic: str = ""
    """Where the saving of a week comes from, in numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """What is paid for a capacity, and how much of it is used. None is what is not known."""

    name: str
    monthly: Decimal | None
    """In the currency of the system; None without a rate."""
    peak: float | None = None
    mean: float | None = None
    """Shares of it, over four weeks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alone:
    """Requests of an item at hours when hardly any user is there."""

    item: str
    requests: Mapping[Member, float]
    """More than the users of these hours explain, in the week, by member."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """The series of Prometheus, and what is paid for them."""

    total: int
    unused: Mapping[str, int]
    """By metric: those that no rule, dashboard or profile names."""
    monthly: Decimal | None
    """In the currency of the system; None without a rate."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What levers look at: a week, whose days are known in full, and those before it."""

    costs: CostsSpec
    spending: Spending
    week: Sequence[date]
    earlier: Sequence[Sequence[date]]
    """The weeks before it that are known in full, the newest first."""
    capacities: Sequence[Capacity] = ()
    alone: Sequence[Alone] = ()
    series: Series | None = None
    """None where nothing is paid for series, or nobody knows them."""
    usage: Usage | None = None
    """Who it was spent on; None where nobody knows."""

    @cached_property
    def now(self) -> Sums:
        """What was spent in the week."""
        return spending_of.sums(self.spending.of(self.week))

    @cached_property
    def before(self) -> Sequence[Sums]:
        """What was spent in each of the weeks before it."""
        return [spending_of.sums(self.spending.of(days)) for days in self.earlier]

    def amount(self, item: str) -> Decimal:
        """What an item cost in the week."""
        return total(each.amount for each in self.now.get(item, {}).values() if each.amount is not None)

    def requests(self, week: Sums, item: str) -> float:
        """All requests of an item in one of the weeks."""
        known = (id(week), item)
        if known not in self._requests:
            self._requests[known] = sum(each.requests or 0.0 for each in week.get(item, {}).values())
        return self._requests[known]

    @cached_property
    def _requests(self) -> dict[tuple[int, str], float]:
        return {}

    def members(self) -> Iterator[tuple[str, Member, Use]]:
        """What had requests, tokens and a cost in the week, and enough of them to learn from."""
        for item, members in self.now.items():
            for member, each in members.items():
                if (use := _use(each)) is not None and use.requests >= ENOUGH:
                    yield item, member, use

    def usual(self, item: str, member: Member, number: Callable[[Sums, Use], float | None]) -> float | None:
        """The median of a number of a member over the weeks before; None without any."""
        found = []
        for week in self.before:
            use = _use(week.get(item, {}).get(member))
            value = number(week, use) if use else None
            if value is not None:
                found.append(value)
        return median(found) if found else None

    def name(self, item: str, member: Member = ()) -> str:
        """An item, or a member of it, in words."""
        title = self.costs.items[item].title
        return f"{title}: {called(member)}" if member else title

    def money(self, amount: Decimal | float) -> str:
        """An amount in words."""
        return quantity(float(amount), self.costs.currency)


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """What a member did, where all of it is known and none of it is nothing."""

    amount: Decimal
    requests: float
    tokens: float

    @property
    def length(self) -> float:
        """Tokens of a request."""
        return self.tokens / self.requests

    @property
    def request(self) -> float:
        """The cost of a request."""
        return float(self.amount) / self.requests

    @property
    def token(self) -> float:
        """The cost of a token."""
        return float(self.amount) / self.tokens


def _use(found: Sum | None) -> Use | None:
    if found is None or not (found.amount and found.requests and found.tokens):
        return None
    return Use(amount=found.amount, requests=found.requests, tokens=found.tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lever:
    """A kind of advice."""

    kind: str
    effort: str
    confidence: str
    measured: bool = True
    """Whether the driver of later weeks says what was saved; of what moves to another price or person it does not."""
    read: Callable[[Case], Iterator[Reading]]


def cache(case: Case) -> Iterator[Reading]:
    """More answers from the cache, so that fewer requests reach a provider: as in its best week, or at its target."""
    now = _reached(case, case.week, case.now)
    if now is None or not now.miss or now.requests * now.traffic < ENOUGH:
        return
    items = [item for item, spec in case.costs.items.items() if spec.requests]
    amount = total(case.amount(item) for item in items)
    goals: list[tuple[float, float, str]] = []
    weeks = [_reached(case, days, sums) for days, sums in zip(case.earlier, case.before, strict=True)]
    best = min(filter(None, weeks), key=lambda week: week.miss, default=None)
    if best and now.miss - best.miss >= UPLIFT:
        # No more than both say: what the cache answered, and what reached a provider.
        goal = max(best.requests, now.requests * best.miss / now.miss)
        goals.append((goal, best.miss, "as in the best of the weeks before"))
    if case.costs.cache_target is not None and now.miss - (1 - case.costs.cache_target) >= UPLIFT:
        left = 1 - case.costs.cache_target
        goals.append((now.requests * left / now.miss, left, "its target"))
    goal, miss, like = min(goals) if goals else (now.requests, now.miss, "as it does")
    each = float(amount) / now.requests / now.traffic
    yield Reading(
        value=now.requests,
        worth=exact(float(amount) / now.requests),
        goal=goal if goals else None,
        title=f"Answer {percent(1 - miss)} from the cache, {like}; it was {percent(1 - now.miss)}",
        arithmetic=(
            f"{_count((now.requests - goal) * now.traffic)} requests to providers less, "
            f"{case.money(each * 1000)} for 1,000 of them"
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reached:
    """What of the traffic of some days a cache could not answer."""

    traffic: float
    miss: float
    """Share of it that was not in the cache."""
    requests: float
    """To providers, for each request of users."""


def _reached(case: Case, days: Sequence[date], sums: Sums) -> _Reached | None:
    """None where it is not counted on each of the days."""
    spending = case.spending
    if any(day not in spending.traffic or day not in spending.hits for day in days):
        return None
    traffic, hits = sum(spending.traffic[day] for day in days), sum(spending.hits[day] for day in days)
    requests = sum(each.requests or 0.0 for members in sums.values() for each in members.values())
    if traffic <= 0:
        return None
    return _Reached(traffic=traffic, miss=max(0.0, 1 - hits / traffic), requests=requests / traffic)


def failures(case: Case) -> Iterator[Reading]:
    """Fewer requests that fail or are made again."""
    for item in case.costs.items:
        wasted, amount = spending_of.wasted(case.spending.of(case.week, item)), case.amount(item)
        if wasted is None or not amount:
            continue
        share = float(wasted / amount)
        yield Reading(
            about=item,
            value=share,
            worth=amount,
            goal=FEW if share >= FAILING else None,
            title=f"{case.name(item)}: pay less for requests that fail or are made again",
            arithmetic=(
                f"{percent(share)} of {case.money(amount)} went there if the provider bills them, "
                f"where {percent(FEW)} would be few"
            ),
        )


def tokens(case: Case) -> Iterator[Reading]:
    """Requests as short as they were."""
    for item, member, use in case.members():
        usual = case.usual(item, member, lambda _, was: was.length)
        if usual is None:
            continue
        yield Reading(
            about=_about(item, member),
            value=use.length,
            worth=exact(use.requests * use.token),
            goal=usual if use.length >= LONGER * usual else None,
            title=(
                f"{case.name(item, member)}: send {_count(usual)} tokens with a request as before, "
                f"not {_count(use.length)}"
            ),
            arithmetic=(
                f"{_count(use.length - usual)} tokens x {_count(use.requests)} requests, "
                f"{case.money(use.token * 1_000_000)} for a million tokens"
            ),
        )


def models(case: Case) -> Iterator[Reading]:
    """Requests on the cheaper model that the profile names: those that are short, or those that it had before."""
    for item, member, use in case.members():
        whole, cheap = case.requests(case.now, item), _cheaper(case, item, member)
        theirs = _use(case.now[item].get(cheap)) if cheap else None
        if cheap is None or theirs is None or theirs.requests < TRUSTED * whole or theirs.token >= use.token:
            continue
        share, saves = use.requests / whole, use.request - use.length * theirs.token
        goal, why = _less(case, item, member, use, short=use.length <= SHORT * theirs.length)
        yield Reading(
            about=_about(item, member),
            value=share,
            worth=exact(saves * whole),
            goal=goal,
            title=f"{case.name(item, member)}: let {called(cheap)} take {why}",
            arithmetic=(
                f"{_count((share - (goal or 0.0)) * whole)} requests, for 1,000 of them "
                f"{case.money((use.request - saves) * 1000)} instead of {case.money(use.request * 1000)}"
            ),
        )


def _cheaper(case: Case, item: str, member: Member) -> Member | None:
    """The same member with the model that may take its simple requests, as the profile has it."""
    spec = case.costs.items[item]
    label = spec.tokens.model if spec.tokens else "model"
    other = spec.cheaper.get(dict(member).get(label, ""))
    return tuple((name, other if name == label else value) for name, value in member) if other else None


def _less(case: Case, item: str, member: Member, use: Use, *, short: bool) -> tuple[float | None, str]:
    """Down to which share of the requests of an item a member could go, and what it would give away."""
    if short:
        return 0.0, "its requests, which are short"

    def shared(week: Sums, had: Use) -> float:
        return had.requests / case.requests(week, item)

    was, now = case.usual(item, member, shared), shared(case.now, use)
    return (was, "again what it had before") if was is not None and now - was >= SHIFT else (None, "")


def batches(case: Case) -> Iterator[Reading]:
    """Work that no user waits for, in batches: what may take a day costs half."""
    for alone in case.alone:
        whole, amount = case.amount(alone.item), 0.0
        for member, requests in alone.requests.items():
            use = _use(case.now.get(alone.item, {}).get(member))
            amount += requests * use.request if use else 0.0
        if not whole:
            continue
        share = amount / float(whole)
        yield Reading(
            about=alone.item,
            value=share,
            worth=exact(whole * exact(1 - BATCH)),
            goal=0.0 if share >= ALONE else None,
            title=f"{case.name(alone.item)}: send in batches what no user waits for",
            arithmetic=(
                f"{_count(sum(alone.requests.values()))} requests at night beyond what users then ask, "
                f"{case.money(amount)} of {case.money(whole)}, at {percent(BATCH)} of the price"
            ),
        )


def users(case: Case) -> Iterator[Reading]:
    """A limit for users who suddenly cost a large part of the week, and for what users cost beyond a crisis."""
    found = case.usage
    if found is None:
        return
    others = (found.week - total(each.week for each in found.runaways)) / max(1, found.users - len(found.runaways))
    for user in found.runaways:
        usual = max(user.usual, others)
        yield Reading(
            about=user.alias,
            value=float(user.week),
            worth=Decimal(1),
            goal=float(usual),
            title=f"{user.alias}: limit a use that nobody planned, or agree on a plan that pays for it",
            arithmetic=f"{case.money(user.week)} in the week, where {case.money(usual)} would be usual",
        )
    beyond = found.above(case.costs.crisis) if case.costs.crisis is not None else None
    if beyond and found.total:
        share = float(beyond.above / found.total)
        yield Reading(
            about="beyond",
            value=share,
            worth=exact(found.total * 7 / 30),
            goal=0.0 if share >= BEYOND else None,
            title=f"Limit users who cost more than {case.money(beyond.limit)} a month, or have them pay for it",
            arithmetic=(
                f"{_count(beyond.users)} users cost {case.money(beyond.above)} beyond that in 30 days, 7 of which"
            ),
        )


def capacity(case: Case) -> Iterator[Reading]:
    """Half of a server or a cache that is hardly used."""
    for each in case.capacities:
        if each.peak is None or each.monthly is None:
            continue
        yield Reading(
            about=each.name,
            value=float(each.monthly),
            worth=exact(Decimal(7) / 30),
            goal=float(each.monthly) / 2 if each.peak <= SPARE else None,
            title=f"{each.name}: take half the size; it was {percent(each.peak)} busy at most in four weeks",
            arithmetic=f"half of {case.money(each.monthly)} a month, 7 days of 30",
        )


def series(case: Case) -> Iterator[Reading]:
    """Series that nobody asks for, where series are paid for."""
    found = case.series
    if found is None or found.monthly is None or not found.total:
        return
    unused = sum(found.unused.values())
    most = sorted(found.unused, key=lambda name: (-found.unused[name], name))[:NAMED]
    more = f" and {len(found.unused) - len(most)} more" if len(found.unused) > len(most) else ""
    yield Reading(
        value=unused / found.total,
        worth=exact(found.monthly * 7 / 30),
        goal=0.0 if unused >= UNUSED * found.total else None,
        title=f"Monitoring: stop keeping series that nothing asks for: {', '.join(most)}{more}",
        arithmetic=(
            f"{_count(unused)} of {_count(found.total)} series, "
            f"{case.money(found.monthly / found.total * 1000)} a month for 1,000 of them"
        ),
    )


LEVERS = (
    Lever(kind="cache", effort="medium", confidence="high", read=cache),
    Lever(kind="failures", effort="medium", confidence="low", read=failures),
    Lever(kind="tokens", effort="small", confidence="high", read=tokens),
    Lever(kind="model", effort="small", confidence="medium", read=models),
    Lever(kind="batch", effort="large", confidence="low", measured=False, read=batches),
    Lever(kind="series", effort="small", confidence="medium", read=series),
    Lever(kind="user", effort="small", confidence="medium", measured=False, read=users),
    Lever(kind="capacity", effort="medium", confidence="medium", read=capacity),
)


def _about(item: str, member: Member) -> str:
    return "\0".join([item, *(f"{name}={value}" for name, value in member)])


def _count(number: float) -> str:
    return quantity(round(number), "count")

"""EVALUATE a course: the books that PratikoAI would have kept meanwhile, so that they agree with what it counted.

Pure; the same course gives the same books. What happened in a step of the course is spread over it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

import numpy as np

from opsjobs.demo.course import STEP, Course, Curve
from opsjobs.demo.noise import Floats

NEEDED = frozenset(
    {
        "active_users",
        "llm_cost_total_eur",
        "payment_operations_total",
        "subscription_cancellations_total",
        "subscription_value_eur",
        "subscriptions",
        "user_monthly_cost_eur",
        "user_signups_total",
    }
)
"""The metrics without which there are no such books to keep."""

PER_MONTH = 30
"""Days over which the cost of a user is told."""
COSTLIEST = 20
"""How many users the sorted set of a day has."""

_DAY = 86400
_SLACK = 4.0
"""Euros by which prices may differ from the value that the application tells, before a contract is renewed."""
_MOST = 0.2
"""By how much of itself a single price may change."""
_SPARE = 1.05
_EVERY = 3
"""Most users come every third day; seven and three have no common factor, so that weekdays are shared alike."""
_AMOUNTS = (9.90, 19.90, 49.00, 149.50, 450.00)


@dataclass(frozen=True, slots=True)
class User:
    """A row of `users`."""

    id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row of `subscriptions`."""

    id: int
    user_id: str
    plan: str
    price_eur: float
    started_at: datetime
    cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of `payments`."""

    id: int
    user_id: str
    amount_eur: float
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """A row of `usage_costs`."""

    user_id: str
    day: date
    cost_eur: float


@dataclass(frozen=True, slots=True)
class Day:
    """What Redis holds of one local day."""

    figures: Mapping[str, float]
    costliest: Mapping[str, float]
    """Euros of the 30 days that end with the day, by user."""


@dataclass(frozen=True, slots=True)
class Books:
    """All that is kept."""

    users: tuple[User, ...]
    subscriptions: tuple[Subscription, ...]
    payments: tuple[Payment, ...]
    usage: tuple[Usage, ...]
    days: Mapping[date, Day]


def keep(course: Course, until: float, zone: tzinfo) -> Books:
    """The books from the start of the course, which is a local midnight, up to `until` in Unix seconds."""
    return _Keeper(course, until, zone).books()


class _Keeper:
    """Keeps the books of one course."""

    def __init__(self, course: Course, until: float, zone: tzinfo) -> None:
        self._course = course
        self._zone = zone
        self._last = int(np.searchsorted(course.times, until, side="right")) - 1
        self._chance = np.random.default_rng(0)
        first = datetime.fromtimestamp(int(course.times[0]), zone).date()
        today = datetime.fromtimestamp(int(course.times[self._last]) - 1, zone).date()
        self._days = [first + timedelta(days=each) for each in range((today - first).days + 1)]
        midnights = [datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() for day in self._days]
        places = np.searchsorted(course.times, [*midnights, math.inf])
        self._edges = [min(place, self._last) for place in places.tolist()]
        active = self._total("active_users")
        self._known = math.ceil(float(active.max(initial=1.0)) * _SPARE)

    def books(self) -> Books:
        """All of them."""
        users = tuple(self._users())
        payments = tuple(self._payments())
        subscriptions, revenue = self._subscriptions()
        usage, costliest = self._usage()
        days = {
            day: Day(self._figures(number, revenue[number]), costliest[number]) for number, day in enumerate(self._days)
        }
        return Books(users, subscriptions, payments, usage, days)

    def _figures(self, number: int, revenue: tuple[float, int]) -> Mapping[str, float]:
        succeeded, failed = (
            sum(self._in_day(curve, number) for curve in self._curves("payment_operations_total", status=status))
            for status in ("succeeded", "failed")
        )
        active = float(self._total("active_users")[self._edges[number + 1]])
        figures = {
            "mrr": round(revenue[0], 2),
            "subscriptions": revenue[1],
            "signups": sum(self._in_day(curve, number) for curve in self._curves("user_signups_total")),
            "active_users": active,
        }
        if succeeded + failed:
            figures["payment_success"] = round(succeeded / (succeeded + failed), 6)
        if active:
            figures["revenue_per_user"] = round(revenue[0] / active, 4)
        return figures

    def _users(self) -> Iterator[User]:
        """Those who were there before the course, and those who signed up in it."""
        before = int(self._course.times[0])
        for number in range(1, self._known + 1):
            yield User(_name(number), _instant(before - (self._known + 1 - number) / self._known * 700 * _DAY))
        for number, at in enumerate(self._instants("user_signups_total"), self._known + 1):
            yield User(_name(number), _instant(at))

    def _payments(self) -> Iterator[Payment]:
        found = [
            (at, status)
            for status in ("succeeded", "failed")
            for at in self._instants("payment_operations_total", status=status)
        ]
        who = self._chance.integers(1, self._known + 1, len(found)).tolist()
        what = self._chance.integers(0, len(_AMOUNTS), len(found)).tolist()
        for number, (at, status) in enumerate(sorted(found)):
            yield Payment(number + 1, _name(who[number]), _AMOUNTS[what[number]], status, _instant(at))

    def _subscriptions(self) -> tuple[tuple[Subscription, ...], list[tuple[float, int]]]:
        """The rows, and for each day the sum of the prices at its end and of how many subscriptions."""
        contracts = _Contracts(self._known)
        plans = sorted({curve.labels.get("plan", "") for curve in self._curves("subscriptions", status="active")})
        start = int(self._course.times[0])
        for plan in plans:
            for _ in range(self._subscribed(plan, 0)):
                contracts.begin(plan, self._worth(plan, 0), start - float(self._chance.random()) * 700 * _DAY)
        cancelled = list(self._instants("subscription_cancellations_total"))
        revenue = []
        for number in range(len(self._days)):
            first, last = self._edges[number], self._edges[number + 1]
            since, until = int(self._course.times[first]), int(self._course.times[last])
            value = float(self._total("subscription_value_eur", status="active")[last])
            for plan in plans:
                contracts.resize(plan, self._subscribed(plan, last), self._worth(plan, last), (since + until) / 2)
            today = [at for at in cancelled if since <= at < until]
            for at in today:
                contracts.replace(value, {plan: self._value(plan, last) for plan in plans}, at)
            if abs(value - contracts.revenue) > _SLACK and until > since:
                contracts.renew(value, {plan: self._value(plan, last) for plan in plans}, until - STEP / 2)
            revenue.append((contracts.revenue, len(contracts.active)))
        return tuple(contracts.rows()), revenue

    def _subscribed(self, plan: str, place: int) -> int:
        return int(self._total("subscriptions", plan=plan, status="active")[place])

    def _value(self, plan: str, place: int) -> float:
        return float(self._total("subscription_value_eur", plan=plan, status="active")[place])

    def _worth(self, plan: str, place: int) -> float:
        """What one subscription of a plan is worth a month."""
        return self._value(plan, place) / max(self._subscribed(plan, place), 1)

    def _usage(self) -> tuple[tuple[Usage, ...], list[Mapping[str, float]]]:
        """The rows, also of the month before the course, and for each day the costliest users of its month."""
        spent = [
            sum(self._in_day(curve, number) for curve in self._curves("llm_cost_total_eur"))
            for number in range(len(self._days))
        ]
        earlier = [self._days[0] - timedelta(days=back) for back in range(PER_MONTH, 0, -1)]
        # As in the first week of the course, weekday by weekday.
        spent = [spent[-back % 7 % len(spent)] for back in range(PER_MONTH, 0, -1)] + spent
        place = {curve.labels["user"]: number for number, curve in enumerate(self._curves("user_monthly_cost_eur"))}
        others = [name for name in map(_name, range(1, self._known + 1)) if name not in place]
        cost = np.zeros((len(spent), len(place) + len(others)))
        cost[:PER_MONTH, : len(place)] = self._monthly(0) / PER_MONTH
        weights = 0.85 + 0.3 * self._chance.random(len(others))
        comes = np.arange(len(others)) % _EVERY
        active = self._total("active_users")
        for row, total in enumerate(spent):
            number = max(row - PER_MONTH, 0)
            if row >= PER_MONTH:
                month = cost[row - PER_MONTH + 1 : row, : len(place)].sum(axis=0)
                cost[row, : len(place)] = np.maximum(self._monthly(self._edges[number + 1]) - month, 0)
            here = (comes == row % _EVERY) & (np.arange(len(others)) < active[self._edges[number + 1]] - len(place))
            rest, shares = max(total - cost[row].sum(), 0.0), np.where(here, weights, 0)
            if shares.any():
                cost[row, len(place) :] = rest * shares / shares.sum()
        cost = np.round(cost, 6)
        names = [*place, *others]
        usage = tuple(
            Usage(names[who], day, float(cost[row, who]))
            for row, day in enumerate([*earlier, *self._days])
            for who in np.flatnonzero(cost[row]).tolist()
        )
        return usage, [_costliest(names, cost[row + 1 : row + PER_MONTH + 1]) for row in range(len(self._days))]

    def _monthly(self, place: int) -> Floats:
        return np.array([curve.values[place] for curve in self._curves("user_monthly_cost_eur")])

    def _curves(self, name: str, **labels: str) -> list[Curve]:
        return [
            curve
            for family in self._course.families
            for curve in family.curves
            if curve.name == name and labels.items() <= curve.labels.items()
        ]

    def _total(self, name: str, **labels: str) -> Floats:
        return np.asarray(np.sum([curve.values for curve in self._curves(name, **labels)], axis=0))

    def _in_day(self, curve: Curve, number: int) -> float:
        """By how much a counter grew."""
        return float(curve.values[self._edges[number + 1]] - curve.values[self._edges[number]])

    def _instants(self, name: str, **labels: str) -> Iterator[float]:
        """When each event of a counter happened. A step is after its first instant and up to its last, as a sample."""
        counts = np.diff(self._total(name, **labels)[: self._last + 1]).astype(int)
        for place in np.flatnonzero(counts).tolist():
            for event in range(counts[place]):
                yield int(self._course.times[place]) + STEP * (event + 0.5) / counts[place]


class _Contracts:
    """Subscriptions that begin and end; what they cost together follows a value that is given."""

    def __init__(self, users: int) -> None:
        self.active: list[Subscription] = []
        self._ended: list[Subscription] = []
        self._users = users
        self._count = 0

    @property
    def revenue(self) -> float:
        """What those that run cost a month."""
        return sum(each.price_eur for each in self.active)

    def rows(self) -> list[Subscription]:
        """All there ever were."""
        return sorted([*self._ended, *self.active], key=lambda each: each.id)

    def begin(self, plan: str, price: float, at: float) -> None:
        """Somebody subscribes."""
        self._count += 1
        # Any user who was there before, a different one each time.
        user = _name(1 + self._count * 17 % self._users)
        self.active.append(Subscription(self._count, user, plan, max(round(price, 2), 0.0), _instant(at)))

    def resize(self, plan: str, count: int, price: float, at: float) -> None:
        """Subscriptions of a plan begin or end until there are so many."""
        while (there := self._of(plan)) and len(there) > count:
            self._end(there[-1], at)
        for _ in range(count - len(there)):
            self.begin(plan, price, at)

    def replace(self, value: float, values: Mapping[str, float], at: float) -> None:
        """One ends, and at once another begins, if it can at a price with which all together are worth the value."""
        leaving = self._next(values)
        if leaving is None:
            return
        more = value - self.revenue if self._enough(leaving, value) else 0.0
        self._end(leaving, at)
        self.begin(leaving.plan, leaving.price_eur + more, at)

    def renew(self, value: float, values: Mapping[str, float], at: float) -> None:
        """Contracts are renewed so that all together are worth the value: one, or where that is not enough each."""
        # A little beyond, so that the next one comes later.
        beyond = value + math.copysign(_SLACK / 2, value - self.revenue)
        leaving = self._next(values)
        if leaving and self._enough(leaving, beyond):
            self.replace(beyond, values, at)
            return
        counts = {plan: len(self._of(plan)) for plan in values}
        for each in list(self.active):
            self._end(each, at)
        for plan, count in counts.items():
            for _ in range(count):
                self.begin(plan, values[plan] / count, at)

    def _next(self, values: Mapping[str, float]) -> Subscription | None:
        """The oldest of the plan that is furthest from what it should be worth."""
        apart = {plan: abs(worth - sum(each.price_eur for each in self._of(plan))) for plan, worth in values.items()}
        for plan in sorted(apart, key=lambda plan: -apart[plan]):
            for each in self._of(plan):
                return each
        return None

    def _enough(self, leaving: Subscription, value: float) -> bool:
        return abs(value - self.revenue) < leaving.price_eur * _MOST

    def _of(self, plan: str) -> list[Subscription]:
        return [each for each in self.active if each.plan == plan]

    def _end(self, leaving: Subscription, at: float) -> None:
        self.active.remove(leaving)
        self._ended.append(replace(leaving, cancelled_at=_instant(at)))


def _costliest(names: list[str], month: Floats) -> Mapping[str, float]:
    totals = month.sum(axis=0)
    return {names[who]: round(float(totals[who]), 6) for who in np.argsort(-totals, kind="stable")[:COSTLIEST].tolist()}


def _name(number: int) -> str:
    return f"user-{number:04d}"


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)

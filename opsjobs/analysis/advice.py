"""Advice about money: what the levers of a week are worth, what of it is said, and what it saved in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from statistics import median
from typing import Any

from opsjobs.analysis import costs as spending_of
from opsjobs.analysis.costs import Spending
from opsjobs.analysis.economics import MONTH
from opsjobs.analysis.levers import LEVERS, Case, Lever, Reading
from opsjobs.analysis.money import exact, total
from opsjobs.recommendation import Decision, Realised, Recommendation
from opsjobs.words import percent, quantity

ENOUGH = 2
"""Weeks that must be known before the one that is looked at."""
IDLE = 0.5
"""Up to which part of what is usual a week is idle: nothing is learned from it."""
WORTH = Decimal("0.01")
"""Which part of what a month costs a saving must be; and it must be one of the currency."""
BEST = 3
SHARES = "model"
"""The kind whose driver is a share of requests, which is nothing when there are none."""
_DIGITS = 10
_DAYS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """What is said about a week."""

    silent: str = ""
    """Why nothing is advised, where nothing could be."""
    found: Sequence[Recommendation] = ()
    """What could be done now, the most valuable first; what was dismissed or is done is not among it."""
    hidden: int = 0
    """How many others were found that were dismissed, or are done."""
    known: Sequence[Recommendation] = ()
    """All there is to remember."""
    realised: Sequence[Realised] = ()
    """What was saved in this week by what is done, as far as it can be measured."""

    @property
    def best(self) -> Sequence[Recommendation]:
        """The three that save most."""
        return self.found[:BEST]


def advise(case: Case, remembered: Mapping[str, Recommendation], zone: tzinfo) -> Advice:
    """Read all levers over a week, and hold them against what is remembered; decisions are dated in the zone."""
    silent = _silent(case)
    if silent:
        return Advice(silent=silent, known=tuple(remembered.values()))
    readings = {name(lever, reading): (lever, reading) for lever in LEVERS for reading in lever.read(case)}
    least = max(Decimal(1), WORTH * month(spending_of.amount(case.spending.of(case.week))))
    found = {
        key: one
        for key, (lever, reading) in readings.items()
        if (one := _recommendation(key, lever, reading, case)) is not None and one.saving >= least
    }
    week = _Week(monday=case.week[0], last=case.week[-1], zone=zone)
    known = {
        **{key: each if key in found else week.gone(each) for key, each in remembered.items()},
        **{key: week.again(remembered.get(key), one) for key, one in found.items()},
    }
    shown = [replace(one, **_decided(known[key])) for key, one in found.items()]
    is_open = [each for each in shown if each.decision in (Decision.OPEN, Decision.ACCEPTED)]
    return Advice(
        found=sorted(is_open, key=lambda each: (-each.saving, each.id)),
        hidden=len(shown) - len(is_open),
        known=tuple(known.values()),
        realised=list(_realised(remembered, readings, week)),
    )


def earlier(spending: Spending, week: Sequence[date], count: int = 4) -> list[list[date]]:
    """The weeks before one that are known in full and were not idle, the newest first."""
    weeks = [[day - timedelta(days=_DAYS * number) for day in week] for number in range(1, count + 1)]
    known = [days for days in weeks if not spending.missing(days)]
    busy = _busy(spending, known)
    return [days for days, one in zip(known, busy, strict=True) if one > IDLE * median(busy)]


def name(lever: Lever, reading: Reading) -> str:
    """What advice is called: the same in each week, and safe to type whatever is in a label."""
    of = hashlib.sha256(f"{lever.kind}\0{reading.about}".encode())
    return f"{lever.kind}-{of.hexdigest()[:_DIGITS]}"


def month(amount: Decimal) -> Decimal:
    """What an amount of a week is in a month of 30 days."""
    return exact(amount * MONTH / _DAYS)


def together(advised: Sequence[Recommendation], of: Decimal) -> Decimal:
    """What several save in a month at most: their sum, but never more than there is to save."""
    return min(total(each.saving for each in advised), max(of, Decimal(0)))


def _silent(case: Case) -> str:
    """Why nothing can be advised from a week."""
    if case.spending.missing(case.week):
        return "the week is not known in full"
    if len(case.earlier) < ENOUGH:
        count = len(case.earlier)
        return f"{ENOUGH} of the 4 weeks before must be known in full and not idle, and {count} {_is(count)}"
    now, *before = _busy(case.spending, [case.week, *case.earlier])
    if now <= IDLE * median(before):
        return f"the week was idle: {percent(now / median(before))} of what is usual"
    return ""


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _busy(spending: Spending, weeks: Sequence[Sequence[date]]) -> list[float]:
    """How much was done in each of some weeks: requests of users, else those that cost, else the cost; one for all."""
    if all(day in spending.traffic for days in weeks for day in days):
        return [sum(spending.traffic[day] for day in days) for days in weeks]
    requests = [spending_of.counted(line.requests for line in spending.of(days)) for days in weeks]
    known = [count for count in requests if count is not None]
    return known if len(known) == len(weeks) else [float(spending_of.amount(spending.of(days))) for days in weeks]


def _recommendation(key: str, lever: Lever, reading: Reading, case: Case) -> Recommendation | None:
    if reading.goal is None:
        return None
    week = exact(exact(reading.value - reading.goal) * reading.worth)
    currency = case.costs.currency
    return Recommendation(
        id=key,
        kind=lever.kind,
        title=reading.title,
        arithmetic=(
            f"{reading.arithmetic} = {quantity(float(week), currency)} in the week; x {MONTH}/{_DAYS} for a month"
        ),
        saving=month(week),
        currency=currency,
        effort=lever.effort,
        confidence=lever.confidence,
        value=reading.value,
        goal=reading.goal,
        worth=reading.worth,
        first_seen=case.week[0],
        last_seen=case.week[0],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Week:
    """The week that advice is about, and what it makes of what is remembered."""

    monday: date
    last: date
    zone: tzinfo

    def again(self, known: Recommendation | None, found: Recommendation) -> Recommendation:
        """What is remembered of advice that is found once more."""
        if known is None:
            return found
        first = min(known.first_seen, found.first_seen)
        if self.monday < known.last_seen:
            # An older week was read again.
            return replace(known, first_seen=first)
        if self._is_over(known, found):
            # It is open again, and was decided about when it was.
            return replace(found, first_seen=first, at=known.at)
        if known.decision in (Decision.ACCEPTED, Decision.DONE):
            # What it was then is what later weeks are held against.
            return replace(known, first_seen=first, last_seen=found.last_seen, gone=None)
        return replace(found, **{**_decided(known), "first_seen": first})

    def _is_over(self, known: Recommendation, found: Recommendation) -> bool:
        """Whether a dismissal has had its time, or what was done is half undone again."""
        if known.decision is Decision.DISMISSED:
            return not known.hidden(self.last)
        undone = found.value - found.goal >= (known.value - known.goal) / 2
        return known.decision is Decision.DONE and undone and self.counts(known)

    def gone(self, known: Recommendation) -> Recommendation:
        """What is remembered of advice that is not found in this week."""
        still = known.gone is None and known.last_seen <= self.monday
        return replace(known, gone=self.monday) if still else known

    def counts(self, known: Recommendation) -> bool:
        """Whether the week is one of those after it was done."""
        done = known.decision is Decision.DONE and known.at is not None
        return done and known.at is not None and self.monday > known.at.astimezone(self.zone).date()


def _decided(known: Recommendation) -> dict[str, Any]:
    return {
        "first_seen": known.first_seen,
        "decision": known.decision,
        "at": known.at,
        "by": known.by,
        "reason": known.reason,
        "until": known.until,
    }


def _realised(
    remembered: Mapping[str, Recommendation], readings: Mapping[str, tuple[Lever, Reading]], week: _Week
) -> Iterator[Realised]:
    measured = {lever.kind for lever in LEVERS if lever.measured}
    for known in remembered.values():
        if known.kind not in measured or not week.counts(known):
            continue
        if known.id in readings:
            reading = readings[known.id][1]
            amount = exact(exact(known.value - reading.value) * reading.worth)
            yield Realised(id=known.id, week=week.monday, amount=amount)
        elif known.kind == SHARES:
            # Nothing is sent there any more: all of it is saved, at the prices and requests of then.
            yield Realised(id=known.id, week=week.monday, amount=exact(exact(known.value) * known.worth))

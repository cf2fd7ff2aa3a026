"""Advice about money: what the levers of a week are worth, what of it is said, and what it saved in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
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
_DAYS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """What is said about a week."""

    silent: str = ""
    """Why nothing is advised, where nothing could be."""
    found: Sequence[Recommendation] = ()
    """What could be done now, the most valuable first; what was dismissed is not among it."""
    known: Sequence[Recommendation] = ()
    """All there is to remember."""
    realised: Sequence[Realised] = ()
    """What was saved in this week by what is done."""
    unmeasured: Sequence[str] = ()
    """Names of what is done and could not be measured in this week."""

    @property
    def best(self) -> Sequence[Recommendation]:
        """The three that save most."""
        return self.found[:BEST]


def advise(case: Case, remembered: Mapping[str, Recommendation]) -> Advice:
    """Read all levers over a week, and hold them against what is remembered."""
    silent = _silent(case)
    if silent:
        done = [each.id for each in remembered.values() if _counts(each, case.week[0])]
        return Advice(silent=silent, known=tuple(remembered.values()), unmeasured=done)
    readings = {name(lever, reading): (lever, reading) for lever in LEVERS for reading in lever.read(case)}
    least = max(Decimal(1), WORTH * month(spending_of.amount(case.spending.of(case.week))))
    advised = [
        one
        for key, (lever, reading) in readings.items()
        if (one := _recommendation(key, lever, reading, case)) is not None and one.saving >= least
    ]
    known = dict(remembered) | {one.id: _again(remembered.get(one.id), one) for one in advised}
    shown = [replace(one, **_decided(known[one.id])) for one in advised]
    realised = list(_realised(remembered, readings, case.week[0]))
    measured = {each.id for each in realised}
    return Advice(
        found=sorted(filter(_is_open, shown), key=lambda each: (-each.saving, each.id)),
        known=tuple(known.values()),
        realised=realised,
        unmeasured=[each.id for each in remembered.values() if _counts(each, case.week[0]) and each.id not in measured],
    )


def earlier(spending: Spending, week: Sequence[date], count: int = 4) -> list[list[date]]:
    """The weeks before one that are known in full, the newest first."""
    weeks = [[day - timedelta(days=_DAYS * number) for day in week] for number in range(1, count + 1)]
    return [days for days in weeks if not spending.missing(days)]


def name(lever: Lever, reading: Reading) -> str:
    """What advice is called: the same in each week, and safe to type whatever is in a label."""
    of = hashlib.sha256(f"{lever.kind}\0{reading.about}".encode())
    return f"{lever.kind}-{of.hexdigest()[:6]}"


def month(amount: Decimal) -> Decimal:
    """What an amount of a week is in a month of 30 days."""
    return exact(amount * MONTH / _DAYS)


def _silent(case: Case) -> str:
    """Why nothing can be advised from a week."""
    if case.spending.missing(case.week):
        return "the week is not known in full"
    if len(case.earlier) < ENOUGH:
        return f"{ENOUGH} of the 4 weeks before must be known in full, and {len(case.earlier)} are"
    now, usual = _busy(case.spending, case.week), median(_busy(case.spending, week) for week in case.earlier)
    if now <= IDLE * usual:
        share = percent(now / usual) if usual else "nothing"
        return f"the week was idle: its traffic was {share} of what is usual"
    return ""


def _busy(spending: Spending, days: Sequence[date]) -> float:
    """How much was done in some days: requests of users, else those that cost, else the cost."""
    if all(day in spending.traffic for day in days):
        return sum(spending.traffic[day] for day in days)
    lines = spending.of(days)
    requests = spending_of.counted(line.requests for line in lines)
    return float(spending_of.amount(lines)) if requests is None else requests


def _recommendation(key: str, lever: Lever, reading: Reading, case: Case) -> Recommendation | None:
    if reading.goal is None:
        return None
    week = exact(exact(reading.value - reading.goal) * reading.worth)
    saving, currency = month(week), case.costs.currency
    return Recommendation(
        id=key,
        kind=lever.kind,
        title=reading.title,
        arithmetic=f"{reading.arithmetic} = {_money(week, currency)} in the week; x {MONTH}/{_DAYS} for a month",
        saving=saving,
        currency=currency,
        effort=lever.effort,
        confidence=lever.confidence,
        value=reading.value,
        goal=reading.goal,
        worth=reading.worth,
        first_seen=case.week[0],
        last_seen=case.week[0],
    )


def _money(amount: Decimal, currency: str) -> str:
    return quantity(float(amount), currency)


def _again(known: Recommendation | None, found: Recommendation) -> Recommendation:
    """What is remembered of advice that is found once more."""
    if known is None:
        return found
    if found.last_seen < known.last_seen:
        # An older week was read again.
        return replace(known, first_seen=min(known.first_seen, found.first_seen))
    if known.decision is Decision.DONE:
        # What it was then is what later weeks are held against.
        return replace(known, last_seen=found.last_seen)
    if known.decision is Decision.DISMISSED and not known.hidden(found.last_seen):
        # Its time is over: it is open again, and was decided about when it was.
        return replace(found, first_seen=known.first_seen, at=known.at)
    return replace(found, **_decided(known))


def _decided(known: Recommendation) -> dict[str, Any]:
    return {
        "first_seen": known.first_seen,
        "decision": known.decision,
        "at": known.at,
        "by": known.by,
        "reason": known.reason,
        "until": known.until,
    }


def _is_open(known: Recommendation) -> bool:
    return known.decision in (Decision.OPEN, Decision.ACCEPTED)


def _counts(known: Recommendation, monday: date) -> bool:
    """Whether a week is one of those after it was done."""
    return known.decision is Decision.DONE and known.at is not None and monday > known.at.date()


def _realised(
    remembered: Mapping[str, Recommendation], readings: Mapping[str, tuple[Lever, Reading]], monday: date
) -> Iterator[Realised]:
    for known in remembered.values():
        if _counts(known, monday) and known.id in readings:
            reading = readings[known.id][1]
            amount = exact(exact(known.value - reading.value) * reading.worth)
            yield Realised(id=known.id, week=monday, amount=amount)


def together(advised: Sequence[Recommendation], of: Decimal) -> Decimal:
    """What several save in a month: their sum, but never more than there is to save."""
    return min(total(each.saving for each in advised), max(of, Decimal(0)))

"""What is advised about money, as it is remembered from week to week, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class Decision(StrEnum):
    """What somebody said of a recommendation."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"
    DONE = "done"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """One thing to do about money.

    It is about one number, its driver (a share that fails, the tokens of a request): each week cost `value` x `worth`,
    and would have cost `goal` x `worth`. So what it really saved can be told when the driver is measured again.
    """

    id: str
    """The same each week: of its kind and what it is about."""
    kind: str
    title: str
    arithmetic: str
    """How the saving comes about, in numbers."""
    saving: Decimal
    """Of a month of 30 days, in the currency of the system."""
    currency: str
    effort: str
    """small, medium or large."""
    confidence: str
    """low, medium or high."""
    value: float
    """The driver when it was last seen; once it is decided about, as it was then."""
    goal: float
    worth: Decimal
    """What a whole unit of the driver cost in that week."""
    first_seen: date
    last_seen: date
    """Mondays of the first and the last week in which it was found."""
    gone: date | None = None
    """The Monday of the first week after that in which it could have been found, and was not."""
    decision: Decision = Decision.OPEN
    at: datetime | None = None
    by: str = ""
    reason: str = ""
    until: date | None = None
    """Until when one that was dismissed stays so; None is for ever."""

    def hidden(self, day: date) -> bool:
        """Whether it was dismissed, and still is on a day."""
        return self.decision is Decision.DISMISSED and (self.until is None or day <= self.until)


@dataclass(frozen=True, kw_only=True, slots=True)
class Realised:
    """What a recommendation that was carried out saved in a week; less than nothing where it got worse."""

    id: str
    week: date
    """Its Monday."""
    amount: Decimal

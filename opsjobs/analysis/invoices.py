"""What providers billed for a calendar month beside what was computed for its days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from opsjobs.analysis import outlay
from opsjobs.analysis.carried import Carried
from opsjobs.analysis.costs import WHOLE, Spending, amount
from opsjobs.analysis.money import total
from opsjobs.analysis.prices import Expenses

BOUND = Decimal("0.05")
"""Share of an invoice by which what was computed may be off: days cut in another zone, a rate of another day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciled:
    """All that was billed for an item and a month, and what was computed for it, in the system's currency."""

    item: str
    month: date
    """Its first day."""
    billed: Decimal | None
    """None where no rate is known."""
    computed: Decimal | None
    """None where the month is not over, or not known in full."""
    unknown: int
    """How many of its days are not known in full."""
    over: bool
    """Whether the month is over."""

    @property
    def gap(self) -> Decimal | None:
        """What was billed beyond what was computed."""
        return None if self.billed is None or self.computed is None else self.billed - self.computed

    @property
    def share(self) -> Decimal | None:
        """The gap as a share of what was billed."""
        return None if self.gap is None or not self.billed else self.gap / self.billed

    @property
    def beyond(self) -> bool:
        """Whether somebody should look at it."""
        if self.share is None:
            return bool(self.gap)
        return abs(self.share) > BOUND


def reconciled(
    expenses: Expenses, currency: str, spending: Spending, known: Carried, until: date
) -> tuple[Reconciled, ...]:
    """Each item and month with an invoice, the newest first, as of the day `until`; several invoices of one are added.

    Invoices of an item that the profile does not have are left out.
    """
    named = {(each.month, each.item) for each in expenses.invoices if each.item and each.item in known.definitions}
    found = []
    for month, item in sorted(named, key=lambda pair: (-pair[0].toordinal(), pair[1])):
        own = [each for each in expenses.invoices if (each.month, each.item) == (month, item)]
        billed = [expenses.converted(each.amount, each.currency, currency) for each in own]
        converted = [each for each in billed if each is not None]
        days = outlay.month(month)
        costs = [_cost(item, day, spending, known) for day in days]
        read = [cost for cost in costs if cost is not None]
        over = days[-1] <= until
        found.append(
            Reconciled(
                item=item,
                month=month,
                billed=total(converted) if len(converted) == len(billed) else None,
                computed=total(read) if over and len(read) == len(days) else None,
                unknown=len(days) - len(read),
                over=over,
            )
        )
    return tuple(found)


def _cost(item: str, day: date, spending: Spending, known: Carried) -> Decimal | None:
    """What an item cost on a day: as it was just read, of other days as it is remembered; None if not known in full."""
    share = spending.seen.get((item, day))
    if share is None:
        return known.sums.get((item, day))
    lines = spending.of([day], item)
    return None if share < WHOLE or any(line.amount is None for line in lines) else amount(lines)

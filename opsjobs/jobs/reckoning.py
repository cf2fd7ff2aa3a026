"""What was found out about the money of a week, before it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from decimal import Decimal

from opsjobs.analysis import costs as spending_of
from opsjobs.analysis.advice import Advice
from opsjobs.analysis.costs import Member, Spending, Spike
from opsjobs.analysis.economics import Economics
from opsjobs.analysis.hindsight import Came
from opsjobs.analysis.invoices import Reconciled
from opsjobs.analysis.levers import Capacity
from opsjobs.analysis.outlay import Outlay
from opsjobs.analysis.usage import Usage
from opsjobs.model import Gap
from opsjobs.system.cost import CostsSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Everything that was found out, before it is said."""

    costs: CostsSpec
    zone: tzinfo
    spending: Spending
    week: Sequence[date]
    before: Sequence[date]
    economics: Economics
    month: Outlay | None
    next_month: Outlay | None
    """Of the calendar month, and of the 30 days after the week."""
    spikes: Sequence[Spike]
    fixed: Decimal
    """Of the week."""
    rateless: bool
    """Whether there are fixed costs in a currency without a rate, which are in no total."""
    budget: Decimal | None
    spent: Decimal
    """In the calendar month up to the end of the week, as far as it is known."""
    vanished: Sequence[tuple[str, Member, Decimal]]
    """Items and members that nothing counts any more, with what they cost in the week before."""
    stale: Sequence[str]
    """Prices in use that nobody has looked at for long, in words."""
    gaps: tuple[Gap, ...]
    advice: Advice = field(default_factory=Advice)
    saved: Mapping[str, Mapping[date, Decimal]] = field(default_factory=dict)
    """What was saved in earlier weeks by what is done, by its name and the Monday of the week."""
    capacities: Sequence[Capacity] = ()
    usage: Usage | None = None
    """Who it is spent on; None where nobody is asked, or nobody says."""
    from_memory: Sequence[date] = ()
    """The days that earlier reports had read, if only in part."""
    hindsight: Sequence[Came] = ()
    """The last forecasts whose days are over."""
    invoices: Sequence[Reconciled] = ()

    @property
    def read(self) -> Decimal:
        """What was read for the week."""
        return spending_of.amount(self.spending.of(self.week))

    @property
    def whole(self) -> bool:
        """Whether all of the week is known."""
        return not self.spending.missing(self.week)

    @property
    def least(self) -> str:
        """What stands before a total of which something is missing."""
        return "" if self.whole and not self.rateless else "at least "

    @property
    def comparable(self) -> bool:
        """Whether the week and the one before can be held against each other."""
        return self.whole and not self.spending.missing(self.before)

    @property
    def change(self) -> Decimal | None:
        """How far the cost that was read moved since the week before."""
        if not self.comparable:
            return None
        return self.read - spending_of.amount(self.spending.of(self.before))

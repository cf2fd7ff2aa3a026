"""What one user, one request and one month cost, and what is left of the revenue."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from opsjobs.analysis.money import exact
from opsjobs.model import Status
from opsjobs.system.cost import CostsSpec

MONTH = 30
"""Days of a month, where a user's cost is told: a run rate, and no calendar month."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Economics:
    """The numbers of the last 30 days, in the system's currency. None is what is not known."""

    read: Decimal | None
    """What was read from counters; None where a day is missing."""
    fixed: Decimal | None
    """None where one of the fixed costs is in a currency without a rate."""
    active_users: float | None
    paying_users: float | None
    revenue: Decimal | None
    """For each month."""

    @property
    def each_active(self) -> Decimal | None:
        """What was read, for each active user: what the target is about."""
        return _each(self.read, self.active_users)

    @property
    def whole(self) -> Decimal | None:
        """What was read and the fixed costs."""
        return None if self.read is None or self.fixed is None else self.read + self.fixed

    @property
    def each_active_with_fixed(self) -> Decimal | None:
        """Fixed costs among it."""
        return _each(self.whole, self.active_users)

    @property
    def each_paying(self) -> Decimal | None:
        """What was read and the fixed costs, for each user who pays."""
        return _each(self.whole, self.paying_users)

    @property
    def margin(self) -> Decimal | None:
        """Which share of the revenue is left when all costs are paid."""
        if self.whole is None or not self.revenue:
            return None
        return (self.revenue - self.whole) / self.revenue


def _each(amount: Decimal | None, count: float | None) -> Decimal | None:
    return None if amount is None or not count or count <= 0 else exact(amount / exact(count))


def judged(each: Decimal | None, costs: CostsSpec) -> tuple[Status, str]:
    """How the cost of a user stands against the target, and which limit it is above."""
    if costs.target is None and costs.critical is None and costs.crisis is None:
        return Status.OK, ""
    if each is None:
        return Status.UNKNOWN, ""
    for limit, status, name in (
        (costs.crisis, Status.CRITICAL, "crisis"),
        (costs.critical, Status.CRITICAL, "critical"),
        (costs.target, Status.WARNING, "target"),
    ):
        if limit is not None and each > limit:
            return status, name
    return Status.OK, ""

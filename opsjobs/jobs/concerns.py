"""What about the money of a week needs a person, and what of it is not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from opsjobs.analysis import costs as spending_of
from opsjobs.analysis import economics
from opsjobs.analysis.economics import MONTH
from opsjobs.jobs import accounts, reconciliation, usage
from opsjobs.jobs.context import Context
from opsjobs.jobs.reckoning import Told
from opsjobs.model import Finding, Gap, Status
from opsjobs.words import percent, quantity


def of_month(told: Told) -> Status | None:
    if told.budget is not None and told.spent > told.budget:
        return Status.CRITICAL
    if told.month is None or told.budget is None:
        return None
    if told.month.low > told.budget:
        return Status.CRITICAL
    return Status.WARNING if told.month.expected > told.budget else Status.OK


def findings(context: Context, told: Told) -> Iterator[Finding]:
    owners = context.owners
    team, runbook = owners.team(told.costs.team), owners.runbook(told.costs.runbook)
    for finding in _found(told):
        yield replace(finding, team=team, runbook=runbook)


def _found(told: Told) -> Iterator[Finding]:
    costs = told.costs
    each = told.economics.each_active
    status, limit = economics.judged(each, costs)
    if each is not None and limit:
        above = quantity(float(getattr(costs, limit)), costs.currency)
        yield Finding(
            subject="costs:user",
            status=status,
            title=f"Cost for each active user: {quantity(float(each), costs.currency)}, above {above} ({limit})",
            detail=f"over the last {MONTH} days",
        )
    if told.budget is not None and told.spent > told.budget:
        yield Finding(
            subject="costs:budget",
            status=Status.CRITICAL,
            title=f"The month has cost more than its budget of {quantity(float(told.budget), costs.currency)}",
            detail=f"at least {quantity(float(told.spent), costs.currency)} up to {told.week[-1]:%-d %B}",
        )
    elif told.month and told.budget is not None and told.month.expected > told.budget:
        crossed = f"; used up on {told.month.crossed:%-d %B}" if told.month.crossed else ""
        yield Finding(
            subject="costs:budget",
            status=of_month(told) or Status.WARNING,
            title=f"The month will cost more than its budget of {quantity(float(told.budget), costs.currency)}",
            detail=f"{accounts.forecast(told)}{crossed}",
        )
    for spike in told.spikes:
        yield Finding(
            subject=f"costs:spike:{spike.day}",
            status=Status.WARNING,
            title=f"{spike.day:%A} cost {quantity(float(spike.cost), costs.currency)}",
            detail=accounts.spike(told, spike),
        )
    yield from usage.findings(told)
    yield from reconciliation.findings(told)
    for item, member, amount in told.vanished:
        yield Finding(
            subject=f"costs:vanished:{item}:{spending_of.called(member)}",
            status=Status.UNKNOWN,
            title=f"Nothing counts {accounts.name(told, item, member)} any more",
            detail=f"{quantity(float(amount), costs.currency)} in the week before, and nobody knows how much in this",
            advice="See whether what exposes the counter still does; if it is used no more, this is told only once.",
        )
    for reason, what in spending_of.unpriced(told.spending.of(told.week)).items():
        yield Finding(
            subject=f"costs:unpriced:{reason}",
            status=Status.UNKNOWN,
            title=f"Costs are not known: {reason}",
            detail=f"{what} of the week are in no total",
            advice=(
                "Add the price to a table of your own (costs.prices), the rate to costs.rates, or the member to the "
                "counter of money, with 0 where it is free."
            ),
        )
    for price in told.stale:
        yield Finding(
            subject=f"costs:stale:{price}",
            status=Status.WARNING,
            title="A price may be out of date",
            detail=price,
            advice="See whether it still holds, and write the day into the table of prices.",
        )


def gaps(told: Told) -> Iterator[Gap]:
    """The days of the week that are not known in full."""
    days = [day for day in told.week if _share(told, day) < spending_of.WHOLE]
    if days:
        named = ", ".join(f"{day:%A} ({percent(_share(told, day))} seen)" for day in days)
        reason = f"not known in full: {named}. The total is at least what was seen; nothing is compared."
        yield Gap(source="Days", reason=reason)
    if told.costs.active_users and told.economics.each_active is None and told.economics.active_users != 0:
        earlier = "a day of the last 30 is not known in full"
        reason = earlier if told.economics.read is None else "it is not known how many users were active"
        yield Gap(source="Cost for each active user", reason=reason)


def _share(told: Told, day: date) -> float:
    return min(share for (_, on), share in told.spending.seen.items() if on == day)

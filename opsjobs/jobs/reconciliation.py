"""What was found out about money beside what was expected of it and what was billed, as parts of a report."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from opsjobs.analysis import outlay
from opsjobs.analysis.hindsight import Came
from opsjobs.analysis.invoices import BOUND, Reconciled
from opsjobs.analysis.prices import Expenses
from opsjobs.daybook import StatedOutlay
from opsjobs.jobs.reckoning import Told
from opsjobs.model import Finding, Gap, Status
from opsjobs.report.document import Section, Table, TableRow
from opsjobs.system.cost import CostsSpec
from opsjobs.words import NO_DATA, cents, percent, quantity

YOUNG = "No forecast is old enough yet to be held against what came."
_TOO_LITTLE = (
    "Look for what the counter does not see (other programs or environments with the same account), for a price or a "
    "rate that is too low, and for taxes and fees in the invoice."
)
_TOO_MUCH = (
    "Look for what is counted twice (the label of replicas, cached tokens within the input), for a price or a rate "
    "that is too high, and for discounts and credits in the invoice."
)


def forecasts(told: Told) -> Iterator[Table]:
    """The last forecasts whose days are over; no table where there is none."""
    if not told.hindsight:
        return
    known = [each for each in told.hindsight if each.held is not None]
    held = sum(bool(each.held) for each in known)
    rows = tuple(TableRow(cells=_forecast(each)) for each in told.hindsight)
    yield Table(
        columns=("Stated on", "For", "Expected", "Four times of five within", "Came", "Missed by", "Interval"),
        rows=rows,
        words=(1, 5, 6),
        note=f"The last forecasts whose days are over: {held} of {len(known)} within their interval."
        if known
        else "The last forecasts whose days are over.",
    )


def _forecast(each: Came) -> tuple[str, ...]:
    stated = each.stated
    expected, low, high = (
        quantity(float(each), stated.currency) for each in (stated.expected, stated.low, stated.high)
    )
    said = (f"{stated.stated:%-d %B %Y}", _span(stated), expected, f"{low} to {high}")
    if each.came is None:
        return (*said, "not known in full", "", "")
    held = "held" if each.held else "did not hold"
    return (*said, quantity(float(each.came), stated.currency), _missed(each), held)


def _missed(each: Came) -> str:
    if each.missed is None:
        return ""
    way = "" if not each.missed else " too much" if each.missed > 0 else " too little"
    return f"{percent(float(abs(each.missed)))}{way}"


def _span(stated: StatedOutlay) -> str:
    month = outlay.month(stated.first)
    if (stated.first, stated.last) == (month[0], month[-1]):
        return f"{stated.first:%B %Y}"
    return f"{stated.first:%-d %B} to {stated.last:%-d %B %Y}"


def invoices(told: Told) -> Iterator[Section]:
    """What was billed beside what was computed; nothing where nothing was billed."""
    if told.invoices:
        rows = tuple(TableRow(cells=_invoice(told, each)) for each in told.invoices)
        note = (
            f"Computed from the days that are known in full, without fixed costs. Above {percent(float(BOUND))} of the "
            "invoice a gap is a warning."
        )
        columns = ("What", "Month", "Computed", "Invoice", "Gap", "Of the invoice")
        table = Table(columns=columns, rows=rows, words=(1,), note=note)
        yield Section(id="invoices", title="Held against invoices", blocks=(table,))


def _invoice(told: Told, each: Reconciled) -> tuple[str, ...]:
    currency = told.costs.currency
    named = (told.costs.items[each.item].title, f"{each.month:%B %Y}")
    billed = NO_DATA if each.billed is None else cents(each.billed, currency)
    if each.computed is None:
        missing = "1 day is missing" if each.unknown == 1 else f"{each.unknown} days are missing"
        return (*named, f"not known in full: {missing}" if each.over else "the month is not over", billed, "", "")
    computed = cents(each.computed, currency)
    if each.gap is None:
        return (*named, computed, billed, "", "")
    sign = "+" if each.gap > 0 else "\N{MINUS SIGN}" if each.gap < 0 else ""
    return (*named, computed, billed, f"{sign}{cents(abs(each.gap), currency)}", _share(each))


def _share(each: Reconciled) -> str:
    return "" if each.share is None else quantity(float(abs(each.share)), "ratio", (float(BOUND),))


def findings(told: Told) -> Iterator[Finding]:
    """The invoices that are far from what was computed, with what to look at."""
    for each in told.invoices:
        if each.beyond and each.gap is not None and each.billed is not None and each.computed is not None:
            share = "" if each.share is None else f" by {_share(each)} of it"
            way = "above" if each.gap > 0 else "below"
            computed, billed = (cents(amount, told.costs.currency) for amount in (each.computed, each.billed))
            yield Finding(
                subject=f"costs:invoice:{each.item}:{each.month:%Y-%m}",
                status=Status.WARNING,
                title=f"The invoice of {told.costs.items[each.item].title} for {each.month:%B %Y} is {way} what was "
                f"computed{share}",
                detail=f"{billed} billed, {computed} computed from counters",
                advice=_TOO_LITTLE if each.gap > 0 else _TOO_MUCH,
            )


def gaps(expenses: Expenses, costs: CostsSpec) -> Iterator[Gap]:
    """The invoices that cannot be held against anything."""
    for name in dict.fromkeys(each.item for each in expenses.invoices if each.item not in costs.items):
        known = ", ".join(costs.items)
        yield Gap(source=f"Invoices of {name}", reason="the profile has no such item", advice=f"It has: {known}.")
    for currency in dict.fromkeys(each.currency for each in expenses.invoices):
        if expenses.converted(Decimal(0), currency, costs.currency) is None:
            yield Gap(
                source=f"Invoices in {currency}",
                reason=f"no rate from {currency} to {costs.currency}",
                advice="Give it in costs.rates.",
            )

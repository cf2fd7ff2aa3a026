"""Invoices beside what was computed: nothing is compared that is not known, and what is far off is seen."""

from datetime import date
from decimal import Decimal

import pytest

from opsjobs.analysis.carried import Carried
from opsjobs.analysis.costs import Line, Spending
from opsjobs.analysis.invoices import reconciled
from opsjobs.analysis.outlay import month
from opsjobs.analysis.prices import Expenses, Invoice

OCTOBER = month(date(2026, 10, 1))
READ = OCTOBER[20:]
TODAY = date(2026, 11, 15)
KNOWN = Carried(definitions={"llm": "x", "maps": "y", "": "z"}, sums={("llm", day): Decimal(2) for day in OCTOBER})
"""What is remembered of the days that were read now is another amount."""


def spending(share=1.0, amount="5"):
    return Spending(
        lines=[
            Line(item="llm", day=day, member=(), amount=None if amount is None else Decimal(amount)) for day in READ
        ],
        seen={("llm", day): share if day == READ[0] else 1.0 for day in READ},
    )


COMPUTED = Decimal(20 * 2 + 11 * 5)


def billed(amount="95", currency="EUR", item="llm", of=OCTOBER[0]):
    return Invoice(item=item, month=of, amount=Decimal(amount), currency=currency)


def told(*invoices, read=None, known=KNOWN, until=TODAY, rates=None):
    expenses = Expenses(invoices=invoices, rates=rates or {})
    return reconciled(expenses, "EUR", spending() if read is None else read, known, until)


def test_a_month_is_what_was_read_now_and_what_is_remembered_before():
    (found,) = told(billed("100"))
    assert (found.computed, found.billed, found.gap, found.unknown) == (COMPUTED, 100, 5, 0)
    assert found.share == Decimal("0.05") and not found.beyond


@pytest.mark.parametrize(
    ("amount", "beyond"),
    [("95", False), ("100", False), ("100.01", True), ("90.48", False), ("90.47", True), ("0", True)],
)
def test_more_than_a_twentieth_of_the_invoice_is_beyond(amount, beyond):
    (found,) = told(billed(amount))
    assert found.beyond is beyond


@pytest.mark.parametrize(
    ("read", "known", "unknown"),
    [
        (spending(share=0.98), KNOWN, 1),
        (spending(amount=None), KNOWN, 11),
        (spending(), Carried(definitions=KNOWN.definitions), 20),
        (Spending(lines=[], seen={}), Carried(definitions=KNOWN.definitions), 31),
    ],
)
def test_a_month_with_a_day_that_is_not_known_in_full_is_not_compared(read, known, unknown):
    (found,) = told(billed(), read=read, known=known)
    assert (found.computed, found.gap, found.share, found.beyond) == (None, None, None, False)
    assert (found.unknown, found.over) == (unknown, True)


def test_a_month_that_is_not_over_is_not_compared():
    (found,) = told(billed(), until=OCTOBER[-2])
    assert (found.computed, found.over, found.beyond) == (None, False, False)


def test_several_invoices_of_a_month_are_one_and_rates_count():
    (found,) = told(billed("50"), billed("90", "USD"), rates={"USD": Decimal("0.5")})
    assert found.billed == 95 and found.gap == 0
    (found,) = told(billed("50"), billed("90", "USD"))
    assert (found.billed, found.gap, found.beyond) == (None, None, False)


def test_items_are_apart_the_newest_month_first_and_unknown_ones_left_out():
    september = date(2026, 9, 1)
    found = told(billed(of=september), billed(item="maps"), billed(), billed(item="nothing"), billed(item=""))
    assert [(each.month, each.item) for each in found] == [
        (OCTOBER[0], "llm"),
        (OCTOBER[0], "maps"),
        (september, "llm"),
    ]


def test_nothing_billed_and_nothing_spent_is_in_order():
    free = Carried(definitions=KNOWN.definitions, sums={("maps", day): Decimal(0) for day in OCTOBER})
    (found,) = told(billed("0", item="maps"), known=free)
    assert (found.gap, found.share, found.beyond) == (0, None, False)

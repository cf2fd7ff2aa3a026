"""What opsjobs.yml says of invoices, as it is read."""

from decimal import Decimal

import pytest

from opsjobs.declaration import parse
from opsjobs.errors import ConfigError
from opsjobs.expenses import ExpensesSpec


def test_an_invoice_is_exact_and_its_month_need_not_be_quoted():
    spec = parse("invoices: [{item: llm, month: 2026-09, amount: 0.1}]", ExpensesSpec)
    (invoice,) = spec.invoices
    assert (invoice.month, invoice.amount, invoice.currency) == ("2026-09", Decimal("0.1"), None)


@pytest.mark.parametrize("month", ["2026-13", "2026-9", "October", "'2026-10-01'", "0000-01"])
def test_a_month_that_is_none_is_told_with_one_that_is(month):
    with pytest.raises(ConfigError, match="is no month: write it as 2026-10"):
        parse(f"invoices: [{{item: llm, month: {month}, amount: 1}}]", ExpensesSpec)

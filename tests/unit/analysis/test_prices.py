"""Prices by day and name, and fixed costs that add up to their month."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from opsjobs import expenses
from opsjobs.analysis.money import total
from opsjobs.analysis.prices import Expenses, FixedCost, Price, PriceTable

DAY = date(2026, 11, 16)


def price(model="m", since=date(2026, 1, 1), checked=DAY, **kinds):
    kinds = kinds or {"input": Decimal(2), "output": Decimal(8)}
    return Price(model=model, since=since, currency="USD", per_million=kinds, source="s", checked=checked)


def test_the_price_of_the_day_counts_and_history_keeps_its_own():
    old, new = price(input=Decimal(4)), price(since=date(2026, 6, 1), input=Decimal(2))
    table = PriceTable((old, new))
    assert table.find("m", date(2026, 5, 31)) is old
    assert table.find("m", date(2026, 6, 1)) is new
    assert table.find("m", date(2025, 12, 31)) is None
    assert table.find("another", DAY) is None


def test_a_name_goes_before_a_pattern_and_a_longer_pattern_before_a_shorter():
    short, long, name = price("claude-*"), price("claude-sonnet-*"), price("claude-sonnet-4", since=date(2025, 1, 1))
    table = PriceTable((short, long, name))
    assert table.find("claude-sonnet-4", DAY) is name
    assert table.find("claude-sonnet-5", DAY) is long
    assert table.find("claude-haiku", DAY) is short


def test_a_kind_without_a_price_costs_what_its_base_does():
    assert price().of("cached_input") == Decimal("0.000002")
    assert price().of("reasoning") == Decimal("0.000008")
    assert price(output=Decimal(8)).of("input") is None


def test_prices_that_nobody_looked_at_for_long_are_told_where_they_are_used():
    old = price("old", checked=DAY - timedelta(days=181))
    table = PriceTable((old, price("new"), price("unused", checked=date(2020, 1, 1))))
    assert table.stale(["old", "new", "unknown"], DAY) == [old]


@pytest.mark.parametrize("first", [date(2026, 1, 1), date(2026, 2, 1), date(2026, 4, 1), date(2028, 2, 1)])
@pytest.mark.parametrize("monthly", ["100", "49.90", "0.01", "1234.567891"])
def test_the_days_of_any_month_add_up_to_it(first, monthly):
    cost = FixedCost(name="server", monthly=Decimal(monthly), currency="EUR")
    days = [first + timedelta(days=number) for number in range(31)]
    assert total(cost.on(day) for day in days if day.month == first.month) == Decimal(monthly)


def test_a_fixed_cost_has_a_first_and_a_last_day():
    cost = FixedCost(name="s", monthly=Decimal(30), currency="EUR", since=DAY, until=DAY + timedelta(days=1))
    assert [cost.on(DAY + timedelta(days=number)) for number in (-1, 0, 1, 2)] == [0, 1, 1, 0]


def test_another_currency_needs_a_rate():
    money = Expenses(rates={"USD": Decimal("0.86")})
    assert money.converted(Decimal(10), "USD", "EUR") == Decimal("8.6")
    assert money.converted(Decimal(10), "EUR", "EUR") == 10
    assert money.converted(Decimal(10), "GBP", "EUR") is None


def test_the_prices_that_ship_can_be_read_and_say_where_they_are_from():
    found = expenses.shipped().prices
    assert found and all(each.source.startswith("https://") for each in found)


def test_prices_of_ones_own_take_the_place_of_each_model_that_they_name(tmp_path):
    (tmp_path / "own.yml").write_text(
        "prices: [{model: gpt-4o, since: 2026-01-01, currency: EUR, per_million: {input: 1.1, output: 2.2}, "
        "source: contract, checked: 2026-01-01}]\n"
    )
    found = expenses.prices(expenses.ExpensesSpec(prices="own.yml"), tmp_path)
    assert [each.currency for each in found if each.model == "gpt-4o"] == ["EUR"]
    assert found[0].per_million["input"] == Decimal("1.1")
    assert len(found) == len(expenses.shipped().prices)

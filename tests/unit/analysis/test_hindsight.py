"""Forecasts of money beside what came: told only where that is known, and of the last ones only."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from opsjobs.analysis.carried import Carried
from opsjobs.analysis.costs import Line, Spending
from opsjobs.analysis.hindsight import CHECKED, Came, by_day, hindsight, stated
from opsjobs.analysis.outlay import Outlay, month
from opsjobs.daybook import StatedOutlay

OCTOBER = month(date(2026, 10, 1))
FORECAST = StatedOutlay(
    stated=date(2026, 10, 11),
    first=OCTOBER[0],
    last=OCTOBER[-1],
    currency="EUR",
    expected=Decimal(90),
    low=Decimal(80),
    high=Decimal(100),
)
TODAY = date(2026, 11, 15)


def fixed(days):
    return Decimal(len(list(days)))


def held_against(read, *outlays, until=TODAY):
    return hindsight(outlays or (FORECAST,), read, fixed, until, "EUR")


def test_what_came_is_what_was_read_and_the_fixed_costs():
    (found,) = held_against(dict.fromkeys(OCTOBER, Decimal(2)))
    assert found.came == 62 + 31
    assert found.missed == pytest.approx(Decimal(-3) / 93)
    assert found.held


def test_a_day_that_is_not_known_leaves_it_open():
    read = dict.fromkeys(OCTOBER, Decimal(2))
    del read[OCTOBER[9]]
    (found,) = held_against(read)
    assert (found.came, found.missed, found.held) == (None, None, None)


@pytest.mark.parametrize(("came", "held"), [("79.98", False), ("79.995", True), ("100.009", True), ("100.02", False)])
def test_the_interval_holds_what_lies_in_it_to_the_cent(came, held):
    assert Came(stated=FORECAST, came=Decimal(came)).held is held


def test_of_nothing_no_share_is_missed():
    assert Came(stated=FORECAST, came=Decimal(0)).missed is None


def test_the_last_four_that_are_over_are_told_the_newest_first():
    weekly = [replace(FORECAST, stated=FORECAST.stated - timedelta(weeks=number)) for number in range(6)]
    ahead = replace(FORECAST, stated=date(2026, 10, 18), first=date(2026, 10, 19), last=date(2026, 11, 17))
    foreign = replace(FORECAST, currency="USD", stated=date(2026, 10, 25))
    found = held_against({}, *weekly, ahead, foreign)
    assert [each.stated for each in found] == weekly[:CHECKED]
    assert held_against({}, *weekly, ahead, until=ahead.last)[0].stated == ahead
    assert held_against({}, FORECAST, until=OCTOBER[-2]) == ()


def test_a_month_is_put_together_from_what_was_read_and_what_is_remembered():
    first, second = OCTOBER[:2]
    spending = Spending(
        lines=[Line(item=item, day=second, member=(), amount=Decimal(1)) for item in ("llm", "maps")],
        seen={("llm", second): 1.0, ("maps", second): 1.0, ("llm", OCTOBER[2]): 0.3, ("maps", OCTOBER[2]): 1.0},
    )
    sums = {(item, day): Decimal(5) for item in ("llm", "maps") for day in OCTOBER[:3]}
    known = Carried(definitions={"llm": "x", "maps": "y", "": "z"}, sums={**sums, ("llm", OCTOBER[3]): Decimal(5)})
    # What was read just now counts, also that it was not known in full; of another day one item is not all.
    assert by_day(spending, known) == {first: Decimal(10), second: Decimal(2)}


def test_a_forecast_is_stated_of_days_to_come_only():
    found = Outlay(so_far=1.0, expected=10.5, low=9.0, high=12.0, days=16)
    (kept,) = stated(OCTOBER[14], found, OCTOBER, "EUR")
    assert kept == StatedOutlay(
        stated=OCTOBER[14],
        first=OCTOBER[0],
        last=OCTOBER[-1],
        currency="EUR",
        expected=Decimal("10.5"),
        low=Decimal(9),
        high=Decimal(12),
    )
    assert stated(OCTOBER[-1], replace(found, days=0), OCTOBER, "EUR") == ()
    assert stated(OCTOBER[14], None, OCTOBER, "EUR") == ()

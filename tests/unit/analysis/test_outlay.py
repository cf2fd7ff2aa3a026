"""What a month will have cost: patterns that are known are found, and what is not known is not said."""

import math
import random
from datetime import date, timedelta

import pytest

from opsjobs.analysis.outlay import FEWEST, model, month, outlay

TODAY = date(2026, 11, 16)
WEEK = (100, 110, 120, 110, 100, 40, 30)


def days(count, until=TODAY):
    return [until - timedelta(days=number) for number in range(count, 0, -1)]


def weekly(count=35, until=TODAY, level=1.0):
    return {day: WEEK[day.weekday()] * level for day in days(count, until)}


def test_a_pattern_without_noise_goes_on_exactly():
    found = outlay(weekly(), month(TODAY), TODAY)
    exact = sum(WEEK[day.weekday()] for day in month(TODAY))
    assert found.expected == pytest.approx(exact)
    assert found.low == pytest.approx(exact) and found.high == pytest.approx(exact)
    assert found.days == 15 and found.so_far == pytest.approx(sum(WEEK[day.weekday()] for day in month(TODAY)[:15]))


def test_the_present_level_counts_and_not_that_of_a_month_ago():
    history = {**weekly(35), **weekly(14, level=2.0)}
    found = model(history, TODAY)
    assert found.of(TODAY) == pytest.approx(200, rel=0.02)


@pytest.mark.parametrize("ago", range(3, 12))
def test_a_new_level_is_followed_from_its_first_days_on_and_is_no_trend(ago):
    noisy = {day: value * (1 + 0.02 * (-1) ** day.day) for day, value in weekly(35).items()}
    moved = {day: value * (1.5 if day >= TODAY - timedelta(days=ago) else 1.0) for day, value in noisy.items()}
    found = model(moved, TODAY)
    assert found.growth == 0
    assert found.of(TODAY) == pytest.approx(150, rel=0.12 if ago < 7 else 0.05)


def test_a_day_that_stood_out_is_neither_a_new_level_nor_a_pattern():
    noisy = {day: value * (1 + 0.02 * (-1) ** day.day) for day, value in weekly(35).items()}
    yesterday = TODAY - timedelta(days=1)
    found = model({**noisy, yesterday: 10 * noisy[yesterday]}, TODAY)
    # Such days are part of what five weeks cost: nine more in 35 days.
    assert found.of(TODAY) == pytest.approx(100 * 44 / 35, rel=0.07)
    assert found.factors == pytest.approx(model(noisy, TODAY).factors, rel=0.04)


def test_steady_growth_goes_on_and_fades():
    growing = {day: value * 1.01**number for number, (day, value) in enumerate(weekly(35).items())}
    found = model(growing, TODAY)
    assert found.growth == pytest.approx(math.log(1.01), rel=0.1)
    assert found.of(TODAY) == pytest.approx(WEEK[0] * 1.01**35, rel=0.01)
    in_four_weeks = TODAY + timedelta(weeks=4)
    assert WEEK[0] * 1.01**50 < found.of(in_four_weeks) < WEEK[0] * 1.01**63
    assert model({day: value for day, value in growing.items() if day >= TODAY - timedelta(days=21)}, TODAY).growth == 0


def test_days_that_scatter_are_no_trend():
    sure = 0
    for number in range(200):
        chance = random.Random(number)  # noqa: S311 - no secret depends on it
        noisy = {day: value * chance.lognormvariate(0, 0.2) for day, value in weekly(35).items()}
        sure += model(noisy, TODAY).growth != 0
    assert sure / 200 < 0.05


def test_the_further_ahead_the_wider_is_the_interval_and_by_more_than_chance():
    chance = random.Random(1)  # noqa: S311 - no secret depends on it
    found = model({day: value * chance.lognormvariate(0, 0.1) for day, value in weekly(35).items()}, TODAY)
    one, four = ([TODAY + timedelta(days=day) for day in range(count)] for count in (7, 28))
    assert found.deviation(four) > 2 * found.deviation(one) > 0


def test_weekends_that_cost_nothing_stay_so():
    found = model({day: 0.0 if day.weekday() > 4 else 50.0 for day in days(35)}, TODAY)
    assert [found.of(TODAY + timedelta(days=number)) for number in range(7)] == pytest.approx([50.0] * 5 + [0.0] * 2)


def test_a_day_that_is_not_known_is_no_day_without_cost():
    history = weekly()
    del history[TODAY - timedelta(days=3)]
    assert outlay(history, month(TODAY), TODAY).expected == pytest.approx(
        outlay(weekly(), month(TODAY), TODAY).expected, rel=0.02
    )


@pytest.mark.parametrize(
    "history",
    [
        {},
        weekly(FEWEST - 1),
        {day: value for day, value in weekly().items() if day.weekday() != 2},
        dict.fromkeys(days(35), 0.0),
        weekly(35, TODAY - timedelta(days=20)),
        # One weekday alone, a hole in each week but one, and a week that nobody can hold against another.
        {day: 10.0 if day.weekday() == 0 else 0.0 for day in days(35)},
        {day: value for day, value in weekly(28).items() if day.day not in {20, 29, 3}},
        weekly(14, TODAY - timedelta(days=1)),
    ],
)
def test_of_too_little_nothing_is_said(history):
    assert outlay(history, month(TODAY), TODAY) is None


def test_the_budget_is_crossed_on_a_day():
    found = outlay(weekly(), month(TODAY), TODAY, budget=2000)
    spent = 0
    for day in month(TODAY):
        spent += WEEK[day.weekday()]
        if spent > 2000:
            break
    assert found.crossed == day
    assert outlay(weekly(), month(TODAY), TODAY, budget=1e6).crossed is None


def test_fixed_costs_are_added_day_by_day_and_scatter_by_nothing():
    chance = random.Random(1)  # noqa: S311 - no secret depends on it
    noisy = {day: value * chance.lognormvariate(0, 0.1) for day, value in weekly().items()}
    fixed = {day: 1000.0 if day > TODAY else 10.0 for day in month(TODAY)}
    alone, both = outlay(noisy, month(TODAY), TODAY), outlay(noisy, month(TODAY), TODAY, fixed=fixed)
    assert both.expected - alone.expected == pytest.approx(sum(fixed.values()))
    assert both.so_far - alone.so_far == pytest.approx(150)
    assert (both.high - both.low) == pytest.approx(alone.high - alone.low)
    in_budget = outlay(noisy, month(TODAY), TODAY, budget=alone.high + 1000, fixed=fixed)
    assert in_budget.crossed == TODAY + timedelta(days=2)
    idle = outlay(dict.fromkeys(days(35), 0.0), month(TODAY), TODAY, fixed=fixed)
    assert idle.expected == idle.low == idle.high == sum(fixed.values())


def test_the_interval_holds_about_what_it_says():
    held, rounds = 0, 400
    for number in range(rounds):
        chance = random.Random(number)  # noqa: S311 - no secret depends on it
        noisy = {day: value * chance.lognormvariate(0, 0.15) for day, value in weekly(28).items()}
        ahead = [TODAY + timedelta(days=each) for each in range(14)]
        came = sum(WEEK[day.weekday()] * chance.lognormvariate(0, 0.15) for day in ahead)
        found = outlay(noisy, ahead, TODAY)
        held += found.low <= came <= found.high
    assert 0.7 <= held / rounds <= 0.95


def test_months_have_their_own_lengths():
    assert [len(month(date(2026, each, 5))) for each in (1, 2, 4)] == [31, 28, 30]
    assert len(month(date(2028, 2, 29))) == 29

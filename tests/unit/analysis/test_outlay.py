"""What a month will have cost: patterns that are known are found, and what is not known is not said."""

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

"""When something is full: told with an interval, and not told where nobody can know."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsjobs.analysis import forecast
from opsjobs.analysis.forecast import Outcome
from opsjobs.model import Quality, Sample, Series
from tests.unit.shop import PROFILE, answer, days

from .test_bands import notes, rows
from .test_changes import result
from .test_findings import Shop, report

STEP = 3600
END = days().window.end.timestamp()
DAY = 86400
NOISE = dict(zip(range(-9, 1), (0.3, -0.9, 1.4, -0.2, 0.6, -1.3, 0.1, 1.1, -0.7, 0.4), strict=True))
"""Of each day, by its number before the end."""


def course(value, count=8, step=STEP):
    """Samples over some days; `value` is a function of the days before the end, which are negative."""
    points = int(count * DAY / step)
    times = [END - step * number for number in reversed(range(points))]
    found = ((time, value((time - END) / DAY)) for time in times)
    return tuple(Sample(time, here) for time, here in found if here is not ...)


def evaluated(value, full_at=1.0, count=8, step=STEP, **known):
    samples = course(value, count, step)
    last = samples[-1].value if samples else None
    measured = result(last, None, "ratio", series=Series(samples=samples), **known)
    return forecast.evaluate(measured, full_at, step, END)


def test_a_straight_line_is_full_when_it_gets_there():
    found = evaluated(lambda day: 0.77 + 0.01 * day)
    assert (found.outcome, found.days) == (Outcome.FULL_IN, pytest.approx(23))
    assert found.stated and not found.soon
    assert evaluated(lambda day: 0.9 + 0.01 * day).soon


def test_the_words_give_the_interval_in_whole_days_that_hold_it():
    said = forecast.Forecast(Outcome.FULL_IN, 23.2, 15.7, 40.2)
    assert said.text == "full in about 23 days (15 to 41)"
    assert forecast.Forecast(Outcome.FULL_IN, 1.2, 0.9, 2.0).text == "full in about 1 day (0 to 2)"
    assert forecast.Forecast(Outcome.FULL_IN, 0.4, 0.3, 0.9).text == "full in less than a day (0 to 1)"
    assert forecast.Forecast(Outcome.NO_TREND).text == "no trend"
    assert forecast.Forecast(Outcome.TOO_LITTLE).text == "not enough data"


def test_noise_widens_the_interval_and_the_truth_lies_in_it():
    found = evaluated(lambda day: 0.7 + 0.01 * day + 0.006 * NOISE[math.floor(day)])
    assert found.outcome is Outcome.FULL_IN
    # From the last value on, which has its own noise.
    assert found.earliest < 30 < found.latest
    assert found.latest - found.earliest > 3


def test_the_rhythm_of_a_day_is_no_trend():
    assert evaluated(lambda day: 0.5 + 0.3 * math.sin(day * 2 * math.pi)).outcome is Outcome.NO_TREND
    # Half a day more than whole days would tilt a line that does not know of the rhythm.
    tilted = evaluated(lambda day: 0.5 + 0.3 * math.sin(day * 2 * math.pi), count=7.5)
    assert tilted.outcome is Outcome.NO_TREND
    rising = evaluated(lambda day: 0.5 + 0.02 * day + 0.1 * math.sin(day * 2 * math.pi))
    assert (rising.outcome, rising.days) == (Outcome.FULL_IN, pytest.approx(25))


def test_a_day_of_nonsense_does_not_bend_the_line():
    found = evaluated(lambda day: 0.05 if -4 <= day < -3.2 else 0.77 + 0.01 * day)
    assert found.outcome is Outcome.FULL_IN
    assert found.days == pytest.approx(23, rel=0.1)


def test_what_goes_nowhere_or_away_has_no_trend():
    assert evaluated(lambda _: 0.5).outcome is Outcome.NO_TREND
    assert evaluated(lambda day: 0.5 - 0.01 * day).outcome is Outcome.NO_TREND
    assert evaluated(lambda day: 0.5 + 0.05 * NOISE[math.floor(day)]).outcome is Outcome.NO_TREND


def test_a_step_is_no_trend():
    assert evaluated(lambda day: 0.4 if day > -4 else 0.2).outcome is Outcome.NO_TREND


def test_what_shrinks_towards_its_end_is_empty_when_it_gets_there():
    assert evaluated(lambda day: 0.1 - 0.01 * day, full_at=0.0).days == pytest.approx(10)


@pytest.mark.parametrize(("count", "told"), [(1, False), (2.4, False), (3, True), (8, True)])
def test_fewer_than_three_days_are_not_enough(count, told):
    outcome = evaluated(lambda day: 0.9 + 0.01 * day, count=count).outcome
    assert outcome is (Outcome.FULL_IN if told else Outcome.TOO_LITTLE)


def test_days_of_which_most_is_missing_do_not_count():
    assert evaluated(lambda day: 0.9 + 0.01 * day if day > -2 or day % 1 > 0.7 else ...).outcome is Outcome.TOO_LITTLE


@pytest.mark.parametrize("quality", [quality for quality in Quality if quality is not Quality.OK])
def test_a_value_that_is_not_well_known_is_nothing_to_go_on_from(quality):
    assert evaluated(lambda day: 0.9 + 0.01 * day, quality=quality).outcome is Outcome.TOO_LITTLE


def test_nothing_is_stated_beyond_ninety_days():
    assert evaluated(lambda day: 0.5 + 0.0056 * day).stated
    assert not evaluated(lambda day: 0.5 + 0.0055 * day).stated


@given(st.floats(0.001, 0.05), st.floats(0.3, 0.95), st.floats(0.0, 0.2))
def test_every_line_is_found_whatever_its_slope_level_and_rhythm(slope, level, rhythm):
    found = evaluated(lambda day: level + slope * day + rhythm * math.sin(day * 2 * math.pi), step=4 * STEP)
    assert found.outcome is Outcome.FULL_IN
    assert found.earliest <= found.days * (1 + 1e-6)
    assert found.days <= found.latest * (1 + 1e-6)
    assert found.days == pytest.approx((1 - level) / slope, rel=1e-3)


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_the_slope_lies_in_its_interval_and_turns_with_its_days(values):
    forward = {number: {0: value} for number, value in enumerate(values)}
    backward = {number: {0: value} for number, value in enumerate(reversed(values))}
    low, slope, high = forecast.slopes(forward)
    assert low <= slope <= high
    assert forecast.slopes(backward) == pytest.approx((-high, -slope, -low))


TEXT = PROFILE.replace("stock: {title: Stock, query: stock,", "stock: {title: Stock, query: stock, full_at: 100,")


def filling(last, per_day):
    """A shop whose stock grows."""
    shop = Shop()
    plain = shop._values

    def values(name, question):
        if name != "stock" or question.window is None:
            return plain(name, question)
        end = question.window.end.timestamp()
        times = question.window.seconds / question.step
        first = last + (end - END) / DAY * per_day
        return answer(
            lambda number: first - (times - 1 - number) * question.step / DAY * per_day, question.window, question.step
        )

    shop._values = values
    return shop


def test_the_remark_stands_under_the_row_and_is_news_only_when_it_is_soon():
    later = report(filling(80.0, 1.0), text=TEXT).report
    assert notes(later)["stock"][-1] == "full in about 20 days (20 to 20)"
    assert "full in" not in str(rows(later).get("stock", ""))
    soon = report(filling(90.0, 1.0), text=TEXT).report
    assert "full in about 10 days (10 to 10)" in str(rows(soon)["stock"])
    assert soon.findings == ()


def test_without_a_level_at_which_it_is_full_nothing_is_said():
    assert "full" not in str(notes(report(filling(90.0, 1.0)).report))


def test_a_hole_in_the_answer_is_no_statement():
    shop = filling(90.0, 1.0)
    shop.warnings = ("store b is gone",)
    assert "full" not in str(notes(report(shop, text=TEXT).report))


def test_samples_that_are_no_numbers_are_not_taken_for_zero():
    samples = tuple(Sample(sample.time, None) for sample in course(lambda _: 0.9))
    nothing = result(0.9, None, "ratio", series=Series(samples=samples))
    assert forecast.evaluate(nothing, 1.0, STEP, END).outcome is Outcome.TOO_LITTLE

"""When something is full: told with an interval, and not told where nobody can know."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsjobs.analysis import bands, forecast
from opsjobs.analysis.forecast import Outcome
from opsjobs.analysis.growth import Memory
from opsjobs.model import Quality, Sample, Series, Trend
from opsjobs.report import data
from tests.unit.shop import DAY as DAY_OF_REPORT
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
    assert notes(later)["stock"][-1] == ("full in about 20 days (20 to 20); no earlier forecasts to hold it against")
    assert "full in" not in str(rows(later).get("stock", ""))
    soon = report(filling(90.0, 1.0), text=TEXT).report
    assert "full in about 10 days (10 to 10)" in str(rows(soon)["stock"])
    assert soon.findings == ()


def test_without_a_level_at_which_it_is_full_nothing_is_said():
    assert "full" not in str(notes(report(filling(90.0, 1.0)).report))


def days_ago(number):
    return DAY_OF_REPORT - timedelta(days=number)


def trend(value, low=0.9, slope=1.0, high=1.1):
    return Trend(value=value, low=low, slope=slope, high=high)


def test_a_forecast_is_held_against_what_came_by_its_slope_and_its_interval():
    earlier = {days_ago(10): trend(50.0)}
    for value, held in ((59.0, 1), (61.0, 1), (58.9, 0), (61.1, 0)):
        assert forecast.fared(earlier, value, DAY_OF_REPORT) == forecast.Fared(1, held)
    # What shrinks has its lower end below.
    shrinking = {days_ago(10): trend(50.0, -1.1, -1.0, -0.9)}
    assert forecast.fared(shrinking, 39.0, DAY_OF_REPORT).held == 1
    assert forecast.fared(shrinking, 42.0, DAY_OF_REPORT).held == 0


def test_a_line_without_a_width_holds_what_lies_on_it_whatever_the_rounding():
    exact = {days_ago(number): trend(1 - 0.1 * number, 0.1, 0.1, 0.1) for number in range(1, 30)}
    assert forecast.fared(exact, 1.0, DAY_OF_REPORT) == forecast.Fared(4, 4)


@pytest.mark.parametrize(
    ("known", "checked"),
    [
        (range(1, 36), [7, 14, 21, 28]),
        ([1, 2, 3, 4, 5], [5, 4, 3, 2]),
        ([6, 8, 15, 27, 35], [6, 15, 27, 35]),
        ([3], [3]),
        ([0, 36, -1], []),
    ],
)
def test_the_forecasts_of_four_weeks_are_looked_at_or_those_nearest_to_them(known, checked):
    earlier = {days_ago(number): trend(0.0, 0.0, 0.0, 0.0) for number in known}
    assert forecast.fared(earlier, 1.0, DAY_OF_REPORT).checked == len(checked)
    for number in known:
        # A value that only this one holds.
        only = {**earlier, days_ago(number): trend(1.0, 0.0, 0.0, 0.0)}
        assert forecast.fared(only, 1.0, DAY_OF_REPORT).held == (number in checked), number


@pytest.mark.parametrize(
    ("fared", "said"),
    [
        ((0, 0), "no earlier forecasts to hold it against"),
        ((1, 1), "the interval of its last forecast for this day held what came"),
        ((1, 0), "the interval of its last forecast for this day did not hold what came"),
        ((4, 3), "its last 4 forecasts for this day: 3 within their interval"),
    ],
)
def test_how_they_fared_is_said_in_words(fared, said):
    assert forecast.Fared(*fared).text == said


def test_values_of_single_days_make_a_line_too():
    values = {days_ago(number): 80.0 - number for number in range(1, 10)}
    found = forecast.through(values, 80.0, DAY_OF_REPORT, 100.0)
    assert (found.outcome, found.days) == (Outcome.FULL_IN, pytest.approx(20))
    assert found.trend == Trend(value=80.0, low=1.0, slope=1.0, high=1.0)
    assert forecast.through({days_ago(1): 79.0}, 80.0, DAY_OF_REPORT, 100.0).outcome is Outcome.TOO_LITTLE
    assert found.said("used up").startswith("used up in about 20 days")


def test_the_report_says_how_earlier_forecasts_fared_beside_its_own():
    made = {days_ago(number): trend(80.0 - number, 1.0, 1.0, 1.0) for number in (7, 14, 21)}
    made[days_ago(28)] = trend(10.0)
    memory = Memory(forecasts={"indicator:stock": made, "indicator:orders": made})
    result = report(filling(80.0, 1.0), text=TEXT, memory=memory)
    said = "full in about 20 days (20 to 20); its last 4 forecasts for this day: 3 within their interval"
    assert notes(result.report)["stock"][-1] == said
    (kept,) = result.forecasts
    assert (kept.subject, kept.day) == ("indicator:stock", DAY_OF_REPORT)
    assert kept.trend.value == pytest.approx(80.0) and kept.trend.slope == pytest.approx(1.0)


def indicator_in_json(result, name):
    document = json.loads(data.render(result.report))
    schema = json.loads((Path(__file__).parents[3] / "docs/report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    sections = document["sections"]
    tables = [block["rows"] for section in sections for block in section["blocks"] if block["kind"] == "indicators"]
    return next(row for rows in tables for row in rows if row["id"] == name)


def test_the_json_has_the_numbers_of_bands_and_forecasts_beside_their_words():
    past = {"stock": dict.fromkeys(bands.same_weekdays(DAY_OF_REPORT), 50.0)}
    memory = Memory(forecasts={"indicator:stock": {days_ago(7): trend(73.0)}})
    found = indicator_in_json(report(filling(80.0, 1.0), text=TEXT, past=past, memory=memory), "stock")
    assert found["band"] == {"weekday": "Wednesday", "low": 45, "usual": 50, "high": 55, "outside": True}
    numbers = found["forecast"]
    assert [numbers[name] for name in ("days", "earliest", "latest")] == pytest.approx([20, 20, 20])
    assert (numbers["outcome"], numbers["checked"], numbers["held"]) == ("full in", 1, 1)


def test_the_json_has_no_number_where_the_words_have_none():
    far = indicator_in_json(report(filling(50.0, 0.1), text=TEXT), "stock")["forecast"]
    assert far.pop("outcome") == "not soon"
    assert set(far.values()) == {None}
    inside = indicator_in_json(
        report(Shop(), past={"orders": dict.fromkeys(bands.same_weekdays(DAY_OF_REPORT), 30.0)}), "orders"
    )
    assert (inside["band"]["outside"], inside["notes"], inside["forecast"]) == (False, [], None)


def test_a_forecast_of_a_later_day_or_of_the_day_itself_does_not_count():
    memory = Memory(forecasts={"indicator:stock": {DAY_OF_REPORT: trend(0.0), days_ago(-1): trend(0.0)}})
    said = notes(report(filling(80.0, 1.0), text=TEXT, memory=memory).report)["stock"][-1]
    assert said.endswith("no earlier forecasts to hold it against")


def test_a_forecast_of_a_day_that_goes_on_is_not_remembered():
    result = report(filling(80.0, 1.0), text=TEXT, day=days_ago(-1))
    assert not result.report.over
    assert result.forecasts == ()


def test_too_little_data_is_said_where_the_value_itself_is_known():
    shop = filling(80.0, 1.0)
    rising = shop._values

    def values(name, question):
        reply = rising(name, question)
        if name != "stock" or question.window is None:
            return reply
        recent = tuple(
            replace(series, samples=tuple(sample for sample in series.samples if sample.time > END - 2 * DAY))
            for series in reply.series
        )
        return replace(reply, series=recent)

    shop._values = values
    result = report(shop, text=TEXT)
    assert notes(result.report)["stock"] == ("when it is full: not enough data",)
    assert result.forecasts == ()


def test_a_hole_in_the_answer_is_no_statement():
    shop = filling(90.0, 1.0)
    shop.warnings = ("store b is gone",)
    assert "full" not in str(notes(report(shop, text=TEXT).report))


def test_samples_that_are_no_numbers_are_not_taken_for_zero():
    samples = tuple(Sample(sample.time, None) for sample in course(lambda _: 0.9))
    nothing = result(0.9, None, "ratio", series=Series(samples=samples))
    assert forecast.evaluate(nothing, 1.0, STEP, END).outcome is Outcome.TOO_LITTLE

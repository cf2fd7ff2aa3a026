"""Whether a value is what its weekday usually brings, and what is said when nobody can know."""

import statistics
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsjobs.analysis import bands
from opsjobs.errors import QueryRejected, TimedOut
from opsjobs.model import Answer, Quality
from opsjobs.report.document import IndicatorTable
from tests.unit.shop import DAY, answer, days

from .test_changes import result
from .test_findings import Shop, report

VALUES = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=4, max_size=4)
FOUR = dict(zip(bands.same_weekdays(DAY), (80.0, 78.0, 82.0, 76.0), strict=True))


def test_the_band_is_the_median_and_three_deviations_as_hampel_has_it():
    found = bands.band([70.0, 80.0, 90.0, 120.0])
    assert found.usual == 85.0
    # Deviations from 85 are 15, 5, 5 and 35: their median is 10.
    assert (found.low, found.high) == pytest.approx((85 - 44.478, 85 + 44.478))


def test_values_that_are_alike_still_leave_a_tenth():
    assert bands.band([100.0] * 4) == bands.Band(90.0, 100.0, 110.0)


def test_four_times_nothing_does_not_say_how_much_is_much():
    assert bands.band([0.0] * 4) is None


@pytest.mark.parametrize("count", range(4))
def test_fewer_than_four_values_make_no_band(count):
    assert bands.band([1.0] * count) is None


def test_one_odd_value_does_not_widen_the_band_to_itself():
    assert not bands.band([100.0, 102.0, 98.0, 1000.0]).holds(1000.0)


def test_what_was_never_negative_is_not_expected_to_be():
    assert bands.band([1.0, 9.0, 1.0, 9.0]).low == 0.0
    assert bands.band([-1.0, 9.0, 1.0, 9.0]).low < 0


@given(VALUES)
def test_the_median_is_always_usual_and_the_order_does_not_matter(values):
    found = bands.band(values)
    if found is not None:
        assert found.holds(statistics.median(values))
        assert found == bands.band(sorted(values))
        assert found.low <= found.usual <= found.high


def test_a_value_beyond_the_band_is_told_with_what_is_usual():
    high = result(120.0, 80.0)
    left = bands.outside(high, FOUR, DAY)
    assert bands.said(high, left, DAY) == "outside its band for Wednesdays: usually 70 to 88"


def test_a_value_within_its_band_is_not_told():
    assert bands.outside(result(85.0, 80.0), FOUR, DAY) is None


@pytest.mark.parametrize("missing", range(4))
def test_a_day_that_is_missing_leaves_no_band(missing):
    three = {day: value for number, (day, value) in enumerate(FOUR.items()) if number != missing}
    others = {day - timedelta(days=1): 80.0 for day in FOUR}
    assert bands.outside(result(500.0, 80.0), three | others, DAY) is None


@pytest.mark.parametrize("quality", [quality for quality in Quality if quality is not Quality.OK])
def test_weak_evidence_leaves_no_band(quality):
    assert bands.outside(result(500.0, 80.0, quality=quality), FOUR, DAY) is None
    assert bands.outside(result(None, 80.0), FOUR, DAY) is None


def test_a_total_with_a_hole_may_be_too_much_but_not_too_little():
    partly = {"summary": "sum", "coverage": 0.9}
    assert bands.outside(result(10.0, 80.0, **partly), FOUR, DAY) is None
    assert bands.outside(result(500.0, 80.0, **partly), FOUR, DAY) is not None


def test_a_share_is_not_said_to_exceed_the_whole():
    low = result(0.5, 0.99, "ratio")
    earlier = dict.fromkeys(FOUR, 0.99)
    assert bands.said(low, bands.outside(low, earlier, DAY), DAY).endswith("usually 89.1 % to 100 %")


class Weeks(Shop):
    """A shop whose earlier weeks had other orders; it counts what it is asked of them."""

    def __init__(self, orders=100.0, **planted):
        super().__init__(**planted)
        self.orders = orders
        self.asked = []

    def _values(self, name, question):
        if question.window is not None and question.window.end < days().week_before.start:
            self.asked.append((name, question.window))
            return answer(lambda _: self.orders, question.window, question.step)
        return super()._values(name, question)


def notes(found):
    blocks = [block for section in found.sections for block in section.blocks if isinstance(block, IndicatorTable)]
    return {name: said for block in blocks for name, said in block.notes.items()}


def rows(found):
    blocks = next(section for section in found.sections if section.id == "changes").blocks
    return {row.indicator: row.remarks or row.text for block in blocks for row in block.rows}


def remembered(value, *names):
    return {name: dict.fromkeys(bands.same_weekdays(DAY), value) for name in names or ("orders",)}


def test_the_source_is_asked_for_the_same_weekdays_that_nobody_remembers():
    shop = Weeks()
    report(shop)
    windows = [window for name, window in shop.asked if name == "stock"]
    assert [window.start.date() for window in windows] == list(bands.same_weekdays(DAY)[1:])
    assert {window.seconds for window in windows} == {86400}


def test_what_is_remembered_is_not_asked_for_again():
    shop = Weeks()
    report(shop, past=remembered(100.0, "stock"))
    assert "stock" not in {name for name, _ in shop.asked}
    assert "orders" in {name for name, _ in shop.asked}


def test_the_mark_stands_under_the_row_and_in_what_changed_and_is_no_status():
    plain = report(Shop()).report
    found = report(Shop(), past=remembered(100.0)).report
    said = "outside its band for Wednesdays: usually 90 to 110"
    assert notes(found)["orders"] == (said,)
    assert rows(found)["orders"] == f"Orders, 30: {said}"
    assert (found.status, found.findings) == (plain.status, plain.findings)
    assert notes(plain) == {}


def test_what_the_source_tells_of_earlier_weeks_makes_the_band():
    # The week before had 30 like the day, the three before it 29: the median is 29, and 30 is usual.
    assert notes(report(Weeks(29.0, values={"orders": 30.0})).report).get("orders") is None
    assert "orders" in notes(report(Weeks(100.0), past={"orders": {bands.same_weekdays(DAY)[0]: 100.0}}).report)


def test_a_source_that_warns_of_earlier_weeks_leaves_no_band():
    shop = Weeks(100.0)
    plain = shop._values

    def values(name, question):
        reply = plain(name, question)
        return replace(reply, warnings=("x",)) if question.at < days().week_before.start else reply

    shop._values = values
    shop.answer = shop._reply
    past = {"orders": {bands.same_weekdays(DAY)[0]: 100.0}}
    assert notes(report(shop, past=past).report) == {}


@pytest.mark.parametrize("reply", [Answer(), QueryRejected("rejected (HTTP 422): too many samples")])
def test_earlier_weeks_that_are_not_there_leave_no_band_and_no_gap(reply):
    shop = Shop()
    plain = shop.answer
    found = report(canned=lambda asked: reply if asked.at < days().week_before.start else plain(asked)).report
    assert (found.complete, found.gaps, notes(found)) == (True, (), {})


def test_earlier_weeks_that_could_not_be_asked_are_a_gap():
    shop = Shop()
    plain = shop.answer
    late = TimedOut("no answer within 30 s")
    found = report(canned=lambda asked: late if asked.at < days().week_before.start else plain(asked)).report
    assert not found.complete


def test_a_day_that_goes_on_is_not_held_against_whole_ones():
    shop = Weeks()
    found = report(shop, day=DAY.replace(day=19), past=remembered(100.0)).report
    assert notes(found) == {}
    assert not shop.asked

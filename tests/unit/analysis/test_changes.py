"""What moved from one day to the next, and what is only noise."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsjobs.analysis import changes
from opsjobs.model import Direction, IndicatorResult, Measurement, Quality, Sample, Status, Threshold
from opsjobs.report.document import Changes
from tests.unit.shop import DAY, days, grid

from .test_findings import Shop, report

REAL = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda value: abs(value) > 1e-6)


def result(value, before, unit="count", *, name="orders", healthy=Direction.ABOVE, quality=Quality.OK, **known):
    return IndicatorResult(
        id=name,
        title=name.capitalize(),
        group="Shop",
        unit=unit,
        threshold=Threshold(direction=healthy),
        measurement=Measurement(value=value, unit=unit, quality=quality),
        status=Status.OK,
        day_before=before,
        **{"summary": "last", "coverage": 1.0, **known},
    )


def texts(*results):
    return [change.text for change in changes.find(results)]


def test_a_rise_is_told_with_both_values_and_its_percentage():
    assert texts(result(151.0, 79.5, "EUR")) == ["Orders rose from €79.50 to €151.00 (+90 %)"]


def test_a_ratio_moves_by_percentage_points():
    assert texts(result(0.906, 0.978, "ratio")) == ["Orders fell from 97.8 % to 90.6 % (\N{MINUS SIGN}7.2 pp)"]


@pytest.mark.parametrize(
    ("value", "before", "unit", "told"),
    [
        (110.0, 100.0, "count", True),
        (109.9, 100.0, "count", False),
        (90.0, 100.0, "count", True),
        (90.1, 100.0, "count", False),
        (0.51, 0.50, "ratio", True),
        (0.509, 0.50, "ratio", False),
        # For a ratio it is points that count: a tenth of very little is nothing.
        (0.006, 0.002, "ratio", False),
        (100.0, 100.0, "count", False),
        (0.0, 0.0, "count", False),
    ],
)
def test_what_moves_by_less_than_a_tenth_or_a_point_is_noise(value, before, unit, told):
    assert bool(texts(result(value, before, unit))) is told


def test_what_rises_from_nothing_has_no_percentage():
    assert texts(result(3.0, 0.0)) == ["Orders rose from 0 to 3"]
    assert texts(result(0.0, 3.0)) == ["Orders fell from 3 to 0 (\N{MINUS SIGN}100 %)"]


def test_whether_it_is_for_the_better_depends_on_what_is_healthy():
    def better(value, before, healthy):
        (found,) = changes.find([result(value, before, healthy=healthy)])
        return found.better

    assert better(2.0, 1.0, Direction.ABOVE)
    assert not better(1.0, 2.0, Direction.ABOVE)
    assert better(1.0, 2.0, Direction.BELOW)
    assert not better(2.0, 1.0, Direction.BELOW)


def test_the_largest_comes_first_and_each_unit_is_weighed_by_its_own_noise():
    found = texts(
        result(120.0, 100.0, "EUR", name="twice"),
        result(0.55, 0.50, "ratio", name="fivefold"),
        result(200.0, 100.0, "EUR", name="tenfold"),
    )
    assert [text.split()[0] for text in found] == ["Tenfold", "Fivefold", "Twice"]


def test_a_few_more_or_less_of_few_come_after_what_is_no_chance():
    found = texts(result(0.0, 1.0, name="few"), result(150.0, 100.0, "EUR", name="money"))
    assert [text.split()[0] for text in found] == ["Money", "Few"]


def test_what_another_change_explains_is_not_told_a_second_time():
    both = [result(151.0, 79.5, "EUR", name="cost"), result(0.9, 0.001, "ratio", name="spike")]
    causes = {"spike": "cost", "cost": ""}
    assert [each.indicator for each in changes.find(both, causes)] == ["cost"]
    assert [each.indicator for each in changes.find([result(80.0, 79.5, name="cost"), both[1]], causes)] == ["spike"]


def test_no_more_than_five_are_told():
    assert len(texts(*(result(200.0 + number, 100.0, name=f"n{number}") for number in range(9)))) == 5


@pytest.mark.parametrize("quality", [quality for quality in Quality if quality is not Quality.OK])
def test_weak_evidence_did_not_move(quality):
    assert texts(result(200.0, 100.0, quality=quality)) == []


@pytest.mark.parametrize(("value", "before"), [(None, 1.0), (1.0, None), (None, None)])
def test_a_day_that_is_not_known_is_compared_with_nothing(value, before):
    assert texts(result(value, before)) == []


def test_a_total_with_a_hole_proves_a_rise_but_no_fall():
    partly = {"summary": "sum", "coverage": 0.9}
    assert texts(result(50.0, 100.0, **partly)) == []
    assert texts(result(150.0, 100.0, **partly)) == ["Orders rose from 100 to at least 150 (+50 %)"]


@given(REAL, REAL)
def test_what_is_told_moved_by_a_tenth_and_in_the_direction_that_is_said(value, before):
    for found in changes.find([result(value, before)]):
        assert abs(value - before) >= 0.1 * abs(before) * (1 - 1e-6)
        assert ("rose" in found.text) == (value > before)


@given(st.lists(st.tuples(REAL, REAL), max_size=12))
def test_the_largest_come_first_whatever_their_number(pairs):
    found = changes.find([result(value, before, name=f"n{number}") for number, (value, before) in enumerate(pairs)])
    sizes = [each.size for each in found]
    assert sizes == sorted(sizes, reverse=True)
    assert len(found) <= 5


def section(shop, **known):
    return next(part for part in report(shop, **known).report.sections if part.id == "changes")


def moved(name, before, value):
    """A shop in which one gauge has another value on the day than before."""
    shop = Shop()
    plain = shop._values

    def values(asked, question):
        reply = plain(asked, question)
        if asked != name or question.window is None:
            return reply
        begin = days().window.start.timestamp()
        (series,) = reply.series
        points = tuple(Sample(time, value if time > begin else before) for time in grid(question.window, question.step))
        return replace(reply, series=(replace(series, samples=points),))

    shop._values = values
    return shop


def test_the_section_comes_first_and_says_what_moved():
    result = report(moved("stock", 4.0, 5.0)).report
    assert result.sections[0].id == "changes"
    (block,) = result.sections[0].blocks
    assert isinstance(block, Changes)
    assert [(row.text, row.better) for row in block.rows] == [("Stock rose from 4 to 5 (+25 %)", True)]


def test_when_nothing_moved_that_is_said():
    part = section(Shop())
    assert (part.note, part.blocks) == ("Nothing moved by more than a tenth.", ())


def test_when_nothing_is_known_it_is_not_said_that_nothing_moved():
    assert section(Shop(warnings=("store b is gone",))).note == "Nothing can be compared with the day before."


def test_what_can_not_be_compared_is_counted():
    note = section(Shop(absent={"stock"})).note
    assert note == "Nothing moved by more than a tenth. 1 of 5 indicators cannot be compared."


def test_a_day_that_goes_on_is_compared_with_the_same_hours():
    assert section(Shop(), day=DAY.replace(day=19)).note.startswith("Against the same hours of the day before.")

import math
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsjobs import words
from opsjobs.analysis import indicators
from opsjobs.analysis.history import History
from opsjobs.analysis.indicators import SUMMARIES, evaluate
from opsjobs.analysis.trust import Surroundings
from opsjobs.errors import Unreachable
from opsjobs.model import Answer, Outage, Quality, Sample, Series, Status, Window
from opsjobs.system import BreakdownSpec
from tests.unit.shop import DAY, TEAM, ZONE, answer, days, system

DECLARED = {declared.id: declared for declared in system().indicators}


def judge(reply, name="orders", when=None, around=None, breakdown=None, **spec):
    declared = DECLARED[name]
    declared = declared._replace(spec=declared.spec.model_copy(update=spec))
    surroundings = Surroundings(days=when or days(), max_age=600, **(around or {}))
    return evaluate(declared, reply, surroundings, breakdown=breakdown, team=TEAM)


def ratio(above, below):
    parts = [("numerator", answer(above)), ("denominator", answer(below))]
    return Answer(series=tuple(replace(reply.series[0], labels={"part": part}) for part, reply in parts))


@pytest.mark.parametrize(
    ("summary", "expected"), [("last", 24), ("mean", 12.5), ("max", 24), ("sum", 300), ("p95", 22.85)]
)
def test_the_value_of_the_day_is_made_by_the_indicators_own_summary(summary, expected):
    result = judge(answer(lambda hour: hour + 1.0), summary=summary)
    assert result.measurement.value == pytest.approx(expected)


def test_a_ratio_is_sum_over_sum_and_not_a_mean_of_ratios():
    quiet_and_busy = ratio([0.0] * 23 + [900.0], [1.0] * 23 + [1000.0])
    assert judge(quiet_and_busy, "paid").measurement.value == pytest.approx(900 / 1023)


def test_hours_in_which_nothing_happened_do_not_spoil_a_ratio():
    result = judge(ratio([0.0] * 12 + [10.0] * 12, [0.0] * 12 + [10.0] * 12), "paid")
    assert (result.measurement.value, result.status) == (1.0, Status.OK)


def test_a_day_in_which_nothing_happened_has_no_ratio():
    result = judge(ratio([0.0] * 24, [0.0] * 24), "paid")
    assert (result.measurement.quality, result.status) == (Quality.NAN, Status.UNKNOWN)
    assert "division by zero" in result.measurement.reason


def test_a_ratio_without_its_numerator_is_not_known_and_not_zero():
    denominator_only = Answer(series=(replace(answer([5.0] * 24).series[0], labels={"part": "denominator"}),))
    result = judge(denominator_only, "paid")
    assert (result.measurement.value, result.status) == (None, Status.UNKNOWN)


@pytest.mark.parametrize(
    ("value", "status"),
    [(10.0, Status.OK), (9.99, Status.WARNING), (5.0, Status.WARNING), (4.99, Status.CRITICAL), (25.0, Status.OK)],
)
def test_a_limit_is_violated_strictly_beyond_it(value, status):
    assert judge(answer([value] * 24)).status is status


def test_no_series_is_unknown():
    result = judge(Answer())
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.EMPTY)
    assert result.measurement.reason == "the query returned nothing"
    assert result.coverage == 0


def test_an_indicator_without_limits_is_unknown_too_when_there_is_no_data():
    assert judge(Answer(), "again").status is Status.UNKNOWN


def test_a_day_without_samples_after_days_that_had_them_says_when_the_last_was():
    before = answer([30.0] * 24, days().day_before)
    result = judge(before)
    assert result.status is Status.UNKNOWN
    assert result.measurement.reason == "no samples in the window; the last was at 00:00"


def test_nan_all_day_is_told_as_a_division_by_zero():
    result = judge(answer([None] * 24))
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.NAN)


def test_nan_at_the_end_leaves_no_last_value():
    result = judge(answer([30.0] * 23 + [None]), summary="last")
    assert (result.measurement.value, result.measurement.quality) == (None, Quality.NAN)


def test_a_series_that_ended_hours_ago_is_stale_and_not_ok():
    result = judge(answer([30.0] * 22 + [...] * 2))
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.STALE)
    assert result.measurement.reason == "no samples since 22:00, 2 h before the end"


def test_a_stale_value_that_is_beyond_its_limit_still_alarms():
    assert judge(answer([1.0] * 22 + [...] * 2)).status is Status.CRITICAL


def test_a_value_whose_metric_has_vanished_is_stale_although_the_query_still_answers():
    result = judge(answer([30.0] * 24), around={"missing": ["orders"]})
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.STALE)


def test_half_a_day_does_not_stand_for_the_day():
    result = judge(answer([...] * 12 + [30.0] * 12))
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.PARTIAL)
    assert result.measurement.reason == "no samples from 00:00 to 12:00 (12 h)"


def test_two_hours_that_are_missing_are_not_well_although_the_rest_is():
    hole = answer([30.0] * 10 + [...] * 2 + [30.0] * 12)
    for summary in ("mean", "last", "max"):
        result = judge(hole, summary=summary)
        assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.PARTIAL)
        assert result.measurement.reason == "no samples from 10:00 to 12:00 (2 h)"
        assert (result.day_before, result.week_before) == (None, None)


def test_a_hole_while_the_component_was_down_is_said_and_is_not_held_against_the_value():
    start = days().window.start
    outage = Outage(start=start + timedelta(hours=10), end=start + timedelta(hours=12), known=True, ended=True)
    hole = answer([30.0] * 10 + [...] * 2 + [30.0] * 12)
    result = judge(hole, around={"outages": {"API": [outage]}})
    assert (result.status, result.measurement.quality) == (Status.OK, Quality.OK)
    assert result.measurement.reason == "not measured from 10:00 to 12:00, while API was down"
    later = replace(outage, start=start + timedelta(hours=15), end=start + timedelta(hours=17))
    assert judge(hole, around={"outages": {"API": [later]}}).status is Status.UNKNOWN


def test_a_point_that_is_missing_now_and_then_is_no_hole_until_there_are_too_many():
    few = answer(lambda step: ... if step % 20 == 0 else 30.0, step=300)
    assert judge(few, step="5m").status is Status.OK
    many = answer(lambda step: ... if step % 2 else 30.0, step=300)
    result = judge(many, step="5m")
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.PARTIAL)
    assert result.measurement.reason == "covers only 12 h of 24 h"


def test_a_total_with_a_hole_says_at_least():
    start = days().window.start
    outage = Outage(start=start + timedelta(hours=10), end=start + timedelta(hours=12), known=True, ended=True)
    hole = answer([30.0] * 10 + [...] * 2 + [30.0] * 12)
    result = judge(hole, summary="sum", around={"outages": {"API": [outage]}})
    assert words.measured(result) == "at least 660"
    assert words.measured(judge(answer([30.0] * 24), summary="sum")) == "720"


def test_steps_of_a_ratio_without_their_numerator_are_a_hole_and_not_left_out():
    result = judge(ratio([9.0] * 10 + [...] * 4 + [9.0] * 10, [10.0] * 24), "paid", critical=0.5)
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.PARTIAL)
    assert "from 10:00 to 14:00" in result.measurement.reason


class TestEpisodes:
    """An hour beyond a limit is told although the day as a whole is well."""

    def spiked(self, start, length, value=4.0, otherwise=30.0):
        return answer(lambda step: value if start <= step < start + length else otherwise, step=300)

    def judged(self, reply, held="10m", **spec):
        return judge(reply, step="5m", held_for=held, **spec)

    def test_an_hour_beyond_critical_that_ended_is_a_warning_with_its_times(self):
        result = self.judged(self.spiked(120, 12))
        (episode,) = result.episodes
        assert result.measurement.value > 10
        assert (result.status, episode.status, episode.ended) == (Status.WARNING, Status.CRITICAL, True)
        assert (episode.start, episode.seconds, episode.worst) == (
            days().window.start + timedelta(hours=10),
            3600,
            4.0,
        )

    def test_one_that_goes_on_at_the_end_of_the_day_has_the_status_of_its_limit(self):
        result = self.judged(self.spiked(280, 8))
        assert (result.status, result.episodes[0].ended) == (Status.CRITICAL, False)

    def test_one_that_is_shorter_than_its_for_is_not_told(self):
        assert self.judged(self.spiked(120, 1)).episodes == ()
        assert self.judged(self.spiked(120, 2)).episodes != ()

    def test_without_a_for_only_the_value_of_the_day_is_judged(self):
        result = self.judged(self.spiked(120, 12), held=None)
        assert (result.status, result.episodes) == (Status.OK, ())

    def test_a_critical_one_is_not_told_again_as_a_warning(self):
        result = self.judged(answer(lambda step: {119: 8.0, 120: 4.0, 121: 4.0, 122: 8.0}.get(step, 30.0), step=300))
        assert [episode.status for episode in result.episodes] == [Status.CRITICAL]

    def test_a_point_on_the_limit_is_within_it(self):
        assert self.judged(self.spiked(120, 12, value=10.0)).episodes == ()

    def test_points_without_a_number_end_an_episode_and_are_none(self):
        assert self.judged(self.spiked(120, 12, value=None)).episodes == ()


class TestLookback:
    """A function over thirty days gives a number after three of them, too."""

    WHOLE = Window(start=days().week_before.start, end=days().window.end)
    FAR = Window(start=days().week_before.start - timedelta(days=30), end=days().window.end)

    def judged(self, first_day, query="max_over_time(orders[30d])"):
        """With samples from that day of the far range on."""
        seen = answer(lambda hour: 1.0 if hour >= first_day * 24 else ..., self.FAR, __name__="orders")
        reply = answer(lambda hour: 30.0, self.WHOLE)
        return judge(reply, query=query, summary="last", around={"history": History(seen)})

    def test_with_all_of_the_past_the_value_and_both_comparisons_stand(self):
        result = self.judged(0)
        assert (result.status, result.day_before, result.week_before) == (Status.OK, 30.0, 30.0)

    def test_a_comparison_with_a_week_that_did_not_have_all_of_its_past_is_left_out(self):
        result = self.judged(4)
        assert (result.status, result.day_before, result.week_before) == (Status.OK, 30.0, None)

    def test_points_without_all_of_their_past_are_not_drawn(self):
        points = self.judged(4).series.samples
        assert 0 < len(points) < len(self.judged(0).series.samples)

    def test_a_value_without_its_past_is_not_known_and_says_how_much_there_is(self):
        result = self.judged(35)
        assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.PARTIAL)
        assert result.measurement.reason == "the query reads back 30 d, and only 3 d 1 h are there"

    def test_a_query_that_does_not_read_back_needs_no_past(self):
        assert self.judged(35, query="orders").status is Status.OK


def test_warnings_of_the_source_turn_ok_into_unknown():
    result = judge(answer([30.0] * 24, warnings=("store b is gone",)))
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.PARTIAL)
    assert "store b is gone" in result.measurement.reason


def test_an_error_is_unknown_with_its_own_words():
    result = judge(Unreachable("Prometheus at http://x cannot be reached: Connection refused"))
    assert (result.status, result.measurement.quality) == (Status.UNKNOWN, Quality.ERROR)
    assert "Connection refused" in result.measurement.reason


def test_several_series_are_an_error_of_the_query_and_none_is_picked():
    series = answer([30.0] * 24).series[0]
    result = judge(Answer(series=(series, replace(series, labels={"instance": "b"}))))
    assert (result.status, result.measurement.value) == (Status.UNKNOWN, None)
    assert "2 series" in result.measurement.reason


def test_the_day_is_compared_with_the_day_before_and_the_same_weekday_of_last_week():
    when = days()
    whole = Window(start=when.week_before.start, end=when.window.end)
    values = [float(hour // 24) for hour in range(8 * 24)]
    result = judge(answer(values, whole))
    assert (result.week_before, result.day_before, result.measurement.value) == (0.0, 6.0, 7.0)


def test_a_day_of_which_too_little_is_known_is_nothing_to_compare_with():
    when = days()
    whole = Window(start=when.week_before.start, end=when.window.end)
    values = [... if hour < 150 else 30.0 for hour in range(8 * 24)]
    result = judge(answer(values, whole))
    assert (result.week_before, result.day_before) == (None, None)
    assert result.status is Status.OK


def test_attainment_is_the_share_of_the_steps_that_met_the_target():
    result = judge(answer([19.0] * 6 + [20.0] * 18))
    assert result.attainment == 0.75
    assert judge(answer([20.0] * 24), summary="sum").attainment is None
    assert judge(answer([20.0] * 24), "again").attainment is None


def test_a_breakdown_is_sorted_and_short():
    members = Answer(
        series=tuple(Series(labels={"user": f"u{number}"}, samples=(Sample(0, float(number)),)) for number in range(9))
    )
    spec = BreakdownSpec.model_construct(by="user", query="orders")
    declared = DECLARED["orders"]
    declared = declared._replace(spec=declared.spec.model_copy(update={"breakdown": spec}))
    result = evaluate(
        declared, answer([30.0] * 24), Surroundings(days=days(), max_age=600), breakdown=members, team=TEAM
    )
    assert [share.name for share in result.breakdown] == ["u8", "u7", "u6", "u5", "u4"]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (DAY, 24)])
def test_the_days_on_which_the_clocks_change_have_their_own_length(day, hours):
    when = days(day)
    assert when.window.seconds == hours * 3600
    assert judge(answer([30.0] * hours, when.window), when=when).coverage == 1


def test_windows_follow_each_other_without_gap_or_overlap_for_two_years():
    day = date(2026, 1, 1)
    for _ in range(730):
        following = day + timedelta(days=1)
        assert Window.day(day, ZONE).end.timestamp() == Window.day(following, ZONE).start.timestamp()
        day = following


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_every_summary_lies_between_the_least_and_the_most(values):
    for name in ("last", "mean", "max", "p95"):
        value = SUMMARIES[name](values)
        slack = 1e-6 * max(1.0, *map(abs, values))
        assert min(values) - slack <= value <= max(values) + slack
    assert SUMMARIES["sum"](values) == pytest.approx(math.fsum(values))


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_five_percent_of_the_points_at_most_lie_above_p95(values):
    assert sum(value > indicators.p95(values) * (1 + 1e-9) for value in values) <= math.ceil(0.05 * len(values))

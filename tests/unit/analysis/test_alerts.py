"""What fired, how often and how long, from points as Prometheus gives them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsjobs.analysis import alerts
from opsjobs.errors import TimedOut
from opsjobs.model import Answer, Sample, Series
from opsjobs.report.document import AlertTable
from tests.unit.shop import answer, days, grid

from .test_findings import Shop, report

DAYS = days()
BEFORE = alerts.before(DAYS)
MIDNIGHT = DAYS.window.start.timestamp()
LOADED = answer(lambda _: 12.0, replace(DAYS.window, start=BEFORE.start), alerts.WEEK_STEP)
MINUTES_OF_DAY = 1440
LATE = TimedOut("no answer within 30 s")


def fired(window, step, spans, name="Slow", severity="critical", team="web"):
    """A series that is there within spans of minutes of the day; those before it are negative."""
    times = [
        time
        for time in grid(window, step)
        if any(MIDNIGHT + start * 60 < time <= MIDNIGHT + end * 60 for start, end in spans)
    ]
    labels = {"alertname": name, "severity": severity, "team": team}
    return Series(labels=labels, samples=tuple(Sample(time, 1.0) for time in times))


def history(*spans, rules=LOADED, **labels):
    day = Answer(series=(fired(DAYS.window, alerts.STEP, spans, **labels),))
    earlier = Answer(series=(fired(BEFORE, alerts.WEEK_STEP, spans, **labels),))
    return alerts.evaluate(day, earlier, rules, DAYS)


def only(found):
    (alert,) = found.alerts
    return alert


def at(minute):
    return DAYS.window.start + timedelta(minutes=minute)


def test_an_alert_is_told_with_its_times_length_severity_and_team():
    alert = only(history((550, 1170)))
    assert (alert.name, alert.severity, alert.team, alert.firings) == ("Slow", "critical", "web", 1)
    assert [(spell.start, spell.end, spell.ended) for spell in alert.spells] == [(at(550), at(1170), True)]
    assert (alert.seconds, alert.longest, alert.firing, alert.flapping) == (620 * 60, 620 * 60, False, False)


def test_an_alert_that_fires_at_the_end_is_still_firing():
    assert only(history((980, MINUTES_OF_DAY))).firing
    assert not only(history((980, MINUTES_OF_DAY - 1))).firing


def test_three_firings_in_a_day_are_flapping_and_two_are_not():
    assert only(history((10, 20), (30, 40), (50, 60))).flapping
    assert not only(history((10, 20), (30, 40))).flapping


def test_the_longest_firing_is_that_within_the_day():
    alert = only(history((10, 40), (60, 160), (200, 210)))
    assert (alert.firings, alert.seconds, alert.longest) == (3, 140 * 60, 100 * 60)


def test_a_firing_over_midnight_is_one_and_keeps_its_start():
    alert = only(history((-120, 60)))
    assert (alert.firings, alert.week_firings) == (1, 1)
    assert (alert.spells[0].start, alert.seconds, alert.week_seconds) == (at(-120), 3600, 3 * 3600)


def test_a_firing_that_ended_at_midnight_is_not_of_the_day():
    found = history((-120, 0))
    assert found.of_the_day == ()
    alert = only(found)
    assert (alert.week_firings, alert.unresolved, alert.firing) == (1, False, False)


def test_what_fired_through_the_whole_week_was_never_resolved():
    assert only(history((-8 * 1440, 1440))).unresolved
    assert not only(history((-8 * 1440, 1430))).unresolved
    assert not only(history((-6 * 1440 + 10, 1440))).unresolved


def test_the_week_has_seven_days_and_not_eight():
    assert history((-7 * 1440, -6 * 1440)).alerts == ()
    assert only(history((-6 * 1440, -6 * 1440 + 60))).week_firings == 1


def test_the_noisiest_fired_most_often_and_once_is_no_noise():
    one = fired(BEFORE, 300, [(-3000, -2900), (-2000, -1900)], name="Often")
    other = fired(BEFORE, 300, [(-3000, -500)], name="Long")
    found = alerts.evaluate(Answer(), Answer(series=(one, other)), LOADED, DAYS)
    assert found.noisiest.name == "Often"
    assert history((10, 20)).noisiest is None


def test_those_that_still_fire_come_first_then_the_longest():
    day = Answer(
        series=(
            fired(DAYS.window, 60, [(0, 1200)], name="A"),
            fired(DAYS.window, 60, [(1400, 1440)], name="B"),
            fired(DAYS.window, 60, [(0, 1300)], name="C"),
        )
    )
    found = alerts.evaluate(day, Answer(), LOADED, DAYS)
    assert [alert.name for alert in found.alerts] == ["B", "C", "A"]
    assert alerts.tally(found.alerts, "severity") == {"critical": 3}


def test_the_same_name_with_another_severity_is_another_alert():
    day = Answer(
        series=(
            fired(DAYS.window, 60, [(0, 10)], severity="warning"),
            fired(DAYS.window, 60, [(0, 10)], severity=""),
        )
    )
    found = alerts.evaluate(day, Answer(), LOADED, DAYS)
    assert alerts.tally(found.alerts, "severity") == {"none": 1, "warning": 1}


def test_a_day_that_could_not_be_asked_is_an_error_and_not_silence():
    found = alerts.evaluate(LATE, Answer(), LOADED, DAYS)
    assert (found.alerts, found.error) == ((), "no answer within 30 s")


def test_rules_are_known_by_the_share_of_time_in_which_they_were_loaded():
    assert history(rules=LOADED).rules == 1.0
    assert history(rules=Answer()).rules == 0.0
    assert history(rules=LATE).rules is None
    zero = answer(lambda _: 0.0, DAYS.window, alerts.WEEK_STEP)
    assert history(rules=zero).rules == 0.0


@given(
    st.lists(st.integers(0, MINUTES_OF_DAY), min_size=2, max_size=12, unique=True).map(sorted),
)
def test_firings_are_counted_and_measured_to_the_minute_whatever_their_number(minutes):
    spans = [(start, end) for start, end in zip(minutes[::2], minutes[1::2], strict=False)]
    # What ends and begins again within a point's length can not be told apart from going on.
    apart = [spans[0]]
    for start, end in spans[1:]:
        if start > apart[-1][1]:
            apart.append((start, end))
    alert = only(alerts.evaluate(Answer(series=(fired(DAYS.window, 60, apart),)), Answer(), LOADED, DAYS))
    assert alert.firings == len(apart)
    assert alert.seconds == 60 * sum(end - start for start, end in apart)
    assert alert.longest == 60 * max(end - start for start, end in apart)
    assert alert.firing == (apart[-1][1] == MINUTES_OF_DAY)


def section(shop):
    return next(part for part in report(shop).report.sections if part.id == "alerts")


def test_a_silent_day_is_said_to_be_silent_only_where_rules_are_loaded():
    assert section(Shop()).note == "No alert fired in the day. Nor did any in the six days before."
    note = section(Shop(rules=None)).note
    assert note.startswith("No alert rules are loaded")
    assert "No alert fired" not in note


def test_rules_that_can_not_be_asked_for_make_no_silence():
    note = section(Shop(errors={"prometheus_rule_group_rules": LATE})).note
    assert note == "Whether alert rules are loaded is not known."


def test_a_day_that_can_not_be_asked_is_said_not_to_be_known():
    note = section(Shop(errors={"ALERTS": LATE})).note
    assert note == "What fired is not known: no answer within 30 s."


def test_an_answer_in_part_makes_no_silence():
    note = section(Shop(warnings=("store b is gone",))).note
    assert note == "The source answered in part: there may have been more."


def test_the_section_has_a_row_for_each_alert_and_a_sentence_for_day_and_week():
    spans = {"Slow": [(-2000, -1900), (-900, -800), (100, 200)], "Full": [(-9000, 1440)], "Old": [(-3000, -2900)]}
    part = section(Shop(alerts=spans))
    (table,) = part.blocks
    assert isinstance(table, AlertTable)
    assert [(row.name, row.firing, row.week_firings) for row in table.rows] == [("Full", True, 1), ("Slow", False, 3)]
    assert [row.name for row in table.earlier] == ["Old"]
    assert part.note == (
        "2 alerts fired in the day, 1 still at its end: 2 warning; by team: web 2. In the week, 3 alerts fired 5 times,"
        " Slow most often (3 times); never resolved: Full."
    )


def test_an_alert_that_fires_is_in_its_section_and_is_no_finding():
    result = report(Shop(alerts={"Slow": [(100, 1440)]})).report
    assert result.findings == ()


@pytest.mark.parametrize("minute", [0, 719, 1439])
def test_a_single_point_is_a_firing_of_a_minute(minute):
    alert = only(
        alerts.evaluate(Answer(series=(fired(DAYS.window, 60, [(minute, minute + 1)]),)), Answer(), LOADED, DAYS)
    )
    assert (alert.firings, alert.seconds) == (1, 60)

from dataclasses import replace

import pytest

from opsjobs.analysis import components
from opsjobs.errors import TimedOut
from opsjobs.model import Answer, Status
from tests.unit.shop import TEAM, ZONE, answer, days, system

WINDOW = days().window
MINUTES = 24 * 60


def judge(reply, before=None, **spec):
    component = system().components["api"].model_copy(update=spec)
    return components.evaluate(
        "api", component, reply, before if before is not None else reply, WINDOW, zone=ZONE, max_age=600, team=TEAM
    )


def member(name, states):
    """A member that is up but for what `states` says of spans of minutes."""

    def value(minute):
        return next((state for (start, end), state in states.items() if start <= minute < end), 1.0)

    return answer(value, WINDOW, 60, instance=name).series[0]


def members(**states):
    return Answer(series=tuple(member(name, spans) for name, spans in states.items()))


def test_a_member_that_was_up_all_day_is_ok():
    (row,) = judge(members(a={}))
    assert (row.status, row.availability, row.coverage, row.outages) == (Status.OK, 1.0, 1.0, ())


def test_an_outage_that_healed_is_a_warning_with_its_times():
    (row,) = judge(members(a={(189, 229): 0.0}))
    assert row.status is Status.WARNING
    assert row.reason == "down from 03:10 to 03:50 (40 min)"
    assert row.availability == pytest.approx(1 - 40 / MINUTES)


def test_a_member_that_is_down_at_the_end_is_critical():
    (row,) = judge(members(a={(1379, MINUTES): 0.0}))
    assert row.status is Status.CRITICAL
    assert row.reason == "down since 23:00 (1 h)"


def test_a_member_of_which_nothing_is_known_at_the_end_is_unknown_and_not_down():
    (row,) = judge(members(a={(1379, MINUTES): ...}))
    assert row.status is Status.UNKNOWN
    assert row.reason == "no samples since 23:00 (1 h)"
    assert row.availability == 1.0


def test_a_hole_in_the_day_is_unknown_and_a_missed_scrape_is_not_told():
    (hole,) = judge(members(a={(600, 640): ...}))
    assert (hole.status, hole.reason) == (Status.UNKNOWN, "no samples from 10:01 to 10:41 (40 min)")
    (missed,) = judge(members(a={(600, 605): ...}))
    assert missed.status is Status.OK


def test_nan_is_not_up():
    (row,) = judge(members(a={(600, 700): None}))
    assert row.status is Status.UNKNOWN


def test_a_member_that_vanished_has_a_row_of_its_own():
    before = members(a={}, b={}, c={})
    rows = judge(members(a={}, c={}), before)
    assert [(row.member, row.status) for row in rows] == [
        ("a", Status.OK),
        ("b", Status.UNKNOWN),
        ("c", Status.OK),
    ]
    assert rows[1].reason == "not seen in the window; it was there in the 7 days before"


def test_named_members_are_expected_even_when_they_were_never_seen():
    rows = judge(members(a={}), instances=("a", "b"))
    assert [(row.member, row.status) for row in rows] == [("a", Status.OK), ("b", Status.UNKNOWN)]


def test_a_number_of_members_expects_that_many_whoever_they_are():
    replaced = judge(members(new={}), members(old={}), instances=1)
    assert [(row.member, row.status) for row in replaced] == [("new", Status.OK)]
    too_few = judge(members(a={}, b={}), instances=3)
    assert too_few[-1].status is Status.UNKNOWN
    assert "only 2 of 3" in too_few[-1].reason


def test_a_component_that_was_never_scraped_is_unknown_and_not_missing_from_the_report():
    (row,) = judge(Answer())
    assert row.status is Status.UNKNOWN
    assert row.reason == "not seen in the window, nor in the 7 days before"


def test_an_error_is_told_once():
    (row,) = judge(TimedOut("Prometheus at http://x did not answer within 30 s"))
    assert (row.status, row.availability) == (Status.UNKNOWN, None)


def test_warnings_turn_ok_into_unknown():
    (row,) = judge(replace(members(a={}), warnings=("half of it",)))
    assert row.status is Status.UNKNOWN


def test_many_outages_are_told_in_one_line():
    (row,) = judge(members(a={(100 * n, 100 * n + 10): 0.0 for n in range(1, 9)}))
    assert row.reason.endswith("and 5 more times (50 min)")
    assert len(row.outages) == 8

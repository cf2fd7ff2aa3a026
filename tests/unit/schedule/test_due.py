"""What is due at a moment and what was missed, by made-up clocks; and the same as APScheduler asks for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.model import Slot, SlotState
from opsjobs.schedule.due import FRESH, agenda
from opsjobs.schedule.embedded import SlotTrigger
from opsjobs.schedule.slots import Cron, Slots
from opsjobs.schedule.timetable import Batch

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def batch(line="0 9 * * *", zone="UTC", job="daily", systems=("shop",), late=12 * HOUR, offset=timedelta(0)):
    slots = Slots(Cron(line), ZoneInfo(zone))
    return Batch(job=job, systems=systems, slots=slots, late=late, limit=HOUR, offset=offset)


def known(due_at, state=SlotState.DONE, system="shop", job="daily"):
    return {(system, job): Slot(system=system, job=job, due_at=due_at, state=state, at=due_at)}


def due(found):
    return [(each.slot, each.systems) for each in found.due]


def passed(found, state=SlotState.MISSED):
    return [each.due_at for each in found.passed if each.state is state]


MONDAY = at("2026-11-16 09:00")


def test_a_slot_is_due_from_its_instant_on_and_not_before():
    of_yesterday = known(MONDAY - DAY)
    assert due(agenda([batch()], of_yesterday, MONDAY - timedelta(seconds=1))) == []
    for moment in (MONDAY, MONDAY + timedelta(seconds=59), MONDAY + 12 * HOUR):
        assert due(agenda([batch()], of_yesterday, moment)) == [(MONDAY, ("shop",))]


@pytest.mark.parametrize("state", [SlotState.DONE, SlotState.FAILED, SlotState.MISSED, SlotState.SKIPPED])
def test_a_slot_that_is_over_is_not_run_again(state):
    found = agenda([batch()], known(MONDAY, state), MONDAY + HOUR)
    assert due(found) == [] and found.passed == ()


@pytest.mark.parametrize("state", [SlotState.WAITING, SlotState.RUNNING])
def test_a_slot_whose_run_never_ended_is_asked_for_again_while_it_is_not_too_late(state):
    assert due(agenda([batch()], known(MONDAY, state), MONDAY + HOUR)) == [(MONDAY, ("shop",))]
    assert due(agenda([batch()], known(MONDAY, state), MONDAY + 13 * HOUR)) == []


def test_what_came_while_nobody_was_there_is_run_once_and_the_older_ones_are_missed():
    found = agenda([batch()], known(MONDAY - 4 * DAY), MONDAY + HOUR)
    assert due(found) == [(MONDAY, ("shop",))]
    assert passed(found) == [MONDAY - 3 * DAY, MONDAY - 2 * DAY, MONDAY - DAY]
    assert {each.reason for each in found.passed} == {"nobody was there, or free for it"}


def test_what_is_too_late_is_missed_and_the_next_one_is_awaited():
    health = batch("0 */6 * * *", job="health", late=HOUR)
    found = agenda([health], known(at("2026-11-16 00:00"), job="health"), at("2026-11-16 17:30"))
    assert due(found) == [] and passed(found) == [at("2026-11-16 06:00"), at("2026-11-16 12:00")]


def test_the_first_start_ever_runs_nothing_old_and_says_so_once():
    found = agenda([batch()], {}, MONDAY + 2 * HOUR)
    assert due(found) == [] and passed(found, SlotState.SKIPPED) == [MONDAY]
    assert found.passed[0].reason == "it was due before the schedule began"
    assert agenda([batch()], known(MONDAY, SlotState.SKIPPED), MONDAY + 2 * HOUR).passed == ()


def test_the_first_call_by_cron_runs_the_slot_for_which_it_was_called():
    assert due(agenda([batch()], {}, MONDAY + FRESH)) == [(MONDAY, ("shop",))]
    assert due(agenda([batch(late=MINUTE)], {}, MONDAY + 2 * MINUTE)) == []


def test_each_system_of_a_batch_is_judged_by_what_is_known_of_it():
    three = batch(systems=("blog", "mail", "shop"))
    of_some = known(MONDAY, system="blog") | known(MONDAY - 2 * DAY, system="mail")
    found = agenda([three], of_some, MONDAY + MINUTE)
    assert due(found) == [(MONDAY, ("mail", "shop"))]
    assert [(each.system, each.due_at) for each in found.passed] == [("mail", MONDAY - DAY)]


def test_a_batch_that_begins_later_is_due_later_and_is_late_from_then_on():
    spread = batch(offset=30 * MINUTE, late=HOUR)
    of_yesterday = known(MONDAY - DAY)
    assert due(agenda([spread], of_yesterday, MONDAY + 29 * MINUTE)) == []
    for minutes in (30, 90):
        assert due(agenda([spread], of_yesterday, MONDAY + minutes * MINUTE)) == [(MONDAY, ("shop",))]
    assert passed(agenda([spread], of_yesterday, MONDAY + 91 * MINUTE)) == [MONDAY]


def test_of_a_year_away_only_the_newest_are_written_down():
    found = agenda([batch("* * * * *", late=HOUR)], known(MONDAY - 365 * DAY), MONDAY + 5 * MINUTE)
    assert due(found) == [(MONDAY + 5 * MINUTE, ("shop",))]
    assert 0 < len(found.passed) <= 100
    assert all(each.due_at < MONDAY + 5 * MINUTE for each in found.passed)


@pytest.mark.parametrize("minutes", [0, 1, 30, 59])
def test_a_clock_that_is_set_back_an_hour_runs_nothing_twice_and_then_goes_on(minutes):
    """Each minute: at 10:30 the clock is set to 09:30; what was run until then stays run."""
    line, newest = batch("*/10 * * * *"), at("2026-11-16 10:30")
    back = newest - HOUR + minutes * MINUTE
    done = {newest - number * 10 * MINUTE for number in range(60)}
    # The ledger tells of the newest that is not to come.
    last = max(each for each in done if each <= back)
    found = agenda([line], known(last), back)
    assert due(found) == [] and found.passed == ()
    later = newest + 10 * MINUTE
    assert due(agenda([line], known(newest), later)) == [(later, ("shop",))]


def test_a_clock_that_is_set_forward_a_day_runs_the_newest_slot_only():
    found = agenda([batch("0 * * * *")], known(MONDAY), MONDAY + DAY)
    assert due(found) == [(MONDAY + DAY, ("shop",))] and len(passed(found)) == 23


@pytest.mark.parametrize("zone", ["UTC", "Europe/Rome", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"])
@pytest.mark.parametrize("line", ["0 9 * * *", "30 2 * * *", "0 */6 * * *", "30 9 * * mon", "*/15 * * * *"])
def test_whoever_asks_each_minute_runs_each_slot_once_through_both_changes_of_the_clocks(line, zone):
    for start in (at("2026-03-07 00:00"), at("2026-03-28 00:00"), at("2026-10-24 00:00"), at("2026-10-31 00:00")):
        asked = batch(line, zone)
        last, ran, missed = known(asked.slots.latest(start)), [], []
        for step in range(0, 3 * 24 * 60, 15):
            moment = start + step * MINUTE
            found = agenda([asked], last, moment)
            missed += found.passed
            for each in found.due:
                ran.append(each.slot)
                last = known(each.slot)
        end = start + (3 * 24 * 60 - 15) * MINUTE
        assert ran == list(asked.slots.between(asked.slots.latest(start), end)) and missed == []


def fires(trigger, start, clock, count):
    """The instants at which APScheduler would fire, which asks with the last one and with its clock."""
    previous, found = None, []
    for _ in range(count):
        previous = trigger.get_next_fire_time(previous, clock(previous, start))
        found.append(previous)
    return found


def test_apscheduler_is_told_of_each_slot_once_and_with_its_offset():
    def clock(previous, start):
        return previous + timedelta(milliseconds=3) if previous else start

    plain, spread = batch("0 */6 * * *"), batch("0 */6 * * *", offset=7 * MINUTE)
    slots = [MONDAY + (3 + 6 * number) * HOUR for number in range(6)]
    assert fires(SlotTrigger(plain), MONDAY, clock, 6) == slots
    assert fires(SlotTrigger(spread), MONDAY, clock, 6) == [each + 7 * MINUTE for each in slots]


def test_apscheduler_is_told_nothing_twice_when_its_clock_was_set_back_and_nothing_old_when_it_slept():
    trigger = SlotTrigger(batch("0 * * * *"))
    assert trigger.get_next_fire_time(MONDAY, MONDAY - HOUR + 5 * MINUTE) == MONDAY + HOUR
    assert trigger.get_next_fire_time(MONDAY, MONDAY + DAY + 5 * MINUTE) == MONDAY + DAY + HOUR


def test_the_slots_of_a_job_are_those_of_its_own_zone():
    rome, tokyo = batch(zone="Europe/Rome"), batch(zone="Asia/Tokyo", systems=("blog",))
    both = known(at("2026-11-15 08:00")) | known(at("2026-11-16 00:00"), system="blog")
    assert due(agenda([rome, tokyo], both, at("2026-11-16 08:00"))) == [(at("2026-11-16 08:00"), ("shop",))]


def test_another_line_than_before_is_judged_from_its_last_slot_on():
    moved = replace(batch(), slots=Slots(Cron("0 7 * * *"), ZoneInfo("UTC")))
    assert due(agenda([moved], known(MONDAY), MONDAY + HOUR)) == []
    assert due(agenda([moved], known(MONDAY), MONDAY + 22 * HOUR)) == [(MONDAY + 22 * HOUR, ("shop",))]

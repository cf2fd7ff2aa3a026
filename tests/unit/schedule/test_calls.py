"""What other schedulers are to call: one command for what has the same slots."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.errors import ScheduleError
from opsjobs.schedule import calls
from opsjobs.schedule.calls import Program
from opsjobs.schedule.slots import Cron, Slots
from tests.unit.schedule.plans import SINCE, entry, made


def test_systems_with_the_same_slots_are_one_call():
    (call,) = made(entry(system="shop"), entry(system="bank"))
    assert call.name == "daily" and call.systems == ("bank", "shop")


def test_other_lines_and_other_zones_are_calls_with_names_of_their_own():
    found = made(
        entry(system="a"), entry(system="b", zone="UTC"), entry(system="c", line="0 8 * * *"), entry(job="costs")
    )
    assert [call.name for call in found] == ["costs", "daily-c", "daily-a", "daily-b"]
    assert len({call.name for call in found}) == len(found)


def test_a_call_has_the_time_for_whatever_it_may_find_of_its_job():
    hours = timedelta(hours=1)
    found = made(entry(system="a", limit=hours), entry(system="b", zone="UTC", limit=2 * hours), entry(job="costs"))
    assert {call.name: call.limit for call in found} == {
        "costs": timedelta(minutes=30),
        "daily-a": 3 * hours,
        "daily-b": 3 * hours,
    }


def test_a_call_may_be_as_late_as_the_most_patient_of_its_systems():
    (call,) = made(entry(system="a"), entry(system="b", late=timedelta(days=2)))
    assert call.late == timedelta(days=2)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Europe/Berlin", "Europe/Rome", True),
        ("Europe/Berlin", "Europe/London", False),
        ("Africa/Lagos", "Europe/Berlin", False),
        ("UTC", "Etc/UTC", True),
        ("America/Phoenix", "America/Denver", False),
    ],
)
def test_zones_are_alike_when_their_clocks_are_for_two_years(one, other, same):
    assert calls.alike(ZoneInfo(one), ZoneInfo(other), SINCE) is same


@pytest.mark.parametrize(
    ("line", "zone", "is_plain"),
    [
        ("0 9 * * *", "Europe/Berlin", True),
        ("30 2 * * *", "Europe/Berlin", False),
        ("30 2 * * *", "Asia/Kolkata", True),
        ("30 2 * * mon-sat", "Europe/Berlin", True),
        ("30 2 31 12 *", "Europe/Berlin", True),
        ("0 * * * *", "Europe/Berlin", False),
        ("30 1 * * *", "America/New_York", False),
        ("0 0 * * *", "America/Santiago", False),
        ("0 2 29 10 *", "Europe/Berlin", True),
    ],
)
def test_a_line_is_plain_when_no_slot_meets_a_change_of_clocks(line, zone, is_plain):
    assert calls.plain(Slots(Cron(line), ZoneInfo(zone)), SINCE) is is_plain


@pytest.mark.parametrize(
    ("line", "zone", "machine", "minutes"),
    [
        ("0 9 * * *", "Europe/Berlin", "UTC", [0]),
        ("15 9 * * mon", "Asia/Kolkata", "UTC", [45]),
        ("0 9 * * *", "Australia/Lord_Howe", "UTC", [0, 30]),
        ("0 9 1 * *", "UTC", "Australia/Lord_Howe", [0, 30]),
        ("30 2 * * *", "Europe/Berlin", "UTC", [0, 30]),
    ],
)
def test_the_minutes_are_those_of_the_machine(line, zone, machine, minutes):
    assert calls.minutes(Slots(Cron(line), ZoneInfo(zone)), ZoneInfo(machine), SINCE) == minutes


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("0 9 * * mon-fri", "0 9 * * 1-5"),
        ("*/10 */2 * * *", "*/10 */2 * * *"),
        ("0 9 * * sun,sat", "0 9 * * 0,6"),
        ("0 9 * * sun,mon,tue,fri", "0 9 * * 0-2,5"),
        ("0 9 1-7 3 *", "0 9 1-7 3 *"),
        ("0 9 * * sun-sat", "0 9 * * 0-6"),
    ],
)
def test_weekdays_get_numbers_and_all_else_stays_as_it_is_written(line, numbers):
    assert calls.numbered(Cron(line)) == numbers


def test_a_program_is_called_with_its_system_and_its_configuration():
    program = Program(words=("/opt/opsjobs",), config="/etc/opsjobs.yml", system="shop")
    assert program.once(["daily"]) == (
        *("/opt/opsjobs", "schedule", "once", "daily"),
        *("--system", "shop", "--config", "/etc/opsjobs.yml"),
    )
    assert program.always() == ("/opt/opsjobs", "schedule", "run", "--config", "/etc/opsjobs.yml")


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "a\x1b[31mb", "a\u2028b", "a\udcffb"])
def test_what_would_begin_another_line_is_refused(name):
    for program in (Program(config=f"/etc/{name}.yml"), Program(words=(f"/opt/{name}",)), Program(home=f"/srv/{name}")):
        with pytest.raises(ScheduleError, match="cannot be written into a schedule"):
            program.once(["daily"])

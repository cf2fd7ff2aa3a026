"""Slots beside everything else that reads cron lines: APScheduler, systemd, cronsim, croniter, and our own exports.

Where no slot falls into a change of clocks, all say the same instants. Where one does they disagree by design, and the
nights are written out: ours, and who says something else.
"""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from croniter import croniter
from cronsim import CronSim

from opsjobs.schedule import calls, kubernetes, systemd
from opsjobs.schedule.slots import Cron, Slots
from opsjobs.timetable import DEFAULTS

START = datetime(2026, 1, 1, 0, 17, tzinfo=UTC)
LAST = datetime(2099, 1, 1, tzinfo=UTC)
"""Those that come once a year need not be asked of for five hundred years."""
COUNT = 500
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago")
LINES = (
    *(timing.cron for timing in DEFAULTS.values()),
    "*/10 * * * *",
    "0 * * * *",
    "30 7 * * mon-fri",
    "15 6,18 * * sat,sun",
    "0 0 1 1 *",
    "0 12 1-7 * *",
)
CHANGING = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago")
NOT_PLAIN = {
    *((line, zone) for line in ("*/10 * * * *", "0 * * * *") for zone in CHANGING),
} - {
    # There, no whole hour comes twice.
    ("0 * * * *", "Australia/Lord_Howe"),
}
DAY = timedelta(days=1)
CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 28, 14, tzinfo=UTC), datetime(2026, 10, 24, 14, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 7, 19, tzinfo=UTC), datetime(2026, 10, 31, 19, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 5, tzinfo=UTC), datetime(2026, 10, 3, 5, tzinfo=UTC)),
    "America/Santiago": (datetime(2026, 4, 4, 18, tzinfo=UTC), datetime(2026, 9, 5, 18, tzinfo=UTC)),
}
"""Half a day before the clocks change."""
# It goes on by whole hours from a change of half an hour, and so passes over the next slot.
LOST = {("cronsim", "0 */6 * * *", "Australia/Lord_Howe")}
EVERY = [(line, zone) for line in LINES for zone in ZONES]


def apscheduler(line, zone, start):
    minute, hour, day, month, weekday = line.split()
    trigger = CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=ZoneInfo(zone))
    at = trigger.get_next_fire_time(None, start)
    while at:
        yield at.astimezone(UTC)
        at = trigger.get_next_fire_time(at, at)


def cronsim(line, zone, start):
    for at in CronSim(line, start.astimezone(ZoneInfo(zone))):
        yield at.astimezone(UTC)


def from_croniter(line, zone, start):
    walk = croniter(line, start.astimezone(ZoneInfo(zone)), ret_type=datetime)
    while True:
        yield walk.get_next().astimezone(UTC)


def from_systemd(expression, start, count=COUNT):
    done = subprocess.run(
        [
            "systemd-analyze",
            "calendar",
            f"--base-time={start:%Y-%m-%d %H:%M:%S} UTC",
            f"--iterations={count}",
            expression,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr
    for text in re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ (\S+ \S+) UTC", done.stdout):
        yield datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


PEERS = {"APScheduler": apscheduler, "cronsim": cronsim, "croniter": from_croniter}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


def ours(line, zone, start=START):
    return Slots(Cron(line), ZoneInfo(zone)).after(start)


def first(instants, count=COUNT):
    return list(takewhile(lambda at: at < LAST, islice(instants, count)))


@cache
def expected_of(line, zone):
    return first(ours(line, zone))


def night(instants, end):
    """The times of UTC until one, in a few characters."""
    return [f"{at:%H:%M}" for at in takewhile(lambda at: at < end, instants)]


def test_those_whose_slots_meet_a_change_of_clocks_are_known():
    assert {
        (line, zone) for line, zone in EVERY if not calls.plain(Slots(Cron(line), ZoneInfo(zone)), START)
    } == NOT_PLAIN


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("line", "zone"), [each for each in EVERY if each not in NOT_PLAIN])
def test_everybody_says_the_same_instants(line, zone, peer):
    expected = expected_of(line, zone)
    assert len(expected) == COUNT or (line == "0 0 1 1 *" and len(expected) > 70)
    found = first(PEERS[peer](line, zone, START))
    if (peer, line, zone) in LOST:
        (lost,) = {at for at in expected if at < found[-1]} - set(found)
        assert lost == datetime(2026, 4, 4, 19, 30, tzinfo=UTC)
    else:
        assert found == expected


@needs_systemd
@pytest.mark.parametrize(("line", "zone"), [each for each in EVERY if each not in NOT_PLAIN])
def test_systemd_says_the_same_instants_by_the_expression_of_the_export(line, zone):
    slots = Slots(Cron(line), ZoneInfo(zone))
    (expression,) = systemd.calendar(slots, START)
    assert expression.endswith(zone)
    assert first(from_systemd(expression, START)) == first(slots.after(START))


@needs_systemd
@pytest.mark.parametrize(("line", "zone"), sorted(NOT_PLAIN))
def test_where_clocks_change_at_a_slot_a_timer_comes_at_each_slot_and_perhaps_at_others(line, zone):
    slots = Slots(Cron(line), ZoneInfo(zone))
    (expression,) = systemd.calendar(slots, START)
    assert expression.endswith(" UTC")
    for start in CHANGES[zone]:
        assert set(slots.between(start, start + DAY)) <= set(from_systemd(expression, start, 200))


@pytest.mark.parametrize(("line", "zone"), EVERY)
def test_kubernetes_is_told_a_line_that_comes_at_each_slot(line, zone):
    slots = Slots(Cron(line), ZoneInfo(zone))
    told, where = kubernetes.schedule(slots, START)
    if (line, zone) not in NOT_PLAIN:
        assert where == zone
        # croniter reads numbers of weekdays as Kubernetes does.
        assert first(from_croniter(told, zone, START)) == first(slots.after(START))
        return
    assert where == "Etc/UTC"
    end = START + timedelta(days=400)
    there = set(takewhile(lambda at: at <= end, ours(told, "UTC")))
    assert set(slots.between(START, end)) <= there


@pytest.mark.parametrize("line", ["30 2 * * *", "0 9 * * *", "45 1 * * sun", "0 * * * *", "*/20 1-3 * * *"])
@pytest.mark.parametrize("zone", [*CHANGING, "Asia/Kolkata"])
@pytest.mark.parametrize("machine", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
def test_a_crontab_comes_at_each_slot_whatever_the_zone_of_its_machine(line, zone, machine):
    slots = Slots(Cron(line), ZoneInfo(zone))
    minutes = calls.minutes(slots, ZoneInfo(machine), START)
    end = START + timedelta(days=700)
    assert {at.astimezone(ZoneInfo(machine)).minute for at in slots.between(START, end)} <= set(minutes)


# Each night: the line, its zone, from when to when, and our slots in UTC.
NIGHTS = {
    "a time that Berlin leaves out": (
        "30 2 * * *",
        "Europe/Berlin",
        (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)),
        ["01:00", "00:30"],
    ),
    "a time that comes twice in Berlin": (
        "30 2 * * *",
        "Europe/Berlin",
        (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC)),
        ["00:30", "01:30"],
    ),
    "several times of the hours that Berlin leaves out": (
        "0,30 1-3 * * *",
        "Europe/Berlin",
        (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)),
        ["00:00", "00:30", "01:00", "01:30"],
    ),
    "each hour when Berlin leaves one out": (
        "0 * * * *",
        "Europe/Berlin",
        (datetime(2026, 3, 28, 22, 30, tzinfo=UTC), datetime(2026, 3, 29, 3, tzinfo=UTC)),
        ["23:00", "00:00", "01:00", "02:00"],
    ),
    "each hour when one comes twice in Berlin": (
        "0 * * * *",
        "Europe/Berlin",
        (datetime(2026, 10, 24, 22, 30, tzinfo=UTC), datetime(2026, 10, 25, 3, tzinfo=UTC)),
        ["23:00", "00:00", "01:00", "02:00"],
    ),
    "a time that New York leaves out": (
        "30 2 * * *",
        "America/New_York",
        (datetime(2026, 3, 7, 12, tzinfo=UTC), datetime(2026, 3, 9, 12, tzinfo=UTC)),
        ["07:00", "06:30"],
    ),
    "a time that comes twice in New York": (
        "30 1 * * *",
        "America/New_York",
        (datetime(2026, 10, 31, 12, tzinfo=UTC), datetime(2026, 11, 2, 12, tzinfo=UTC)),
        ["05:30", "06:30"],
    ),
    "each hour when one comes twice in New York": (
        "0 * * * *",
        "America/New_York",
        (datetime(2026, 11, 1, 4, 30, tzinfo=UTC), datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ["05:00", "06:00", "07:00"],
    ),
    "a half hour that Lord Howe leaves out": (
        "15 2 * * *",
        "Australia/Lord_Howe",
        (datetime(2026, 10, 3, 12, tzinfo=UTC), datetime(2026, 10, 5, 12, tzinfo=UTC)),
        ["15:30", "15:15"],
    ),
    "a half hour that comes twice on Lord Howe": (
        "45 1 * * *",
        "Australia/Lord_Howe",
        (datetime(2026, 4, 4, 12, tzinfo=UTC), datetime(2026, 4, 6, 12, tzinfo=UTC)),
        ["14:45", "15:15"],
    ),
    "some times of two hours when a half of one comes twice on Lord Howe": (
        "*/20 1,2 * * *",
        "Australia/Lord_Howe",
        (datetime(2026, 4, 4, 12, tzinfo=UTC), datetime(2026, 4, 5, 12, tzinfo=UTC)),
        ["14:00", "14:20", "14:40", "15:10", "15:30", "15:50", "16:10"],
    ),
    "a day that begins at one in Santiago": (
        "0 0 * * *",
        "America/Santiago",
        (datetime(2026, 9, 5, 12, tzinfo=UTC), datetime(2026, 9, 7, 12, tzinfo=UTC)),
        ["04:00", "03:00"],
    ),
}
# A time that is left out: APScheduler takes it half an hour or so later, or loses the day; systemd loses it.
# A time that comes twice: APScheduler and croniter run it twice.
# An hour that comes twice: systemd runs what is due each hour once.
OTHERWISE = {
    "a time that Berlin leaves out": {"APScheduler": ["01:30", "00:30"], "systemd": ["00:30"]},
    "a time that comes twice in Berlin": {
        "APScheduler": ["00:30", "01:30", "01:30"],
        "croniter": ["00:30", "01:30", "01:30"],
    },
    "each hour when one comes twice in Berlin": {"systemd": ["23:00", "00:00", "02:00"]},
    "a time that New York leaves out": {"APScheduler": ["07:30", "06:30"], "systemd": ["06:30"]},
    "a time that comes twice in New York": {
        "APScheduler": ["05:30", "06:30", "06:30"],
        "croniter": ["05:30", "06:30", "06:30"],
    },
    "each hour when one comes twice in New York": {"systemd": ["05:00", "07:00"]},
    "a half hour that Lord Howe leaves out": {"APScheduler": ["15:45", "15:15"], "systemd": ["15:15"]},
    "a half hour that comes twice on Lord Howe": {
        "APScheduler": ["14:45", "15:15", "15:15"],
        "croniter": ["14:45", "15:15", "15:15"],
    },
    "some times of two hours when a half of one comes twice on Lord Howe": {
        "croniter": ["14:00", "14:20", "14:40", "15:30", "15:50", "16:10"],
        "systemd": ["14:00", "14:20", "14:40", "15:30", "15:50", "16:10"],
    },
    "a day that begins at one in Santiago": {"APScheduler": ["03:00"], "systemd": ["03:00"]},
}


@pytest.mark.parametrize("case", NIGHTS)
def test_the_slots_of_a_night_of_change(case):
    line, zone, (start, end), expected = NIGHTS[case]
    slots = Slots(Cron(line), ZoneInfo(zone))
    assert night(slots.after(start), end) == expected
    # From wherever one looks.
    every = list(slots.between(start, end + DAY))
    for hours in range(int((end - start) / timedelta(hours=1))):
        at = start + timedelta(hours=hours, minutes=7)
        assert next(slots.after(at)) == min(each for each in every if each > at)


@pytest.mark.parametrize("case", NIGHTS)
@pytest.mark.parametrize("peer", PEERS)
def test_others_say_of_a_night_what_is_written_here(case, peer):
    line, zone, (start, end), expected = NIGHTS[case]
    assert night(PEERS[peer](line, zone, start), end) == OTHERWISE.get(case, {}).get(peer, expected)


@needs_systemd
@pytest.mark.parametrize("case", NIGHTS)
def test_systemd_says_of_a_night_what_is_written_here(case):
    line, zone, (start, end), expected = NIGHTS[case]
    minute, hour = (field.replace("-", "..").replace("*/", "0/") for field in line.split()[:2])
    found = night(from_systemd(f"*-*-* {hour}:{minute}:00 {zone}", start, 20), end)
    assert found == OTHERWISE.get(case, {}).get("systemd", expected)


def test_each_disagreement_belongs_to_a_night():
    assert set(OTHERWISE) <= set(NIGHTS)

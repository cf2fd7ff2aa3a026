"""Entries of a schedule, made by hand."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from opsjobs.schedule import calls
from opsjobs.schedule.slots import Cron, Slots
from opsjobs.schedule.timetable import Entry

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def entry(job="daily", line="0 9 * * *", zone="Europe/Berlin", system="shop", **known):
    made = {"late": timedelta(hours=12), "limit": timedelta(minutes=30), **known}
    return Entry(system=system, job=job, slots=Slots(Cron(line), ZoneInfo(zone)), **made)


def made(*entries):
    return tuple(calls.calls(entries))

"""What other schedulers call, and when: `opsjobs schedule once JOB`, at each slot at least.

A call too many does nothing, since the ledger knows what was run. So where a scheduler reads a line otherwise than
`slots` does, it is told to call each hour, at the minutes at which slots may fall.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from zoneinfo import ZoneInfo

from opsjobs.errors import ScheduleError
from opsjobs.schedule.slots import Cron, Slots
from opsjobs.schedule.timetable import Entry

_DAY = timedelta(days=1)
_SPAN = timedelta(days=731)
"""Beyond two years nobody knows what clocks will do."""
_HOUR = timedelta(hours=1)
_FIRST = 1500


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One job of those systems that have the same slots."""

    name: str
    """The job, with the first of its systems where others have other slots."""
    job: str
    systems: tuple[str, ...]
    slots: Slots
    late: timedelta
    limit: timedelta
    """For all that it may find to do."""

    def __str__(self) -> str:
        return f"{self.job} of {', '.join(self.systems)}: {self.slots.cron} {self.slots.zone.key}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """How opsjobs is called where there is neither our folder nor our environment."""

    words: tuple[str, ...] = ("opsjobs",)
    config: str = ""
    """The configuration; empty where the defaults hold."""
    home: str = ""
    """The folder of what it makes, where only the environment says so."""
    system: str = ""
    """The only system that is meant."""

    def once(self, jobs: Iterable[str]) -> tuple[str, ...]:
        """The command that runs what is due of these jobs."""
        return self._with("schedule", "once", *jobs, *(("--system", self.system) if self.system else ()))

    def always(self) -> tuple[str, ...]:
        """The command that sees to everything by itself."""
        return self._with("schedule", "run")

    def _with(self, *words: str) -> tuple[str, ...]:
        made = (*self.words, *words, *(("--config", self.config) if self.config else ()))
        for word in (*made, self.home):
            if not word.isprintable():
                raise ScheduleError(
                    f"{word!r} cannot be written into a schedule", advice="Give it a name without such characters."
                )
        return made


def calls(entries: Iterable[Entry]) -> list[Call]:
    """One for each job, line and zone."""

    def kind(entry: Entry) -> tuple[str, str, str]:
        return entry.job, str(entry.slots.cron), entry.slots.zone.key

    ordered = sorted(entries, key=lambda entry: (kind(entry), entry.system))
    groups = [list(same) for _, same in groupby(ordered, kind)]
    limits = {
        job: sum((entry.limit for entry in of_job), timedelta())
        for job, of_job in groupby(ordered, lambda entry: entry.job)
    }
    several = {job for job in limits if sum(group[0].job == job for group in groups) > 1}
    return [
        Call(
            name=f"{job}-{group[0].system}" if job in several else job,
            job=job,
            systems=tuple(entry.system for entry in group),
            slots=group[0].slots,
            late=max(entry.late for entry in group),
            limit=limits[job],
        )
        for group in groups
        for job in (group[0].job,)
    ]


def alike(one: ZoneInfo, other: ZoneInfo, since: datetime) -> bool:
    """Whether two zones show the same time for the coming two years."""
    if one.key == other.key:
        return True
    hours = (since + _HOUR * number for number in range(_SPAN // _HOUR))
    return all(at.astimezone(one).utcoffset() == at.astimezone(other).utcoffset() for at in hours)


def plain(slots: Slots, since: datetime) -> bool:
    """Whether for the coming two years each slot is at a time that its zone shows once, and that the line names."""
    for at in _telling(slots, [slots.zone], since):
        local = at.astimezone(slots.zone)
        if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset() or not slots.cron.at(local):
            return False
    return True


def minutes(slots: Slots, zone: ZoneInfo, since: datetime) -> list[int]:
    """At which minutes of an hour of a zone there are slots in the coming two years."""
    return sorted({at.astimezone(zone).minute for at in _telling(slots, [slots.zone, zone], since)})


def numbered(cron: Cron) -> str:
    """The line with numbers for weekdays, 0 for Sunday: not every scheduler takes a list of names."""
    weekdays = cron.fields[-1]
    *others, _ = str(cron).split()
    return " ".join([*others, "*" if weekdays is None else spans(weekdays)])


def spans(values: Iterable[int], between: str = "-", digits: str = "d") -> str:
    """Values as a field of a line, those that follow each other as a range."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts: list[str] = []
    for run in runs:
        told = [f"{value:{digits}}" for value in run]
        parts += told if len(run) <= len("ab") else [f"{told[0]}{between}{told[-1]}"]
    return ",".join(parts)


def _telling(slots: Slots, zones: list[ZoneInfo], since: datetime) -> Iterator[datetime]:
    """Slots of two years that show all there is to see: the first ones, and those about each change of clocks."""
    end = since + _SPAN
    yield from islice(slots.between(since, end), _FIRST)
    for day in (since + _DAY * number for number in range(_SPAN // _DAY)):
        if any(day.astimezone(zone).utcoffset() != (day + _DAY).astimezone(zone).utcoffset() for zone in zones):
            yield from slots.between(day - _DAY, day + 2 * _DAY)

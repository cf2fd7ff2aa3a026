"""Slots: a cron line and a zone as instants. Nothing else in opsjobs says when something runs.

A line has five fields: minute, hour, day of the month, month, weekday. Weekdays have names, since cron counts them from
Sunday and APScheduler from Monday; a day of the month together with a weekday is refused, since cron takes either and
others take both.

When clocks change, this is what Debian's cron does. A line with fixed hours and minutes runs once that day: at the
change where its time is left out, and the first time where it comes twice. A line whose hour or minute begins with a
star runs as time goes by. Whether a minute is a slot depends on it alone: it does not matter from where one looks.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

_SOME = datetime(2024, 1, 1, tzinfo=UTC)
_LEAP = _SOME.year
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_LONGEST = 500
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = ("minute", "hour", "day of the month", "month", "weekday")
_RANGES = (range(60), range(24), range(1, 32), range(1, 13), range(7))
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/([0-9]+))?")


@dataclass(frozen=True)
class Cron:
    """A line such as `0 9 * * mon-fri`. Raises `ValueError` in words where it is none."""

    line: str

    def __post_init__(self) -> None:
        if len(self.line) > _LONGEST:
            raise ValueError(f"a cron line has no more than {_LONGEST} characters")
        fields = self.line.split()
        if len(fields) != len(_NAMES):
            raise ValueError(f"'{self.line}' is no cron line: write five fields, such as 0 9 * * mon-fri")
        _, _, days, months, _ = self.fields
        if fields[2] != "*" and fields[4] != "*":
            raise ValueError(
                f"'{self.line}' has a day of the month and a weekday, which not every scheduler reads alike: use one"
            )
        if days and days[0] > max(monthrange(_LEAP, month)[1] for month in months or _RANGES[3]):
            raise ValueError(f"'{self.line}' never comes")

    @cached_property
    def fields(self) -> tuple[tuple[int, ...] | None, ...]:
        """The values of each field, None for a star; Sunday is 0."""
        return tuple(_values(text.lower(), place) for place, text in enumerate(self.line.split()))

    @property
    def fixed(self) -> bool:
        """Whether it has hours and minutes of its own, each of which comes once a day."""
        return not any(text.startswith("*") for text in self.line.split()[:2])

    def on(self, day: date) -> bool:
        """Whether the line is for a day."""
        values = (day.day, day.month, day.isoweekday() % 7)
        return all(field is None or value in field for field, value in zip(self.fields[2:], values, strict=True))

    def at(self, local: datetime) -> bool:
        """Whether the line is for a minute, whatever its zone."""
        minutes, hours, *_ = self.fields
        fits = (minutes is None or local.minute in minutes) and (hours is None or local.hour in hours)
        return fits and self.on(local.date())

    def __str__(self) -> str:
        return " ".join(self.line.lower().split())


@dataclass(frozen=True)
class Slots:
    """The instants of a cron line in a zone, as aware times in UTC without seconds."""

    cron: Cron
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Those after a moment, the first first."""
        day = _midnight(moment)
        while True:
            yield from (at for at in self._within(day) if at > moment)
            day += _DAY

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Those of `start < slot <= end`, the first first."""
        return takewhile(lambda at: at <= end, self.after(start))

    def latest(self, moment: datetime) -> datetime:
        """The last one until a moment."""
        day = _midnight(moment)
        while True:
            passed = [at for at in self._within(day) if at <= moment]
            if passed:
                return passed[-1]
            day -= _DAY

    @property
    def period(self) -> timedelta:
        """The shortest time between two slots of the days to come, as far as forty of them tell."""
        return min(later - earlier for earlier, later in pairwise(islice(self.after(_SOME), 40)))

    @property
    def longest(self) -> timedelta:
        """The longest time between two of them, as far as forty of them tell."""
        return max(later - earlier for earlier, later in pairwise(islice(self.after(_SOME), 40)))

    def _within(self, day: datetime) -> Iterator[datetime]:
        """Those of `day < slot <= day + 24 hours`, in order."""
        dates = [day.date() + _DAY * number for number in (-1, 0, 1)]
        if not any(map(self.cron.on, dates)):
            return
        offset, later = ((day + _DAY * number).astimezone(self.zone).utcoffset() for number in (0, 1))
        if offset is None or offset != later:
            minutes = (day + _MINUTE * number for number in range(1, _DAY // _MINUTE + 1))
            yield from filter(self._is_slot, minutes)
            return
        minutes_of, hours_of, *_ = self.cron.fields
        for each in filter(self.cron.on, dates):
            midnight = datetime(each.year, each.month, each.day, tzinfo=UTC) - offset
            for hour in hours_of or _RANGES[1]:
                for minute in minutes_of or _RANGES[0]:
                    at = midnight + timedelta(hours=hour, minutes=minute)
                    if day < at <= day + _DAY:
                        yield at

    def _is_slot(self, at: datetime) -> bool:
        """Whether this minute is one, on whatever day."""
        local = at.astimezone(self.zone)
        if not self.cron.fixed:
            return self.cron.at(local)
        if self.cron.at(local) and not local.fold:
            return True
        # What the clocks have just left out.
        shown, skipped = local.replace(tzinfo=None), (at - _MINUTE).astimezone(self.zone).replace(tzinfo=None) + _MINUTE
        return any(self.cron.at(skipped + _MINUTE * number) for number in range((shown - skipped) // _MINUTE))


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _values(text: str, place: int) -> tuple[int, ...] | None:
    """What a field stands for, in order."""
    if text == "*":
        return None
    found: set[int] = set()
    for part in text.split(","):
        form = _PART.fullmatch(part)
        if form is None:
            raise ValueError(f"'{text}' is no {_NAMES[place]}")
        star, first, last, step = form.groups()
        allowed = _RANGES[place]
        start = allowed[0] if star else _value(first, place)
        end = _value(last, place) if last else allowed[-1] if star or step else start
        if step and not (star or last):
            raise ValueError(f"'{part}' has a step without a range: write {first}-{allowed[-1]}/{step}")
        if end < start:
            raise ValueError(f"'{part}' runs backwards: list the values instead, such as sat,sun")
        if step and not int(step):
            raise ValueError(f"'{part}' has a step of 0")
        if step and int(step) > end - start:
            raise ValueError(f"'{part}' has a step that is longer than its range")
        if place == len(_NAMES) - 1 and step:
            raise ValueError(f"'{part}': name the weekdays instead, such as mon,wed,fri")
        found.update(range(start, end + 1, int(step or 1)))
    return tuple(sorted(found))


def _value(text: str, place: int) -> int:
    if place == len(_NAMES) - 1:
        if text not in WEEKDAYS:
            raise ValueError(f"'{text}' is no weekday: write {', '.join(WEEKDAYS)}; numbers mean two things")
        return WEEKDAYS.index(text)
    if not (text.isascii() and text.isdigit()) or int(text) not in _RANGES[place]:
        allowed = _RANGES[place]
        raise ValueError(f"'{text}' is no {_NAMES[place]}: {allowed[0]} to {allowed[-1]}")
    return int(text)

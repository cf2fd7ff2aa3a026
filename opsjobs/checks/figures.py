"""The numbers of the profile that databases keep, of the last 24 hours, against their limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from opsjobs.analysis import figures
from opsjobs.checks.check import Around, Found, Reply
from opsjobs.checks.indicators import limited, result
from opsjobs.model import Window
from opsjobs.sources import Question
from opsjobs.system import DeclaredIndicator

_SETTLED = timedelta(minutes=1)
"""As far as a standby may be behind: what it cannot have yet is not asked for."""


def declared(around: Around, store: str) -> list[DeclaredIndicator]:
    """The indicators that have a limit and come from that database."""
    return [each for each in limited(around) if each.spec.store == store]


def questions(around: Around, store: str) -> list[Question]:
    """What the database is asked for them, in their order."""
    day = _day(around)
    return [Question(query=each.spec.statement, at=day.end, window=day) for each in declared(around, store)]


def judged(around: Around, store: str, replies: Sequence[Reply]) -> Iterator[Found]:
    """One check for each of them; where one cannot be asked, that of the database explains it."""
    day = _day(around)
    for each, reply in zip(declared(around, store), replies, strict=True):
        measurement = figures.measure(reply, day, each.spec.unit)
        yield result(around, each, reply, measurement, silence=f"source:{store}")


def _day(around: Around) -> Window:
    """The day that ends with the last whole minute but one. Its date is the one before: the last that is complete."""
    end = (around.now - _SETTLED).astimezone(around.zone).replace(second=0, microsecond=0)
    return Window(start=end - timedelta(days=1), end=end)

"""What a database said on earlier days beside what it says now: how far it grew, and when it is full."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from opsjobs.analysis import forecast
from opsjobs.analysis.databases import DatabaseResult, DatabaseRow
from opsjobs.analysis.forecast import Outcome
from opsjobs.model import ServerValue, StatedForecast, Status, Trend, server_subject
from opsjobs.words import quantity

WEEK = 7
REACH = 35
"""Days back from which something is compared with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What is remembered of databases, by subject and day; an earlier value of another one has another subject."""

    numbers: Mapping[str, Mapping[date, float]] = field(default_factory=dict)
    forecasts: Mapping[str, Mapping[date, Trend]] = field(default_factory=dict)


def told(result: DatabaseResult, place: str, memory: Memory, day: date) -> DatabaseResult:
    """The rows with their growth and their forecasts. `place` is where the server is, `day` when it was asked."""
    rows = tuple(_told(row, _subject(result, place, row), memory, day) for row in result.rows)
    return replace(result, rows=rows)


def numbers(result: DatabaseResult, place: str, day: date) -> Iterator[ServerValue]:
    """What is to be remembered of a server: each number that it was sure of."""
    database = _database(result, place)
    for row in result.rows:
        number = row.number
        if number is not None and math.isfinite(number) and row.unit and row.status is not Status.UNKNOWN:
            yield ServerValue(
                server=result.id, database=database, item=row.id, day=day, value=float(number), unit=row.unit
            )


def stated(result: DatabaseResult, place: str, day: date) -> Iterator[StatedForecast]:
    """The forecasts that its rows state, for later reports to hold against what came."""
    for row in result.rows:
        if row.forecast and (kept := forecast.to_remember(_subject(result, place, row), day, row.forecast)):
            yield kept


def _database(result: DatabaseResult, place: str) -> str:
    return f"{place}/{result.database}" if result.database else place


def _subject(result: DatabaseResult, place: str, row: DatabaseRow) -> str:
    return server_subject(result.id, _database(result, place), row.id)


def _told(row: DatabaseRow, subject: str, memory: Memory, day: date) -> DatabaseRow:
    number = row.number
    if number is None or row.status is Status.UNKNOWN:
        return row
    earlier = {each: value for each, value in memory.numbers.get(subject, {}).items() if 0 < (day - each).days <= REACH}
    if row.grows and earlier:
        row = replace(row, value=f"{row.value}, {grown(number, row.unit, earlier, day)}")
    if row.full_at is None:
        return row
    found = forecast.through(earlier, number, day, row.full_at)
    if found.outcome is Outcome.TOO_LITTLE:
        return replace(row, forecast=found, reason=_and(row.reason, f"when it is {row.end}: {found.text}"))
    if not found.stated:
        return replace(row, forecast=found)
    fared = forecast.fared(memory.forecasts.get(subject, {}), number, day)
    reason = _and(row.reason, f"{found.said(row.end)}; {fared.text}")
    return replace(row, forecast=found, fared=fared, reason=reason)


def _and(reason: str, more: str) -> str:
    return f"{reason}; {more}" if reason else more


def grown(number: float, unit: str, earlier: Mapping[date, float], day: date) -> str:
    """`310 MiB more than a week ago`, or than on the remembered day that is nearest to that."""
    then = min(earlier, key=lambda each: (abs((day - each).days - WEEK), each))
    moved = number - earlier[then]
    when = "a week ago" if (day - then).days == WEEK else f"on {then.day} {then:%B}"
    if not moved:
        return f"as {'many' if unit == 'count' else 'much'} as {when}"
    return f"{quantity(abs(moved), unit)} {'more' if moved > 0 else 'less'} than {when}"

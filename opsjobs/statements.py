"""Reading what is asked of a database, without asking it: SQL with `:start` or `:day`, Redis with `{day}`.

A statement speaks of one window, so that the same window is asked again and gives the same number. What it may be is
held to a few harmless forms here; what a role may do is the wall behind that.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType

from opsjobs.model import Window

_PARAMETER = re.compile(r"(?<![:\w]):(start|end|day|first|last)\b")
_DAY = "{day}"
_MOST_MEMBERS = 500
_SHAPES: Mapping[str, int] = MappingProxyType(
    {"GET": 1, "HGET": 2, "ZSCORE": 2, "SCARD": 1, "ZCARD": 1, "HLEN": 1, "LLEN": 1, "ZREVRANGE": 4}
)
"""The commands that only read, and answer with a number or with a few members; and how many words each takes."""


def check_sql(statement: str) -> str:
    """The statement as it is kept. Raises `ValueError` when it cannot be the part of a query that gives numbers."""
    statement = statement.strip().removesuffix(";").rstrip()
    _check_reads(statement)
    named = set(_PARAMETER.findall(statement))
    if not named & {"end", "day"}:
        raise ValueError(
            "the statement does not say of when: use :end (and :start) or :day, so that a day can be asked again"
        )
    return statement


def check_span(statement: str) -> str:
    """The statement as it is kept. Raises `ValueError` when it cannot be the part of a query about some days."""
    statement = statement.strip().removesuffix(";").rstrip()
    _check_reads(statement)
    named = set(_PARAMETER.findall(statement))
    if not ({"start", "end"} <= named or {"first", "last"} <= named):
        raise ValueError(
            "the statement does not say of which days: use :first and :last, the dates of the first and the last, "
            "or :start and :end, the times between which they lie"
        )
    return statement


def _check_reads(statement: str) -> None:
    if not re.match(r"(select|with|values|table)\b", statement, re.IGNORECASE):
        raise ValueError("an SQL statement begins with SELECT or WITH")


def check_redis(command: str) -> str:
    """The command as it is kept. Raises `ValueError` when it is none of those that only read a day's number."""
    words = _words(command)
    name, *rest = words or [""]
    name = name.upper()
    if name not in _SHAPES:
        raise ValueError(f"'{name}' is not among the commands that are asked: {', '.join(sorted(_SHAPES))}")
    if len(rest) != _SHAPES[name]:
        raise ValueError(f"{name} takes {_SHAPES[name]} words here, and this has {len(rest)}")
    if name == "ZREVRANGE":
        first, last, with_scores = rest[1:]
        if not (first.isdigit() and last.isdigit() and int(last) - int(first) < _MOST_MEMBERS):
            raise ValueError(f"ZREVRANGE takes a first and a last place, at most {_MOST_MEMBERS} of them")
        if with_scores.upper() != "WITHSCORES":
            raise ValueError("ZREVRANGE gives numbers only WITHSCORES")
    if _DAY not in rest[0]:
        raise ValueError(f"the key does not say of which day: keep a key for each, with {_DAY} where the date stands")
    return command.strip()


def bound(statement: str) -> str:
    """The statement for psycopg, as the inner part of a query of at most `%(most)s` rows.

    Nothing that writes can stand there, nor a second statement.
    """
    # The text is the operator's own profile; what varies is bound.
    return f"SELECT * FROM (\n{inner(statement)}\n) AS figure LIMIT %(most)s"  # noqa: S608


def inner(statement: str, of: str = "") -> str:
    """The statement with psycopg's names for what is bound, behind each of them which window it is `of`."""
    return _PARAMETER.sub(rf"%(\1{of})s", statement.replace("%", "%%"))


def parameters(window: Window, of: str = "") -> dict[str, object]:
    """What is bound: the window's ends as times, and the local dates of its first and its last day."""
    return {f"{name}{of}": value for name, value in _values(window).items()}


def _values(window: Window) -> dict[str, datetime | date]:
    first, last = _days(window)
    return {"start": window.start, "end": window.end, "day": first, "first": first, "last": last}


def _days(window: Window) -> tuple[date, date]:
    # What ends at midnight does not reach into that day.
    return window.start.date(), (window.end - timedelta(microseconds=1)).date()


def command(declared: str, window: Window) -> list[str]:
    """The words of a Redis command for a window."""
    name, *rest = _words(declared)
    return [name.upper(), *(word.replace(_DAY, window.start.date().isoformat()) for word in rest)]


def by_hand(statement: str, window: Window) -> str:
    """The statement or command with its values filled in, for whoever runs it again by hand."""
    literals = {
        name: f"timestamptz '{value.isoformat(sep=' ')}'" if isinstance(value, datetime) else f"date '{value}'"
        for name, value in _values(window).items()
    }
    filled = _PARAMETER.sub(lambda found: literals[found[1]], statement)
    return filled.replace(_DAY, window.start.date().isoformat())


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"the command cannot be read: {error}") from None

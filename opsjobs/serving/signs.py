"""How a run looks and reads: a shape, a word and a colour, of which only what is proven well is green."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from opsjobs.ledger.reading import SlotRuns
from opsjobs.model import Outcome, Run, Status

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True, slots=True)
class Sign:
    """One shape with its word."""

    kind: str
    """`ok`, `warning`, `critical`, `unknown`, `partial`, `failed`, `missed`, `running` or `none`."""
    word: str


LATE = Sign("missed", "LATE")
MISSED = Sign("missed", "MISSED")
"""Of a job whose newest slot nobody ran."""
_PARTIAL = Sign("partial", "PARTIAL")
_OUTCOMES: Mapping[Outcome, Sign] = MappingProxyType(
    {
        Outcome.RUNNING: Sign("running", "RUNNING"),
        Outcome.FAILED: Sign("failed", "FAILED"),
        Outcome.TIMED_OUT: Sign("failed", "TIMED OUT"),
        Outcome.CRASHED: Sign("failed", "CRASHED"),
    }
)
_AHEAD = timedelta(days=14)
"""A slot that lies further ahead than this is none by the calendar."""
_SAYS_WHAT_IT_FOUND = {Outcome.SUCCEEDED, Outcome.PARTIAL}


def of(run: Run) -> tuple[Sign, ...]:
    """What a run found, and how it went where that is not all there is to say."""
    if run.outcome not in _SAYS_WHAT_IT_FOUND:
        return (_OUTCOMES.get(run.outcome, Sign("missed", run.outcome.value.upper())),)
    found = Sign(run.status.name.lower(), run.status.name) if run.status else Sign("unknown", "NOTHING SAID")
    return (found,) if run.outcome is Outcome.SUCCEEDED else (found, _PARTIAL)


def well(signs: Sequence[Sign]) -> bool:
    """Whether nothing of it needs a person."""
    return all(sign.kind == "ok" for sign in signs)


def going_on(signs: Sequence[Sign]) -> bool:
    """Whether nobody can say yet."""
    return all(sign.kind == "running" for sign in signs)


@dataclass(frozen=True, slots=True)
class Step:
    """One slot in a row of small shapes."""

    kind: str
    text: str


def trend(slots: Sequence[SlotRuns], today: date, most: int) -> tuple[Step, ...]:
    """The last slots, the oldest first; a day or a week between them of which there is no run is a step, too."""
    known = {each.run.slot: _step(each.run) for each in slots}
    names = list(reversed(known))
    every = _every(names, today)
    return tuple(known.get(name) or Step("none", f"{name}: no run") for name in (every or names)[-most:])


def counted(steps: Sequence[Step]) -> str:
    """A row of shapes in words, for who does not see it."""
    kinds = [step.text.rpartition(": ")[2] for step in steps]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


def _step(run: Run) -> Step:
    signs = of(run)
    kind = signs[-1].kind if run.status is Status.OK else signs[0].kind
    return Step(kind, f"{run.slot}: {' '.join(sign.word for sign in signs)}")


def _every(names: Sequence[str], today: date) -> list[str]:
    """Each day from the first slot to yesterday, or each week to the last; nothing where slots are neither."""
    if not names:
        return []
    days, until = [_day(name) for name in names], today - timedelta(days=1)
    if all(days):
        return _between([day for day in days if day], until, 1, "%Y-%m-%d")
    mondays = [_monday(name) for name in names]
    if all(mondays):
        last = today - timedelta(days=today.weekday() + 7)
        return _between([day for day in mondays if day], last, 7, "%G-W%V")
    return []


def _between(days: Sequence[date], until: date, every: int, form: str) -> list[str]:
    first, last = min(days), max(*days, until)
    if last > until + _AHEAD:
        return []
    # A row that ended long ago is not followed for years.
    steps = min((last - first).days // every, 366)
    return [(last - timedelta(days=every * back)).strftime(form) for back in range(steps, -1, -1)]


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name) if _DAY.fullmatch(name) else None
    except ValueError:
        return None


def _monday(name: str) -> date | None:
    found = _WEEK.fullmatch(name)
    try:
        return date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None
    except ValueError:
        return None

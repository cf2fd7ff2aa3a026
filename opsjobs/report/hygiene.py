"""What a report may hold before it is rendered: which characters, how long a text, how many rows.

Titles, labels, reasons and queries come from systems that anybody may write to. This is the one place that tames them;
escaping is the business of each format.
"""

from __future__ import annotations

import dataclasses
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from opsjobs.model import Sample
from opsjobs.report.document import Report

ROWS = 200
"""Rows that a table shows at most; report.json has all of them."""

_USUAL_LENGTH = 256
_LENGTHS = {
    "query": 4000,
    "detail": 1000,
    "reason": 1000,
    "method": 1000,
    "description": 1000,
    "advice": 1000,
    "summary": 1000,
    "note": 1000,
    "dashboard": 2000,
    "runbook": 2000,
}
# Control, format (which turn the direction of text), surrogate and unassigned characters.
_UNWANTED = frozenset({"Cc", "Cf", "Cs", "Cn"})
# Without these two, Persian, Indic scripts and emoji sequences fall apart.
_JOINERS = frozenset({"\u200c", "\u200d"})

Row = TypeVar("Row")


def cleaned(report: Report, redact: Callable[[str], str] = lambda text: text) -> Report:
    """The same report with harmless texts of bounded length and without numbers that are not finite.

    `redact` comes first: a secret that was cut is not recognised any more.
    """
    clean = _value(report, "", redact)
    if not isinstance(clean, Report):
        raise TypeError("a cleaned report is a report")
    return clean


def harmless(text: str, redact: Callable[[str], str]) -> str:
    """One text as it would stand in a report: what is kept of it elsewhere, and printed on terminals."""
    return _text(redact(text), _LENGTHS["detail"], keep_lines=False)


def shortlist(rows: Sequence[Row], badness: Callable[[Row], int]) -> tuple[Sequence[Row], int]:
    """The rows to show and how many are left out: all in their order, or the worst where there are too many."""
    if len(rows) <= ROWS:
        return rows, 0
    return sorted(rows, key=badness, reverse=True)[:ROWS], len(rows) - ROWS


def _value(value: object, name: str, redact: Callable[[str], str]) -> object:
    """One value of the tree; `name` is the field it stands in."""
    if isinstance(value, str):
        return _text(redact(value), _LENGTHS.get(name, _USUAL_LENGTH), keep_lines=name == "query")
    if isinstance(value, float | Sample):
        return _finite(value)
    if isinstance(value, tuple):
        return tuple(_value(item, name, redact) for item in value)
    if isinstance(value, Mapping):
        return {_value(key, name, redact): _value(item, name, redact) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _value(getattr(value, field.name), field.name, redact) for field in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **fields)
    return value


def _finite(value: float | Sample) -> float | Sample | None:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    # There are many, and most are as they should be.
    return value if value.value is None or math.isfinite(value.value) else value._replace(value=None)


def _text(text: str, length: int, *, keep_lines: bool) -> str:
    """Printable characters only, blanks collapsed (lines kept in queries), cut to a length with the rest counted."""
    if keep_lines:
        text = "\n".join(_printable(line).rstrip() for line in text.splitlines()).strip("\n")
    else:
        text = " ".join(_printable(text).split())
    if len(text) <= length:
        return text
    note = f"… ({len(text) - length:,} more characters)" if keep_lines else "…"
    return text[: length - len(note)].rstrip() + note


def _printable(text: str) -> str:
    if text.isprintable():
        # Most texts are, and there are many.
        return text
    spaced = "".join(" " if character.isspace() else character for character in text)
    return "".join(
        character for character in spaced if character in _JOINERS or unicodedata.category(character) not in _UNWANTED
    )

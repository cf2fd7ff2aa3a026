"""One thing that is different between two objects, in words.

Texts are bounded and printable, and no password of a URL gets into them: what is compared was written by others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

_SHOWN = 120
_LEAD = 40
"""How much of what two long texts have in common is shown before they part."""
_WHOLE = {"added", "removed"}
_PLACES = {"moved", "resized"}
RESERVED = _WHOLE | _PLACES
"""Words that say something of the whole subject; a key of that name is written in quotes."""
_LOGIN = re.compile(r"://[^/\s@]+@")


class Missing:
    """What is not there; null is, in a list."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final[Any] = Missing()


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that is different in an object; as text, the line that people read."""

    subject: str
    """`panel 'Requests'`, `variable 'job'`, `rule 'HighErrors'`, or nothing for the object itself."""
    what: str
    """`added`, `removed`, `moved`, `resized`, `query A`, `unit`, or the dotted path of what has no name."""
    before: str = ""
    after: str = ""
    """Both are empty where a value is nothing to be shown."""
    quoted: bool = field(default=False, compare=False)
    """Whether the texts are somebody's own words, which stand in quotes in a line."""

    @property
    def place(self) -> bool:
        """Whether all that changed is where it stands."""
        return self.what in _PLACES

    def __str__(self) -> str:
        if self.subject and self.what in _WHOLE:
            return f"{self.subject} {self.what}"
        before, after = (f"'{text}'" if text and self.quoted else text for text in (self.before, self.after))
        if self.subject and self.what in _PLACES:
            return f"{self.subject} {self.what} from {before} to {after}"
        line = self._said(before, after)
        return f"{self.subject}: {line}" if self.subject else line

    def _said(self, before: str, after: str) -> str:
        if before and after:
            return f"{self.what} {before} → {after}"
        if before or after:
            return f"{self.what} added: {after}" if after else f"{self.what} removed: {before}"
        return f"{self.what} changed"


Telling = Callable[[Any, Any], Difference]
"""How two values that are not the same are told; the subject is filled in by whoever knows it."""


def plain(value: Any) -> str:
    """Any value as it would be typed."""
    if value is MISSING:
        return ""
    if isinstance(value, str):
        return " ".join(value.split())
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_inner)


def bare(what: str, shown: Callable[[Any], str] = plain, *, absent: str = "") -> Telling:
    """A value in words of ours; `absent` is what it means that there is none."""

    def tell(before: Any, after: Any) -> Difference:
        one, other = (absent if value is MISSING else shown(value) for value in (before, after))
        if one == other:
            one, other = plain(before), plain(after)
        if one == other:
            # All that is different is white space.
            one, other = (json.dumps(value, ensure_ascii=False, default=_inner) for value in (before, after))
        one, other = _cut(_LOGIN.sub("://…@", one), _LOGIN.sub("://…@", other))
        if one == other:
            return Difference(subject="", what=what)
        return Difference(subject="", what=what, before=one, after=other)

    return tell


def said(what: str) -> Telling:
    """Somebody's own words, in quotes."""

    def tell(before: Any, after: Any) -> Difference:
        told = bare(what)(before, after)
        words = all(isinstance(value, str | Missing) for value in (before, after))
        return Difference(subject="", what=what, before=told.before, after=told.after, quoted=words)

    return tell


def hidden(what: str) -> Telling:
    """What may be a secret: that it changed, and nothing of it."""
    return lambda _before, _after: Difference(subject="", what=what)


def short(text: str, most: int = _SHOWN) -> str:
    """A text on one line, with no more than so many characters."""
    line = " ".join(text[: 4 * most].split())
    return _printable(line if len(line) <= most else f"{line[: most - 1]}…")


def _inner(node: Any) -> Any:
    return getattr(node, "contents", str(node))


def _cut(one: str, other: str) -> tuple[str, str]:
    """Two texts at the same place, so that what is different in them is to be seen."""
    start = 0
    if max(len(one), len(other)) > _SHOWN:
        shorter = min(len(one), len(other))
        same = next((place for place in range(shorter) if one[place] != other[place]), shorter)
        start = same - _LEAD if same > _SHOWN - _LEAD else 0
    return _from(one, start), _from(other, start)


def _from(text: str, start: int) -> str:
    most = _SHOWN - bool(start)
    cut = text[start : start + most]
    cut = cut if len(text) <= start + most else f"{cut[:-1]}…"
    return _printable(f"…{cut}" if start and text else cut)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else "�" for each in text)

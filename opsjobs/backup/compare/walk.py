"""Two cleaned objects side by side: each place at which they are not the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypedDict

from opsjobs.backup.compare.difference import MISSING, RESERVED, Difference, bare, hidden, said, short
from opsjobs.backup.compare.forms import Member, Members, Words, paired, text

_REDACTED = "[REDACTED]"
_SIMPLE = re.compile(r"[\w$@/-]+")
_NAME = 80


def walk(
    words: Words, before: Any, after: Any, *, subject: str = "", part: str = "", path: str = ""
) -> Iterator[Difference]:
    """What is different, each by its name if `words` has one, else by its dotted path below `part`."""
    at: _At = {"subject": subject, "part": part, "path": path}
    if words.redacted and _REDACTED in (_text(before), _text(after)) and before is not MISSING is not after:
        return
    tell = words.names.get(path)
    if tell is not None:
        if _unlike(before, after):
            told = tell(before, after)
            yield replace(told, subject=subject, what=_joined(part, told.what))
    elif isinstance(before, Members) or isinstance(after, Members):
        yield from _members(words, before, after, **at)
    elif _both(dict, before, after) or _opened(words, before, after, path):
        yield from _keys(words, *({} if side is MISSING else side for side in (before, after)), **at)
    elif _both(list, before, after) and any(isinstance(each, dict | list) for each in (*before, *after)):
        for place in range(max(len(before), len(after))):
            one, other = (side[place] if place < len(side) else MISSING for side in (before, after))
            yield from walk(words, one, other, subject=subject, part=part, path=f"{path}[{place}]")
    elif _unlike(before, after):
        yield _unnamed(words, before, after, subject, _joined(part, path))


class _At(TypedDict):
    """Where in an object two values stand."""

    subject: str
    part: str
    path: str


def _keys(words: Words, before: Any, after: Any, *, subject: str, part: str, path: str) -> Iterator[Difference]:
    tell = words.names.get(f"{path}.*")
    for key in sorted({*before, *after}):
        one, other = before.get(key, MISSING), after.get(key, MISSING)
        if tell is None:
            yield from walk(words, one, other, subject=subject, part=part, path=_below(path, key))
        elif _unlike(one, other):
            told = tell(one, other)
            what = told.what.replace("{}", short(key, _NAME))
            yield replace(told, subject=subject, what=_joined(part, what))


def _members(words: Words, before: Any, after: Any, *, subject: str, part: str, path: str) -> Iterator[Difference]:
    if not all(isinstance(side, Members) or side is MISSING for side in (before, after)):
        yield _unnamed(words, before, after, subject, _joined(part, path))
        return
    kind = after if before is MISSING else before
    one, other = (replace(kind, each=()) if side is MISSING else side for side in (before, after))
    pairs, _, places, removed, added = paired(one, other)
    yield from (_whole(kind, each, "removed", subject, part) for each in removed)
    for mine, its in kind.settle(pairs) if kind.settle else pairs:
        own = (_nested(subject, mine.name), "") if kind.subjects else (subject, _joined(part, mine.name))
        yield from walk(mine.words, mine.content, its.content, subject=own[0], part=own[1])
    yield from (_whole(kind, each, "added", subject, part) for each in added)
    if kind.ordered and places != sorted(places):
        first, second = (", ".join(each.name for each in side.each) for side in (one, other))
        yield replace(bare(_joined(part, f"order of {kind.noun}"))(first, second), subject=subject)


def _whole(kind: Members, member: Member, word: str, subject: str, part: str) -> Difference:
    summary = short(member.summary or text(member.content))
    before, after = ("", summary) if word == "added" else (summary, "")
    if kind.subjects:
        return Difference(subject=_nested(subject, member.name), what=word, before=before, after=after)
    return Difference(subject=subject, what=_joined(part, member.name), before=before, after=after, quoted=True)


def _unnamed(words: Words, before: Any, after: Any, subject: str, what: str) -> Difference:
    tell = hidden if words.secret else said
    return replace(tell(short(what or "content"))(before, after), subject=subject)


def _unlike(before: Any, after: Any) -> bool:
    return (before is MISSING) != (after is MISSING) or text(before) != text(after)


def _both(kind: type, before: Any, after: Any) -> bool:
    return isinstance(before, kind) and isinstance(after, kind)


def _opened(words: Words, before: Any, after: Any, path: str) -> bool:
    """Whether an object that only one side has is told by what is in it."""
    there = after if before is MISSING else before
    if not isinstance(there, dict) or not there or before is not MISSING is not after:
        return False
    return words.leads_to(path) or any(isinstance(each, Members) for each in there.values())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _below(path: str, key: str) -> str:
    """The path of a key. One that could be taken for something else stands in quotes."""
    written = key if _SIMPLE.fullmatch(key) and key not in RESERVED else json.dumps(short(key, _NAME))
    return f"{path}.{written}" if path else written


def _joined(part: str, what: str) -> str:
    return f"{part} {what}".strip()


def _nested(subject: str, name: str) -> str:
    return f"{subject} / {name}" if subject else name

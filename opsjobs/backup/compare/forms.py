"""Objects without what says nothing: values that can be compared, and lists whose members have names."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsjobs.backup.compare.difference import Telling, plain

_DEEPEST = 40
"""Below so many levels nobody looks for names, and recursion would have an end; the rest is one text."""

_FALSE = {
    *("asDropdown", "basicAuth", "collapse", "collapsed", "continue", "disableResolveMessage", "error"),
    *("exemplar", "hide", "hideControls", "hideTimeOverride", "hideTimepicker", "hidden", "includeAll"),
    *("includeVars", "instant", "isDefault", "isPaused", "keepTime", "liveNow", "multi", "preload"),
    *("sharedCrosshair", "skipUrlSync", "targetBlank", "transparent", "withCredentials"),
}
"""Keys whose absence means false. For others, such as those of legends, absence may mean true."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What people call the values of one kind of thing."""

    names: Mapping[str, Telling] = field(default_factory=dict)
    """By dotted path; `labels.*` stands for all keys of `labels`, and {} in its words for the key."""
    secret: bool = False
    """Whether values without a name may be secrets, so that they are not shown."""
    redacted: bool = False
    """Whether a server writes [REDACTED] in place of values, which then can be any."""

    def leads_to(self, path: str) -> bool:
        """Whether something below that path has a name."""
        return any(name.startswith((f"{path}.", f"{path}[")) for name in self.names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One of several things that have names."""

    name: str
    keys: tuple[Hashable | None, ...] = ()
    """What tells that two are the same one, the surest first."""
    content: Any
    summary: str = ""
    words: Words = field(default_factory=Words)


Pairs = list[tuple[Member, Member]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """Several things that have names."""

    noun: str
    each: tuple[Member, ...] = ()
    ordered: bool = True
    """Whether their order says something."""
    subjects: bool = True
    """Whether each is a subject of its own, or a part of the one that has them."""
    settle: Callable[[Pairs], Pairs] | None = None
    """What follows for some pairs from what is different in others."""

    @property
    def contents(self) -> list[Any]:
        """What they are without their names, always in the same order if theirs says nothing."""
        contents = [each.content for each in self.each]
        return contents if self.ordered else sorted(contents, key=text)


def cleaned(value: Any, depth: int = 0) -> Any:
    """A value without what says nothing. Null, "", [] and {} are what a server makes of absence, and the reverse."""
    if isinstance(value, dict | list) and depth >= _DEEPEST:
        return _line(value)
    if isinstance(value, dict):
        pairs = ((str(key), cleaned(each, depth + 1)) for key, each in value.items())
        return {key: each for key, each in pairs if not _empty(each) and not (each is False and key in _FALSE)}
    if isinstance(value, list):
        return [cleaned(each, depth + 1) for each in value]
    if isinstance(value, float) and value.is_integer():
        # 1.0 is what some encoders make of 1.
        return int(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def without(content: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """An object without some of its keys."""
    left_out = set(keys)
    return {key: value for key, value in content.items() if key not in left_out}


def without_defaults(tree: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what means the same as its absence."""
    return {key: value for key, value in tree.items() if key not in defaults or text(value) != text(defaults[key])}


def text(tree: Any) -> str:
    """A cleaned value as one line that is the same for all that are equal, and for no other."""
    return json.dumps(tree, sort_keys=True, ensure_ascii=False, default=_listed)


def within(value: Any, *keys: str) -> Any:
    """What stands below these keys, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def word(value: Any) -> str:
    """A text or a number in words, and nothing for all else."""
    return plain(value) if isinstance(value, str | int | float) else ""


def paired(before: Members, after: Members) -> tuple[Pairs, list[int], list[int], list[Member], list[Member]]:
    """Which are the same one: pairs, their places on both sides, what only the first has, what only the second has."""
    mates: dict[int, int] = {}
    # Those that are equal first: numbers may have been dealt out anew, and nothing else have changed.
    _mate(mates, [text(each.content) for each in before.each], [text(each.content) for each in after.each])
    for rank in range(max((len(each.keys) for each in (*before.each, *after.each)), default=0)):
        _mate(mates, [_key(each, rank) for each in before.each], [_key(each, rank) for each in after.each])
    places = sorted(mates)
    taken = set(mates.values())
    return (
        [(before.each[place], after.each[mates[place]]) for place in places],
        places,
        [mates[place] for place in places],
        [each for place, each in enumerate(before.each) if place not in mates],
        [each for place, each in enumerate(after.each) if place not in taken],
    )


def _mate(mates: dict[int, int], before: list[Hashable], after: list[Hashable]) -> None:
    taken = set(mates.values())
    free: dict[Hashable, deque[int]] = {}
    for place, key in enumerate(after):
        if key is not None and place not in taken:
            free.setdefault(key, deque()).append(place)
    for place, key in enumerate(before):
        if place not in mates and free.get(key):
            mates[place] = free[key].popleft()


def _key(member: Member, rank: int) -> Hashable:
    return member.keys[rank] if rank < len(member.keys) else None


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _listed(node: Any) -> Any:
    return node.contents if isinstance(node, Members) else str(node)


def _line(value: Any) -> str:
    """Any value as one line, however deep."""
    parts: list[str] = []
    waiting: list[tuple[bool, Any]] = [(False, value)]
    while waiting:
        is_sign, each = waiting.pop()
        if is_sign:
            parts.append(each)
        elif isinstance(each, dict):
            inner = sorted(((str(key), below) for key, below in each.items()), key=lambda pair: pair[0], reverse=True)
            waiting += [(True, "}"), *((False, one) for key, below in inner for one in (below, key)), (True, "{")]
        elif isinstance(each, list):
            waiting += [(True, "]"), *((False, one) for one in reversed(each)), (True, "[")]
        else:
            parts.append(f"{text(each)},")
    return "".join(parts)

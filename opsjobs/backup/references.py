"""Which data sources an object asks, and how it is made to ask others on another server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_BUILT_IN = {"", "-- Grafana --", "-- Mixed --", "-- Dashboard --", "grafana", "__expr__", "-100", "default"}
"""What every Grafana has."""
_DEEPEST = 200


def sources(content: Any) -> set[str]:
    """The uids or names of the data sources that it asks, without those that a variable chooses."""
    return {each for each in _named(content, 0) if each not in _BUILT_IN and "$" not in each}


def _named(value: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "datasource":
                yield from _of(inner)
            elif name == "datasourceUid" and isinstance(inner, str):
                yield inner
            if isinstance(inner, Mapping | list):
                yield from _named(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, depth + 1)


def _of(reference: Any) -> Iterator[str]:
    """As older versions name one, and as newer ones point to one."""
    if isinstance(reference, str):
        yield reference
    elif isinstance(reference, Mapping):
        # Schema 2 says name where others say uid.
        found = reference.get("uid") or reference.get("name")
        if isinstance(found, str):
            yield found


def remapped(content: Any, other: Mapping[str, str]) -> Any:
    """The same, asking other data sources; `other` gives a uid for a uid, a name or the ${NAME} of an input."""
    return _with(content, other, 0) if other else content


def _with(value: Any, other: Mapping[str, str], depth: int) -> Any:
    if depth > _DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {
            name: _pointing(inner, other)
            if name == "datasource"
            else other.get(inner, inner)
            if name == "datasourceUid" and isinstance(inner, str)
            else _with(inner, other, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_with(inner, other, depth + 1) for inner in value]
    return value


def _pointing(reference: Any, other: Mapping[str, str]) -> Any:
    if isinstance(reference, str):
        # Newer versions take a uid there as well, older ones nothing but a name.
        return other.get(reference, reference)
    if isinstance(reference, Mapping):
        return {
            name: other.get(inner, inner) if name in {"uid", "name"} and isinstance(inner, str) else inner
            for name, inner in reference.items()
        }
    return reference


def panels(content: Any) -> set[str]:
    """The uids of the library panels that a dashboard shows."""
    return set(_shown(content, 0))


def _shown(value: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        shown = value.get("libraryPanel")
        if isinstance(shown, Mapping) and isinstance(shown.get("uid"), str):
            yield shown["uid"]
        for inner in value.values():
            yield from _shown(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _shown(inner, depth + 1)

"""What lets somebody in and stands in clear in what a Grafana shows: it is taken out of what is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

REDACTED = "[REDACTED]"
"""What Grafana shows in place of a secret, and takes for the one that it has."""
_SECRETIVE = re.compile(r"(passw(or)?d|secret|token|api_?key|private_?key|authorization|credentials?)$", re.IGNORECASE)
_PARAMETERS = re.compile(r"(passw(or)?d|secret|token|key|auth)[^=&]*=", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://\S+")
_DEEPEST = 50


def settings(value: Any, path: str) -> tuple[Any, list[str]]:
    """Settings without secrets, and where those were; a value that is no mapping as it is."""
    hidden: list[str] = []
    return (_without(value, path, hidden, 0) if isinstance(value, Mapping) else value), hidden


def _without(value: Any, path: str, hidden: list[str], depth: int) -> Any:
    if depth > _DEEPEST:
        hidden.append(path)
        return None
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            place = f"{path}.{name}"
            if secret(name, inner):
                hidden.append(place)
            else:
                kept[name] = _without(inner, place, hidden, depth + 1)
        return kept
    if isinstance(value, list):
        return [_without(inner, path, hidden, depth + 1) for inner in value]
    if isinstance(value, str) and (bare := address(value)) != value:
        hidden.append(path)
        return bare
    return value


def secret(name: str, value: Any) -> bool:
    """Whether a setting is one that lets in: by its name, or by parameters in it."""
    if not isinstance(value, str) or not value:
        return False
    return bool(_SECRETIVE.search(name)) or (not _ADDRESS.fullmatch(value) and bool(_PARAMETERS.search(value)))


def address(text: str) -> str:
    """An address without name, password and secret parameters; another text as it is."""
    if not _ADDRESS.fullmatch(text):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    query = "" if _PARAMETERS.search(parts.query) else parts.query
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))


def host(text: str) -> str:
    """Of an address only where it leads: of some, what follows is what lets in."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return REDACTED
    name = parts.netloc.rpartition("@")[2]
    return text if text == f"{parts.scheme}://{name}" else f"{parts.scheme}://{name}/{REDACTED}"


def put_back(wanted: Any, bare: Any, now: Any) -> Any:
    """What is wanted, with what was hidden of what is there now; `bare` is that without it."""
    if not isinstance(wanted, Mapping) or not isinstance(bare, Mapping) or not isinstance(now, Mapping):
        return now if wanted == bare else wanted
    kept = {name: put_back(value, bare.get(name), now.get(name, value)) for name, value in wanted.items()}
    return kept | {name: value for name, value in now.items() if name not in bare and name not in wanted}


def masked(value: Any, name: str, hidden: list[str], places: frozenset[str]) -> Any:
    """Settings with `[REDACTED]` where something lets in: secrets, headers, and addresses by the names in `places`."""
    if isinstance(value, Mapping):
        inside = name.lower() in {"headers", "customheaders", "httpheaders"}
        return {
            key: _masked_header(inner, str(key), hidden) if inside else masked(inner, str(key), hidden, places)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner, name, hidden, places) for inner in value]
    if not isinstance(value, str) or not value:
        return value
    if name in places and _ADDRESS.fullmatch(value):
        shown = host(value)
    elif _ADDRESS.fullmatch(value):
        shown = address(value)
    else:
        shown = REDACTED if _SECRETIVE.search(name) else value
    if shown != value or REDACTED in value:
        hidden.append(name)
    return shown


def _masked_header(value: Any, name: str, hidden: list[str]) -> Any:
    if not value:
        return value
    hidden.append(name)
    return REDACTED


def unmasked(wanted: Any, now: Any) -> Any:
    """What is wanted, with what is there now in the places that are masked."""
    if isinstance(wanted, Mapping):
        known = now if isinstance(now, Mapping) else {}
        return {name: unmasked(value, known.get(name, value)) for name, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(now, list) and len(wanted) == len(now):
        return [unmasked(one, other) for one, other in zip(wanted, now, strict=True)]
    return now if isinstance(wanted, str) and REDACTED in wanted else wanted

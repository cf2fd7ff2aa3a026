"""Data sources, without what nobody is to read: a person enters secrets again where one is made anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from opsjobs.objects import Copy, Listed
from opsjobs.sources.grafana.api import Api, segment

_PATH = "/api/datasources"
_BY_UID = (9, 0)
# Old versions keep and show these in clear.
_SECRET = ("password", "basicAuthPassword")
_SECRETIVE = re.compile(r"(password|secret|token|api_?key|private_?key)$", re.IGNORECASE)
_OWN = ("id", "orgId", "version", "typeLogoUrl", "typeName", "readOnly", "accessControl", "apiVersion", *_SECRET)


def listed(api: Api) -> Iterator[Listed]:
    """Every data source; before version 7 their names are all that they have."""
    for each in api.get(_PATH):
        name = str(each["name"])
        yield Listed(kind="data-source", uid=str(each.get("uid") or name), title=name, id=int(each.get("id") or 0))


def read(api: Api, found: Listed) -> Copy:
    """The data source, and the names of its secrets."""
    source = api.get(_address(api, found))
    kept = {name: value for name, value in source.items() if name not in _OWN}
    hidden = [name for name, there in (source.get("secureJsonFields") or {}).items() if there]
    hidden += [name for name in _SECRET if source.get(name)]
    settings = kept.get("jsonData")
    if isinstance(settings, Mapping):
        in_clear = [name for name, value in settings.items() if isinstance(value, str) and _SECRETIVE.search(name)]
        kept["jsonData"] = {name: value for name, value in settings.items() if name not in in_clear}
        hidden += [f"jsonData.{name}" for name in in_clear]
    url = str(kept.get("url") or "")
    if "@" in url and (bare := _without_user(url)) != url:
        kept["url"] = bare
        hidden.append("url")
    return Copy(
        kind="data-source",
        uid=found.uid,
        title=str(source["name"]),
        content=kept,
        api=_PATH,
        version=str(source.get("version") or ""),
        secrets=tuple(sorted(hidden)),
        provisioned=bool(source.get("readOnly")),
    )


def _without_user(url: str) -> str:
    """An address without the name and the password in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def write(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make it, or save it: secrets that are there stay."""
    document: dict[str, Any] = {name: value for name, value in wanted.content.items() if name != "secureJsonFields"}
    if live is None:
        api.send("POST", _PATH, document)
    else:
        found = next(each for each in listed(api) if each.uid == live.uid)
        api.send("PUT", _address(api, found), document)


def remove(api: Api, found: Listed) -> None:
    """Remove it, with its secrets, which nobody has."""
    api.send("DELETE", _address(api, found))


def _address(api: Api, found: Listed) -> str:
    return f"{_PATH}/uid/{segment(found.uid)}" if api.has(*_BY_UID) else f"{_PATH}/{found.id}"

"""Data sources, without what nobody is to read: a person enters secrets again where one is made anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsjobs.objects import Copy, Listed
from opsjobs.sources.grafana import hiding
from opsjobs.sources.grafana.api import Api, segment

_PATH = "/api/datasources"
_BY_UID = (9, 0)
# Old versions keep and show these in clear.
_SECRET = ("password", "basicAuthPassword")
_OWN = ("id", "orgId", "version", "typeLogoUrl", "typeName", "readOnly", "accessControl", "apiVersion", *_SECRET)


def listed(api: Api) -> Iterator[Listed]:
    """Every data source; before version 7 their names are all that they have."""
    for each in api.get(_PATH):
        name = str(each["name"])
        yield Listed(kind="data-source", uid=str(each.get("uid") or name), title=name, id=int(each.get("id") or 0))


def read(api: Api, found: Listed) -> Copy:
    """The data source, and the names of its secrets."""
    source = api.get(_address(api, found))
    kept, hidden = _bare(source)
    hidden += [name for name, there in (source.get("secureJsonFields") or {}).items() if there]
    hidden += [name for name in _SECRET if source.get(name)]
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


def _bare(source: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A data source without what lets in, and where that was."""
    kept = {name: value for name, value in source.items() if name not in _OWN}
    settings, hidden = hiding.settings(kept.get("jsonData"), "jsonData")
    if settings is not None:
        kept["jsonData"] = settings
    url = str(kept.get("url") or "")
    bare = hiding.address(url)
    if bare != url:
        kept["url"] = bare
        hidden.append("url")
    return kept, hidden


def write(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make it, or save it: the secrets that are there stay, also those that Grafana keeps in clear."""
    document: dict[str, Any] = {name: value for name, value in wanted.content.items() if name != "secureJsonFields"}
    if live is None:
        api.send("POST", _PATH, document)
        return
    found = next(each for each in listed(api) if each.uid == live.uid)
    now = api.get(_address(api, found))
    bare, _ = _bare(now)
    for name in _SECRET:
        if now.get(name):
            document[name] = now[name]
    if document.get("url") == bare.get("url"):
        document["url"] = now.get("url")
    document["jsonData"] = hiding.put_back(document.get("jsonData") or {}, bare.get("jsonData"), now.get("jsonData"))
    api.send("PUT", _address(api, found), document)


def remove(api: Api, found: Listed) -> None:
    """Remove it, with its secrets, which nobody has."""
    api.send("DELETE", _address(api, found))


def _address(api: Api, found: Listed) -> str:
    return f"{_PATH}/uid/{segment(found.uid)}" if api.has(*_BY_UID) else f"{_PATH}/{found.id}"

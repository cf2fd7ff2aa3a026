"""Library panels: what several dashboards show, by /api/library-elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsjobs.errors import NotOffered
from opsjobs.objects import Copy, Listed
from opsjobs.sources.grafana import folders
from opsjobs.sources.grafana.api import Api, segment

_PATH = "/api/library-elements"
_PAGE = 100
_WHAT = "library panels"
_SINCE = (8, 0)
_FOLDER_UIDS = (10, 0)
_KEEPS_UIDS = (8, 5)
_KEPT = ("uid", "name", "kind", "type", "description", "model")


def listed(api: Api) -> Iterator[Listed]:
    """Every library panel. Raises `NotOffered` before version 8."""
    api.need(_WHAT, *_SINCE)
    seen: set[str] = set()
    for page in api.pages(_PATH, {"perPage": _PAGE}, _WHAT):
        for each in page:
            if (uid := str(each["uid"])) not in seen:
                seen.add(uid)
                yield Listed(kind="library-panel", uid=uid, title=str(each["name"]), folder=_folder(each))


def read(api: Api, found: Listed) -> Copy:
    """The panel with its model."""
    element = api.get(f"{_PATH}/{segment(found.uid)}")["result"]
    meta = element.get("meta") or {}
    return Copy(
        kind="library-panel",
        uid=str(element["uid"]),
        title=str(element["name"]),
        folder=_folder(element),
        # How many dashboards show it is no part of it.
        content={name: element[name] for name in _KEPT if name in element},
        api=_PATH,
        version=str(element.get("version") or ""),
        updated=str(meta.get("updated") or ""),
        updated_by=str((meta.get("updatedBy") or {}).get("name") or ""),
    )


def _folder(element: Mapping[str, Any]) -> str:
    return str(element.get("folderUid") or (element.get("meta") or {}).get("folderUid") or "")


def fit(api: Api, _: Copy) -> None:
    """Raises `NotOffered` where it could not be made under its uid, by which dashboards know it."""
    if not api.has(*_KEEPS_UIDS):
        raise NotOffered(f"{api.name} {api.server.version} gives library panels other uids than those they had")


def write(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make it under its own uid, or save it over the version that was seen."""
    document: dict[str, Any] = {
        "uid": wanted.uid,
        "name": wanted.title,
        "kind": wanted.content.get("kind", 1),
        "model": wanted.content.get("model", {}),
        "folderUid": wanted.folder,
    }
    if not api.has(*_FOLDER_UIDS):
        document["folderId"] = folders.number(api, wanted.folder)
    if live is None:
        api.send("POST", _PATH, document)
    else:
        api.send("PATCH", f"{_PATH}/{segment(wanted.uid)}", {**document, "version": int(live.version or 0)})


def remove(api: Api, found: Listed) -> None:
    """Remove it; refused while a dashboard shows it."""
    api.send("DELETE", f"{_PATH}/{segment(found.uid)}")

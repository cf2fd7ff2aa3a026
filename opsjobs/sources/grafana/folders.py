"""Folders: by /api/folders, in which newer versions have folders in folders."""

from __future__ import annotations

from collections.abc import Iterator

from opsjobs.objects import Copy, Listed
from opsjobs.sources.grafana.api import Api, segment

_PAGE = 1000
_NESTED = (10, 0)


def listed(api: Api) -> Iterator[Listed]:
    """Every folder, each before those in it."""
    seen: set[str] = set()
    waiting = [""]
    while waiting:
        parent = waiting.pop(0)
        inside = {"parentUid": parent} if parent else {}
        for page in api.pages("/api/folders", {**inside, "limit": _PAGE}):
            for each in page:
                uid = str(each["uid"])
                if uid in seen:
                    # A version without folders in folders lists the same for every parent.
                    continue
                seen.add(uid)
                content = {"uid": uid, "title": str(each["title"]), **({"parentUid": parent} if parent else {})}
                yield Listed(kind="folder", uid=uid, title=content["title"], folder=parent, content=content)
                if api.has(*_NESTED):
                    waiting.append(uid)


def read(_: Api, found: Listed) -> Copy:
    """The folder as it was listed: there is nothing more to it."""
    return Copy(
        kind="folder",
        uid=found.uid,
        title=found.title,
        folder=found.folder,
        content=found.content or {},
        api="/api/folders",
    )


def write(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make it, or give it its title and its place."""
    if live is None:
        parent = {"parentUid": wanted.folder} if wanted.folder else {}
        api.send("POST", "/api/folders", {"uid": wanted.uid, "title": wanted.title, **parent})
        return
    path = f"/api/folders/{segment(wanted.uid)}"
    if live.folder != wanted.folder:
        api.send("POST", f"{path}/move", {"parentUid": wanted.folder})
    if live.title != wanted.title:
        api.send("PUT", path, {"title": wanted.title, "overwrite": True})


def remove(api: Api, found: Listed) -> None:
    """Remove it, and whatever is in it: whoever asks has seen that it is empty. Not where alert rules are in it."""
    api.send("DELETE", f"/api/folders/{segment(found.uid)}?forceDeleteRules=false")


def number(api: Api, uid: str) -> int:
    """The number that this Grafana gave a folder, which old versions want; 0 for none. Raises `SourceError`."""
    return int(api.get(f"/api/folders/{segment(uid)}").get("id") or 0) if uid else 0

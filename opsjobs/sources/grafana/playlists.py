"""Playlists: which dashboards a screen shows in turn. None is made under a uid, so they are known by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from opsjobs.errors import BadAnswer
from opsjobs.objects import Copy, Listed
from opsjobs.sources.grafana.api import Api, segment

_PATH = "/api/playlists"
_MOST = 1000
_BY_UID = (9, 1)
_OF_ITEM = ("type", "value", "title", "order")


def listed(api: Api) -> Iterator[Listed]:
    """Every playlist."""
    found = api.offered("playlists", _PATH, {"limit": _MOST})
    if len(found) >= _MOST:
        raise BadAnswer(f"{api.name} has {_MOST} playlists or more, and lists no more than that")
    names = Counter(str(each["name"]) for each in found)
    for each in found:
        name = str(each["name"])
        # Two may have the same name.
        uid = name if names[name] == 1 else f"{name} ({each.get('uid') or each['id']})"
        yield Listed(kind="playlist", uid=uid, title=name, content=each)


def read(api: Api, found: Listed) -> Copy:
    """What is shown, and for how long."""
    playlist = api.get(_address(api, found))
    items = [{name: each[name] for name in _OF_ITEM if name in each} for each in playlist.get("items") or []]
    return Copy(
        kind="playlist",
        uid=found.uid,
        title=found.title,
        content={"name": playlist["name"], "interval": playlist["interval"], "items": items},
        api=_PATH,
    )


def write(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make it, or save it."""
    if live is None:
        api.send("POST", _PATH, wanted.content)
    else:
        found = next(each for each in listed(api) if each.uid == live.uid)
        api.send("PUT", _address(api, found), wanted.content)


def remove(api: Api, found: Listed) -> None:
    """Remove it."""
    api.send("DELETE", _address(api, found))


def _address(api: Api, found: Listed) -> str:
    known = found.content or {}
    return f"{_PATH}/{segment(str(known.get('uid') or known['id'] if api.has(*_BY_UID) else known['id']))}"

"""Library panels and playlists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.grafana.boards import check_uid, may_see_in, panels_in_use
from tests.grafana.wire import JSON_UTF8, Answer, Forbidden, Refused, Request, route

if TYPE_CHECKING:
    from tests.grafana.double import Double
    from tests.grafana.records import Identity, Organisation

_PER_PAGE = 100


@route("GET", "/api/library-elements", since=(8,))
def elements(asked: Request) -> dict[str, Any]:
    per_page, page = asked.number("perPage", 0) or _PER_PAGE, max(asked.number("page", 1), 1)
    kind, words = asked.number("kind", 0), asked.text("searchString").lower()
    rows = [each for each in asked.org.panels.values() if may_see_in(asked, each["folder"])]
    rows = [each for each in rows if kind in {0, each["kind"]} and words in each["name"].lower()]
    rows.sort(key=lambda each: each["name"].lower())
    said = [_dto(asked, each) for each in rows[(page - 1) * per_page : page * per_page]]
    # The total of version 9 leaves out what lies in the General folder: who stops at it misses something.
    total = len(rows) if asked.double.since(10) else sum(1 for each in rows if each["folder"])
    return {"result": {"totalCount": total, "elements": said, "page": page, "perPage": per_page}}


@route("GET", "/api/library-elements/:uid", since=(8,))
def element(asked: Request, uid: str) -> dict[str, Any]:
    return {"result": _dto(asked, _element(asked, uid))}


@route("GET", "/api/library-elements/name/:name", since=(8,))
def elements_of_name(asked: Request, name: str) -> dict[str, Any]:
    rows = [each for each in asked.org.panels.values() if each["name"] == name and may_see_in(asked, each["folder"])]
    return {"result": [_dto(asked, each) for each in rows]}


@route("POST", "/api/library-elements", since=(8,))
def create_element(asked: Request) -> dict[str, Any]:
    said = asked.json("kind")
    folder = _folder(asked, said) or ""
    if asked.role < 1 or not may_see_in(asked, folder):
        raise Refused(403, "access denied to folder", traced=True)
    # 8.0 to 8.4.2 made a uid of their own, whatever was asked for.
    uid = str(said.get("uid") or "") if asked.double.since(8, 4, 3) else ""
    check_uid(asked.double, uid, traced=True)
    name = str(said.get("name") or "")
    _is_free(asked, uid, name, folder, said["kind"])
    made = store(asked.double, asked.org, asked.who, uid or asked.double.mint(), name, said["kind"], folder,
                 dict(said.get("model") or {}))  # fmt: skip
    return {"result": _dto(asked, made, named=bool(folder))}


@route("PATCH", "/api/library-elements/:uid", since=(8,))
def change_element(asked: Request, uid: str) -> dict[str, Any]:
    said = asked.json("kind", "version")
    folder = _folder(asked, said)
    found = _element(asked, uid)
    if asked.role < 1:
        raise Refused(403, "access denied to folder", traced=True)
    if said["version"] != found["version"]:
        raise Refused(412, "the library element has been changed by someone else", traced=True)
    # Nothing said of the folder is the General one.
    place, name, new_uid = folder or "", said.get("name") or found["name"], said.get("uid") or uid
    check_uid(asked.double, new_uid, traced=True)
    if new_uid != uid or (name, place) != (found["name"], found["folder"]):
        _is_free(asked, new_uid, name, place, said["kind"], but=uid)
    content = said.get("model") or found["model"]
    described = {
        "description": found["model"].get("description", ""),
        "type": found["model"].get("type", ""),
        **content,
    }
    changed = {
        **found,
        "uid": new_uid,
        "name": name,
        "folder": place,
        "model": described,
        "version": found["version"] + 1,
        "updated": asked.double.now(),
        "updatedBy": asked.who,
    }
    asked.org.panels = {
        (new_uid if key == uid else key): (changed if key == uid else each) for key, each in asked.org.panels.items()
    }
    return {"result": _dto(asked, changed, named=bool(place))}


@route("DELETE", "/api/library-elements/:uid", since=(8,))
def delete_element(asked: Request, uid: str) -> dict[str, Any]:
    found = _element(asked, uid)
    if asked.role < 1:
        raise Refused(403, "access denied to folder", traced=True)
    if panels_in_use(asked.org, uid):
        raise Refused(403, "the library element has connections", traced=True)
    del asked.org.panels[uid]
    return {"message": "Library element deleted", "id": found["id"]}


def store(
    double: Double, org: Organisation, who: Identity, uid: str, name: str, kind: int, folder: str, model: dict[str, Any]
) -> dict[str, Any]:
    """Writes a library panel down, whatever the rules."""
    moment = double.now()
    made = {
        "id": double.next_id("panel"),
        "uid": uid,
        "name": name,
        "kind": kind,
        "folder": folder,
        "model": {"description": "", "type": "", **model},
        "version": 1,
        "created": moment,
        "updated": moment,
        "createdBy": who,
        "updatedBy": who,
    }
    org.panels[uid] = made
    return made


def _element(asked: Request, uid: str) -> dict[str, Any]:
    found = asked.org.panels.get(uid)
    if found is None or not may_see_in(asked, found["folder"]):
        raise Refused(404, "library element could not be found", traced=True)
    return found


def _folder(asked: Request, said: dict[str, Any]) -> str | None:
    """The uid of the folder that is named; None where nothing is said of one."""
    if said.get("folderUid"):
        if said["folderUid"] not in asked.org.folders:
            raise Refused(400, "failed to get folder", traced=True)
        return str(said["folderUid"])
    if (number := said.get("folderId") or 0) > 0:
        found = asked.org.folder_by_id(number)
        if found is None:
            raise Refused(404, "folder not found", traced=True)
        return found.uid
    return None


def _is_free(asked: Request, uid: str, name: str, folder: str, kind: int, but: str = "") -> None:
    """A uid is taken once, and a name once in a folder."""
    for each in asked.org.panels.values():
        same_name = (each["name"], each["folder"], each["kind"]) == (name, folder, kind)
        if each["uid"] != but and (each["uid"] == uid or same_name):
            raise Refused(400, "library element with that name or UID already exists", traced=True)


def _dto(asked: Request, each: dict[str, Any], *, named: bool = True) -> dict[str, Any]:
    """As it is sent; right after it was written into the General folder that one has no name."""
    folder = asked.org.folders.get(each["folder"])
    people = {
        key: {"id": each[key].number, "name": each[key].login, "avatarUrl": "/public/img/user_profile.png"}
        for key in ("createdBy", "updatedBy")
    }
    return {
        "id": each["id"],
        "orgId": asked.org.id,
        "folderId": folder.id if folder else 0,
        "folderUid": each["folder"],
        "uid": each["uid"],
        "name": each["name"],
        "kind": each["kind"],
        "type": each["model"]["type"],
        "description": each["model"]["description"],
        "model": each["model"],
        "version": each["version"],
        "meta": {
            "folderName": folder.title if folder else "General" if named else "",
            "folderUid": each["folder"],
            "connectedDashboards": panels_in_use(asked.org, each["uid"]),
            "created": each["created"],
            "updated": each["updated"],
            **people,
        },
    }


# Playlists: by number before 9.1, by uid from then on.


@route("GET", "/api/playlists")
def playlists(asked: Request) -> list[dict[str, Any]]:
    named = asked.double.since(9, 1)
    keys = ("id", "uid", "name", "interval") if named else ("id", "name", "interval")
    return [{key: each[key] for key in keys} for each in asked.org.playlists.values()]


@route("GET", "/api/playlists/:key")
def playlist(asked: Request, key: str) -> dict[str, Any]:
    return _playlist_dto(asked, _playlist(asked, key))


@route("GET", "/api/playlists/:key/items")
def playlist_items(asked: Request, key: str) -> list[dict[str, Any]]:
    return list(_playlist_dto(asked, _playlist(asked, key))["items"])


@route("POST", "/api/playlists")
def create_playlist(asked: Request) -> dict[str, Any]:
    _edits(asked)
    said = asked.json("name")
    if asked.double.since(9) and not said.get("items"):
        raise Refused(500, "Failed to create playlist", traced=True)
    # A uid that is asked for is not heeded: a playlist that was deleted cannot come back under its own.
    number, uid = asked.double.next_id("playlist"), asked.double.mint()
    made = {"id": number, "uid": uid, "name": said["name"], "interval": said.get("interval", "")}
    asked.org.playlists[str(number) if not asked.double.since(9, 1) else uid] = {**made, "items": _items(said)}
    return made if asked.double.since(9, 1) else {key: made[key] for key in ("id", "name", "interval")}


@route("PUT", "/api/playlists/:key")
def update_playlist(asked: Request, key: str) -> dict[str, Any]:
    _edits(asked)
    found, said = _playlist(asked, key), asked.json("name")
    found |= {"name": said["name"], "interval": said.get("interval", ""), "items": _items(said)}
    return _playlist_dto(asked, found)


@route("DELETE", "/api/playlists/:key")
def delete_playlist(asked: Request, key: str) -> Answer | dict[str, Any]:
    _edits(asked)
    _playlist(asked, key)
    del asked.org.playlists[key]
    return Answer(200, b"") if asked.double.since(9) else {}


def _edits(asked: Request) -> None:
    if asked.role < 1:
        raise Forbidden("")


def _playlist(asked: Request, key: str) -> dict[str, Any]:
    found = asked.org.playlists.get(key)
    if found is None:
        raise Refused(404, "Playlist not found", traced=True, kind=JSON_UTF8)
    return found


def _items(said: dict[str, Any]) -> list[dict[str, Any]]:
    rows = said.get("items") or []
    return [{**each, "order": each.get("order") or place} for place, each in enumerate(rows, start=1)]


def _playlist_dto(asked: Request, found: dict[str, Any]) -> dict[str, Any]:
    rows = sorted(found["items"], key=lambda each: each["order"])
    if asked.double.since(9, 1):
        items = [{key: str(each.get(key, "")) for key in ("title", "type", "value")} for each in rows]
        return {"uid": found["uid"], "name": found["name"], "interval": found["interval"], "items": items}
    items = [
        {"id": place, "playlistid": found["id"], **{key: each.get(key) for key in ("type", "value", "order", "title")}}
        for place, each in enumerate(rows, start=1)
    ]
    return {"id": found["id"], "name": found["name"], "interval": found["interval"], "items": items}

"""Organisations, search, folders and dashboards."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from tests.grafana import records
from tests.grafana.wire import Answer, Forbidden, Refused, Request, dumps, route, slugify

if TYPE_CHECKING:
    from tests.grafana.double import Double
    from tests.grafana.records import Dashboard, Folder, Identity, Organisation, Saved

_UID = re.compile(r"[A-Za-z0-9_-]*")
_DURATION = re.compile(r"(\d+)(ms|[smhdwMy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
_ADDRESS = {"address1": "", "address2": "", "city": "", "zipCode": "", "state": "", "country": ""}
_TIMELESS = "0001-01-01T00:00:00Z"
_MAX_DEPTH = 4


# Organisations.


@route("GET", "/api/org", needs="orgs:read")
def organisation(asked: Request) -> dict[str, Any]:
    if asked.org.id not in asked.double.orgs:
        raise Refused(404, "Organization not found", traced=True)
    return {"id": asked.org.id, "name": asked.org.name, "address": _ADDRESS}


@route("GET", "/api/orgs", role=None, server_admin=True, needs="orgs:read")
def organisations(asked: Request) -> list[dict[str, Any]]:
    return [{"id": each.id, "name": each.name} for each in asked.double.orgs.values()]


@route("POST", "/api/orgs", role=None, server_admin=True, needs="orgs:create")
def create_organisation(asked: Request) -> dict[str, Any]:
    name = asked.json("name")["name"]
    if name in {each.name for each in asked.double.orgs.values()}:
        raise Refused(409, "Organization name taken", traced=True)
    return {"message": "Organization created", "orgId": asked.double.add_org(name)}


# Search.


@route("GET", "/api/search")
def search(asked: Request) -> list[dict[str, Any]]:
    limit = asked.number("limit", 1000) or 1000
    if limit > 5000:
        raise Refused(422, "Limit is above maximum allowed (5000), use page parameter to access hits beyond limit")
    found = _found(asked)
    page = max(asked.number("page", 1), 1)
    rows = found[(page - 1) * limit : page * limit]
    rows.sort(key=lambda each: (isinstance(each, records.Dashboard), each.title.lower()))
    return [_hit(asked, each) for each in rows]


def _found(asked: Request) -> list[Folder | Dashboard]:
    """All that is searched for and may be seen, in the order in which it goes onto pages."""
    query = asked.query
    rows = asked.org.listing(asked.double.generation, by_title=asked.double.since(7))
    kind = asked.text("type")
    if kind in {"dash-db", "dash-folder"}:
        wanted = records.Dashboard if kind == "dash-db" else records.Folder
        rows = [each for each in rows if isinstance(each, wanted)]
    if words := asked.text("query").lower():
        rows = [each for each in rows if words in each.title.lower()]
    if tags := query.get("tag"):
        rows = [each for each in rows if set(tags) <= set(getattr(each, "tags", ()))]
    if asked.double.since(9, 1) and (uids := query.get("dashboardUIDs")):
        wanted_uids = {uid for part in uids for uid in part.split(",")}
        rows = [each for each in rows if isinstance(each, records.Dashboard) and each.uid in wanted_uids]
    rows = _in_folders(asked, rows)
    if asked.who.sees is None:
        return list(rows)
    return [each for each in rows if may_see(asked, each)]


def _in_folders(asked: Request, rows: list[Folder | Dashboard]) -> list[Folder | Dashboard]:
    """Only what lies in the folders that are asked for; the uid of the General one is `general`."""
    ids, uids = asked.query.get("folderIds"), asked.query.get("folderUIDs") if asked.double.since(10) else None
    if ids and uids:
        raise Refused(400, "search supports UIDs or IDs, not both")
    if ids:
        by_id = {each.id: each.uid for each in asked.org.folders.values()}
        uids = ["general" if number == "0" else by_id.get(int(number), "-") for number in ids if number.isdigit()]
    if not uids:
        return rows
    places = {"" if uid == "general" else uid for part in uids for uid in part.split(",")}
    return [each for each in rows if _place(each) in places]


def _place(each: Folder | Dashboard) -> str:
    return each.parent if isinstance(each, records.Folder) else each.folder


def may_see(asked: Request, each: Folder | Dashboard) -> bool:
    """Whether the sender may view a folder, or a dashboard by the folder that it lies in."""
    return may_see_in(asked, each.uid if isinstance(each, records.Folder) else each.folder)


def may_see_in(asked: Request, folder: str) -> bool:
    """Whether the sender may view what lies in a folder: by its own right, or by that of one around it."""
    if asked.who.sees is None:
        return True
    return any(uid in asked.who.sees for uid in asked.org.path(folder)) if folder else "" in asked.who.sees


def _hit(asked: Request, each: Folder | Dashboard) -> dict[str, Any]:
    double = asked.double
    is_folder = isinstance(each, records.Folder)
    hit: dict[str, Any] = {
        "id": each.id,
        "uid": each.uid,
        "title": each.title,
        "uri": f"db/{each.slug}",
        "url": _url(double, each),
        "slug": "",
        "type": "dash-folder" if is_folder else "dash-db",
        "tags": [] if is_folder else sorted(each.tags),
        "isStarred": False,
    }
    if double.since(8):
        hit["sortMeta"] = 0
    if double.since(11):
        hit |= {"orgId": asked.org.id, "isDeleted": False}
    if (folder := asked.org.folders.get(_place(each))) is not None:
        hit |= {"folderId": folder.id, "folderUid": folder.uid, "folderTitle": folder.title}
        hit["folderUrl"] = _url(double, folder)
    return hit


def _url(double: Double, each: Folder | Dashboard) -> str:
    where = "dashboards/f" if isinstance(each, records.Folder) else "d"
    return f"{double.prefix}/{where}/{each.uid}/{each.slug}"


# Folders.


@route("GET", "/api/folders")
def folders(asked: Request) -> list[dict[str, Any]]:
    parent = asked.text("parentUid") if asked.double.nested else ""
    if parent and parent not in asked.org.folders:
        raise _no_folder(asked)
    rows = asked.org.children(parent) if asked.double.nested else list(asked.org.folders.values())
    rows = sorted((each for each in rows if may_see(asked, each)), key=lambda each: each.title.lower())
    limit, page = asked.number("limit", 1000) or 1000, max(asked.number("page", 1), 1)
    return [
        {"id": each.id, "uid": each.uid, "title": each.title, **({"parentUid": each.parent} if each.parent else {})}
        for each in rows[(page - 1) * limit : page * limit]
    ]


@route("GET", "/api/folders/:uid", needs="folders:read")
def folder(asked: Request, uid: str) -> dict[str, Any]:
    return _folder_dto(asked, _folder(asked, uid, "folders:read"))


@route("GET", "/api/folders/id/:number", needs="folders:read")
def folder_by_id(asked: Request, number: str) -> dict[str, Any]:
    found = asked.org.folder_by_id(int(number)) if number.isdigit() else None
    return _folder_dto(asked, _folder(asked, found.uid if found else "", "folders:read"))


@route("POST", "/api/folders", role="Viewer", needs="folders:create")
def create_folder(asked: Request) -> dict[str, Any]:
    _may_write(asked, "folders:create")
    double, org, said = asked.double, asked.org, asked.json()
    title, uid = str(said.get("title") or "").strip(), str(said.get("uid") or "").strip()
    parent = str(said.get("parentUid") or "") if double.nested else ""
    if not title:
        raise Refused(400, double.words("Folder title cannot be empty"))
    check_uid(double, uid, traced=True)
    if title.lower() == "general" and not double.since(11):
        raise Refused(500, "Folder API error", traced=True)
    if parent and parent not in org.folders:
        raise _no_folder(asked)
    if parent and len(list(org.path(parent))) >= _MAX_DEPTH:
        raise Refused(400, "folder max depth exceeded, max depth is 4")
    if uid in org.folders or uid in org.dashboards:
        if double.since(12):
            raise Refused(409, "a folder/dashboard with the same uid already exists")
        raise _folder_changed(asked)
    _title_is_free(asked, title, parent)
    made = new_folder(double, org, title, uid or double.mint(), parent, asked.who.login)
    return _folder_dto(asked, made)


@route("PUT", "/api/folders/:uid", needs="folders:write")
def update_folder(asked: Request, uid: str) -> dict[str, Any]:
    _may_write(asked, "folders:write")
    found, said = _folder(asked, uid, "folders:write"), asked.json()
    if not said.get("overwrite") and said.get("version") != found.version:
        raise _folder_changed(asked)
    title = str(said.get("title") or "").strip() or found.title
    if not asked.double.since(9) and not said.get("title"):
        raise Refused(400, asked.double.words("Folder title cannot be empty"))
    if title != found.title and not asked.double.since(11, 3):
        _title_is_free(asked, title, found.parent)
    double = asked.double
    changed = replace(found, title=title, version=found.version + 1, updated=double.now(), updated_by=asked.who.login)
    double.next_id("saved")
    asked.org.folders[uid] = changed
    return _folder_dto(asked, changed)


@route("POST", "/api/folders/:uid/move", since=(9, 4), needs="folders:write")
def move_folder(asked: Request, uid: str) -> dict[str, Any]:
    if not asked.double.nested:
        raise Refused(404, "To use this service, you need to activate nested folder feature.")
    _may_write(asked, "folders:write")
    found, parent = _folder(asked, uid, "folders:write"), str(asked.json().get("parentUid") or "")
    if parent and parent not in asked.org.folders:
        raise _no_folder(asked)
    if uid in asked.org.path(parent):
        raise Refused(400, "circular reference detected")
    if len(list(asked.org.path(parent))) + _height(asked.org, uid) > _MAX_DEPTH:
        raise Refused(400, "folder max depth exceeded, max depth is 4")
    moved = replace(found, parent=parent, updated=asked.double.now(), updated_by=asked.who.login)
    asked.org.folders[uid] = moved
    return _folder_dto(asked, moved)


@route("DELETE", "/api/folders/:uid", needs="folders:delete")
def delete_folder(asked: Request, uid: str) -> Answer | dict[str, Any]:
    _may_write(asked, "folders:delete")
    double, org, found = asked.double, asked.org, _folder(asked, uid, "folders:delete")
    inside = set(_subtree(org, uid))
    if any(each["folder"] in inside and panels_in_use(org, each["uid"]) for each in org.panels.values()):
        raise Refused(403, "Folder could not be deleted because it contains library elements in use", traced=True)
    rules = [name for name, rule in org.alerting.rules.items() if rule["folderUID"] in inside]
    if rules and double.since(9) and asked.text("forceDeleteRules") not in {"true", "1"}:
        raise Refused(400, "folder cannot be deleted: folder contains alert rules")
    drop_folder(org, uid)
    if double.since(9):
        return Answer(200, b"")
    return {"message": f"Folder {found.title} deleted", "title": found.title}


def new_folder(double: Double, org: Organisation, title: str, uid: str, parent: str, by: str) -> Folder:
    """Puts a folder into an organisation, whatever the rules."""
    moment = double.now()
    double.next_id("saved")
    made = records.Folder(double.next_id("entity"), uid, title, parent, 1, moment, moment, by, by)
    org.folders[uid] = made
    return made


def drop_folder(org: Organisation, uid: str) -> None:
    """Takes a folder away with the folders, dashboards, library panels and alert rules in it."""
    inside = set(_subtree(org, uid))
    for each in inside:
        del org.folders[each]
    org.dashboards = {name: each for name, each in org.dashboards.items() if each.folder not in inside}
    org.panels = {name: each for name, each in org.panels.items() if each["folder"] not in inside}
    rules = org.alerting.rules
    org.alerting.rules = {name: each for name, each in rules.items() if each["folderUID"] not in inside}


def _subtree(org: Organisation, uid: str) -> list[str]:
    return [uid, *(inner for child in org.children(uid) for inner in _subtree(org, child.uid))]


def _height(org: Organisation, uid: str) -> int:
    return 1 + max((_height(org, child.uid) for child in org.children(uid)), default=0)


def _folder(asked: Request, uid: str, needs: str) -> Folder:
    found = asked.org.folders.get(uid)
    if found is not None and may_see(asked, found):
        return found
    # From version 9 on whoever is no Admin is not told whether there is such a folder.
    if asked.double.since(9) and (found is not None or asked.role < 2):
        raise Forbidden(needs)
    if found is not None:
        raise Refused(403, "Access denied")
    raise _no_folder(asked)


def _folder_dto(asked: Request, each: Folder) -> dict[str, Any]:
    double = asked.double
    writes, admin = asked.role >= 1, asked.role >= 2
    dto: dict[str, Any] = {
        "id": each.id,
        "uid": each.uid,
        "title": each.title,
        "url": _url(double, each),
        "hasAcl": False,
        "canSave": writes,
        "canEdit": writes,
        "canAdmin": admin,
        "createdBy": each.created_by,
        "created": each.created,
        "updatedBy": each.updated_by,
        "updated": each.updated,
        "version": each.version,
    }
    if double.since(9):
        dto["canDelete"] = writes
    if double.nested:
        dto["orgId"] = asked.org.id
        if each.parent:
            around = [asked.org.folders[uid] for uid in asked.org.path(each.parent)]
            dto["parentUid"] = each.parent
            dto["parents"] = [{"id": up.id, "uid": up.uid, "title": up.title, "url": _url(double, up)} for up in around]
            dto["parents"].reverse()
    return dto


def _no_folder(asked: Request) -> Refused:
    return Refused(404, asked.double.words("Folder not found"), state="not-found")


def _folder_changed(asked: Request) -> Refused:
    return Refused(412, asked.double.words("The folder has been changed by someone else"), state="version-mismatch")


def _title_is_free(asked: Request, title: str, parent: str) -> None:
    """Before 11.3 the title of a folder is its own: in the General folder at first, then in each one."""
    double, org, slug = asked.double, asked.org, slugify(title)
    if double.since(11, 3):
        return
    beside = [each for each in org.folders.values() if each.parent == parent]
    if not parent:
        beside += [each for each in org.dashboards.values() if not each.folder]
    if any(each.slug == slug for each in beside):
        text = "A folder or dashboard in the general folder with the same name already exists"
        raise Refused(409 if double.since(8) else 400, double.words(text))


def _may_write(asked: Request, needs: str) -> None:
    """Editors may; before version 9 viewers are turned down by the folder service itself."""
    if asked.role >= 1:
        return
    if asked.double.since(9):
        raise Forbidden(needs)
    raise Refused(403, "Access denied")


# Dashboards.


@route("GET", "/api/dashboards/uid/:uid", needs="dashboards:read")
def dashboard(asked: Request, uid: str) -> Answer:
    found = _dashboard(asked, uid)
    if found.spec and asked.double.refuses_v2:
        where = f"/apis/dashboard.grafana.app/{found.stored}/namespaces/default/dashboards/{uid}"
        raise Refused(406, f"dashboard api version not supported, use {where} instead")
    return Answer(200, b'{"dashboard":%b,"meta":%b}' % (found.data, orjson.dumps(_meta(asked, found))))


@route("DELETE", "/api/dashboards/uid/:uid", needs="dashboards:delete")
def delete_dashboard(asked: Request, uid: str) -> dict[str, Any]:
    if asked.role < 1 and asked.double.since(9):
        raise Forbidden("dashboards:delete")
    found = _dashboard(asked, uid)
    if asked.role < 1:
        raise Refused(403, "Access denied to this dashboard")
    if found.provisioned is not None:
        raise Refused(400, "provisioned dashboard cannot be deleted", traced=True)
    del asked.org.dashboards[uid]
    said = {"message": f"Dashboard {found.title} deleted", "title": found.title}
    return {**said, "id": found.id} if asked.double.since(8) else said


def _dashboard(asked: Request, uid: str) -> Dashboard:
    found = asked.org.dashboards.get(uid)
    if found is None:
        raise Refused(404, "Dashboard not found", traced=True)
    if not may_see(asked, found):
        raise Refused(403, "Access denied to this dashboard")
    return found


def _meta(asked: Request, each: Dashboard) -> dict[str, Any]:
    double = asked.double
    writes, admin = asked.role >= 1, asked.role >= 2
    folder = asked.org.folders.get(each.folder)
    meta: dict[str, Any] = {
        "type": "db",
        "canSave": writes,
        "canEdit": writes,
        "canAdmin": admin,
        "canStar": asked.who.password is not None,
        "slug": each.slug,
        "url": _url(double, each),
        "expires": _TIMELESS,
        "created": each.created,
        "updated": each.updated,
        "updatedBy": each.updated_by,
        "createdBy": each.created_by,
        "version": each.version,
        "hasAcl": False,
        "isFolder": False,
        "folderId": folder.id if folder else 0,
        "folderTitle": folder.title if folder else "General",
        "folderUrl": _url(double, folder) if folder else "",
        "provisioned": each.provisioned is not None,
        "provisionedExternalId": each.provisioned or "",
    }
    if double.since(8):
        meta["folderUid"] = each.folder
    if double.since(9):
        deeds = ("canAdd", "canEdit", "canDelete")
        notes = {"dashboard": dict.fromkeys(deeds, True), "organization": dict.fromkeys(deeds, writes)}
        meta |= {"canDelete": writes, "annotationsPermissions": notes}
    if double.since(9, 3) and not double.since(10):
        meta |= {"hasPublicDashboard": False, "publicDashboardAccessToken": "", "publicDashboardUid": ""}
    if double.since(9, 3):
        meta["publicDashboardEnabled"] = False
    if double.since(12):
        meta["apiVersion"] = each.stored
    return meta


@route("POST", "/api/dashboards/db", needs="any of dashboards:create, dashboards:write")
def save_dashboard(asked: Request) -> dict[str, Any]:
    if asked.role < 1 and asked.double.since(9):
        raise Forbidden("any of dashboards:create, dashboards:write")
    said = asked.json("dashboard")
    content = said["dashboard"]
    if not isinstance(content, dict):
        raise Refused(400, "bad request data", traced=True)
    if asked.double.since(12) and "elements" in content and "layout" in content:
        version = "v2" if asked.double.since(13) else "v2beta1"
        text = "dashboard appears to be in v2 format. Please use the /apis/dashboard.grafana.app/{} API"
        raise Refused(400, text.format(version))
    saved = save(asked, content, _target(asked, said), overwrite=bool(said.get("overwrite")),
                 message=str(said.get("message") or ""))  # fmt: skip
    return {
        "id": saved.id,
        "slug": saved.slug,
        "status": "success",
        "uid": saved.uid,
        "url": _url(asked.double, saved),
        "version": saved.version,
        **({"folderUid": saved.folder} if asked.double.since(11) else {}),
    }


def _target(asked: Request, said: dict[str, Any]) -> str | int:
    """The folder that a dashboard is to go to: a uid, or a number that no folder has. Nothing said is the root."""
    if asked.double.since(8) and (uid := said.get("folderUid")):
        found = asked.org.folders.get(uid)
        if found is None:
            raise Refused(400, "Folder not found", traced=True)
        if not may_see(asked, found):
            raise Refused(500, "Error while checking folder ID", traced=True)
        return str(uid)
    number = said.get("folderId") or 0
    found = asked.org.folder_by_id(number) if number else None
    return found.uid if found else (number or "")


def save(asked: Request, content: dict[str, Any], target: str | int, *, overwrite: bool, message: str) -> Dashboard:
    """Saves a dashboard by the rules of the legacy API, in the order in which Grafana checks them."""
    double, org = asked.double, asked.org
    content = {**content, "title": str(content.get("title") or "").strip()}
    uid = str(content.get("uid") or "").strip()
    if not content["title"]:
        raise Refused(400, "Dashboard title cannot be empty", state="empty-name" if double.since(8) else "")
    check_uid(double, uid)
    _raise_refresh(double, content)
    existing, uid = _existing(asked, content, uid, target)
    if existing is not None and content.get("version", 0) != existing.version and not overwrite:
        raise Refused(412, "The dashboard has been changed by someone else", state="version-mismatch")
    place = str(target)
    existing, uid = _by_title(asked, content["title"], place, existing, uid, overwrite=overwrite)
    if existing is not None and existing.provisioned is not None:
        raise Refused(400, "Cannot save provisioned dashboard")
    if asked.role < 1 or not may_see_in(asked, place) or (existing is not None and not may_see(asked, existing)):
        raise Refused(403, "Access denied to save dashboard", traced=True)
    content["uid"] = uid or double.mint()
    return store(double, org, content, folder=place, who=asked.who, message=message, before=existing)


def _existing(asked: Request, content: dict[str, Any], uid: str, target: str | int) -> tuple[Dashboard | None, str]:
    """The dashboard that is meant, by its number or its uid, and the uid that it is to have."""
    org, by_number = asked.org, None
    if number := content.get("id"):
        by_number = org.dashboard_by_id(number)
        if by_number is None:
            raise Refused(404, "Dashboard not found", state="not-found")
    uid = uid or (by_number.uid if by_number else "")
    by_uid = org.dashboards.get(uid) if uid else None
    if isinstance(target, int):
        if not asked.double.since(7):
            raise Refused(500, "Failed to save dashboard")
        raise Refused(404, "Folder not found", traced=True)
    if by_number is not None and by_uid is not None and by_number.id != by_uid.id:
        raise Refused(400, "A dashboard with the same uid already exists")
    if by_number is None and uid in org.folders:
        raise Refused(400, "Dashboard cannot be changed to a folder")
    return by_number or by_uid, uid


def _by_title(
    asked: Request, title: str, target: str, existing: Dashboard | None, uid: str, *, overwrite: bool
) -> tuple[Dashboard | None, str]:
    """Before 11.3 a title belongs to one dashboard of a folder: overwriting by title adopts that one and its uid."""
    double, org, slug = asked.double, asked.org, slugify(title)
    if double.since(11, 3):
        return existing, uid
    if any(each.slug == slug for each in org.folders.values()):
        raise Refused(400, "Dashboard name cannot be the same as folder", state="name-match")
    same = next((each for each in org.dashboards.values() if each.slug == slug and each.folder == target), None)
    if same is None or (existing is not None and same.id == existing.id):
        return existing, uid
    if not overwrite:
        text = "A dashboard with the same name in the folder already exists"
        raise Refused(412, text, state="name-exists")
    return same, same.uid


def store(
    double: Double,
    org: Organisation,
    content: dict[str, Any],
    *,
    folder: str = "",
    who: Identity | None = None,
    message: str = "",
    before: Dashboard | None = None,
    stored: str = "v0alpha1",
    spec: bytes = b"",
    checked: bool = False,
) -> Dashboard:
    """Writes a dashboard down, whatever the rules: the next version of one, or the first. `checked` ones are new."""
    if before is None and not checked:
        before = org.dashboards.get(content["uid"])
    number = before.id if before else double.next_id("entity")
    version = before.version + 1 if before else 1
    data = dumps({**content, "id": number, "version": version})
    moment, login = double.now(), who.login if who else "Anonymous"
    save_id = double.next_id("saved")
    saved = records.Saved(save_id, version, version - 1, moment, who, message, data)
    made = records.Dashboard(
        id=number,
        uid=content["uid"],
        title=content["title"],
        slug=slugify(content["title"]),
        folder=folder,
        version=version,
        data=data,
        tags=tuple(content.get("tags") or ()),
        created=before.created if before else moment,
        updated=moment,
        created_by=before.created_by if before else login,
        updated_by=login,
        provisioned=before.provisioned if before else None,
        stored=stored,
        spec=spec,
        resource_version=1_760_000_000_000 + save_id,
        history=(*before.history, saved) if before else (saved,),
    )
    if before is not None and before.uid != made.uid:
        del org.dashboards[before.uid]
    org.dashboards[made.uid] = made
    return made


def check_uid(double: Double, uid: str, *, traced: bool = False) -> None:
    """Turns down a uid with other characters than letters, digits, - and _, or with more than 40."""
    if not _UID.fullmatch(uid):
        raise Refused(400, "uid contains illegal characters", traced=traced)
    if len(uid) > 40:
        text = "uid too long, max 40 characters" if double.since(8) else "uid to long. max 40 characters"
        raise Refused(400, text, traced=traced)


def _raise_refresh(double: Double, content: dict[str, Any]) -> None:
    """A refresh that is shorter than allowed, or that cannot be read, becomes the shortest one without a word."""
    refresh = content.get("refresh")
    if not double.since(7) or not isinstance(refresh, str) or not refresh:
        return
    if (_seconds(refresh) or 0) < (_seconds(double.min_refresh) or 0):
        content["refresh"] = double.min_refresh


def _seconds(text: str) -> float | None:
    read = _DURATION.fullmatch(text)
    return int(read[1]) * _SECONDS[read[2]] if read else None


def panels_in_use(org: Organisation, panel: str) -> int:
    """How many dashboards show a library panel."""
    quoted = dumps(panel)
    rows = (each for each in org.dashboards.values() if b'"libraryPanel"' in each.data and quoted in each.data)
    return sum(1 for each in rows if panel in _panels_of(orjson.loads(each.data)))


def _panels_of(content: dict[str, Any]) -> set[str]:
    rows = content.get("panels") or []
    every = [*rows, *(inner for each in rows for inner in each.get("panels") or [])]
    return {each["libraryPanel"].get("uid") for each in every if isinstance(each.get("libraryPanel"), dict)}


# Versions of dashboards.


@route("GET", "/api/dashboards/id/:number/versions", needs="dashboards:write")
def versions_by_id(asked: Request, number: str) -> Any:
    found = asked.org.dashboard_by_id(int(number)) if number.isdigit() else None
    return _versions(asked, found.uid if found else "")


@route("GET", "/api/dashboards/uid/:uid/versions", since=(9,), needs="dashboards:write")
def versions(asked: Request, uid: str) -> Any:
    return _versions(asked, uid)


@route("GET", "/api/dashboards/uid/:uid/versions/:version", since=(9,), needs="dashboards:write")
def one_version(asked: Request, uid: str, version: str) -> dict[str, Any]:
    found = _versioned(asked, uid)
    for saved in found.history:
        if version == str(saved.version):
            row = _version_row(asked, found, saved)
            row.pop("dashboardUid", None)
            by = saved.created_by.login if saved.created_by else "Anonymous"
            return {**row, "uid": uid, "createdBy": by, "message": saved.message, "data": orjson.loads(saved.data)}
    text = f"Dashboard version {version} not found for dashboardId {found.id}"
    raise Refused(404 if asked.double.since(10) else 500, text, traced=True)


def _versions(asked: Request, uid: str) -> Any:
    """The history, the newest first: bare, or from 11.6 on in an object with a token for what follows."""
    found = _versioned(asked, uid)
    start, limit = asked.number("start", 0), asked.number("limit", 0) or 1000
    rows = list(reversed(found.history))[start : start + limit]
    said = [_version_row(asked, found, saved) for saved in rows]
    return {"continueToken": "", "versions": said} if asked.double.since(11, 6) else said


def _versioned(asked: Request, uid: str) -> Dashboard:
    if asked.role < 1 and asked.double.since(9):
        raise Forbidden("dashboards:write")
    found = _dashboard(asked, uid)
    if asked.role < 1:
        raise Refused(403, "Access denied to this dashboard")
    return found


def _version_row(asked: Request, found: Dashboard, saved: Saved) -> dict[str, Any]:
    double, by = asked.double, saved.created_by
    first = saved.version == 1
    row: dict[str, Any] = {
        "id": saved.id,
        "dashboardId": found.id,
        "parentVersion": saved.parent,
        "restoredFrom": 0,
        "version": saved.version,
        "created": saved.created,
        "createdBy": by.login if by else "Anonymous",
        "message": "Initial save" if first and not saved.message else saved.message,
    }
    if double.since(9, 4) and not double.since(10):
        data = orjson.loads(saved.data)
        if first:
            del data["id"]
        row |= {"dashboardUid": "", "createdBy": by.number if by else -1, "data": data}
    elif double.since(9):
        row["uid" if double.since(10) else "dashboardUid"] = found.uid
    if double.since(11, 6):
        row["data"] = orjson.loads(saved.data)
    return row

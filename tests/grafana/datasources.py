"""Data sources: secrets go in, and what comes out is that there are some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.grafana.wire import Refused, Request, route

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.grafana.double import Double
    from tests.grafana.records import Organisation

_NAMES = {"prometheus": "Prometheus", "loki": "Loki", "postgres": "PostgreSQL", "tempo": "Tempo"}


@route("GET", "/api/datasources", role="Admin", until=(9,))
@route("GET", "/api/datasources", since=(9,), needs="datasources:read")
def sources(asked: Request) -> list[dict[str, Any]]:
    rows = sorted(asked.org.sources.values(), key=lambda each: each["name"].lower())
    return [_row(asked.double, each) for each in rows]


@route("GET", "/api/datasources/:number", role="Admin", until=(9,))
@route("GET", "/api/datasources/:number", since=(9,), needs="datasources:read")
def source(asked: Request, number: str) -> dict[str, Any]:
    return _dto(asked.double, _found(asked, lambda each: str(each["id"]) == number))


@route("GET", "/api/datasources/uid/:uid", since=(9,), needs="datasources:read")
def source_by_uid(asked: Request, uid: str) -> dict[str, Any]:
    return _dto(asked.double, _found(asked, lambda each: each["uid"] == uid))


@route("GET", "/api/datasources/name/:name", role="Admin", until=(9,))
@route("GET", "/api/datasources/name/:name", since=(9,), needs="datasources:read")
def source_by_name(asked: Request, name: str) -> dict[str, Any]:
    return _dto(asked.double, _found(asked, lambda each: each["name"] == name))


@route("POST", "/api/datasources", role="Admin", needs="datasources:create")
def create(asked: Request) -> dict[str, Any]:
    said = asked.json("name", "type", "access")
    if any(each["name"] == said["name"] for each in asked.org.sources.values()):
        old, new = "Data source with same name already exists", "data source with the same name already exists"
        raise Refused(409, new if asked.double.since(9) else old, traced=True)
    uid = said.get("uid") if asked.double.since(7) else None
    if uid and any(each["uid"] == uid for each in asked.org.sources.values()):
        raise Refused(409, "data source with the same uid already exists", traced=True)
    made = store(asked.double, asked.org, {**said, "uid": uid or "", "readOnly": False})
    return _said(asked, made, "Datasource added")


@route("PUT", "/api/datasources/:number", role="Admin", needs="datasources:write")
def update(asked: Request, number: str) -> dict[str, Any]:
    return _update(asked, lambda each: str(each["id"]) == number)


@route("PUT", "/api/datasources/uid/:uid", since=(9,), role="Admin", needs="datasources:write")
def update_by_uid(asked: Request, uid: str) -> dict[str, Any]:
    return _update(asked, lambda each: each["uid"] == uid)


@route("DELETE", "/api/datasources/:number", role="Admin", needs="datasources:delete")
def delete(asked: Request, number: str) -> dict[str, Any]:
    _delete(asked, lambda each: str(each["id"]) == number)
    return {"message": "Data source deleted"}


@route("DELETE", "/api/datasources/uid/:uid", since=(9,), role="Admin", needs="datasources:delete")
def delete_by_uid(asked: Request, uid: str) -> dict[str, Any]:
    return {"message": "Data source deleted", "id": _delete(asked, lambda each: each["uid"] == uid)}


@route("DELETE", "/api/datasources/name/:name", role="Admin", needs="datasources:delete")
def delete_by_name(asked: Request, name: str) -> dict[str, Any]:
    number = _delete(asked, lambda each: each["name"] == name)
    return {"message": "Data source deleted", **({"id": number} if asked.double.since(8) else {})}


def store(double: Double, org: Organisation, said: dict[str, Any]) -> dict[str, Any]:
    """Writes a data source down, whatever the rules; a new default takes that from the one before."""
    made = {
        "id": double.next_id("source"),
        "uid": said.get("uid") or (double.mint() if double.since(7) else ""),
        "orgId": org.id,
        "secrets": dict(said.get("secureJsonData") or {}),
        "version": 1,
        "readOnly": bool(said.get("readOnly")),
        **_own(said),
    }
    org.sources[made["id"]] = made
    _only_default(org, made)
    return made


def _own(said: dict[str, Any]) -> dict[str, Any]:
    """What a client says of a data source, with what it leaves out."""
    texts = {key: str(said.get(key) or "") for key in ("name", "type", "access", "url", "user", "database")}
    return {
        **texts,
        "basicAuth": bool(said.get("basicAuth")),
        "basicAuthUser": str(said.get("basicAuthUser") or ""),
        "withCredentials": bool(said.get("withCredentials")),
        "isDefault": bool(said.get("isDefault")),
        "jsonData": dict(said.get("jsonData") or {}),
    }


def _only_default(org: Organisation, made: dict[str, Any]) -> None:
    if made["isDefault"]:
        for each in org.sources.values():
            each["isDefault"] = each is made


def _found(asked: Request, which: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    found = next((each for each in asked.org.sources.values() if which(each)), None)
    if found is None:
        raise Refused(404, "Data source not found")
    return found


def _update(asked: Request, which: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Secrets that are not sent again are kept."""
    said, found = asked.json("name", "type", "access"), _found(asked, which)
    if found["readOnly"]:
        raise Refused(403, "Cannot update read-only data source")
    if any(each["name"] == said["name"] and each is not found for each in asked.org.sources.values()):
        raise Refused(500, "Failed to update datasource", traced=True)
    version = said.get("version") or 0
    if version and version != found["version"]:
        text = "Datasource has already been updated by someone else. Please reload and try again"
        raise Refused(409, text, traced=True)
    found |= _own(said) | {"version": version + 1}
    found["secrets"] = {**found["secrets"], **(said.get("secureJsonData") or {})}
    if asked.double.since(7) and said.get("uid"):
        found["uid"] = said["uid"]
    _only_default(asked.org, found)
    return _said(asked, found, "Datasource updated")


def _delete(asked: Request, which: Callable[[dict[str, Any]], bool]) -> int:
    found = _found(asked, which)
    if found["readOnly"]:
        raise Refused(403, "Cannot delete read-only data source")
    del asked.org.sources[found["id"]]
    return int(found["id"])


def _said(asked: Request, found: dict[str, Any], message: str) -> dict[str, Any]:
    return {"datasource": _dto(asked.double, found), "id": found["id"], "message": message, "name": found["name"]}


def _row(double: Double, each: dict[str, Any]) -> dict[str, Any]:
    """As it stands in the list."""
    kind = each["type"]
    logo = f"public/app/plugins/datasource/{kind}/img/{kind}_logo.svg"
    keys = ("access", "url", "user", "database", "basicAuth", "isDefault", "jsonData", "readOnly")
    return {
        **_names(double, each),
        **({"typeName": _NAMES.get(kind, kind)} if double.since(8) else {}),
        "typeLogoUrl": logo if double.since(7) else "public/img/icn-datasource.svg",
        **({"password": ""} if not double.since(9) else {}),
        **{key: each[key] for key in keys},
    }


def _dto(double: Double, each: dict[str, Any]) -> dict[str, Any]:
    keys = ("access", "url", "user", "database", "basicAuth", "basicAuthUser", "withCredentials", "isDefault",
            "jsonData", "version", "readOnly")  # fmt: skip
    return {
        **_names(double, each),
        "typeLogoUrl": "",
        **({"password": "", "basicAuthPassword": ""} if not double.since(9) else {}),
        **{key: each[key] for key in keys},
        "secureJsonFields": dict.fromkeys(each["secrets"], True),
    }


def _names(double: Double, each: dict[str, Any]) -> dict[str, Any]:
    keys = ("id", "uid", "orgId", "name", "type") if double.since(7) else ("id", "orgId", "name", "type")
    return {key: each[key] for key in keys}

"""The newer API of dashboards, as Kubernetes would have it: versions, namespaces, and resources that know their own."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any

import orjson

from tests.grafana import boards, v2
from tests.grafana.wire import Answer, Raw, Refused, Request, dumps, route

if TYPE_CHECKING:
    from tests.grafana.double import Double
    from tests.grafana.records import Dashboard

GROUP = "dashboard.grafana.app"
_KIND = "dashboards.dashboard.grafana.app"
_BASE = "/apis/dashboard.grafana.app/:version/namespaces/:namespace/dashboards"
_NEW = {"since": (12,), "role": None}
_OWN = ("id", "uid", "version")


@route("GET", "/apis", **_NEW)
def groups(asked: Request) -> dict[str, Any]:
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(asked.double)]}


@route("GET", f"/apis/{GROUP}", **_NEW)
def group(asked: Request) -> dict[str, Any]:
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(asked.double)}


@route("GET", f"/apis/{GROUP}/:version", **_NEW)
def resources(asked: Request, version: str) -> dict[str, Any]:
    _served(asked, version)
    verbs = ["create", "delete", "get", "list", "update", "watch"]
    dashboards = {
        "name": "dashboards",
        "singularName": "dashboard",
        "namespaced": True,
        "kind": "Dashboard",
        "verbs": verbs,
    }
    said = {"groupVersion": f"{GROUP}/{version}", "resources": [dashboards]}
    return {"kind": "APIResourceList", "apiVersion": "v1", **said}


def _group(double: Double) -> dict[str, Any]:
    versions = [{"groupVersion": f"{GROUP}/{each}", "version": each} for each in double.apis]
    return {"name": GROUP, "versions": versions, "preferredVersion": versions[0]}


@route("GET", _BASE, **_NEW)
def list_dashboards(asked: Request, version: str, namespace: str) -> Answer:
    """A page ends at the limit, or where so much was put onto it: what follows is behind `continue`."""
    _enter(asked, version, namespace)
    after = _read_token(asked.text("continue"))
    limit = asked.number("limit", 0)
    rows = sorted(asked.org.dashboards.values(), key=lambda each: each.uid)
    rows = [each for each in rows if each.uid > after and boards.may_see(asked, each)]
    items: list[bytes] = []
    size = 0
    for each in rows:
        if (limit and len(items) >= limit) or size >= asked.double.page_bytes:
            break
        items.append(dumps(_resource(asked, each, version)))
        size += len(items[-1])
    metadata: dict[str, Any] = {"resourceVersion": str(1_760_000_000_000 + asked.double.generation)}
    if left := len(rows) - len(items):
        metadata |= {"continue": _token(rows[len(items) - 1].uid), "remainingItemCount": left}
    head = dumps({"apiVersion": f"{GROUP}/{version}", "kind": "DashboardList", "metadata": metadata})
    return Answer(200, b'%b,"items":[%b]}' % (head[:-1], b",".join(items)))


@route("GET", f"{_BASE}/:name", **_NEW)
def get_dashboard(asked: Request, version: str, namespace: str, name: str) -> dict[str, Any]:
    _enter(asked, version, namespace)
    return _resource(asked, _dashboard(asked, name), version)


@route("POST", _BASE, **_NEW)
def create_dashboard(asked: Request, version: str, namespace: str) -> Answer:
    _enter(asked, version, namespace, writes=True)
    said = _body(asked)
    metadata = said.get("metadata") or {}
    name = metadata.get("name") or (
        f"{metadata['generateName']}{asked.double.mint()}" if "generateName" in metadata else ""
    )
    if not name:
        raise _status(422, "Invalid", "", "name or generateName is required")
    if name in asked.org.dashboards:
        raise _status(409, "AlreadyExists", name, f'{_KIND} "{name}" already exists')
    made = _write(asked, said, version, name, None)
    return Answer(201, dumps(_resource(asked, made, version)))


@route("PUT", f"{_BASE}/:name", **_NEW)
def replace_dashboard(asked: Request, version: str, namespace: str, name: str) -> dict[str, Any]:
    """Needs the version of the resource that it replaces: what was changed meanwhile is not written over."""
    _enter(asked, version, namespace, writes=True)
    said, found = _body(asked), _dashboard(asked, name)
    sent = str((said.get("metadata") or {}).get("resourceVersion") or "")
    if not sent:
        text = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
        raise _status(422, "Invalid", name, f'Dashboard.{GROUP} "{name}" is invalid: {text}')
    if sent != str(found.resource_version):
        text = "the object has been modified; please apply your changes to the latest version and try again"
        raise _status(409, "Conflict", name, f'Operation cannot be fulfilled on {_KIND} "{name}": {text}')
    if found.provisioned is not None:
        raise _status(403, "Forbidden", name, "Cannot save provisioned dashboard")
    return _resource(asked, _write(asked, said, version, name, found), version)


@route("DELETE", f"{_BASE}/:name", **_NEW)
def remove_dashboard(asked: Request, version: str, namespace: str, name: str) -> dict[str, Any]:
    _enter(asked, version, namespace, writes=True)
    found = _dashboard(asked, name)
    if found.provisioned is not None:
        raise _status(403, "Forbidden", name, "provisioned dashboard cannot be deleted")
    del asked.org.dashboards[name]
    details = {"name": name, "group": GROUP, "kind": "dashboards", "uid": _resource_uid(asked, found)}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _enter(asked: Request, version: str, namespace: str, *, writes: bool = False) -> None:
    """Turns down a version that is not served, the namespace of another organisation, and who may not write."""
    _served(asked, version)
    if namespace != ("default" if asked.org.id == 1 else f"org-{asked.org.id}"):
        raise _status(403, "Forbidden", "", f'{_KIND} is forbidden: invalid namespace "{namespace}"')
    if asked.role < (1 if writes else 0):
        raise _status(403, "Forbidden", "", f"{_KIND} is forbidden: insufficient permissions")


def _served(asked: Request, version: str) -> None:
    if version not in asked.double.apis:
        raise (
            Refused(404, "Not found")
            if not asked.double.apis
            else _status(404, "NotFound", "", "the server could not find the requested resource")
        )


def _dashboard(asked: Request, name: str) -> Dashboard:
    found = asked.org.dashboards.get(name)
    if found is None:
        raise _status(404, "NotFound", name, f'{_KIND} "{name}" not found')
    if not boards.may_see(asked, found):
        raise _status(403, "Forbidden", name, f'{_KIND} "{name}" is forbidden: not allowed to get resource')
    return found


def _body(asked: Request) -> dict[str, Any]:
    try:
        said = orjson.loads(asked.body)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("spec"), dict):
        raise _status(400, "BadRequest", "", "the object provided is unrecognized (must be of type Dashboard)")
    return said


def _write(asked: Request, said: dict[str, Any], version: str, name: str, before: Dashboard | None) -> Dashboard:
    """Keeps what was sent in the version that it was sent with: a v2 spec whole, beside what the classic form holds."""
    notes = (said.get("metadata") or {}).get("annotations") or {}
    folder = notes.get("grafana.app/folder") or ""
    if folder and (folder not in asked.org.folders or not boards.may_see_in(asked, folder)):
        raise _status(404, "NotFound", folder, f'folders.folder.grafana.app "{folder}" not found')
    boards.check_uid(asked.double, name)
    spec = said["spec"]
    newer = version.startswith("v2")
    if newer and "elements" not in spec:
        raise _status(422, "Invalid", name, f'Dashboard.{GROUP} "{name}" is invalid: spec.elements: Required value')
    content = v2.flattened(spec) if newer else {key: value for key, value in spec.items() if key not in _OWN}
    if not content.get("title"):
        raise _status(400, "BadRequest", name, "Dashboard title cannot be empty")
    return boards.store(
        asked.double,
        asked.org,
        {**content, "uid": name},
        folder=folder,
        who=asked.who,
        message=str(notes.get("grafana.app/message") or ""),
        before=before,
        stored=version,
        spec=dumps(spec) if newer else b"",
    )


def _resource(asked: Request, each: Dashboard, version: str) -> dict[str, Any]:
    """A dashboard in the version that is asked for; `status` says where it was converted from."""
    notes = {"grafana.app/createdBy": f"user:{each.created_by}", "grafana.app/updatedBy": f"user:{each.updated_by}"}
    notes["grafana.app/updatedTimestamp"] = each.updated
    if each.folder:
        notes["grafana.app/folder"] = each.folder
    if each.provisioned is not None:
        notes |= {"grafana.app/managedBy": "classic-file-provisioning", "grafana.app/sourcePath": each.provisioned}
    resource: dict[str, Any] = {
        "kind": "Dashboard",
        "apiVersion": f"{GROUP}/{version}",
        "metadata": {
            "name": each.uid,
            "namespace": "default" if asked.org.id == 1 else f"org-{asked.org.id}",
            "uid": _resource_uid(asked, each),
            "resourceVersion": str(each.resource_version),
            "generation": each.version,
            "creationTimestamp": each.created,
            "labels": {"grafana.app/deprecatedInternalID": str(each.id)},
            "annotations": notes,
        },
        "spec": _spec(each, version),
        "status": {},
    }
    if version != each.stored:
        resource["status"] = {"conversion": {"failed": False, "storedVersion": each.stored}}
    return resource


def _spec(each: Dashboard, version: str) -> Any:
    if each.spec and version.startswith("v2"):
        return orjson.loads(each.spec)
    content = {key: value for key, value in orjson.loads(each.data).items() if key not in _OWN}
    return v2.lifted(content) if version.startswith("v2") else content


def _resource_uid(asked: Request, each: Dashboard) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{asked.org.id}/{each.id}"))


def _status(code: int, reason: str, name: str, message: str) -> Raw:
    """A refusal as Kubernetes words it."""
    details = {"name": name, "group": GROUP, "kind": "dashboards"}
    said = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return Raw(Answer(code, dumps({**said, "reason": reason, "details": details, "code": code})))


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"after": last})).decode()


def _read_token(text: str) -> str:
    if not text:
        return ""
    try:
        return str(orjson.loads(base64.urlsafe_b64decode(text))["after"])
    except (ValueError, KeyError, TypeError):
        raise _status(400, "BadRequest", "", "continue key is not valid") from None

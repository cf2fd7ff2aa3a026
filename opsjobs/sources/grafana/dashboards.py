"""Dashboards: by /api/dashboards, and from version 12 by /apis/dashboard.grafana.app, as each is kept there.

The old API of a new server converts what is kept in schema 2 and loses a part of it without a word. So each dashboard
is read in the version in which it is kept, and goes back by the API that knows that version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsjobs.errors import BadAnswer, NotOffered
from opsjobs.objects import Copy, Edit, Listed
from opsjobs.sources.grafana import folders
from opsjobs.sources.grafana.api import Api, segment

GROUP = "dashboard.grafana.app"
_PAGE = 5000
_RESOURCES = (12, 0)
_FOLDER_UIDS = (8, 0)
_VERSIONS_BY_UID = (9, 0)
_LIMIT = 500
_BRIEF = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}
"""Names without contents, where the server can."""
_FOLDER = "grafana.app/folder"
_MESSAGE = "grafana.app/message"
_MANAGED = ("grafana.app/managed", "grafana.app/source")
"""What a file or a repository has written: a copy of it is nobody's but people's."""
_STAGES = ("alpha", "beta", "")
_KUBERNETES = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
# Of the server that gave them, and not of the dashboard.
_OWN = (
    *("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "namespace"),
    *("ownerReferences", "finalizers"),
)
_IN_ADDRESS = re.compile(r"/dashboards/f/([^/]+)")
_SAVED_BY = "opsjobs: restored from a backup"


def listed(api: Api) -> Iterator[Listed]:
    """Every dashboard that whoever asks may see."""
    version = _first(api)
    seen: set[str] = set()
    found = _named(api, version) if version else _searched(api)
    for each in found:
        # Pages move while they are read.
        if each.uid not in seen:
            seen.add(each.uid)
            yield each


def _searched(api: Api) -> Iterator[Listed]:
    for page in api.pages("/api/search", {"type": "dash-db", "limit": _PAGE}):
        for each in page:
            folder = str(each.get("folderUid") or "")
            yield Listed(kind="dashboard", uid=str(each["uid"]), title=str(each["title"]), folder=folder)


def _named(api: Api, version: str) -> Iterator[Listed]:
    for page in api.continued(_path(api, version), _LIMIT, _BRIEF):
        for each in page:
            metadata = each["metadata"]
            title = str((each.get("spec") or {}).get("title") or "")
            yield Listed(kind="dashboard", uid=str(metadata["name"]), title=title, folder=_folder_of(metadata))


def read(api: Api, found: Listed) -> Copy:
    """The dashboard in the version in which it is kept."""
    version = _first(api)
    return _resource(api, found, version) if version else _legacy(api, found)


def _legacy(api: Api, found: Listed) -> Copy:
    answer = api.get(f"/api/dashboards/uid/{segment(found.uid)}")
    if not isinstance(answer, dict) or not isinstance(answer.get("dashboard"), dict):
        raise api.unknown(f"/api/dashboards/uid/{found.uid}")
    model, meta = answer["dashboard"], answer.get("meta") or {}
    shown = _IN_ADDRESS.match(str(meta.get("folderUrl") or ""))
    return Copy(
        kind="dashboard",
        uid=str(model.get("uid") or found.uid),
        title=str(model.get("title") or found.title),
        folder=str(meta.get("folderUid") or (shown[1] if shown else found.folder)),
        content=model,
        api="/api/dashboards",
        version=str(model.get("version") or ""),
        updated=str(meta.get("updated") or ""),
        updated_by=str(meta.get("updatedBy") or ""),
        provisioned=bool(meta.get("provisioned")),
    )


def _resource(api: Api, found: Listed, version: str) -> Copy:
    path = f"/{segment(found.uid)}"
    # Most are kept in the same version.
    version = api.remembered("stored version", version)
    answer = api.get(_path(api, version) + path)
    stored, failed = _conversion(answer)
    if failed or (stored and stored != version):
        # What was converted has lost something, or was migrated: it is read again as it is kept.
        version = _served(api, stored or version)
        answer = api.get(_path(api, version) + path)
        stored, failed = _conversion(answer)
        if failed:
            raise BadAnswer(f"{api.name} cannot convert it: {failed}")
        if _rank(version)[0] == 1:
            api.remember("stored version", version)
    metadata, spec = answer["metadata"], answer["spec"]
    notes = metadata.get("annotations") or {}
    kept = {name: value for name, value in metadata.items() if name not in _OWN}
    return Copy(
        kind="dashboard",
        uid=str(metadata["name"]),
        title=str(spec.get("title") or found.title),
        folder=_folder_of(metadata),
        content={
            "apiVersion": f"{GROUP}/{version}",
            "kind": "Dashboard",
            "metadata": kept,
            "spec": spec,
        },
        api=f"/apis/{GROUP}/{version}",
        version=str(metadata.get("generation") or ""),
        updated=str(notes.get("grafana.app/updatedTimestamp") or metadata.get("creationTimestamp") or ""),
        updated_by=str(notes.get("grafana.app/updatedBy") or ""),
        # A file or a repository writes it, and would write it again.
        provisioned=notes.get("grafana.app/managedBy") in {"classic-file-provisioning", "repo"},
    )


def _conversion(answer: Mapping[str, Any]) -> tuple[str, str]:
    """In which version a dashboard is kept, and why it could not be converted, where the server says so."""
    said = (answer.get("status") or {}).get("conversion") or {}
    failed = said.get("failed")
    return str(said.get("storedVersion") or ""), str(said.get("error") or "it does not say why") if failed else ""


def _folder_of(metadata: Mapping[str, Any]) -> str:
    return str((metadata.get("annotations") or {}).get(_FOLDER) or "")


def write(api: Api, wanted: Copy, live: Copy | None) -> None:
    """Make it, or save it over the version that was seen. Raises `NotOffered` where this server has no such schema."""
    version = _schema(wanted)
    if version and (_versions(api) or _rank(version)[0] > 1):
        _write_resource(api, wanted, live, _served(api, version))
    else:
        _write_legacy(api, wanted, live)


def fit(api: Api, wanted: Copy) -> None:
    """Raises `NotOffered` where this server does not have the schema in which it is kept."""
    version = _schema(wanted)
    if version and _rank(version)[0] > 1:
        _served(api, version)


def _schema(wanted: Copy) -> str:
    return str(wanted.content.get("apiVersion") or "").rpartition("/")[2]


def _write_legacy(api: Api, wanted: Copy, live: Copy | None) -> None:
    model: Mapping[str, Any] = wanted.content.get("spec", wanted.content)
    document: dict[str, Any] = {
        # Numbers belong to the server that gave them; the version says which one is replaced.
        "dashboard": {**model, "uid": wanted.uid, "id": None, "version": int(live.version or 0) if live else 0},
        "message": _SAVED_BY,
        "overwrite": False,
        "folderUid": wanted.folder,
    }
    if api.hides_version or not api.has(*_FOLDER_UIDS):
        document["folderId"] = folders.number(api, wanted.folder)
    answer = api.send("POST", "/api/dashboards/db", document)
    if isinstance(answer, dict) and answer.get("uid") not in {None, wanted.uid}:
        raise BadAnswer(f"{api.name} saved it under the uid {answer['uid']}")


def _write_resource(api: Api, wanted: Copy, live: Copy | None, version: str) -> None:
    kept = wanted.content["metadata"]
    notes = {**(kept.get("annotations") or {}), _MESSAGE: _SAVED_BY}
    for name in [_FOLDER, *(each for each in notes if each.startswith(_MANAGED))]:
        notes.pop(name, None)
    if wanted.folder:
        notes[_FOLDER] = wanted.folder
    labels = {name: value for name, value in (kept.get("labels") or {}).items() if "deprecatedInternalID" not in name}
    kept = {name: value for name, value in kept.items() if name not in _OWN}
    metadata = {**kept, "name": wanted.uid, "annotations": notes, "labels": labels}
    document = {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "Dashboard",
        "metadata": metadata,
        "spec": wanted.content["spec"],
    }
    if live is None:
        api.send("POST", _path(api, version), document)
        return
    path = f"{_path(api, version)}/{segment(wanted.uid)}"
    now = api.get(path)["metadata"]
    if str(now.get("generation") or "") != live.version:
        raise BadAnswer("it was changed since it was read: run the restore again")
    metadata["resourceVersion"] = now["resourceVersion"]
    api.send("PUT", path, document)


def remove(api: Api, found: Listed) -> None:
    """Remove it."""
    version = _first(api)
    path = f"{_path(api, version)}/" if version else "/api/dashboards/uid/"
    api.send("DELETE", path + segment(found.uid))


def history(api: Api, uid: str) -> list[Edit]:
    """Its saved versions, the newest first, as far as one page reaches. Raises `SourceError`."""
    if api.has(*_VERSIONS_BY_UID):
        found = api.get(f"/api/dashboards/uid/{segment(uid)}/versions", {"limit": 100})
    else:
        number = api.get(f"/api/dashboards/uid/{segment(uid)}")["dashboard"]["id"]
        found = api.get(f"/api/dashboards/id/{number}/versions", {"limit": 100})
    # A list of its own until 11.
    versions = found.get("versions") if isinstance(found, dict) else found
    if not isinstance(versions, list):
        raise api.unknown("versions")
    return [
        Edit(
            version=str(each.get("version") or ""),
            at=str(each.get("created") or ""),
            by=_person(each.get("createdBy")),
            message=str(each.get("message") or ""),
        )
        for each in versions
    ]


def _person(name: object) -> str:
    """Who saved it; some versions give only a number that means nothing to people."""
    return name if isinstance(name, str) and not name.isdigit() else ""


def _versions(api: Api) -> tuple[str, ...]:
    """In which versions the server gives dashboards as resources; none where it has no such API."""
    if not api.has(*_RESOURCES):
        return ()
    return api.once("dashboard versions", lambda: _discovered(api))


def _discovered(api: Api) -> tuple[str, ...]:
    try:
        found = api.get(f"/apis/{GROUP}")
    except BadAnswer as error:
        if api.hides_version:
            # An old server has no such address, or shows its start page.
            return ()
        raise BadAnswer(
            f"{api.name} {api.server.version} does not answer /apis, by which dashboards of schema 2 are kept whole: "
            f"{error.message}",
            advice="See that what stands before it lets /apis through.",
        ) from None
    return tuple(str(each["version"]) for each in found["versions"])


def _first(api: Api) -> str:
    """The version in which dashboards are asked first; empty where the server is asked by the old API."""
    served = _versions(api)
    classic = [each for each in served if _rank(each)[0] == 1]
    return max(classic or served, key=_rank, default="")


def _served(api: Api, version: str) -> str:
    """That version, or else the newest one of its kind. Raises `NotOffered`."""
    served = _versions(api)
    if version in served:
        return version
    kin = [each for each in served if (_rank(each)[0] > 1) == (_rank(version)[0] > 1)]
    if not kin:
        raise NotOffered(f"it is kept in schema {version}, which {api.name} {api.server.version} does not have")
    return max(kin, key=_rank)


def _rank(version: str) -> tuple[int, int, int]:
    """How new a version such as v1, v2beta1 or v0alpha1 is; v0 has the panels of v1."""
    found = _KUBERNETES.fullmatch(version)
    if not found:
        return (0, 0, 0)
    return max(1, int(found[1])), _STAGES.index(found[2] or "") + 3 * (found[1] != "0"), int(found[3] or 0)


def _path(api: Api, version: str) -> str:
    return f"/apis/{GROUP}/{version}/namespaces/{_namespace(api)}/dashboards"


def _namespace(api: Api) -> str:
    """What an organisation is called there: a hosted Grafana says it in its settings."""

    def asked() -> str:
        try:
            said = api.get("/api/frontend/settings").get("namespace")
        except BadAnswer:
            said = None
        number = api.server.organisation
        return str(said or ("default" if number == 1 else f"org-{number}"))

    return api.once("namespace", asked)

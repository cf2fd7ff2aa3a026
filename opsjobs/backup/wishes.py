"""What is to be restored: the objects of a backup, or the dashboard in a file that Grafana exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from opsjobs.backup import manifest as manifests
from opsjobs.backup import references
from opsjobs.backup.manifest import Manifest, Purpose
from opsjobs.backup.plan import Wish
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import BackupError
from opsjobs.objects import Copy

_LARGEST = 64 << 20
_DEEPEST = 200
_GROUP = "dashboard.grafana.app/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """What an exported dashboard leaves open: which data source it asks."""

    name: str
    """As it stands in the dashboard: DS_PROMETHEUS."""
    label: str
    plugin: str
    """What kind of data source it has to be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """A file with a dashboard."""

    wishes: tuple[Wish, ...]
    inputs: tuple[Input, ...] = ()
    notes: tuple[str, ...] = ()


def of(shelf: Shelf, backup: Manifest) -> list[Wish]:
    """Everything in a backup."""
    return [
        Wish(
            kind=each.kind,
            uid=each.uid,
            title=each.title,
            folder=each.folder,
            load=partial(shelf.copy, each),
            secrets=each.secrets,
        )
        for each in backup.entries
    ]


def dangling(backup: Manifest, wanted: Sequence[Wish]) -> frozenset[str]:
    """Data sources that objects asked which were not there when they were kept: they are not missed."""
    if "data-source" not in backup.counts and backup.purpose is not Purpose.BEFORE_RESTORE:
        return frozenset()
    # What a restore kept was there as it is, whatever it asks.
    known = {name for each in backup.of("data-source").values() for name in (each.uid, each.title)}
    asked: set[str] = set()
    for each in wanted:
        if each.kind in {"dashboard", "library-panel", "rule-group"}:
            try:
                asked |= references.sources(each.load().content)
            except BackupError:
                # Its own step tells that it is damaged.
                continue
    return frozenset(asked - known)


def exported(content: bytes, name: str, into: str | None) -> Exported:
    """The dashboard of a file: as Grafana's page exports it, or as its API gives it. Raises `BackupError`.

    `into` is the uid of the folder for it; None for the one that the file names, else for that in which it is.
    """
    if len(content) > _LARGEST:
        raise BackupError(f"{name} has {len(content) >> 20} MB: that is no dashboard")
    try:
        document = orjson.loads(content)
    except ValueError as error:
        raise BackupError(f"{name} is no JSON: {error}", advice="Give a dashboard that was exported as JSON.") from None
    if not isinstance(document, dict):
        raise BackupError(f"{name} holds no dashboard", advice="Give a dashboard that was exported as JSON.")
    meta: Mapping[str, Any] = document["meta"] if isinstance(document.get("meta"), dict) else {}
    if isinstance(document.get("dashboard"), dict):
        document = document["dashboard"]
    _shallow(document, name)
    if str(document.get("apiVersion") or "").startswith(_GROUP):
        return Exported(wishes=(_resource(document, name, into),))
    named = meta.get("folderUid") if into is None else into
    return _model(document, name, None if named is None else str(named))


def _shallow(document: Any, name: str) -> None:
    """Raises `BackupError` for what is in itself so often that nothing could walk through it."""
    level = [document]
    for _ in range(_DEEPEST):
        values = (inner for each in level for inner in (each.values() if isinstance(each, dict) else each))
        level = [inner for inner in values if isinstance(inner, dict | list)]
        if not level:
            return
    raise BackupError(f"{name} is nested more than {_DEEPEST} deep: that is no dashboard")


def _resource(document: dict[str, Any], name: str, into: str | None) -> Wish:
    metadata, spec = document.get("metadata"), document.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict) or not metadata.get("name"):
        raise BackupError(f"{name} is a dashboard without metadata.name or spec")
    notes = metadata.get("annotations")
    named = notes.get("grafana.app/folder") if isinstance(notes, dict) else None
    folder = (str(named) if named else None) if into is None else into
    content = {"apiVersion": document["apiVersion"], "kind": "Dashboard", "metadata": metadata, "spec": spec}
    return _wish("dashboard", str(metadata["name"]), str(spec.get("title") or name), folder, content)


def _model(document: dict[str, Any], name: str, folder: str | None) -> Exported:
    if not isinstance(document.get("title"), str) or not any(each in document for each in ("panels", "rows")):
        raise BackupError(
            f"{name} holds no dashboard: it has no title, or no panels",
            advice="Give a dashboard that was exported as JSON, or a file of `dashboards backup --export`.",
        )
    open_inputs = list(_mappings(document.get("__inputs")))
    elements = document.get("__elements")
    model = {key: value for key, value in document.items() if not key.startswith("__")}
    constants = {str(each.get("name")): each.get("value") for each in open_inputs if each.get("type") == "constant"}
    model = _filled(model, {f"${{{key}}}": str(value) for key, value in constants.items() if value is not None})
    inputs = tuple(
        Input(name=str(each["name"]), label=str(each.get("label") or ""), plugin=str(each.get("pluginId") or ""))
        for each in open_inputs
        if each.get("type") == "datasource" and each.get("name")
    )
    uid, notes = str(model.get("uid") or ""), []
    if not uid:
        # The same file is the same dashboard each time.
        uid = manifests.digest(model["title"].encode())[:14]
        notes.append(f"the file names no uid: the dashboard gets {uid}, made of its title")
    wishes = [_wish("dashboard", uid, model["title"], folder, {**model, "uid": uid})]
    for each in _mappings(elements.values() if isinstance(elements, dict) else elements):
        panel: dict[str, Any] = {
            "kind": 1,
            **{key: each[key] for key in ("uid", "name", "kind", "type", "model") if key in each},
        }
        if panel.get("uid"):
            made = _wish("library-panel", str(panel["uid"]), str(panel.get("name") or panel["uid"]), folder, panel)
            wishes.insert(0, made)
    return Exported(wishes=tuple(wishes), inputs=inputs, notes=tuple(notes))


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    try:
        yield from (each for each in value or () if isinstance(each, dict))
    except TypeError:
        return


def _filled(value: Any, constants: Mapping[str, str]) -> Any:
    if not constants:
        return value
    if isinstance(value, dict):
        return {key: _filled(inner, constants) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, constants) for inner in value]
    if isinstance(value, str):
        for name, text in constants.items():
            value = value.replace(name, text)
    return value


def _wish(kind: str, uid: str, title: str, folder: str | None, content: Mapping[str, Any]) -> Wish:
    copy = Copy(kind=kind, uid=uid, title=title, folder=folder or "", content=content)
    return Wish(
        kind=kind,
        uid=uid,
        title=title,
        folder=copy.folder,
        anywhere=folder is None,
        load=lambda: copy,
        # Another dashboard may show it, and may have changed it since.
        dependency=kind == "library-panel",
    )

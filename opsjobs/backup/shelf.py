"""The backups of one Grafana: `objects/` by their hashes, and a manifest for each backup in `manifests/`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import orjson

from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Entry, Failure, Manifest, Purpose
from opsjobs.backup.store import Store
from opsjobs.errors import BackupError
from opsjobs.objects import Copy

_MANIFESTS, _OBJECTS = "manifests", "objects"
_LARGEST = 64 << 20
_THREADS = 8


class Shelf:
    """Backups in a store. What is read is hashed first: what was damaged or exchanged is never handed on."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def keep(self, copy: Copy) -> Entry:
        """Write an object down, unless it is there already. Raises `BackupError`."""
        content = manifests.encoded(copy.content)
        sha256 = manifests.digest(content)
        name = _object(sha256)
        if not self.store.has(name, content):
            self.store.put(name, content)
        return manifests.entry(copy, sha256, len(content))

    def take(self, sha256: str, content: bytes) -> None:
        """Keep the bytes of an object that have that hash. Raises `BackupError`."""
        self.store.put(_object(sha256), content)

    def publish(self, manifest: Manifest) -> None:
        """Make it a backup: its objects have to be on the disk before its manifest is. Raises `BackupError`."""
        self.store.settle({_object(each.sha256) for each in manifest.entries})
        name = _manifest(manifest.id)
        self.store.put(name, manifests.write(manifest))
        self.store.settle([name])

    def names(self) -> list[str]:
        """The names of all backups, the newest first. Raises `BackupError`."""
        found = (name.partition("/")[2] for name in self.store.sizes(_MANIFESTS))
        return sorted((name.removesuffix(".json") for name in found if name.endswith(".json")), reverse=True)

    def manifest(self, name: str) -> Manifest:
        """The backup of that name. Raises `BackupError`."""
        return manifests.read(self.store.get(_manifest(name)), name)

    def backups(self, purposes: Collection[Purpose] = (Purpose.BACKUP,)) -> tuple[list[Manifest], list[BackupError]]:
        """Every backup that can be read, the newest first, and what is wrong with the others. Raises `BackupError`."""
        found: list[Manifest] = []
        broken: list[BackupError] = []
        for name in self.names():
            try:
                each = self.manifest(name)
            except BackupError as error:
                broken.append(error)
            else:
                if each.purpose in purposes:
                    found.append(each)
        return found, broken

    def latest(self, *, good: bool = True, before: datetime | None = None) -> Manifest | None:
        """The newest backup, by default the newest that can be relied on; None where there is none.

        With `before` the newest that was begun before then.
        """
        for name in self.names():
            at = manifests.stamped(name)
            if before and (at is None or at >= before):
                continue
            try:
                found = self.manifest(name)
            except BackupError:
                continue
            if found.purpose is Purpose.BACKUP and (found.good or not good):
                return found
        return None

    def chosen(self, name: str) -> Manifest:
        """The backup that somebody means: its name, the beginning of it, or `latest`. Raises `BackupError`."""
        if name == "latest":
            found = self.latest()
            if found is None:
                raise BackupError(
                    f"{self.store.place}: there is no complete backup", advice="Make one: `opsjobs dashboards backup`."
                )
            return found
        meant = [each for each in self.names() if each.startswith(name)]
        if len(meant) != 1:
            what = f"{len(meant)} backups begin with" if meant else "no backup is called"
            raise BackupError(f"{what} '{name}'", advice="`opsjobs dashboards list` shows them.")
        return self.manifest(meant[0])

    def content(self, entry: Entry) -> dict[str, Any]:
        """An object of a backup. Raises `BackupError` when it is not there, or is not what was written."""
        content = self.raw(entry)
        try:
            found = orjson.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise BackupError(f"{entry.kind} {entry.uid} is no object")
        return found

    def copy(self, entry: Entry) -> Copy:
        """An object of a backup as it was read then. Raises `BackupError`."""
        return Copy(
            kind=entry.kind,
            uid=entry.uid,
            title=entry.title,
            folder=entry.folder,
            content=self.content(entry),
            api=entry.api,
            version=entry.version,
            updated=entry.updated,
            updated_by=entry.updated_by,
            secrets=entry.secrets,
            provisioned=entry.provisioned,
        )

    def raw(self, entry: Entry) -> bytes:
        """The bytes of an object. Raises `BackupError` when they are not there, or are not what was written."""
        if entry.size > _LARGEST:
            raise BackupError(f"{entry.kind} {entry.uid} would be {entry.size >> 20} MB")
        content = self.store.get(_object(entry.sha256))
        if manifests.digest(content) != entry.sha256:
            raise BackupError(
                f"{entry.kind} {entry.title or entry.uid}: its file was damaged after it was written",
                advice="The next backup writes it anew while it is still in Grafana; check the disk.",
            )
        return content

    def verify(self, entries: Sequence[Entry], progress: Callable[[], None] = lambda: None) -> list[Failure]:
        """Read and hash every object; those that are missing or damaged. Raises nothing."""

        def wrong(entry: Entry) -> Failure | None:
            try:
                self.raw(entry)
            except BackupError as error:
                return Failure(kind=entry.kind, uid=entry.uid, title=entry.title, reason=error.message)
            finally:
                progress()
            return None

        with ThreadPoolExecutor(_THREADS) as pool:
            return [failure for failure in pool.map(wrong, entries) if failure]

    def drop(self, names: Iterable[str]) -> int:
        """Remove backups, manifests first, and objects that no other backup has; how many bytes that frees.

        Raises `BackupError`: also where a manifest that stays cannot be read, since nobody knows what it needs.
        """
        leaving = set(names)
        needed: set[str] = set()
        for name in self.names():
            if name not in leaving:
                needed.update(_object(each.sha256) for each in self.manifest(name).entries)
        sizes = self.store.sizes()
        freed = 0
        for name in [*map(_manifest, sorted(leaving)), *sorted(set(self.store.sizes(_OBJECTS)) - needed)]:
            self.store.remove(name)
            freed += sizes.get(name, 0)
        return freed


def _object(sha256: str) -> str:
    return f"{_OBJECTS}/{sha256[:2]}/{sha256}.json"


def _manifest(name: str) -> str:
    return f"{_MANIFESTS}/{name}.json"

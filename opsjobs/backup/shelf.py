"""The backups of one Grafana: its objects by their hashes, and a manifest for each backup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Entry, Failure, Manifest
from opsjobs.backup.rack import Rack
from opsjobs.errors import BackupError, BadAnswer
from opsjobs.objects import Copy
from opsjobs.threads import Pool

_LARGEST = 64 << 20
_THREADS = 8


class Shelf(Rack[Manifest]):
    """Backups in a store. What is read is hashed first: what was damaged or exchanged is never handed on."""

    COMMANDS = "opsjobs dashboards"
    MAKING = "opsjobs dashboards backup"
    SUFFIX = ".json"

    def keep(self, copy: Copy, *, anew: bool = False) -> Entry:
        """Write an object down, unless it is there already; `anew` where what is there is damaged.

        Raises `BackupError`, and `BadAnswer` for one that no file can hold.
        """
        try:
            content = manifests.encoded(copy.content)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadAnswer(f"it cannot be written down: {error}") from None
        sha256 = manifests.digest(content)
        name = self.object(sha256)
        if anew or not self.store.has(name, content):
            self.store.put(name, content)
        return manifests.entry(copy, sha256, len(content))

    def take(self, sha256: str, content: bytes) -> None:
        """Keep the bytes of an object that have that hash. Raises `BackupError`."""
        self.store.put(self.object(sha256), content)

    def written(self, backup: Manifest) -> bytes:
        return manifests.write(backup)

    def read(self, content: bytes, name: str) -> Manifest:
        return manifests.read(content, name)

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
        content = self.store.get(self.object(entry.sha256))
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

        with Pool(_THREADS) as pool:
            return [failure for failure in pool.map(wrong, entries) if failure]

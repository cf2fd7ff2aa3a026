"""The backups of one server in a store: `objects/` by their hashes, and in `manifests/` what each backup is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import ClassVar, Generic, Protocol, TypeVar

from opsjobs.backup.manifest import Purpose, Verdict, stamped
from opsjobs.backup.store import Store
from opsjobs.errors import BackupError

_MANIFESTS, _OBJECTS = "manifests", "objects"
_LARGEST_MANIFEST = 256 << 20


class Backup(Protocol):
    """What every backup says of itself, whatever it is one of."""

    @property
    def id(self) -> str:
        """The time when it was begun, which is also its name."""

    @property
    def started_at(self) -> datetime:
        """The same as a time."""

    @property
    def purpose(self) -> Purpose:
        """Why it was made."""

    @property
    def verdict(self) -> Verdict:
        """What it is worth."""

    @property
    def good(self) -> bool:
        """Whether it is one to rely on."""

    @property
    def hashes(self) -> Collection[str]:
        """Of everything that it consists of."""


Made = TypeVar("Made", bound=Backup)


class Rack(ABC, Generic[Made]):
    """Backups of one kind in a store. A backup is its manifest, which is written last and removed first."""

    COMMANDS: ClassVar[str]
    """The command whose `list` shows them."""
    MAKING: ClassVar[str]
    """The command that makes one."""
    SUFFIX: ClassVar[str] = ""
    """With which the names of objects end."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @abstractmethod
    def written(self, backup: Made) -> bytes:
        """A manifest as a file."""

    @abstractmethod
    def read(self, content: bytes, name: str) -> Made:
        """A manifest from a file of which nothing is believed. Raises `BackupError`."""

    def publish(self, backup: Made) -> None:
        """Make it a backup: its objects have to be on the disk before its manifest is. Raises `BackupError`."""
        self.store.settle({self.object(each) for each in backup.hashes})
        name = _manifest(backup.id)
        self.store.put(name, self.written(backup))
        self.store.settle([name])

    def names(self) -> list[str]:
        """The names of all backups, the newest first. Raises `BackupError`."""
        found = (name.partition("/")[2] for name in self.store.sizes(_MANIFESTS))
        return sorted((name.removesuffix(".json") for name in found if name.endswith(".json")), reverse=True)

    def free(self, name: str) -> str:
        """The same, or one like it that no backup has: there may be several within a second. Raises `BackupError`."""
        taken = self.names()
        names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
        return next(each for each in names if each not in taken)

    def manifest(self, name: str) -> Made:
        """The backup of that name. Raises `BackupError`."""
        if (self.store.size(_manifest(name)) or 0) > _LARGEST_MANIFEST:
            raise BackupError(f"the manifest of {name} has more than {_LARGEST_MANIFEST >> 20} MB")
        found = self.read(self.store.get(_manifest(name)), name)
        if found.id != name:
            raise BackupError(f"{_manifest(name)} in {self.store.place} is the manifest of {found.id[:80]}")
        return found

    def backups(self, purposes: Collection[Purpose] = (Purpose.BACKUP,)) -> tuple[list[Made], list[BackupError]]:
        """Every backup that can be read, the newest first, and what is wrong with the others. Raises `BackupError`."""
        found: list[Made] = []
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

    def latest(self, *, good: bool = True, before: datetime | None = None) -> Made | None:
        """The newest backup, by default the newest that can be relied on; None where there is none.

        With `before` the newest that was begun before then.
        """
        for name in self.names():
            at = stamped(name)
            if before and (at is None or at >= before):
                continue
            try:
                found = self.manifest(name)
            except BackupError:
                continue
            if found.purpose is Purpose.BACKUP and (found.good or not good):
                return found
        return None

    def first(self) -> Made | None:
        """The oldest backup that can be relied on; None where there is none. Raises `BackupError`."""
        found, _ = self.backups()
        return next((each for each in reversed(found) if each.good), None)

    def unreadable(self, since: str) -> list[str]:
        """The names of backups newer than one whose manifests cannot be read. Raises `BackupError`."""
        found: list[str] = []
        for name in self.names():
            if name <= since:
                break
            try:
                self.manifest(name)
            except BackupError:
                found.append(name)
        return found

    def chosen(self, name: str) -> Made:
        """The backup that somebody means: its name, the beginning of it, or `latest`. Raises `BackupError`."""
        if name == "latest":
            found = self.latest()
            if found is None:
                raise BackupError(
                    f"{self.store.place}: there is no complete backup", advice=f"Make one: `{self.MAKING}`."
                )
            return found
        names = self.names()
        meant = [name] if name in names else [each for each in names if each.startswith(name)]
        if len(meant) != 1:
            what = f"{len(meant)} backups begin with" if meant else "no backup is called"
            raise BackupError(f"{what} '{name}'", advice=f"`{self.COMMANDS} list` shows them.")
        return self.manifest(meant[0])

    def drop(self, names: Iterable[str]) -> int:
        """Remove backups, manifests first, and objects that no other backup has; how many bytes that frees.

        Raises `BackupError`: also where a manifest that stays cannot be read, since nobody knows what it needs.
        """
        leaving = set(names)
        needed: set[str] = set()
        for name in self.names():
            if name not in leaving:
                needed.update(map(self.object, self.manifest(name).hashes))
        sizes = self.store.sizes()
        freed = 0
        for name in [*map(_manifest, sorted(leaving)), *sorted(set(self.store.sizes(_OBJECTS)) - needed)]:
            self.store.remove(name)
            freed += sizes.get(name, 0)
        return freed

    def object(self, sha256: str) -> str:
        """The name of the file that holds what has that hash."""
        return f"{_OBJECTS}/{sha256[:2]}/{sha256}{self.SUFFIX}"


def _manifest(name: str) -> str:
    return f"{_MANIFESTS}/{name}.json"

"""Where the files of backups are. Names are made here, of hashes and times: nothing that a server said is in them."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from opsjobs.errors import BackupError
from opsjobs.threads import Pool

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_PARTIAL = ".partial-"
_THREADS = 8
_PIECE = 1 << 20


class Store(Protocol):
    """A place for files by name. A reader sees each either whole or not at all."""

    @property
    def place(self) -> str:
        """What people call it."""

    def sizes(self, folder: str = "") -> dict[str, int]:
        """The names of all files below a folder, and their sizes in bytes. Raises `BackupError`."""

    def get(self, name: str) -> bytes:
        """The bytes of a file. Raises `BackupError`, also where there is none."""

    def put(self, name: str, content: bytes) -> None:
        """Write a file whole, in place of one of that name. Raises `BackupError`."""

    def has(self, name: str, content: bytes) -> bool:
        """Whether a file of that name is there, whole as far as that can be told quickly."""

    def size(self, name: str) -> int | None:
        """How many bytes a file has, as far as that can be told quickly; None where there is none of that name."""

    def pour(self, name: str, pieces: Iterable[bytes]) -> None:
        """As `put`, of any size: memory holds a piece at a time. What the pieces raise is raised, and nothing written.

        Raises `BackupError`.
        """

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file of any size, a piece at a time. Raises `BackupError`, also where there is none."""

    def remove(self, name: str) -> None:
        """Remove a file; none is as good. Raises `BackupError`."""

    def settle(self, names: Iterable[str]) -> None:
        """Come back when files that were put would survive a power cut. Raises `BackupError`."""

    def tidy(self) -> None:
        """Remove what writers left that were killed; only for whoever holds the lock. Raises `BackupError`."""


def read_out(file: Readable) -> Iterator[bytes]:
    """What is left of an open file, a piece at a time. Raises what reading it raises."""
    while piece := file.read(_PIECE):
        yield piece


class Readable(Protocol):
    """An open file."""

    def read(self, size: int, /) -> bytes | None:
        """So many bytes at most; none at its end."""


def checked(name: str) -> str:
    """The name of a file below the store. Raises `BackupError` for one that could lead elsewhere."""
    if not _NAME.fullmatch(name):
        raise BackupError(f"{name[:80]!r} is no name for a file of a backup")
    return name


class Folder:
    """A store on this machine: folders 0700, files 0600."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: set[Path] = set()

    @property
    def place(self) -> str:
        return str(self._root)

    def sizes(self, folder: str = "") -> dict[str, int]:
        with self._told("cannot be listed"):
            return dict(self._found(self._root / checked(folder) if folder else self._root))

    def _found(self, folder: Path) -> Iterator[tuple[str, int]]:
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return
        for each in entries:
            if each.is_dir(follow_symlinks=False):
                yield from self._found(Path(each.path))
            elif each.is_file(follow_symlinks=False) and not each.name.startswith("."):
                yield Path(each.path).relative_to(self._root).as_posix(), each.stat().st_size

    def get(self, name: str) -> bytes:
        with self._told(f"{name} cannot be read"):
            return (self._root / checked(name)).read_bytes()

    def put(self, name: str, content: bytes) -> None:
        self.pour(name, [content])

    def pour(self, name: str, pieces: Iterable[bytes]) -> None:
        with self._told(f"{name} cannot be written"):
            path = self._root / checked(name)
            self._make(path.parent)
            partial = path.parent / f"{_PARTIAL}{secrets.token_hex(8)}"
            try:
                with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.writelines(pieces)
                    file.flush()
                    # Before it gets its name: a name without its bytes would survive a power cut.
                    os.fsync(file.fileno())
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def has(self, name: str, content: bytes) -> bool:
        try:
            return (self._root / checked(name)).read_bytes() == content
        except OSError:
            return False

    def size(self, name: str) -> int | None:
        with self._told(f"{name} cannot be read"):
            try:
                return (self._root / checked(name)).stat().st_size
            except FileNotFoundError:
                return None

    def pieces(self, name: str) -> Iterator[bytes]:
        with self._told(f"{name} cannot be read"), (self._root / checked(name)).open("rb", buffering=0) as file:
            yield from read_out(file)

    def remove(self, name: str) -> None:
        with self._told(f"{name} cannot be removed"):
            (self._root / checked(name)).unlink(missing_ok=True)

    def settle(self, names: Iterable[str]) -> None:
        # The bytes are on the disk; their names are in their folders, and the names of these in the one above.
        names = list(names)
        folders = {self._root, *(above for name in names for above in (self._root / checked(name)).parents)}
        within = [each for each in folders if (each == self._root or self._root in each.parents) and each.is_dir()]
        with self._told("cannot be written"), Pool(_THREADS) as pool:
            for name in names:
                (self._root / name).stat()
            list(pool.map(_synced, within))

    def tidy(self) -> None:
        with self._told("cannot be tidied"):
            for path in self._root.rglob(f"{_PARTIAL}*"):
                path.unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        if folder in self._made:
            return
        # One by one: `mkdir` gives the mode only to the last.
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
        self._made.add(folder)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackupError(
                f"{self._root}: {what}: {error.strerror or error}",
                advice="Check free space and who may read and write there.",
            ) from None


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""A backup in one file, to be carried elsewhere; and one that came from elsewhere, of which nothing is believed.

Nothing is ever unpacked: members are read one after the other, each is held against the manifest, which comes first,
and written under the hash that it has. A member's name, mode, owner and links mean nothing.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Self, cast

from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Manifest
from opsjobs.backup.shelf import Shelf
from opsjobs.backup.store import Folder
from opsjobs.errors import BackupError

_MANIFEST = "manifest.json"
_LARGEST = 64 << 20
"""Bytes of one object, and of the manifest."""
_BETWEEN = 3 * _LARGEST
"""Bytes from one member to the next: what is left of the one, and the headers of the other."""
_ALTOGETHER = 4 << 30
_MEMBERS = 1_000_000
_EPOCH = 0
_SUFFIXES = (".tar.gz", ".tgz")
# The last two: headers of numbers that are none, and of headers of headers.
_DAMAGED = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, RecursionError)


def is_one(path: Path) -> bool:
    """Whether a file is called as such an archive is."""
    return path.name.endswith(_SUFFIXES)


def pack(shelf: Shelf, backup: Manifest, path: Path) -> int:
    """Write a backup into one file, 0600; the same backup gives the same bytes but for compression. Its size in bytes.

    Raises `BackupError`, also when an object is damaged: then there is no file.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                _add(archive, _MANIFEST, manifests.write(backup))
                for sha256, entry in sorted({each.sha256: each for each in backup.entries}.items()):
                    _add(archive, f"{sha256}.json", shelf.raw(entry))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise BackupError(
            f"{path}: cannot be written: {error.strerror}", advice="Check free space and the folder."
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return path.stat().st_size


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), 0o600, _EPOCH
    archive.addfile(member, io.BytesIO(content))


@contextmanager
def opened(path: Path) -> Iterator[tuple[Shelf, Manifest]]:
    """A backup from an archive, in a folder of its own while the block runs. Raises `BackupError`."""
    with TemporaryDirectory(prefix="opsjobs-archive-") as folder:
        shelf = Shelf(Folder(Path(folder)))
        yield shelf, _read(path, shelf)


def _read(path: Path, shelf: Shelf) -> Manifest:
    try:
        with path.open("rb") as file, _Capped(gzip.GzipFile(fileobj=file), path) as plain:
            members = _members(plain, path)
            name, content = next(members, ("", b""))
            if name != _MANIFEST:
                raise BackupError(f"{path} does not begin with {_MANIFEST}: it is no backup", advice=_HOW)
            backup = manifests.read(content, str(path))
            wanted = {each.sha256: each.size for each in backup.entries}
            for _, content in members:
                sha256 = manifests.digest(content)
                if sha256 in wanted:
                    shelf.take(sha256, content)
                    del wanted[sha256]
    except _DAMAGED as error:
        raise BackupError(f"{path} cannot be read: {error}", advice=_HOW) from None
    if wanted:
        raise BackupError(f"{path}: {len(wanted)} of its objects are missing or damaged", advice="Use another copy.")
    return backup


_HOW = "Give a file that `opsjobs dashboards pack` wrote."


class _Capped:
    """What is unpacked for one member, headers among it, is held in memory: only so much of it."""

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self._file, self._path = file, path
        self.since = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self.since += len(content)
        if self.since > _BETWEEN:
            raise BackupError(f"{self._path} holds more than a backup may have", advice=_HOW)
        return content


def _members(plain: _Capped, path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each plain file, within what a backup may have."""
    total = 0
    archive = tarfile.TarFile.open(fileobj=cast("IO[bytes]", plain), mode="r|")
    for number, member in enumerate(archive):
        plain.since = 0
        total += member.size
        if number >= _MEMBERS or member.size > _LARGEST or total > _ALTOGETHER:
            raise BackupError(f"{path} holds more than a backup may have", advice=_HOW)
        if not member.isreg():
            # A link, a folder, a device: nothing of a backup.
            continue
        file = archive.extractfile(member)
        if file is not None:
            yield member.name, file.read(_LARGEST + 1)

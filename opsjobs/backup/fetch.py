"""A snapshot is made and fetched: each file of it streamed, hashed, kept and read back, and only then published.

Prometheus puts a snapshot into a folder beside its data. That folder is another's: no link in it is followed, whatever
changes meanwhile, and nothing of it is removed but the one folder that was made for this.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import FileIO
from pathlib import Path

from opsjobs.backup import coverage
from opsjobs.backup import snapshot as snapshots
from opsjobs.backup.manifest import Verdict, stamp
from opsjobs.backup.snapshot import Block, File, Loss, Snapshot
from opsjobs.backup.store import read_out
from opsjobs.backup.vault import Unproven, Vault
from opsjobs.errors import BackupError, SourceError
from opsjobs.sources import Origin, Snapshots

FOLDER = "snapshots"
_META, _INDEX = "meta.json", "index"
_LARGEST_META = 16 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without waiting for whoever may write into a pipe.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CANNOT = "Set systems.NAME.prometheus.data to Prometheus' data folder as it is reached from here, and let it be read."

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many megabytes of how many are done."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be fetched, and how it is called."""

    system: str
    data: Path
    """The data folder of Prometheus."""
    made_by: str
    clock: Callable[[], datetime]
    head: bool = True
    """Whether what is in memory is in it."""
    fewer: bool = False
    """Whether somebody knows that there is much less than the last time."""
    progress: Progress = field(default=lambda *_: None)
    still: Callable[[], None] = field(default=lambda: None)
    """Raises where somebody else has taken the work over; asked before the snapshot is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A snapshot that is a backup now."""

    snapshot: Snapshot
    added: int
    """Bytes that no earlier snapshot had."""
    notes: tuple[str, ...]
    """What became of the folder that Prometheus made."""


def fetch(source: Snapshots, vault: Vault, order: Order) -> Fetched:
    """Back up everything, and say what it is worth; only for whoever holds the lock of the vault.

    Raises `SourceError` when Prometheus makes none, `BackupError` when nothing could be fetched or kept.
    """
    started, origin = order.clock(), source.origin
    if not order.data.is_dir():
        # Before anything is made there that nobody could fetch.
        raise BackupError(f"{order.data}: there is no such folder", advice=_CANNOT)
    vault.store.tidy()
    before = vault.latest()
    name = source.snapshot(head=order.head)
    try:
        found = _Reading(vault, order.progress)
        with _opened(order.data, name) as folder:
            found.everything(folder)
        made = _judged(found, order, before, (origin, name, started))
        order.still()
        vault.publish(made)
    finally:
        # Also where it failed: what lies there holds the disk space of every block that Prometheus removes.
        notes = _removed(order.data, name)
    return Fetched(snapshot=made, added=found.added, notes=notes)


def _judged(found: _Reading, order: Order, before: Snapshot | None, known: tuple[Origin, str, datetime]) -> Snapshot:
    """What was read as a backup, with what it is worth. Raises `BackupError` when there is nothing."""
    origin, name, started = known
    failures = [*found.failures, *found.unwhole()]
    if not found.blocks:
        why = f": {failures[0]}" if failures else ""
        raise BackupError(
            f"the snapshot is empty: there is no block in it{why}",
            advice="Has it collected anything yet? Without --skip-head what is in its memory is taken, too.",
        )
    lacking: list[str] = []
    if before and not order.fewer:
        size = sum(each.size for each in found.files)
        lacking += coverage.lacking(before, found.blocks, size, origin.retention, head=order.head)
    return Snapshot(
        id=found.vault.free(stamp(started)),
        system=order.system,
        server=origin,
        name=name,
        head=order.head,
        made_by=order.made_by,
        started_at=started,
        finished_at=order.clock(),
        verdict=Verdict.INCOMPLETE if failures else Verdict.SHRUNK if lacking else Verdict.COMPLETE,
        blocks=tuple(sorted(found.blocks, key=lambda each: (each.start, each.name))),
        files=tuple(sorted(found.files, key=lambda each: each.path)),
        failures=tuple(failures),
        shrunk=tuple(lacking),
    )


class _Reading:
    """What was read so far."""

    def __init__(self, vault: Vault, progress: Progress) -> None:
        self.vault, self._progress = vault, progress
        self.files: list[File] = []
        self.blocks: list[Block] = []
        self.failures: list[Loss] = []
        self.added = self._done = self._total = 0

    def everything(self, folder: int) -> None:
        """Read every file below an open folder, and keep it. Raises `BackupError` when the store takes nothing."""
        # Twice through the folder: who waits is told how much there is.
        self._total = sum(each.size for each in _places(folder, lambda *_: None))
        for each in _places(folder, self._lost):
            self._file(each)

    def unwhole(self) -> Iterator[Loss]:
        """Blocks without which a restored Prometheus would not read the rest."""
        paths = {each.path for each in self.files} | {each.path for each in self.failures}
        for block in sorted({path.partition("/")[0] for path in paths}):
            for needed in (_META, _INDEX):
                if f"{block}/{needed}" not in paths:
                    yield Loss(path=f"{block}/{needed}", reason="it is not in the snapshot")

    def _file(self, place: _Place) -> None:
        path = place.path
        try:
            snapshots.checked_path(path)
            with _regular(place) as file:
                found = _hashed(path, file)
                self.added += self.vault.keep(found, lambda: _again(file))
                block = snapshots.described(_small(file), found.block) if path == f"{found.block}/{_META}" else None
        except OSError as error:
            self._lost(path, error.strerror or str(error))
        except (SourceError, Unproven, ValueError) as error:
            self._lost(path, str(error))
        else:
            self.files.append(found)
            self.blocks += [block] if block else []
            self._done += found.size
            self._progress("fetching", self._done >> 20, self._total >> 20)

    def _lost(self, path: str, reason: str) -> None:
        self.failures.append(Loss(path=path, reason=reason))


@contextmanager
def _beside(data: Path) -> Iterator[int]:
    """The folder in which Prometheus makes its snapshots, opened. Raises `OSError`."""
    folder = os.open(data / FOLDER, _DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def _opened(data: Path, name: str) -> Iterator[int]:
    """The folder of a snapshot. Raises `BackupError` when it is not to be had."""
    try:
        with _beside(data) as parent:
            folder = os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError as error:
        raise BackupError(
            f"{data / FOLDER / name}: Prometheus has made a snapshot that cannot be read here: {error.strerror}",
            advice=_CANNOT,
        ) from None
    try:
        yield folder
    finally:
        os.close(folder)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Something in a folder that is no folder itself."""

    path: str
    name: str
    folder: int
    """The folder that it is in, opened."""
    size: int


def _places(folder: int, lost: Callable[[str, str], None], above: str = "") -> Iterator[_Place]:
    """Everything below an open folder; what cannot be seen is told."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        lost(above, error.strerror or str(error))
        return
    for name in names:
        path = f"{above}/{name}" if above else name
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                yield _Place(path=path, name=name, folder=folder, size=status.st_size)
                continue
            snapshots.checked_path(path)
            inner = os.open(name, _DIRECTORY, dir_fd=folder)
        except OSError as error:
            lost(path, error.strerror or str(error))
            continue
        except ValueError as error:
            lost(path, str(error))
            continue
        try:
            yield from _places(inner, lost, path)
        finally:
            os.close(inner)


@contextmanager
def _regular(place: _Place) -> Iterator[FileIO]:
    """A file, opened. Raises `OSError`, `SourceError` where it is something else."""
    try:
        opened = os.open(place.name, _FILE, dir_fd=place.folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SourceError("it is a link, and not followed") from None
        raise
    with FileIO(opened) as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise SourceError("it is no regular file")
        yield file


def _hashed(path: str, file: FileIO) -> File:
    size, digest = 0, hashlib.sha256()
    for piece in read_out(file):
        size += len(piece)
        digest.update(piece)
    return File(path=path, size=size, sha256=digest.hexdigest())


def _again(file: FileIO) -> Iterator[bytes]:
    """A file from its beginning. Raises `SourceError`: an `OSError` would be taken for one of the store."""
    try:
        file.seek(0)
        yield from read_out(file)
    except OSError as error:
        raise SourceError(error.strerror or str(error)) from None


def _small(file: FileIO) -> bytes:
    file.seek(0)
    return file.read(_LARGEST_META)


def _removed(data: Path, name: str) -> tuple[str, ...]:
    """Remove the folder that was made for this, and say what is left there. Raises nothing."""
    place = data / FOLDER
    notes = []
    try:
        with _beside(data) as parent:
            try:
                shutil.rmtree(name, dir_fd=parent)
            except OSError as error:
                notes.append(f"{place / name} could not be removed ({error.strerror}): remove it, it holds disk space")
            others = set(os.listdir(parent)) - {name}  # noqa: PTH208 - of a folder that is open
    except OSError:
        return tuple(notes)
    if others:
        what = "another snapshot lies" if len(others) == 1 else f"{len(others)} other snapshots lie"
        notes.append(f"{what} in {place}: unless somebody needs them, remove them, they hold disk space")
    return tuple(notes)

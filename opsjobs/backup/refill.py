"""A data folder for Prometheus is written anew from a snapshot: into an empty folder, each file hashed on the way.

Blocks appear in it when all of them are there. One that is damaged is left out: Prometheus would not start with it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from opsjobs.backup.snapshot import File, Snapshot
from opsjobs.backup.vault import Vault
from opsjobs.errors import BackupError

_PARTIAL = ".opsjobs-partial"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Refilled:
    """What was brought back."""

    blocks: tuple[str, ...]
    files: int
    size: int
    """Bytes."""
    left_out: Mapping[str, str]
    """Blocks that are not whole in the backup, and why."""


def refill(vault: Vault, snapshot: Snapshot, folder: Path, progress: Progress = lambda *_: None) -> Refilled:
    """Write the blocks of a snapshot into a folder that is empty or new.

    Raises `BackupError` when it is not, when there is no room, or when no block is whole; nothing is left there then.
    """
    left_out = {each.block: str(each) for each in snapshot.failures}
    files = sorted(
        (each for each in snapshot.files if each.block not in left_out), key=lambda each: each.path.split("/")
    )
    total = sum(each.size for each in files)
    written: list[File] = []
    done = 0
    with _told(folder), _prepared(folder, total) as partial:
        for block, group in groupby(files, lambda each: each.block):
            mine = list(group)
            try:
                for each in mine:
                    _write(vault, each, partial / each.path)
                    done += each.size
                    progress("writing", done >> 20, total >> 20)
            except BackupError as error:
                left_out[block] = f"{each.path}: {error.message}"
                _discard(partial / block)
            else:
                written += mine
        blocks = tuple(dict.fromkeys(each.block for each in written))
        if not blocks:
            why = "; ".join(left_out.values()) or "it has no files"
            raise BackupError(
                f"no block of {snapshot.id} is whole: {why}",
                advice="Choose another snapshot: `opsjobs metrics list`.",
            )
        _put_in_place(blocks, partial, folder)
    return Refilled(
        blocks=blocks,
        files=len(written),
        size=sum(each.size for each in written),
        left_out=dict(sorted(left_out.items())),
    )


def _write(vault: Vault, file: File, path: Path) -> None:
    _make(path.parent)
    with os.fdopen(os.open(path, _NEW, 0o600), "wb") as out:
        out.writelines(vault.pieces(file))
        out.flush()
        os.fsync(out.fileno())


def _make(folder: Path) -> None:
    """One by one: `mkdir` gives the mode only to the last."""
    if not folder.exists():
        _make(folder.parent)
        folder.mkdir(mode=0o700)


@contextmanager
def _prepared(folder: Path, size: int) -> Iterator[Path]:
    """A place in the folder for what is not yet all there. Nothing of it stays where it ends badly."""
    made = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupError(
            f"{folder} is not empty", advice="Give a new folder: nothing that is there is ever written over."
        )
    partial = folder / _PARTIAL
    try:
        _room_for(size, folder)
        partial.mkdir(mode=0o700)
        yield partial
        partial.rmdir()
        _settle(folder)
    except BaseException:
        _discard(partial)
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


def _room_for(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise BackupError(f"{folder}: {size:,} bytes are to be written, and {free:,} are free")


def _put_in_place(blocks: Sequence[str], partial: Path, folder: Path) -> None:
    """All of them or none: nobody starts a Prometheus on half of its data."""
    try:
        for block in blocks:
            (partial / block).rename(folder / block)
    except BaseException:
        # The folder was empty: whatever has one of these names was put there just now.
        for block in blocks:
            _discard(folder / block)
        raise


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(
            f"{folder}: cannot be written: {error.strerror or error}",
            advice="Check free space and who may write there.",
        ) from None

"""The reports on disk: `reports/<system>/<job>/<slot>/report.*` below the root, each published whole."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from opsjobs.errors import OpsjobsError
from opsjobs.model import Artifact

_PARTIAL = ".partial-"


def publish(
    root: Path, folder: Path, files: Mapping[str, bytes], media_types: Mapping[str, str]
) -> tuple[Artifact, ...]:
    """Write the files of one report below `root / folder`; a reader sees each either as it was or as it is now.

    What an earlier run left there and this one did not make is removed: it would tell of other data.
    """
    target = root / folder
    try:
        target.mkdir(parents=True, exist_ok=True)
        # All of them are on the disk before the first takes its place: a disk that is full spoils nothing.
        partial = {target / f"{_PARTIAL}{secrets.token_hex(8)}": name for name in files}
        try:
            for path, name in partial.items():
                _write(path, files[name])
            for path, name in partial.items():
                path.replace(target / name)
        finally:
            for path in partial:
                path.unlink(missing_ok=True)
        for stale in target.iterdir():
            # Of an earlier run that made more, or that did not come to its end.
            if stale.name not in files:
                stale.unlink()
        _sync(target)
    except OSError as error:
        raise OpsjobsError(
            f"{target}: the report cannot be written: {error.strerror}",
            advice="Check free space and who may write there, or choose another folder with --out.",
        ) from None
    return tuple(
        Artifact(
            path=str(target / name),
            media_type=media_types[name],
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for name, content in files.items()
    )


def _write(path: Path, content: bytes) -> None:
    """A new file on the disk, with the rights that the user's umask gives."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the new names survive a power cut, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def outdated(root: Path, system: str, before: datetime) -> list[Path]:
    """The folders of a system's reports that were written before an instant, the oldest first."""
    found = []
    for folder in (root / system).glob("*/*"):
        try:
            if folder.is_symlink() or not folder.is_dir():
                continue
            written = max((file.lstat().st_mtime for file in folder.iterdir()), default=folder.lstat().st_mtime)
        except FileNotFoundError:
            # Another process was quicker.
            continue
        if written < before.timestamp():
            found.append((written, folder))
    return [folder for _, folder in sorted(found)]


def discard(folder: Path) -> None:
    """Remove a report. Raises `OpsjobsError`."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OpsjobsError(
            f"{folder}: the report cannot be removed: {error.strerror}", advice="See who may write there."
        ) from None

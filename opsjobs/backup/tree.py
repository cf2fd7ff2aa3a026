"""A backup as a folder of files for people and for git: folder by folder, with the same bytes for the same content."""

from __future__ import annotations

import re
import secrets
import shutil
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Entry, Manifest
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import BackupError
from opsjobs.objects import KINDS

_MARK = ".opsjobs-dashboards"
_SAID = "Written by `opsjobs dashboards backup --export`, which replaces what it wrote before.\n"
_COUNTED = ("id", "version", "iteration")
"""What is counted anew with each save and on each server, and means nothing."""
_UNFIT = re.compile(r"[^a-z0-9]+")
_SAFE = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LONGEST = 60


def write(shelf: Shelf, backup: Manifest, folder: Path) -> None:
    """Write a backup as files below a folder, 0600, in place of those of an earlier one. Raises `BackupError`.

    A folder with something else in it is left alone, and so is what is there when something cannot be read.
    """
    partial = folder / f".partial-{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(each.name not in {_MARK, ".git", "README.md"} for each in folder.iterdir()) and not _ours(folder):
            raise BackupError(
                f"{folder} holds files that are not from here", advice="Give --export an empty folder, or a new one."
            )
        # First, so that one that was killed is known for ours.
        (folder / _MARK).write_text(_SAID)
        homes = backup.of("folder")
        try:
            for entry in backup.entries:
                content = shelf.content(entry)
                kept = {name: content[name] for name in content if name not in _COUNTED}
                _put(partial / entry.kind / _home(entry.folder, homes) / _name(entry), kept)
            _clear(folder)
            for each in sorted(partial.iterdir()) if partial.is_dir() else ():
                each.replace(folder / each.name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise BackupError(
            f"{folder}: cannot be written: {error.strerror}", advice="Give --export another folder."
        ) from None


def _put(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(manifests.encoded(content, pretty=True))


def _ours(folder: Path) -> bool:
    return (folder / _MARK).is_file()


def _clear(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink() and each.name in KINDS:
            shutil.rmtree(each)


def _home(uid: str, homes: Mapping[str, Entry]) -> Path:
    """Where a folder is in the tree: below those that it is in."""
    parts: list[str] = []
    while uid and uid in homes and len(parts) < len(homes):
        parts.append(f"{_slug(homes[uid].title)}-{_safe(uid)}")
        uid = homes[uid].folder
    return Path(*reversed(parts)) if parts else Path()


def _name(entry: Entry) -> str:
    return f"{_slug(entry.title)}-{_safe(entry.uid)}.json"


def _slug(title: str) -> str:
    """What a person recognises of a title: small letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return _UNFIT.sub("-", plain).strip("-")[:_LONGEST] or "untitled"


def _safe(uid: str) -> str:
    """A uid as a part of a name, where it is one that could not lead elsewhere; else a part of its hash.

    Some file systems take large and small letters for the same: a uid with both has its hash behind it.
    """
    short = manifests.digest(uid.encode("utf-8", "replace"))[:12]
    if not _SAFE.fullmatch(uid):
        return short
    return uid if uid == uid.lower() else f"{uid}-{short[:6]}"

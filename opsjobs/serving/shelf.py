"""The files of reports, read from `<system>/<job>/<slot>/` below one folder and from nowhere else."""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from opsjobs.report import MEDIA_TYPES

_LONGEST_NAME = 200
_LARGEST = 64 << 20
_VERDICT, _TITLE, _TITLES = 500, 300, 200
_KEPT = 4096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A pipe must not make anybody wait.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A file that is there, open."""

    content: BinaryIO
    size: int
    mark: str
    """Another one when the file is another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """What a report says of itself, in short."""

    title: str
    verdict: str
    findings: tuple[str, ...]
    """Their titles."""


class Shelf:
    """The reports below a folder. Nothing is followed out of it: neither `..` nor a symbolic link."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._digests: OrderedDict[str, Digest | None] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, system: str, job: str, slot: str, name: str) -> Found | None:
        """A file of a report; None where there is none. The caller closes it."""
        if name not in MEDIA_TYPES:
            return None
        with self._folder(system, job, slot) as folder:
            if folder is None:
                return None
            try:
                descriptor = os.open(name, _FILE, dir_fd=folder)
            except OSError:
                return None
            known = os.fstat(descriptor)
            if not stat.S_ISREG(known.st_mode):
                os.close(descriptor)
                return None
            mark = f"{known.st_ino:x}-{known.st_mtime_ns:x}-{known.st_size:x}"
            return Found(content=os.fdopen(descriptor, "rb"), size=known.st_size, mark=mark)

    def names(self, system: str, job: str, slot: str, wanted: Sequence[str]) -> tuple[str, ...]:
        """Which of these files are there."""
        with self._folder(system, job, slot) as folder:
            return () if folder is None else tuple(name for name in wanted if _is_file(name, folder))

    def digest(self, system: str, job: str, slot: str) -> Digest | None:
        """What a report says in short; None where there is none, or none that can be read."""
        found = self.open(system, job, slot, "report.json")
        if found is None:
            return None
        with found.content:
            with self._lock:
                if found.mark in self._digests:
                    self._digests.move_to_end(found.mark)
                    return self._digests[found.mark]
            made = _digest(found.content.read()) if found.size <= _LARGEST else None
        with self._lock:
            self._digests[found.mark] = made
            while len(self._digests) > _KEPT:
                self._digests.popitem(last=False)
        return made

    @contextmanager
    def _folder(self, *names: str) -> Iterator[int | None]:
        """The folder of a report, held open while the block runs; None where there is none."""
        folder = -1
        try:
            if all(map(_is_name, names)):
                folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
                for name in names:
                    inner = os.open(name, _FOLDER, dir_fd=folder)
                    os.close(folder)
                    folder = inner
        except OSError:
            if folder >= 0:
                os.close(folder)
            folder = -1
        try:
            yield folder if folder >= 0 else None
        finally:
            if folder >= 0:
                os.close(folder)


def _is_name(name: str) -> bool:
    """Whether it may name a folder of ours: what begins with a dot is none."""
    return 0 < len(name) <= _LONGEST_NAME and not name.startswith(".") and not set(name) & {"/", "\\", "\0"}


def _is_file(name: str, folder: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _digest(content: bytes) -> Digest | None:
    try:
        report = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(report, dict) or not isinstance(report.get("verdict"), str):
        return None
    findings = report.get("findings")
    titles = [each.get("title") for each in findings if isinstance(each, dict)] if isinstance(findings, list) else []
    return Digest(
        title=str(report.get("title") or "")[:_TITLE],
        verdict=report["verdict"][:_VERDICT],
        findings=tuple(title[:_TITLE] for title in titles[:_TITLES] if isinstance(title, str)),
    )

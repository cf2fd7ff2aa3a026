"""The rendered files in a folder: what would change there, and putting them there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opsjobs.errors import StackError

_RENDERED = ("prometheus", "alertmanager", "grafana", "blackbox", "loki", "promtail")
"""Folders that hold nothing but what was rendered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """How a folder differs from what was rendered; paths relative to it."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    left_over: tuple[str, ...]
    """Files that are not rendered any more. They are never removed here."""

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.left_over)


def compare(files: Mapping[str, str], folder: Path) -> Changes:
    """What `put` would do. Raises `StackError` when the folder cannot be read."""
    try:
        new = tuple(path for path in files if not (folder / path).exists())
        changed = tuple(
            path for path, text in files.items() if path not in new and (folder / path).read_bytes() != text.encode()
        )
        there = (path for name in _RENDERED for path in sorted((folder / name).rglob("*")) if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in there]
        names += ["compose.yml"] if (folder / "compose.yml").exists() else []
        return Changes(new=new, changed=changed, left_over=tuple(name for name in names if name not in files))
    except OSError as error:
        raise _unusable(folder, error) from error


def put(files: Mapping[str, str], folder: Path) -> None:
    """Write each file; one that is there already is replaced whole. Raises `StackError` when that fails."""
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting = path.with_name(f".{path.name}.{os.getpid()}")
            waiting.write_text(text, "utf-8")
            # In containers they are read by other users; there is nothing secret in them.
            waiting.chmod(0o644)
            waiting.replace(path)
        for inner in {parent for name in files for parent in Path(name).parents} - {Path()}:
            (folder / inner).chmod(0o755)
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> StackError:
    return StackError(
        f"{error.filename or folder}: {error.strerror}",
        advice="Name another folder with --out, or make this one usable.",
    )

"""What is in a backup of a Prometheus: the blocks of a snapshot, their files, and whether that is all there was."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from opsjobs.backup.manifest import Purpose, Verdict, checked_hash, digest, encoded
from opsjobs.errors import BackupError
from opsjobs.sources import Origin

_FORMAT = 1
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_DEEPEST, _LONGEST = 8, 1024
_MOST_FILES = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_TIME = 250_000_000_000_000
"""Milliseconds since 1970, in both directions; the calendar ends soon after it."""
_OTHER = "Choose another snapshot: `opsjobs metrics list`."


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file of a snapshot; its content is a file that has its hash for a name."""

    path: str
    size: int
    """Bytes."""
    sha256: str

    @property
    def block(self) -> str:
        """The folder that holds it, which is a block."""
        return self.path.partition("/")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """What Prometheus says of a block."""

    name: str
    start: int
    """Of its time range, in milliseconds since 1970."""
    end: int
    """Of its time range; itself not in it."""
    samples: int
    series: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """What was in the snapshot and is not in the backup, and why."""

    path: str
    reason: str

    @property
    def block(self) -> str:
        """The block that is not whole without it."""
        return self.path.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A backup of a Prometheus."""

    id: str
    """The time when it was begun, which is also its name."""
    system: str
    server: Origin
    name: str
    """As Prometheus called it."""
    head: bool
    """Whether what was in memory is in it."""
    made_by: str
    started_at: datetime
    finished_at: datetime
    verdict: Verdict
    blocks: tuple[Block, ...] = ()
    files: tuple[File, ...] = ()
    failures: tuple[Loss, ...] = ()
    shrunk: tuple[str, ...] = ()
    """What the backup before it had and this one lacks, for no reason that is known."""

    @property
    def purpose(self) -> Purpose:
        """There is but one."""
        return Purpose.BACKUP

    @property
    def good(self) -> bool:
        """Whether it is a backup to rely on."""
        return self.verdict is Verdict.COMPLETE

    @property
    def hashes(self) -> Collection[str]:
        """Of all its files."""
        return {each.sha256 for each in self.files}

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(each.size for each in self.files)

    @property
    def samples(self) -> int:
        """How many measured values are in it."""
        return sum(each.samples for each in self.blocks)

    @property
    def start(self) -> datetime | None:
        """Of the time that its blocks cover; None where it has none."""
        return moment(min(each.start for each in self.blocks)) if self.blocks else None

    @property
    def end(self) -> datetime | None:
        """Of the time that its blocks cover."""
        return moment(max(each.end for each in self.blocks)) if self.blocks else None


def moment(milliseconds: int) -> datetime:
    """A time as Prometheus counts it."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def checked_path(path: str) -> str:
    """A path below a data folder, which leads nowhere else. Raises `ValueError` for any other."""
    parts = path.split("/")
    # No part begins with a dot: neither `..` nor what is hidden is any file of Prometheus.
    if len(path) > _LONGEST or len(parts) > _DEEPEST or not all(map(_PART.fullmatch, parts)):
        raise ValueError(f"{path[:80]!r} is no path of a file of Prometheus")
    return path


def described(content: bytes, name: str) -> Block:
    """A block from its meta.json. Raises `ValueError` when it says nothing of the kind."""
    try:
        said = orjson.loads(content)
        stats = said.get("stats") or {}
        return _block(
            {
                "name": name,
                "start": said["minTime"],
                "end": said["maxTime"],
                "samples": stats.get("numSamples", 0),
                "series": stats.get("numSeries", 0),
            }
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"it does not say what is in the block: {type(error).__name__}: {error}"[:200]) from None


def written(snapshot: Snapshot) -> bytes:
    """A manifest as a file, with the hash of what it says."""
    said = {
        **asdict(snapshot),
        "format": _FORMAT,
        "verdict": snapshot.verdict.value,
        "started_at": snapshot.started_at.isoformat(),
        "finished_at": snapshot.finished_at.isoformat(),
    }
    return encoded({"snapshot": said, "sha256": digest(encoded(said))}, pretty=True)


def read(content: bytes, name: str) -> Snapshot:
    """A manifest from a file of which nothing is believed. Raises `BackupError`."""
    try:
        document = orjson.loads(content)
        said = document["snapshot"]
        if document["sha256"] != digest(encoded(said)):
            raise BackupError(f"the manifest of {name} was changed after it was written", advice=_OTHER)
        if said.pop("format") != _FORMAT:
            raise BackupError(f"{name} was written by another version of opsjobs", advice="Use that version.")
        return Snapshot(
            **{
                **said,
                "id": _same(said["id"], name),
                "server": Origin(**{key: str(value) for key, value in said["server"].items()}),
                "verdict": Verdict(said["verdict"]),
                "started_at": datetime.fromisoformat(said["started_at"]),
                "finished_at": datetime.fromisoformat(said["finished_at"]),
                "blocks": tuple(map(_block, said["blocks"])),
                "files": _files(said["files"]),
                "failures": tuple(
                    Loss(path=str(each["path"]), reason=str(each["reason"])) for each in said["failures"]
                ),
                "shrunk": tuple(map(str, said["shrunk"])),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise BackupError(f"the manifest of {name} cannot be read: {why}", advice=_OTHER) from None


def _same(said: object, name: str) -> str:
    # A manifest under another name would be removed in place of another.
    if said != name:
        raise ValueError(f"it is that of {str(said)[:80]!r}")
    return name


def _files(said: Sequence[Mapping[str, Any]]) -> tuple[File, ...]:
    if len(said) > _MOST_FILES:
        raise ValueError(f"it names {len(said)} files")
    found = tuple(
        File(path=checked_path(each["path"]), size=_count(each["size"]), sha256=checked_hash(each["sha256"]))
        for each in said
    )
    paths = {each.path for each in found}
    if len(paths) < len(found):
        raise ValueError("it names a file twice")
    for path in paths:
        parts = path.split("/")
        if any("/".join(parts[:depth]) in paths for depth in range(1, len(parts))):
            raise ValueError(f"{path[:80]!r} is below a file")
    return found


def _block(said: Mapping[str, Any]) -> Block:
    start, end = said["start"], said["end"]
    if not all(type(each) is int and abs(each) <= _LAST_TIME for each in (start, end)) or end < start:
        raise ValueError(f"from {str(start)[:40]} to {str(end)[:40]} is no span of time")
    return Block(
        name=str(said["name"]), start=start, end=end, samples=_count(said["samples"]), series=_count(said["series"])
    )


def _count(said: object) -> int:
    if type(said) is not int or not 0 <= said < 1 << 63:
        raise ValueError(f"{str(said)[:40]!r} is no number of anything")
    return said

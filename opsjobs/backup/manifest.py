"""What is in a backup, and whether it is all that there was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import orjson

from opsjobs.errors import BackupError
from opsjobs.objects import KINDS, Copy, Server

_FORMAT = 1
_STAMP = "%Y-%m-%dT%H-%M-%SZ"
_DIGITS = set("0123456789abcdef")
_SHA256 = 64
_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class Verdict(Enum):
    """What a backup is worth."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    """Something that is there was not read, or does not read back as it was written."""
    SHRUNK = "shrunk"
    """There is so much less than the last time that whoever asked may not see all of it."""
    EMPTY = "empty"


class Purpose(Enum):
    """Why a backup was made."""

    BACKUP = "backup"
    BEFORE_RESTORE = "before a restore"
    """What the restore was about to overwrite or to remove."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One object of a backup; its content is a file that has its hash for a name."""

    kind: str
    uid: str
    title: str
    folder: str
    api: str
    version: str
    updated: str
    updated_by: str
    sha256: str
    size: int
    """Bytes."""
    secrets: tuple[str, ...] = ()
    provisioned: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What the object is known by."""
        return self.kind, self.uid


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What is not in the backup, and why; without a uid a whole kind."""

    kind: str
    uid: str
    title: str
    reason: str

    def __str__(self) -> str:
        what = f"{self.kind} {self.title or self.uid}" if self.uid else KINDS.get(self.kind, self.kind)
        return f"{what}{f' ({self.uid})' if self.uid and self.uid != self.title else ''}: {self.reason}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How many objects of a kind were listed, and what became of them."""

    listed: int
    saved: int
    failed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A backup."""

    id: str
    """The time when it was begun, which is also its name."""
    system: str
    target: str
    """Which Grafana of the system, and which organisation of it."""
    purpose: Purpose
    server: Server
    made_by: str
    started_at: datetime
    finished_at: datetime
    verdict: Verdict
    counts: Mapping[str, Count]
    absent: Mapping[str, str] = field(default_factory=dict)
    """Kinds that this Grafana does not have, and why."""
    left_out: tuple[str, ...] = ()
    """Kinds that the configuration leaves out."""
    entries: tuple[Entry, ...] = ()
    failures: tuple[Failure, ...] = ()
    missing: tuple[str, ...] = ()
    """Kinds of which there is much less than the last time, in words."""
    notes: tuple[str, ...] = ()
    """What happened meanwhile."""

    @property
    def good(self) -> bool:
        """Whether it is a backup to rely on."""
        return self.verdict is Verdict.COMPLETE

    @property
    def size(self) -> int:
        """Bytes of all its objects."""
        return sum(each.size for each in self.entries)

    @property
    def hashes(self) -> set[str]:
        """Of all its objects."""
        return {each.sha256 for each in self.entries}

    def of(self, kind: str) -> dict[str, Entry]:
        """Its objects of a kind by their uids."""
        return {each.uid: each for each in self.entries if each.kind == kind}


def stamp(at: datetime) -> str:
    """A time as the name of a backup: sorted by name, they are sorted by time."""
    return at.astimezone(UTC).strftime(_STAMP)


def stamped(name: str) -> datetime | None:
    """The time in the name of a backup; None where it is none."""
    try:
        return datetime.strptime(name[: len("2026-11-21T18-14-10Z")], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def digest(content: bytes) -> str:
    """The SHA-256 of bytes, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def encoded(content: object, *, pretty: bool = False) -> bytes:
    """A value as JSON whose bytes depend on nothing but the value; `pretty` has a line for each member."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | (_PRETTY if pretty else 0))


def checked_hash(text: str) -> str:
    """A SHA-256 as hexadecimal digits: it becomes the name of a file. Raises `ValueError`."""
    if len(text) != _SHA256 or not set(text) <= _DIGITS:
        raise ValueError(f"'{text[:80]}' is no SHA-256")
    return text


def entry(copy: Copy, sha256: str, size: int) -> Entry:
    """What is written down of an object that was kept."""
    return Entry(
        kind=copy.kind,
        uid=copy.uid,
        title=copy.title,
        folder=copy.folder,
        api=copy.api,
        version=copy.version,
        updated=copy.updated,
        updated_by=copy.updated_by,
        sha256=sha256,
        size=size,
        secrets=copy.secrets,
        provisioned=copy.provisioned,
    )


def counted(listed: Mapping[str, int], entries: Iterable[Entry], failures: Iterable[Failure]) -> dict[str, Count]:
    """By kind, in the order of kinds."""
    saved = [each.kind for each in entries]
    failed = [each.kind for each in failures]
    return {
        kind: Count(listed=listed[kind], saved=saved.count(kind), failed=failed.count(kind))
        for kind in KINDS
        if kind in listed
    }


def write(manifest: Manifest) -> bytes:
    """A manifest as a file, with the hash of what it says."""
    said = {
        **asdict(manifest),
        "format": _FORMAT,
        "purpose": manifest.purpose.value,
        "verdict": manifest.verdict.value,
        "started_at": manifest.started_at.isoformat(),
        "finished_at": manifest.finished_at.isoformat(),
    }
    return encoded({"manifest": said, "sha256": digest(encoded(said))}, pretty=True)


def read(content: bytes, name: str) -> Manifest:
    """A manifest from a file of which nothing is believed. Raises `BackupError`."""
    try:
        document = orjson.loads(content)
        said = document["manifest"]
        if document["sha256"] != digest(encoded(said)):
            raise BackupError(f"the manifest of {name} was changed after it was written", advice=_OTHER)
        if said.pop("format") != _FORMAT:
            raise BackupError(f"{name} was written by another version of opsjobs", advice="Use that version.")
        return Manifest(
            **{
                **said,
                "purpose": Purpose(said["purpose"]),
                "verdict": Verdict(said["verdict"]),
                "server": Server(**said["server"]),
                "started_at": datetime.fromisoformat(said["started_at"]),
                "finished_at": datetime.fromisoformat(said["finished_at"]),
                **{name: _text(said[name]) for name in ("id", "system", "target", "made_by")},
                "absent": {str(kind): str(reason) for kind, reason in said["absent"].items()},
                "counts": {str(kind): Count(**count) for kind, count in said["counts"].items()},
                "entries": tuple(map(_entry, said["entries"])),
                "failures": tuple(
                    Failure(**{name: _text(each[name]) for name in ("kind", "uid", "title", "reason")})
                    for each in said["failures"]
                ),
                **{name: tuple(map(str, said[name])) for name in ("left_out", "missing", "notes")},
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise BackupError(f"the manifest of {name} cannot be read: {why}", advice=_OTHER) from None


_OTHER = "Choose another backup: `opsjobs dashboards list`."


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"'{str(value)[:80]}' is no text")  # noqa: TRY004 - of a file, not of code
    return value


def _entry(said: Mapping[str, Any]) -> Entry:
    found = Entry(**{**said, "secrets": tuple(map(str, said["secrets"]))})
    checked_hash(found.sha256)
    if found.kind not in KINDS:
        raise ValueError(f"'{found.kind[:80]}' is no kind of object")
    texts = (found.uid, found.title, found.folder, found.api, found.version, found.updated, found.updated_by)
    if not all(isinstance(each, str) for each in texts):
        raise ValueError("an object is described by something else than texts")
    if type(found.size) is not int or found.size < 0:
        raise ValueError(f"'{found.size}' is no size")
    return found

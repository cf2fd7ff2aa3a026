"""What is different between two backups, object by object; what is live is a backup that nobody keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from opsjobs.backup import compare
from opsjobs.backup.compare import Difference
from opsjobs.backup.manifest import Entry, Manifest, Purpose
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import BackupError, SourceError
from opsjobs.objects import KINDS, Edit
from opsjobs.sources import Objects


class Kind(Enum):
    """What became of an object."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class Side:
    """A backup, and where its objects are."""

    shelf: Shelf
    backup: Manifest
    label: str

    @cached_property
    def homes(self) -> dict[str, str]:
        """The titles of its folders by their uids."""
        return {uid: each.title for uid, each in self.backup.of("folder").items()}

    @cached_property
    def failed(self) -> set[tuple[str, str]]:
        """What is there and could not be read."""
        return {(each.kind, each.uid) for each in self.backup.failures if each.uid}


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One object that is different."""

    change: Kind
    kind: str
    uid: str
    title: str
    folder: str
    """The title of the folder that it is in; empty for none."""
    differences: tuple[Difference, ...] = ()
    at: str = ""
    by: str = ""
    """When and by whom it was saved last, where its Grafana says so."""
    edits: tuple[Edit, ...] = ()
    """Each save since the older side, the newest first."""


def between(before: Side, after: Side) -> list[Change]:
    """Everything that is different, kind by kind. Raises `BackupError` when an object cannot be read.

    Kinds that one side left out or could not list are not compared: nothing is known of them.
    """
    old, new = ({each.key: each for each in side.backup.entries} for side in (before, after))
    known = {kind for kind in KINDS if _covers(before.backup, kind) and _covers(after.backup, kind)}
    # What a restore kept is only what it touched.
    partial = [each for each, side in ((old, before), (new, after)) if side.backup.purpose is Purpose.BEFORE_RESTORE]
    every = set.intersection(*map(set, partial)) if partial else {*old, *new}
    keys = [key for key in sorted(every, key=lambda key: (list(KINDS).index(key[0]), key[1])) if key[0] in known]
    return [change for key in keys if (change := _change(before, after, old.get(key), new.get(key)))]


def unknown(before: Side, after: Side) -> list[str]:
    """Kinds of which nothing can be said, because one side does not have them all."""
    sides = (before, after)
    return [
        f"{KINDS[kind]}: {side.label} {_why(side.backup, kind)}"
        for kind in KINDS
        for side in sides
        if not _covers(side.backup, kind) and any(kind in other.backup.counts for other in sides)
    ]


def _covers(backup: Manifest, kind: str) -> bool:
    """Whether what is not in the backup was not there. A Grafana that has no such objects has none of them."""
    listed = not any(each.kind == kind and not each.uid for each in backup.failures)
    return kind not in backup.left_out and listed


def _why(backup: Manifest, kind: str) -> str:
    return "leaves them out" if kind in backup.left_out else "could not list them"


def _change(before: Side, after: Side, old: Entry | None, new: Entry | None) -> Change | None:
    if old is None or new is None:
        side, entry = (after, new) if new else (before, old)
        if entry is None or _failed(before, after, entry):
            return None
        return _told(side, entry, Kind.ADDED if new else Kind.REMOVED)
    if old.sha256 == new.sha256 and old.folder == new.folder:
        return None
    differences = compare.differences(new.kind, before.shelf.content(old), after.shelf.content(new))
    if old.folder != new.folder and new.kind != "folder":
        homes = (_home(before, old) or "none", _home(after, new) or "none")
        differences = (Difference(subject="", what="folder", before=homes[0], after=homes[1]), *differences)
    return replace(_told(after, new, Kind.CHANGED), differences=differences) if differences else None


def _failed(before: Side, after: Side, entry: Entry) -> bool:
    """Whether one side has it and could not read it: that is no change."""
    return entry.key in before.failed or entry.key in after.failed


def _told(side: Side, entry: Entry, change: Kind) -> Change:
    return Change(
        change=change,
        kind=entry.kind,
        uid=entry.uid,
        title=entry.title,
        folder=_home(side, entry),
        at=entry.updated,
        by=entry.updated_by,
    )


def _home(side: Side, entry: Entry) -> str:
    """The title of the folder that it is in."""
    return side.homes.get(entry.folder, entry.folder)


def signed(changes: list[Change], source: Objects, before: Manifest) -> Iterator[Change]:
    """The same with each save of a dashboard since the older side, as far as its Grafana says."""
    old = before.of("dashboard")
    for each in changes:
        if each.kind != "dashboard" or each.change is not Kind.CHANGED:
            yield each
            continue
        try:
            edits = source.history(each.uid)
        except SourceError:
            # Who did it is not what was asked: what is different is known.
            yield each
            continue
        yield replace(each, edits=tuple(_since(edits, old[each.uid].version)))


def _since(edits: list[Edit], version: str) -> Iterator[Edit]:
    for each in edits:
        if each.version == version:
            return
        yield each


def lost(side: Side) -> BackupError | None:
    """Why a side is no ground to say that nothing is different; None where it is."""
    if side.backup.good:
        return None
    return BackupError(f"{side.label} is {side.backup.verdict.value}: what is missing in it is not compared")

"""How the backups of one Grafana are, for health checks and reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from opsjobs.backup import changes, drill
from opsjobs.backup.changes import Change, Kind, Side
from opsjobs.backup.manifest import Manifest, Verdict, stamped
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import BackupError
from opsjobs.objects import BackedUp, many, one


def of(shelf: Shelf, target: str, max_age: float, *, before: datetime | None = None) -> BackedUp:
    """The state of a shelf; with `before`, what is different since the newest complete backup from before then.

    Raises nothing: what cannot be read is said.
    """
    try:
        newest, good = shelf.latest(good=False), shelf.latest()
        drills = drill.history(shelf)
        names = shelf.names()
        unreadable = shelf.unreadable(good.id if good else "")
        then = shelf.latest(before=before) if before and good and good.started_at >= before else None
        different = list(_different(shelf, then, good)) if then and good else []
    except BackupError as error:
        return BackedUp(target=target, max_age=max_age, error=error.message)
    return BackedUp(
        target=target,
        max_age=max_age,
        complete_at=good.started_at if good else None,
        held=_held(good) if good else "",
        since=stamped(names[-1]) if names else None,
        newest_at=newest.started_at if newest else None,
        worth=_bad(newest, unreadable),
        proven_at=drills.held_at,
        drill=drills.lost,
        changes=tuple(different),
        changed_since=then.started_at if then else None,
    )


def _bad(newest: Manifest | None, unreadable: list[str]) -> str:
    if unreadable:
        return f"damaged: the manifest of {unreadable[0]} cannot be read"
    return worth(newest) if newest and not newest.good else ""


def worth(backup: Manifest) -> str:
    """What is wrong with a backup that is not complete, in a line."""
    if backup.verdict is Verdict.EMPTY:
        return "empty: nothing in Grafana may be seen"
    if backup.verdict is Verdict.SHRUNK:
        return f"{backup.verdict.value}: {next(iter(backup.missing), '')}"
    more = f" and {len(backup.failures) - 1} more" if len(backup.failures) > 1 else ""
    return f"{backup.verdict.value}: {backup.failures[0] if backup.failures else ''}{more}"


def _held(backup: Manifest) -> str:
    count = backup.counts["dashboard"].saved if "dashboard" in backup.counts else 0
    return f"{many('dashboard', count)}, {len(backup.entries)} objects"


def _different(shelf: Shelf, then: Manifest, now: Manifest) -> Iterator[str]:
    old, new = (Side(shelf=shelf, backup=each, label=each.id) for each in (then, now))
    return map(_said, changes.between(old, new))


def _said(change: Change) -> str:
    by = f" by {change.by}" if change.by and change.change is not Kind.REMOVED else ""
    count = len(change.differences)
    how = f" ({change.differences[0]}{f', and {count - 1} more' if count > 1 else ''})" if count else ""
    return f"{one(change.kind)} '{change.title}' {change.change.value}{by}{how}"

"""What is different between two backups of a Grafana, as a page; no job of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsjobs.backup.changes import Change, Side
from opsjobs.model import Gap, Status, Window
from opsjobs.objects import KINDS
from opsjobs.report.document import Fact, Report, Section, Table, TableRow
from opsjobs.system import System

_COLUMNS = ("Object", "What is different", "Before", "After", "Saved")
_WORDS = (1, 2, 3, 4)


def page(
    name: str, system: System, sides: tuple[Side, Side], changes: Sequence[Change], doubts: Sequence[str]
) -> Report:
    """The page of a comparison: a table for each kind of object that is different."""
    old, new = sides
    zone = ZoneInfo(system.zone)
    start, end = sorted((old.backup.started_at.astimezone(zone), new.backup.finished_at.astimezone(zone)))
    tally = [
        Fact(name=word, value=str(sum(each.change.value == word for each in changes)))
        for word in ("added", "removed", "changed")
    ]
    return Report(
        job="compare",
        system=name,
        system_title=system.title,
        title=f"{old.label} → {new.label}",
        slot=new.backup.id,
        window=Window(start=start, end=max(end, start + timedelta(seconds=1))),
        zone=system.zone,
        status=Status.WARNING if changes else Status.UNKNOWN if doubts else Status.OK,
        complete=not doubts,
        verdict=f"{_many(len(changes))} different",
        measured=False,
        tally=tuple(tally),
        sections=tuple(_sections(changes, zone)),
        gaps=tuple(Gap(source="Grafana", reason=each, advice="") for each in doubts),
    )


def _many(count: int) -> str:
    return "1 object in Grafana is" if count == 1 else f"{count or 'No'} objects in Grafana are"


def _sections(changes: Sequence[Change], zone: ZoneInfo) -> Iterator[Section]:
    for kind, title in KINDS.items():
        rows = [row for each in changes if each.kind == kind for row in _rows(each, zone)]
        if rows:
            table = Table(columns=_COLUMNS, rows=tuple(rows), words=_WORDS)
            yield Section(id=kind, title=title.capitalize(), blocks=(table,))


def _when(at: str, zone: ZoneInfo) -> str:
    try:
        return f"{datetime.fromisoformat(at).astimezone(zone):%Y-%m-%d %H:%M}"
    except ValueError:
        return at


def _rows(change: Change, zone: ZoneInfo) -> Iterator[TableRow]:
    """The first row of an object names it and says who saved it; the others are its further differences."""
    place = f" ({change.folder})" if change.folder else ""
    saved = ", ".join(filter(None, [_when(change.at, zone), change.by]))
    name = f"{change.title}{place}"
    if not change.differences:
        yield TableRow(cells=(name, change.change.value, "", "", saved))
    for each in change.differences:
        yield TableRow(cells=(name, " ".join(filter(None, [each.subject, each.what])), each.before, each.after, saved))
        name = saved = ""

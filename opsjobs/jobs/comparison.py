"""What is different between two backups of a Grafana, as a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsjobs.backup.changes import Change, Side
from opsjobs.model import Gap, Status, Window
from opsjobs.objects import KINDS
from opsjobs.report.document import Fact, Report, Section, Table, TableRow
from opsjobs.system import System

_COLUMNS = ("Object", "What is different", "Before", "After", "Saved")
_WORDS = (1, 2, 3, 4)
_TALLIED = ("added", "removed", "changed")


def page(
    name: str, system: System, sides: tuple[Side, Side], changes: Sequence[Change], doubts: Sequence[str]
) -> Report:
    """The page of a comparison: a table for each kind of object that is different."""
    old, new = sides
    zone = ZoneInfo(system.zone)
    start, end = sorted((old.backup.started_at.astimezone(zone), new.backup.finished_at.astimezone(zone)))
    tally = [Fact(name=word, value=str(sum(each.change.value == word for each in changes))) for word in _TALLIED]
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


def together(reports: Sequence[Report], lost: Sequence[Gap], slot: str) -> Report:
    """The comparisons of the Grafanas of a system as one report of a slot, with those that could not be compared."""
    first = replace(reports[0], slot=slot)
    if len(reports) == 1 and not lost:
        return first
    verdicts = [f"{each.title}: {each.verdict}" for each in reports]
    return replace(
        first,
        title="Grafana, compared",
        window=Window(start=min(each.window.start for each in reports), end=max(each.window.end for each in reports)),
        status=Status.worst([*(each.status for each in reports), *(Status.UNKNOWN for _ in lost)]),
        complete=not lost and all(each.complete for each in reports),
        verdict="; ".join([*verdicts, *(f"{each.source} could not be compared" for each in lost)]),
        tally=tuple(
            Fact(name=word, value=str(sum(int(each.tally[place].value) for each in reports)))
            for place, word in enumerate(_TALLIED)
        ),
        sections=tuple(
            replace(section, id=f"{section.id}-{number}", title=f"{section.title}: {each.title}")
            for number, each in enumerate(reports)
            for section in each.sections
        ),
        gaps=(*lost, *(gap for each in reports for gap in each.gaps)),
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

"""opsjobs status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli import keeping
from opsjobs.cli.marks import shape
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.cli.timetable import entries, judged

if TYPE_CHECKING:
    from opsjobs.log import Redactor
    from opsjobs.model import Run, Slot
    from opsjobs.schedule.timetable import Entry

_FAILED, _UNKNOWN = 1, 3
_BAD = {"FAILED", "LATE", "MISSED"}
_LOST = {"failed", "missed"}
"""States of a slot of which nobody need have begun a run."""
_WEEK = timedelta(days=7)
_TITLES = ("system", "job", "last done", "next", "", "")
_LISTED = 10
"""How many missed slots are listed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a job of a system stands against its schedule."""

    entry: Entry
    last: Run | None
    """The last run that did its work."""
    status: str
    text: str
    missed: tuple[Slot, ...]
    """What nobody ran in the last seven days."""


@click.command(epilog="Example: opsjobs status --system pratikoai")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def status(context: click.Context, redactor: Redactor, *, name: str, as_json: bool, file: Path | None) -> None:
    """Say whether each job did its work when it was due, and what nobody ran.

    Exits with 0 when all did, with 1 when one is late, with 3 when nothing runs the jobs by a schedule.
    """
    here = setting(file, redactor)
    found = list(standings(here, here.config.chosen(name), now()))
    if as_json:
        click.echo(redactor.redact(json.dumps({"jobs": [_document(each) for each in found]}, indent=2)))
    else:
        _told(found)
    states = {each.status for each in found}
    context.exit(_FAILED if states & _BAD else _UNKNOWN if states & {"UNKNOWN"} or not found else 0)


def standings(here: Setting, names: list[str], moment: datetime) -> Iterator[Standing]:
    """How each job of these systems stands."""
    with here.ledger() as ledger:
        done, runs = ledger.last_done(), ledger.last_runs()
        since = {name: ledger.scheduled_since(name) for name in names}
        known = ledger.newest_slots(moment)
        slots = {name: ledger.slots(name, moment - _WEEK) for name in names}
    for entry in entries(here, names):
        key = (entry.system, entry.job)
        missed = tuple(slot for slot in slots[entry.system] if slot.job == entry.job and slot.state.value == "missed")
        ran = _Ran(
            slot=known.get(key),
            since=since[entry.system].get(entry.job),
            done=done.get(key),
            last=runs.get(key),
        )
        status, text = _judged(entry, ran, moment)
        yield Standing(entry=entry, last=done.get(key), status=status, text=text, missed=missed)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ran:
    """What is known of a job."""

    slot: Slot | None
    """The newest of which anything is known."""
    since: datetime | None
    """Its first slot since somebody runs it by a schedule."""
    done: Run | None
    last: Run | None


def _judged(entry: Entry, ran: _Ran, moment: datetime) -> tuple[str, str]:
    """How a job stands, and why; one that failed is not waited for until it is late."""
    if ran.slot is None:
        return "UNKNOWN", "nothing runs it by a schedule"
    due = judged(entry, moment)
    if not _after(ran.done, ran.slot.due_at):
        last = _after(ran.last, ran.slot.due_at)
        if last and last.outcome.value != "running":
            failed = f"due {_at(entry, ran.slot.due_at)}; {last.outcome.value}: {last.error}"
            return "FAILED", failed.removesuffix(": ")
        if not last and ran.slot.state.value in _LOST:
            return ran.slot.state.value.upper(), f"due {_at(entry, ran.slot.due_at)}: {ran.slot.reason}"
    if _after(ran.done, due):
        return "OK", "as scheduled"
    if ran.since is None or ran.since > due:
        return "OK", "not due yet"
    return "LATE", f"due {_at(entry, due)}"


def _after(run: Run | None, due: datetime) -> Run | None:
    """A run that is for a slot, or for a later one, or was made by hand since."""
    return run if run and (run.due_at or run.started_at) >= due else None


def _told(found: list[Standing]) -> None:
    if not found:
        click.echo("No job runs by itself: `schedule` in the configuration turns each off.")
        return
    rows = [_row(each) for each in found]
    widths = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    click.secho("  " + "  ".join(title.ljust(width) for title, width in zip(_TITLES, widths, strict=True)), bold=True)
    for each, row in zip(found, rows, strict=True):
        mark = shape("WARNING" if each.status in _BAD else each.status)
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(f"{mark} {'  '.join(cells)}".rstrip())
    missed = sorted((slot for each in found for slot in each.missed), key=lambda slot: slot.due_at, reverse=True)
    for slot in missed[:_LISTED]:
        entry = next(each.entry for each in found if (each.entry.system, each.entry.job) == (slot.system, slot.job))
        click.echo(f"missed: {slot.job} of {slot.system}, due {_at(entry, slot.due_at)}: {slot.reason}")
    if len(missed) > _LISTED:
        click.echo(f"and {len(missed) - _LISTED} more in the last seven days")
    if all(each.status == "UNKNOWN" for each in found):
        click.echo("Nothing runs them: `opsjobs schedule run` does, and `opsjobs schedule install` tells cron to.")


def _row(each: Standing) -> tuple[str, ...]:
    entry = each.entry
    done = _at(entry, each.last.started_at) if each.last else "never"
    following = _at(entry, next(entry.slots.after(now())))
    return entry.system, entry.job, done, following, each.status, keeping.plain(each.text)


def _at(entry: Entry, moment: datetime) -> str:
    return f"{moment.astimezone(entry.slots.zone):%a %d %b, %H:%M}"


def _document(each: Standing) -> dict[str, object]:
    entry = each.entry
    return {
        "system": entry.system,
        "job": entry.job,
        "status": each.status,
        "text": each.text,
        "last_done": each.last.started_at.isoformat() if each.last else None,
        "next": next(entry.slots.after(now())).isoformat(),
        "missed": [{"due_at": slot.due_at.isoformat(), "reason": slot.reason} for slot in each.missed],
    }

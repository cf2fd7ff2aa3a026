"""opsjobs dashboards diff."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsjobs.cli import keeping
from opsjobs.cli.keeping import SYSTEM, TARGET, Target
from opsjobs.cli.marks import heading
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.errors import BackupError, SourceError

if TYPE_CHECKING:
    from opsjobs.backup.changes import Change, Side
    from opsjobs.log import Redactor
    from opsjobs.report.document import Report

_LIVE = "live"
_DIFFERENT, _PARTIAL = 1, 3
_SHOWN = 20
"""How many differences of one object are named."""
_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@click.command(epilog="Example: opsjobs dashboards diff 2026-11-20 live")
@click.argument("before", default="latest")
@click.argument("after", default=_LIVE)
@SYSTEM
@TARGET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write a page of it.")
@configured
@click.pass_obj
@click.pass_context
def diff(
    context: click.Context,
    redactor: Redactor,
    *,
    before: str,
    after: str,
    name: str | None,
    target: str | None,
    as_json: bool,
    page: Path | None,
    file: Path | None,
) -> None:
    """Say what is different by meaning: by default in Grafana since the newest complete backup.

    Each side is a backup, the beginning of its name, `latest` or `live`; TARGET: before it means another Grafana of
    the system, such as staging:live.

    Exits with 0 when nothing is different, with 1 when something is, with 3 when a side is not whole or not there.
    """
    here = setting(file, redactor)
    chosen = keeping.one_target(here, name, target)
    try:
        old, new, found, doubts = compared(here, chosen, before, after)
    except (BackupError, SourceError) as error:
        # 1 means that something is different.
        error.exit_code = _PARTIAL
        raise
    zone = ZoneInfo(here.profile(chosen.system).zone)
    if page:
        _write_page(here, chosen, page, (old, new, found, doubts))
    if as_json:
        document = {
            "before": old.label,
            "after": new.label,
            "changes": [{**asdict(each), "change": each.change.value, "differences": _lines(each)} for each in found],
            "unknown": doubts,
        }
        click.echo(redactor.redact(json.dumps(document, indent=2, ensure_ascii=False)))
    else:
        keeping.tell(redactor, _told(old, new, found, doubts, zone))
    context.exit(_DIFFERENT if found else _PARTIAL if doubts else 0)


Compared = tuple["Side", "Side", list["Change"], list[str]]
"""Both sides, what is different, and what of it could not be told."""


def compared(here: Setting, target: Target, before: str, after: str = _LIVE) -> Compared:
    """Compare two sides of a Grafana. Raises `BackupError`, `SourceError`."""
    from opsjobs.backup import changes  # noqa: PLC0415 - slow to import

    with ExitStack() as stack:
        old, new = (_side(here, target, text, stack) for text in (before, after))
        found = list(changes.between(old, new))
        if after == _LIVE and found:
            source = stack.enter_context(keeping.opened(here, target))
            found = list(changes.signed(found, source, old.backup))
        doubts = [*changes.unknown(old, new), *(str(error) for side in (old, new) if (error := changes.lost(side)))]
    return old, new, found, doubts


def reported(here: Setting, target: Target, compared: Compared) -> Report:
    """What was compared, as a report."""
    from opsjobs.jobs import comparison  # noqa: PLC0415 - slow to import

    old, new, found, doubts = compared
    return comparison.page(target.system, here.profile(target.system), (old, new), found, doubts)


def _side(here: Setting, target: Target, text: str, stack: ExitStack) -> Side:
    """A backup, or what is live, read into a folder for as long as it is compared."""
    from opsjobs.backup.changes import Side  # noqa: PLC0415 - slow to import

    other, colon, name = text.rpartition(":")
    if colon:
        target = keeping.one_target(here, target.system, other)
    if name != _LIVE:
        shelf = keeping.shelf(here, target)
        backup = shelf.chosen(name)
        return Side(shelf=shelf, backup=backup, label=f"{target.name} {backup.id}")
    from opsjobs.backup.collect import Order, back_up  # noqa: PLC0415 - slow to import
    from opsjobs.backup.shelf import Shelf  # noqa: PLC0415 - as above
    from opsjobs.backup.store import Folder  # noqa: PLC0415 - as above

    folder = stack.enter_context(TemporaryDirectory(prefix="opsjobs-live-"))
    shelf = Shelf(Folder(Path(folder)))
    with keeping.opened(here, target) as source, keeping.progress(target.label) as progress:
        order = Order(
            system=target.system,
            target=target.name,
            made_by="",
            clock=now,
            left_out=here.config.systems[target.system].backup.leave_out,
            # So that a side of which only a part may be seen is told.
            before=keeping.shelf(here, target).latest(),
            progress=progress,
        )
        return Side(shelf=shelf, backup=back_up(source, shelf, order), label=f"{target.name} {_LIVE}")


def _told(old: Side, new: Side, found: Sequence[Change], doubts: Sequence[str], zone: ZoneInfo) -> Iterator[str]:
    from opsjobs.objects import one  # noqa: PLC0415 - slow to import

    yield f"{old.label} → {new.label}"
    if found:
        yield f"{heading('WARNING')}  {_totals(found)}"
    elif not doubts:
        yield f"{heading('OK')}  nothing is different in {len(new.backup.entries)} objects"
    for each in found:
        sign, colour = _MARKS[each.change.value]
        place = f" in {each.folder}" if each.folder else ""
        saved = f", saved{_who(each.by, each.at, zone)}" if each.by or each.at else ""
        yield f"  {click.style(sign, fg=colour)} {one(each.kind)} {each.title} ({each.uid}){place}{saved}"
        lines = _lines(each)
        yield from (f"      {line}" for line in lines[:_SHOWN])
        if len(lines) > _SHOWN:
            yield f"      and {len(lines) - _SHOWN} more"
        for edit in each.edits:
            message = f": {edit.message}" if edit.message else ""
            yield f"      version {edit.version}{_who(edit.by, edit.at, zone)}{message}"
    if doubts:
        yield f"{heading('UNKNOWN')}  not everything could be compared"
        yield from (f"  {each}" for each in doubts)


def _who(by: str, at: str, zone: ZoneInfo) -> str:
    """By whom and when, as far as that is known."""
    try:
        when = f" {datetime.fromisoformat(at).astimezone(zone):%a %d %b %Y, %H:%M}"
    except ValueError:
        when = f" {at}" if at else ""
    return f"{f' by {by}' if by else ''}{when}"


def _totals(found: Sequence[Change]) -> str:
    counts = {word: sum(each.change.value == word for each in found) for word in _MARKS}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _lines(change: Change) -> list[str]:
    return [str(each) for each in change.differences]


def _write_page(here: Setting, target: Target, path: Path, compared: Compared) -> None:
    from opsjobs.report import html, hygiene  # noqa: PLC0415 - slow to import

    try:
        path.write_bytes(html.render(hygiene.cleaned(reported(here, target, compared), here.redactor.redact)))
    except OSError as error:
        raise BackupError(f"{path}: cannot be written: {error.strerror}", advice="Give --html another file.") from None

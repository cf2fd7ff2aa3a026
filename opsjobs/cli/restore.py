"""opsjobs dashboards restore and pack."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsjobs.cli import keeping
from opsjobs.cli.keeping import SYSTEM, TARGET, Target
from opsjobs.cli.marks import heading
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from opsjobs.backup.manifest import Manifest
    from opsjobs.backup.plan import Aim, Step, Wish
    from opsjobs.backup.restore import Done, Signature
    from opsjobs.backup.shelf import Shelf
    from opsjobs.backup.wishes import Exported
    from opsjobs.log import Redactor
    from opsjobs.runner import Ending
    from opsjobs.sources.grafana.inventory import Inventory

_FAILED, _PARTIAL = 1, 3
_BUILT_IN = {"__expr__": "__expr__", "grafana": "-- Grafana --"}
"""Data sources that every Grafana has and none lists, by their kinds."""
_LARGEST = 64 << 20
"""Bytes of a dashboard."""
_SHOWN = 5
"""How many differences of one object are named in a plan."""
_MARKS = {
    "create": ("+", "green"),
    "overwrite": ("~", "yellow"),
    "remove": ("-", "red"),
    "unchanged": ("=", None),
}
_BLOCKED = ("!", "magenta")
_SOURCE = click.option(
    "--datasource", "sources", metavar="OLD=NEW", multiple=True, help="Ask the data source NEW in place of OLD."
)


@click.command(epilog="Example: opsjobs dashboards restore latest --uid sys-overview")
@click.argument("backup", metavar="[BACKUP|FILE]", default="latest")
@click.option("--uid", "uids", multiple=True, help="Only this object, and what it needs. Several times for several.")
@click.option("--folder", default="", metavar="UID", help="Only what is in this folder and those in it.")
@click.option("--into", metavar="UID", help="The folder into which the dashboard of a file goes; '' for none.")
@_SOURCE
@click.option("--prune", is_flag=True, help="Also remove what is in Grafana and not in the backup; it is kept first.")
@click.option("--from", "origin", metavar="NAME", help="Whose backups. Default: those of the target.")
@SYSTEM
@TARGET
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def restore(
    context: click.Context,
    redactor: Redactor,
    *,
    backup: str,
    uids: tuple[str, ...],
    folder: str,
    into: str | None,
    sources: tuple[str, ...],
    prune: bool,
    origin: str | None,
    name: str | None,
    target: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    file: Path | None,
) -> None:
    """Bring back a whole backup, a folder, an object, or the dashboard in a file.

    Shows first what it would do, and asks. What it overwrites is backed up before, and each object is read back. It
    may be run again at any time: what is as it was is left alone.

    Exits with 0 when everything is as it was kept, with 3 when something could not be brought back for a reason that
    the plan names, with 1 when something failed.
    """
    from opsjobs.backup import plan as plans  # noqa: PLC0415 - slow to import

    if prune and uids:
        raise UsageError("--prune goes with a whole backup or --folder", advice="Leave --uid or --prune out.")
    if as_json and not (yes or dry_run):
        raise UsageError("--json cannot ask", advice="Give --dry-run to see the plan, or --yes to carry it out.")
    here = setting(file, redactor)
    chosen = keeping.one_target(here, name, target)
    asked = _Asked(
        backup=backup, origin=origin, uids=uids, folder=folder, into=into, sources=_mapping(sources), prune=prune
    )
    with ExitStack() as stack:
        source = stack.enter_context(keeping.opened(here, chosen))
        aim, notes = _aim(here, chosen, asked, source, stack)
        with keeping.progress(chosen.label) as progress:
            steps = plans.make(source, aim, progress)
        if not as_json:
            lines = [*(f"note: {note}" for note in notes), *_planned(chosen, steps, source)]
            keeping.tell(redactor, lines)
        todo = [each for each in steps if each.action.writes]
        done: list[Done] = []
        saved: Manifest | None = None
        if todo and not dry_run:
            if not yes:
                keeping.ask(f"Change {'1 object' if len(todo) == 1 else f'{len(todo)} objects'} in {chosen.label}?")
            saved, done = _carry_out(here, chosen, source, aim, todo)
        if as_json:
            click.echo(redactor.redact(json.dumps(_document(steps, done, saved), indent=2, ensure_ascii=False)))
        elif done:
            keeping.tell(redactor, _carried_out(done, saved))
    failed = any(each.error for each in done)
    blocked = any(each.action.blocked for each in steps)
    context.exit(_FAILED if failed else _PARTIAL if blocked else 0)


def _carry_out(
    here: Setting, target: Target, source: Inventory, aim: Aim, todo: Sequence[Step]
) -> tuple[Manifest | None, list[Done]]:
    """Back up what is overwritten and do the rest, as a run that the ledger remembers."""
    from opsjobs.backup import restore as restoring  # noqa: PLC0415 - slow to import
    from opsjobs.runner import attend  # noqa: PLC0415 - as above

    results: list[tuple[Manifest | None, list[Done]]] = []

    def work(_: Callable[[], None]) -> Ending:
        saved = restoring.save(source, keeping.shelf(here, target), todo, _signature(target))
        with keeping.progress(target.label) as progress:
            results.append((saved, restoring.apply(source, aim, todo, progress)))
        return _written(results[0][1])

    with here.desk(target.system, send=True) as desk, desk.ledger.alone(desk.locks, target.system, "backup"):
        attend(target.system, "restore", here.slot(), desk, work)
    return results[0]


def _written(done: Sequence[Done]) -> Ending:
    from opsjobs.model import Outcome, Status  # noqa: PLC0415 - slow to import
    from opsjobs.runner import Ending  # noqa: PLC0415 - as above

    failed = [each for each in done if each.error]
    first = f"{len(failed)} of {len(done)} objects: {failed[0].step.title}: {failed[0].error}" if failed else ""
    return Ending(
        outcome=Outcome.FAILED if failed else Outcome.SUCCEEDED,
        status=Status.CRITICAL if failed else Status.OK,
        error=first,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What somebody wants to have back."""

    backup: str
    origin: str | None
    uids: Sequence[str]
    folder: str
    into: str | None
    sources: Mapping[str, str]
    prune: bool


def _mapping(given: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=")[::2] for each in given]
    if wrong := next((text for text, (old, new) in zip(given, pairs, strict=True) if not (old and new)), None):
        raise UsageError(f"'{wrong}' maps no data source", advice="Write --datasource OLD=NEW, names or uids.")
    return dict(pairs)


def _aim(here: Setting, chosen: Target, asked: _Asked, source: Inventory, stack: ExitStack) -> tuple[Aim, list[str]]:
    """What is wanted: of a backup, an archive or a file, with what somebody has to know."""
    from opsjobs.backup import archive, wishes  # noqa: PLC0415 - slow to import
    from opsjobs.backup import plan as plans  # noqa: PLC0415 - as above

    path = Path(asked.backup)
    if path.is_file() and not archive.is_one(path):
        _only_a_file(asked)
        exported = wishes.exported(_content(path), str(path), asked.into)
        # Who may save a dashboard may not see data sources: they are asked for only where it takes them.
        known = _sources(source) if exported.inputs or asked.sources else {}
        mapping = {each: _meant(each, known, asked.sources) for each in asked.sources}
        mapping |= _filled(exported, known, asked.sources)
        return plans.Aim(wishes=exported.wishes, sources=mapping), list(exported.notes)
    if asked.into is not None:
        raise UsageError("--into goes with a file", advice="What is in a backup goes into the folder that it was in.")
    if path.is_file():
        shelf, backup = stack.enter_context(archive.opened(path))
    elif path.suffix in {".json", ".gz", ".tgz"}:
        raise UsageError(f"there is no file {path}", advice="`opsjobs dashboards list` shows the backups.")
    else:
        shelf = keeping.shelf(here, keeping.one_target(here, chosen.system, asked.origin) if asked.origin else chosen)
        backup = shelf.chosen(asked.backup)
    return _of_backup(shelf, backup, asked, source)


def _only_a_file(asked: _Asked) -> None:
    """Raises `UsageError` for what says nothing of a file."""
    given = {"--uid": asked.uids, "--folder": asked.folder, "--prune": asked.prune, "--from": asked.origin}
    wrong = next((name for name, value in given.items() if value), None)
    if wrong:
        raise UsageError(f"{wrong} goes with a backup, not with a file", advice="--into says where its dashboard goes.")


def _content(path: Path) -> bytes:
    from opsjobs.errors import BackupError  # noqa: PLC0415 - slow to import

    try:
        if path.stat().st_size > _LARGEST:
            raise BackupError(f"{path} has {path.stat().st_size >> 20} MB: that is no dashboard")
        return path.read_bytes()
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}", advice="Check who may read it.") from None


def _of_backup(shelf: Shelf, backup: Manifest, asked: _Asked, source: Inventory) -> tuple[Aim, list[str]]:
    from opsjobs.backup import plan as plans  # noqa: PLC0415 - slow to import
    from opsjobs.backup import wishes  # noqa: PLC0415 - as above
    from opsjobs.backup.manifest import Purpose  # noqa: PLC0415 - as above

    unreadable = shelf.unreadable(backup.id) if asked.backup == "latest" else []
    everything = wishes.of(shelf, backup)
    wanted: Sequence[Wish] = everything
    if asked.uids or asked.folder:
        wanted = plans.chosen(everything, uids=asked.uids, folder=asked.folder)
        _all_found(asked, wanted, backup)
    known = _sources(source) if asked.sources else {}
    if asked.prune and (not backup.good or backup.purpose is not Purpose.BACKUP):
        raise UsageError(
            f"{backup.id} is {backup.verdict.value}, {backup.purpose.value}: what is not in it may still be wanted",
            advice="--prune goes with a complete backup.",
        )
    mapping = {each: _meant(each, known, asked.sources) for each in asked.sources}
    # Whoever gives a name means the data source, however it is pointed to.
    mapping |= {each.uid: mapping[each.title] for each in backup.of("data-source").values() if each.title in mapping}
    aim = plans.Aim(
        # What is mapped is there under another uid.
        wishes=[each for each in wanted if not (each.kind == "data-source" and each.uid in mapping)],
        sources=mapping,
        dangling=wishes.dangling(backup, wanted),
        prune=frozenset(backup.counts) if asked.prune else frozenset(),
        within=asked.folder,
    )
    notes = [f"the manifest of {each} cannot be read" for each in unreadable]
    if not backup.good:
        notes.append(f"{backup.id} is {backup.verdict.value}: what is not in it cannot be brought back")
    return aim, notes


def _all_found(asked: _Asked, wanted: Sequence[Wish], backup: Manifest) -> None:
    there = {each.uid for each in wanted if not each.dependency}
    missing = next((uid for uid in asked.uids if uid not in there), None)
    if missing is None and asked.folder and asked.folder not in {each.uid for each in wanted}:
        missing = asked.folder
    if missing is not None:
        from opsjobs.declaration import did_you_mean  # noqa: PLC0415 - slow to import

        meant = did_you_mean(missing, {each.uid for each in backup.entries})
        raise UsageError(
            f"{backup.id} holds no '{missing}'{meant}", advice=f"`opsjobs dashboards show {backup.id}` lists all of it."
        )


def _sources(source: Inventory) -> dict[str, tuple[str, str]]:
    """The data sources that are there: uid and kind by uid and by name."""
    found: dict[str, tuple[str, str]] = {}
    for each in source.listing("data-source"):
        kind = str(source.read(each).content.get("type") or "")
        found[each.title] = (each.uid, kind)
        found[each.uid] = (each.uid, kind)
    return found


def _meant(old: str, known: dict[str, tuple[str, str]], mapping: Mapping[str, str]) -> str:
    new = mapping[old]
    if new not in known:
        raise UsageError(f"there is no data source '{new}'", advice=f"There is {_listed(known)}.")
    return known[new][0]


def _listed(known: dict[str, tuple[str, str]]) -> str:
    return ", ".join(sorted({uid for uid, _ in known.values()})) or "none"


def _filled(exported: Exported, known: dict[str, tuple[str, str]], mapping: Mapping[str, str]) -> dict[str, str]:
    """Which data source each input of an export stands for: as mapped, the only one that fits, or as somebody says."""
    filled: dict[str, str] = {}
    for each in exported.inputs:
        fitting = sorted({uid for uid, kind in known.values() if kind == each.plugin})
        fitting = fitting or [uid for kind, uid in _BUILT_IN.items() if kind == each.plugin]
        if each.name in mapping:
            uid = _meant(each.name, known, mapping)
        elif len(fitting) == 1:
            uid = fitting[0]
        elif sys.stdin.isatty() and fitting:
            uid = click.prompt(
                f"Which data source is {each.label or each.name} ({each.plugin})", type=click.Choice(fitting), err=True
            )
        else:
            there = f"there are {', '.join(fitting)}" if fitting else f"there is none of the kind {each.plugin}"
            raise UsageError(
                f"the file leaves open which data source {each.name} is; {there}",
                advice=f"Say it with --datasource {each.name}=UID.",
            )
        filled |= {f"${{{each.name}}}": uid, each.name: uid}
    return filled


def _signature(target: Target) -> Signature:
    from opsjobs import __version__  # noqa: PLC0415 - slow to import
    from opsjobs.backup.restore import Signature  # noqa: PLC0415 - as above

    return Signature(system=target.system, target=target.name, made_by=f"opsjobs {__version__}", clock=now)


def _planned(target: Target, steps: Sequence[Step], source: Inventory) -> Iterator[str]:
    from opsjobs.objects import one  # noqa: PLC0415 - slow to import

    yield f"{target.label} ({keeping.told(source.server)}), {source.server.url}"
    for each in steps:
        if each.action.value == "unchanged":
            continue
        sign, colour = _MARKS.get(each.action.value, _BLOCKED)
        why = f": {each.reason}" if each.reason else ""
        action = click.style(f"{sign} {each.action.value:<9}", fg=colour)
        yield f"  {action} {one(each.kind)} {each.title} ({each.uid}){why}"
        yield from (f"        {difference}" for difference in each.differences[:_SHOWN])
        if len(each.differences) > _SHOWN:
            yield f"        and {len(each.differences) - _SHOWN} more"
        if each.secrets and each.action.value == "create":
            yield f"        a person has to enter: {', '.join(each.secrets)}"
    yield f"  {_totals(steps)}"


def _totals(steps: Sequence[Step]) -> str:
    counts: dict[str, int] = {}
    for each in steps:
        counts[each.action.value] = counts.get(each.action.value, 0) + 1
    return ", ".join(f"{count} {action}" for action, count in counts.items()) or "nothing to do"


def _carried_out(done: Sequence[Done], saved: Manifest | None) -> Iterator[str]:
    from opsjobs.objects import one  # noqa: PLC0415 - slow to import

    failed = [each for each in done if each.error]
    word = heading("CRITICAL" if failed else "OK")
    secret = [each.step for each in done if each.step.secrets and each.step.action.value == "create"]
    yield f"{word}  {len(done) - len(failed)} of {len(done)} done and read back as they were kept"
    if saved:
        yield f"  what was there before: opsjobs dashboards restore {saved.id}"
    yield from (
        f"  enter again in Grafana: {one(each.kind)} {each.title}: {', '.join(each.secrets)}" for each in secret
    )
    for lost in failed:
        yield f"  failed: {one(lost.step.kind)} {lost.step.title} ({lost.step.uid}): {lost.error}"
    if failed:
        yield "  Run it again when the cause is gone: what is done is left alone."


def _document(steps: Sequence[Step], done: Sequence[Done], saved: Manifest | None) -> dict[str, Any]:
    results = {(each.step.kind, each.step.uid): each.error or None for each in done}
    return {
        "plan": [
            {
                "action": each.action.value,
                "kind": each.kind,
                "uid": each.uid,
                "title": each.title,
                "folder": each.folder,
                "reason": each.reason,
                "differences": [str(difference) for difference in each.differences],
                "secrets": list(each.secrets),
                "done": (each.kind, each.uid) in results and results[each.kind, each.uid] is None,
                "error": results.get((each.kind, each.uid)),
            }
            for each in steps
        ],
        "saved": saved.id if saved else None,
    }


@click.command(epilog="Example: opsjobs dashboards pack latest dashboards.tar.gz")
@click.argument("backup")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@SYSTEM
@TARGET
@configured
@click.pass_obj
def pack(
    redactor: Redactor, *, backup: str, path: Path, name: str | None, target: str | None, file: Path | None
) -> None:
    """Write a backup into one file, which `restore` takes on another machine."""
    from opsjobs.backup import archive  # noqa: PLC0415 - slow to import

    if not archive.is_one(path):
        raise UsageError(f"{path} is no name for an archive", advice="Let it end with .tar.gz.")
    here = setting(file, redactor)
    shelf = keeping.shelf(here, keeping.one_target(here, name, target))
    found = shelf.chosen(backup)
    size = archive.pack(shelf, found, path)
    click.echo(f"{path}: {found.id}, {len(found.entries)} objects, {size:,} bytes")

"""opsjobs dashboards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsjobs.cli import keeping
from opsjobs.cli.diff import diff
from opsjobs.cli.drill import drill
from opsjobs.cli.keeping import SYSTEM, TARGET, Target
from opsjobs.cli.logs import complain
from opsjobs.cli.marks import heading
from opsjobs.cli.restore import pack, restore
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.errors import BackupError, OpsjobsError, UsageError

if TYPE_CHECKING:
    from opsjobs.backup.manifest import Failure, Manifest
    from opsjobs.log import Redactor
    from opsjobs.model import Run
    from opsjobs.runner import Ending

_SHOWN = 20
"""How many of what failed are named."""
_FAILED, _PARTIAL = 1, 3
_VERDICTS = {"complete": "OK", "incomplete": "UNKNOWN", "shrunk": "CRITICAL", "empty": "CRITICAL"}
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")


@click.group()
def dashboards() -> None:
    """Back up everything in Grafana, prove it, compare it, and bring it back."""


@dashboards.command(epilog="Example: opsjobs dashboards backup --system pratikoai")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--target", metavar="NAME", help="Which Grafana of the system. Default: each.")
@click.option(
    "--export",
    "tree",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write a folder of files for people and git.",
)
@click.option("--fewer-expected", is_flag=True, help="It is known that there is much less than the last time.")
@_JSON
@configured
@click.pass_obj
@click.pass_context
def backup(
    context: click.Context,
    redactor: Redactor,
    *,
    name: str,
    target: str | None,
    tree: Path | None,
    fewer_expected: bool,
    as_json: bool,
    file: Path | None,
) -> None:
    """Back up every dashboard with all that it takes to bring it back, and read the backup back.

    Exits with 0 when it is complete, with 3 when something in Grafana is not in it, with 1 when there is no backup to
    rely on.
    """
    here = setting(file, redactor)
    made: dict[str, Manifest] = {}
    failed: dict[str, OpsjobsError] = {}
    by_system: dict[str, list[Target]] = {}
    for each in keeping.all_targets(here, name, target):
        by_system.setdefault(each.system, []).append(each)
    for system, found in by_system.items():
        backed_up(here, system, found, (made, failed), fewer=fewer_expected)
    if as_json:
        lost = [{"target": label, "error": error.message} for label, error in failed.items()]
        documents = [{**_summary(each), **_details(each)} for each in made.values()]
        click.echo(redactor.redact(json.dumps({"backups": documents, "failed": lost}, indent=2, ensure_ascii=False)))
    else:
        for label, manifest in made.items():
            keeping.tell(redactor, _told(label, manifest))
        for label, error in failed.items():
            complain(redactor, f"{label}: {error.message}", error.advice)
    several = len(made) + len(failed) > 1
    for label, manifest in made.items():
        if tree and manifest.good:
            _exported(here, label, manifest, tree / label.replace(", ", "/") if several else tree)
        elif tree:
            complain(redactor, f"{label}: not exported, since it is {manifest.verdict.value}")
    worthless = failed or any(each.verdict.value in {"shrunk", "empty"} for each in made.values())
    context.exit(_FAILED if worthless else 0 if all(each.good for each in made.values()) else _PARTIAL)


def backed_up(
    here: Setting,
    system: str,
    found: Sequence[Target],
    outcome: tuple[dict[str, Manifest], dict[str, OpsjobsError]],
    *,
    fewer: bool,
) -> Run:
    """Back up the Grafanas of a system as one run; one that cannot be reached costs the others nothing."""
    from opsjobs.runner import attend  # noqa: PLC0415 - slow to import

    made, failed = outcome

    def work(still: Callable[[], None]) -> Ending:
        for target in found:
            try:
                made[target.label] = _one(here, target, still, fewer=fewer)
            except OpsjobsError as error:
                failed[target.label] = error
        mine = {each.label for each in found}
        return _ending(
            [made[each] for each in made if each in mine],
            [f"{each}: {failed[each]}" for each in failed if each in mine],
        )

    with here.desk(system, send=True) as desk:
        return attend(system, "backup", here.slot(), desk, work)


def _one(here: Setting, target: Target, still: Callable[[], None], *, fewer: bool) -> Manifest:
    from opsjobs import __version__  # noqa: PLC0415 - slow to import
    from opsjobs.backup.collect import Order, back_up  # noqa: PLC0415 - as above

    with keeping.opened(here, target) as source, keeping.progress(target.label) as progress:
        order = Order(
            system=target.system,
            target=target.name,
            made_by=f"opsjobs {__version__}",
            clock=now,
            left_out=here.config.systems[target.system].backup.leave_out,
            fewer=fewer,
            progress=progress,
            still=still,
        )
        return back_up(source, keeping.shelf(here, target), order)


def _ending(made: Sequence[Manifest], lost: Sequence[str]) -> Ending:
    from opsjobs.backup.manifest import Verdict  # noqa: PLC0415 - slow to import
    from opsjobs.backup.state import worth  # noqa: PLC0415 - as above
    from opsjobs.model import Outcome, Status  # noqa: PLC0415 - as above
    from opsjobs.runner import Ending  # noqa: PLC0415 - as above

    outcome, status = Outcome.SUCCEEDED, Status.OK
    if lost or any(each.verdict in {Verdict.SHRUNK, Verdict.EMPTY} for each in made):
        outcome, status = Outcome.FAILED, Status.CRITICAL
    elif not all(each.good for each in made):
        outcome, status = Outcome.PARTIAL, Status.WARNING
    said = [f"{each.target}: {worth(each)}" for each in made if not each.good]
    return Ending(outcome=outcome, status=status, error="; ".join([*lost, *said]))


def _told(label: str, backup: Manifest) -> Iterator[str]:
    yield f"{label} ({keeping.told(backup.server)})"
    yield f"{heading(_VERDICTS[backup.verdict.value])}  {backup.verdict.value.upper()}  {backup.id}"
    yield f"  {_counts(backup)}; {_size(backup.size)}"
    if backup.verdict.value == "shrunk":
        yield from (f"  {each}" for each in backup.missing)
        yield "  Look at what the token may see. If so much was removed on purpose: --fewer-expected."
    elif backup.verdict.value == "empty":
        yield "  Nothing may be seen: look at the organisation and the rights of the token."
    yield from (f"  not saved: {each}" for each in backup.failures[:_SHOWN])
    if len(backup.failures) > _SHOWN:
        yield f"  and {len(backup.failures) - _SHOWN} more: opsjobs dashboards show {backup.id}"
    yield from (f"  not there: {reason}" for reason in sorted(set(backup.absent.values())))


def _counts(backup: Manifest) -> str:
    from opsjobs.objects import KINDS, many  # noqa: PLC0415 - slow to import

    counted = [(kind, backup.counts[kind]) for kind in KINDS if kind in backup.counts and backup.counts[kind].saved]
    return ", ".join(many(kind, count.saved) for kind, count in counted) or "nothing"


def _size(count: int) -> str:
    from opsjobs.words import quantity  # noqa: PLC0415 - slow to import

    return quantity(float(count), "bytes")


def _exported(here: Setting, label: str, backup: Manifest, folder: Path) -> None:
    from opsjobs.backup import tree  # noqa: PLC0415 - slow to import

    target = next(each for each in keeping.targets(here, backup.system) if each.label == label)
    tree.write(keeping.shelf(here, target), backup, folder)


@dashboards.command("list", epilog="Example: opsjobs dashboards list --system pratikoai")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--target", metavar="NAME", help="Which Grafana of the system. Default: each.")
@_JSON
@configured
@click.pass_obj
def listed(redactor: Redactor, *, name: str, target: str | None, as_json: bool, file: Path | None) -> None:
    """List the backups that there are, the newest first."""
    from opsjobs.backup.manifest import Purpose  # noqa: PLC0415 - slow to import
    from opsjobs.objects import many  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    found = {
        each.label: keeping.shelf(here, each).backups(tuple(Purpose))
        for each in keeping.all_targets(here, name, target)
    }
    if as_json:
        rows = [_summary(backup) for backups, _ in found.values() for backup in backups]
        bad = [error.message for _, broken in found.values() for error in broken]
        click.echo(redactor.redact(json.dumps({"backups": rows, "broken": bad}, indent=2, ensure_ascii=False)))
        return
    for label, (backups, broken) in found.items():
        click.echo(label if backups else f"{label}: no backup yet: `opsjobs dashboards backup` makes one")
        for backup in backups:
            what = backup.verdict.value if backup.purpose is Purpose.BACKUP else backup.purpose.value
            held = f"{many('dashboard', backup.counts['dashboard'].saved)}, " if "dashboard" in backup.counts else ""
            whole = f"{held}{len(backup.entries)} objects, {_size(backup.size)}"
            click.echo(redactor.redact(f"  {backup.id:<27}  {_when(backup.started_at)}  {what:<16}  {whole}"))
        for error in broken:
            complain(redactor, f"  {error.message}")


def _when(at: datetime) -> str:
    return f"{at.astimezone():%a %d %b %Y, %H:%M}"


@dashboards.command(epilog="Example: opsjobs dashboards show latest --kind dashboard")
@click.argument("backup", default="latest")
@click.option("--kind", help="Only objects of this kind, such as dashboard or rule-group.")
@SYSTEM
@TARGET
@_JSON
@configured
@click.pass_obj
def show(
    redactor: Redactor,
    *,
    backup: str,
    kind: str | None,
    name: str | None,
    target: str | None,
    as_json: bool,
    file: Path | None,
) -> None:
    """Show what is in a backup, by default in the newest complete one."""
    from opsjobs.objects import KINDS  # noqa: PLC0415 - slow to import

    if kind is not None and kind not in KINDS:
        raise UsageError(f"'{kind}' is no kind of object", advice=f"There is {', '.join(KINDS)}.")
    here = setting(file, redactor)
    chosen = keeping.one_target(here, name, target)
    found = keeping.shelf(here, chosen).chosen(backup)
    if as_json:
        click.echo(redactor.redact(json.dumps({**_summary(found), **_details(found)}, indent=2, ensure_ascii=False)))
        return
    lines = [*_told(chosen.label, found), *(f"  meanwhile: {note}" for note in found.notes)]
    for each in KINDS if kind is None else (kind,):
        objects = sorted(found.of(each).values(), key=lambda entry: (entry.folder, entry.title))
        if objects:
            lines += ["", KINDS.get(each, each)]
        for entry in objects:
            place = f"  in {entry.folder}" if entry.folder else ""
            edited = f"  version {entry.version}" if entry.version else ""
            secrets = f"  without its secrets: {', '.join(entry.secrets)}" if entry.secrets else ""
            lines.append(f"  {entry.uid}  {entry.title}{place}{edited}{secrets}")
    keeping.tell(redactor, lines)


@dashboards.command(epilog="Example: opsjobs dashboards verify 2026-11-21")
@click.argument("backup", default="latest")
@SYSTEM
@TARGET
@_JSON
@configured
@click.pass_obj
@click.pass_context
def verify(
    context: click.Context,
    redactor: Redactor,
    *,
    backup: str,
    name: str | None,
    target: str | None,
    as_json: bool,
    file: Path | None,
) -> None:
    """Read every file of a backup and hash it: whether it is all there, as it was written.

    Exits with 0 when it is, with 3 when the backup was not complete from the start, with 1 when something is damaged.
    """
    here = setting(file, redactor)
    chosen = keeping.one_target(here, name, target)
    shelf = keeping.shelf(here, chosen)
    found = shelf.chosen(backup)
    done = iter(range(1, len(found.entries) + 1))
    with keeping.progress(chosen.label) as progress:
        damaged = shelf.verify(found.entries, lambda: progress("reading", next(done), len(found.entries)))
    if as_json:
        document = {**_summary(found), "damaged": [asdict(each) for each in damaged]}
        click.echo(redactor.redact(json.dumps(document, indent=2, ensure_ascii=False)))
    else:
        keeping.tell(redactor, _verified(chosen, found, damaged))
    context.exit(_FAILED if damaged else 0 if found.good else _PARTIAL)


def _verified(target: Target, backup: Manifest, damaged: Sequence[Failure]) -> Iterator[str]:
    from opsjobs.backup.state import worth  # noqa: PLC0415 - slow to import

    yield f"{target.label}, {backup.id}"
    if damaged:
        yield f"{heading('CRITICAL')}  {len(damaged)} of {len(backup.entries)} files are damaged or gone"
        yield from (f"  {each}" for each in damaged[:_SHOWN])
        return
    yield f"{heading('OK')}  {len(backup.entries)} files read back as they were written; {_size(backup.size)}"
    if not backup.good:
        yield f"  The backup itself is {worth(backup)}"


@dashboards.command(epilog="Example: opsjobs dashboards prune --dry-run")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--target", metavar="NAME", help="Which Grafana of the system. Default: each.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@configured
@click.pass_obj
def prune(redactor: Redactor, *, name: str, target: str | None, dry_run: bool, yes: bool, file: Path | None) -> None:
    """Remove old backups as the configuration says; never the newest complete one, and none without one.

    Only backups whose files all read back are counted.
    """
    here = setting(file, redactor)
    for each in keeping.all_targets(here, name, target):
        with here.alone(each.system, "backup"):
            _pruned(here, each, dry_run=dry_run, yes=yes)


def _pruned(here: Setting, target: Target, *, dry_run: bool, yes: bool) -> None:
    from opsjobs.backup import retention  # noqa: PLC0415 - slow to import
    from opsjobs.backup.manifest import Purpose  # noqa: PLC0415 - as above

    declared = here.config.systems[target.system].backup.keep
    keep = retention.Keep(daily=declared.daily, weekly=declared.weekly, monthly=declared.monthly)
    shelf = keeping.shelf(here, target)
    backups, broken = shelf.backups(tuple(Purpose))
    if broken:
        raise BackupError(
            f"{broken[0].message}: nobody knows which files that backup needs, so nothing is removed",
            advice=f"Where it is worthless, remove its file by hand below {shelf.store.place}/manifests.",
        )
    plan = retention.plan(backups, lambda each: not shelf.verify(each.entries), keep, now().astimezone())
    leaving = [each.backup for each in plan if not each.reasons]
    click.echo(target.label if plan else f"{target.label}: no backup yet")
    for each in plan:
        what = f"keep    {', '.join(each.reasons)}" if each.reasons else "remove"
        click.echo(f"  {each.backup.id:<27}  {each.backup.verdict.value:<10}  {what}")
    if not leaving or dry_run:
        return
    if not yes:
        keeping.ask(f"Remove {len(leaving)} of {len(plan)} backups?")
    freed = shelf.drop(each.id for each in leaving)
    click.echo(f"  removed {len(leaving)}; {_size(freed)} are free")


def _summary(backup: Manifest) -> dict[str, Any]:
    return {
        "id": backup.id,
        "system": backup.system,
        "target": backup.target,
        "purpose": backup.purpose.value,
        "verdict": backup.verdict.value,
        "server": asdict(backup.server),
        "started_at": backup.started_at.isoformat(),
        "finished_at": backup.finished_at.isoformat(),
        "counts": {kind: asdict(count) for kind, count in backup.counts.items()},
        "absent": dict(backup.absent),
        "left_out": list(backup.left_out),
        "bytes": backup.size,
    }


def _details(backup: Manifest) -> dict[str, Any]:
    return {
        "failures": [asdict(each) for each in backup.failures],
        "notes": list(backup.notes),
        "objects": [asdict(each) for each in backup.entries],
    }


for command in (diff, restore, drill, pack):
    dashboards.add_command(command)

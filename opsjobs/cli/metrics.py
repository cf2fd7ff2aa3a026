"""opsjobs metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsjobs.cli import keeping
from opsjobs.cli.logs import complain
from opsjobs.cli.marks import heading
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.errors import OpsjobsError, UsageError

if TYPE_CHECKING:
    from opsjobs.backup.fetch import Fetched
    from opsjobs.backup.refill import Refilled
    from opsjobs.backup.snapshot import Loss, Snapshot
    from opsjobs.backup.vault import Vault
    from opsjobs.log import Redactor
    from opsjobs.model import Run
    from opsjobs.runner import Ending
    from opsjobs.sources.tsdb import Tsdb

_FILED = "prometheus"
"""As the snapshots of a system are filed."""
_JOB = "snapshot"
_SHOWN = 20
"""How many of what failed are named."""
_FAILED, _PARTIAL = 1, 3
_VERDICTS = {"complete": "OK", "incomplete": "UNKNOWN", "shrunk": "CRITICAL"}
_ALL = click.option(
    "--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each."
)
_ONE = click.option("--system", "name", metavar="NAME", help="Needed where the configuration has several.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")


@dataclass(frozen=True, kw_only=True)
class Left:
    """A snapshot that lies on the server and was not fetched."""

    name: str
    place: str


@click.group()
def metrics() -> None:
    """Back up the data of Prometheus, prove it, and bring it back."""


@metrics.command(epilog="Example: opsjobs metrics snapshot --system pratikoai")
@_ALL
@click.option("--skip-head", is_flag=True, help="Leave out the last hours, which are only in Prometheus' memory.")
@click.option("--fewer-expected", is_flag=True, help="It is known that there is much less than the last time.")
@_JSON
@configured
@click.pass_obj
@click.pass_context
def snapshot(
    context: click.Context,
    redactor: Redactor,
    *,
    name: str,
    skip_head: bool,
    fewer_expected: bool,
    as_json: bool,
    file: Path | None,
) -> None:
    """Have Prometheus make a snapshot of all its data, fetch it, and read it back. Its admin API has to be on.

    What an earlier snapshot had is not kept twice. Where its data folder is not reached from here (prometheus.data of
    the system), the snapshot stays on the server, and is no backup.

    Exits with 0 when it is complete, with 3 when something is not in it or it was not fetched, with 1 when there is no
    snapshot to rely on.
    """
    here = setting(file, redactor)
    made: dict[str, Fetched | Left] = {}
    failed: dict[str, OpsjobsError] = {}
    for system in here.config.chosen(name):
        taken(here, system, (made, failed), head=not skip_head, fewer=fewer_expected)
    if as_json:
        documents = [_document(system, each) for system, each in made.items()]
        lost = [{"system": system, "error": error.message} for system, error in failed.items()]
        click.echo(redactor.redact(json.dumps({"snapshots": documents, "failed": lost}, indent=2, ensure_ascii=False)))
    else:
        for system, each in made.items():
            keeping.tell(redactor, _told(system, each))
        for system, error in failed.items():
            complain(redactor, f"{system}: {error.message}", error.advice)
    ends = [_ending(each) for each in made.values()]
    worthless = failed or any(each.outcome.value == "failed" for each in ends)
    context.exit(_FAILED if worthless else _PARTIAL if any(each.error for each in ends) else 0)


def taken(
    here: Setting,
    system: str,
    outcome: tuple[dict[str, Fetched | Left], dict[str, OpsjobsError]],
    *,
    head: bool,
    fewer: bool,
) -> Run:
    """Take the snapshot of a system as a run; one that cannot be reached costs the others nothing."""
    from opsjobs.model import Outcome, Status  # noqa: PLC0415 - slow to import
    from opsjobs.runner import Ending, attend  # noqa: PLC0415 - as above

    made, failed = outcome

    def work(still: Callable[[], None]) -> Ending:
        try:
            made[system] = _one(here, system, still, head=head, fewer=fewer)
        except OpsjobsError as error:
            failed[system] = error
            return Ending(outcome=Outcome.FAILED, status=Status.CRITICAL, error=error.message)
        return _ending(made[system])

    with here.desk(system, send=True) as desk:
        return attend(system, _JOB, here.slot(), desk, work)


def _one(here: Setting, system: str, still: Callable[[], None], *, head: bool, fewer: bool) -> Fetched | Left:
    from opsjobs import __version__  # noqa: PLC0415 - slow to import
    from opsjobs.backup.fetch import Order, fetch  # noqa: PLC0415 - as above
    from opsjobs.sources.tsdb import Tsdb  # noqa: PLC0415 - as above

    data = here.config.systems[system].prometheus.data
    with Tsdb(here.prometheus(system)) as source:
        if data is None:
            return _left(source, head=head)
        with keeping.progress(system) as progress:
            order = Order(
                system=system,
                data=here.base / data,
                made_by=f"opsjobs {__version__}",
                clock=now,
                head=head,
                fewer=fewer,
                progress=progress,
                still=still,
            )
            return fetch(source, _vault(here, system), order)


def _left(source: Tsdb, *, head: bool) -> Left:
    """Have a snapshot made that stays where it is."""
    folder = source.origin.folder or "its data folder"
    name = source.snapshot(head=head)
    return Left(name=name, place=f"{folder.rstrip('/')}/snapshots/{name}")


def _vault(here: Setting, system: str) -> Vault:
    from opsjobs.backup.vault import Vault  # noqa: PLC0415 - slow to import

    return Vault(keeping.store(here, system, _FILED))


def _ending(made: Fetched | Left) -> Ending:
    from opsjobs.model import Outcome, Status  # noqa: PLC0415 - slow to import
    from opsjobs.runner import Ending  # noqa: PLC0415 - as above

    if isinstance(made, Left):
        why = f"the snapshot lies at {made.place} of the server and was not fetched: it is no backup"
        return Ending(outcome=Outcome.PARTIAL, status=Status.WARNING, error=why)
    found = made.snapshot
    if found.good:
        return Ending(outcome=Outcome.SUCCEEDED, status=Status.OK)
    if found.verdict.value == "shrunk":
        return Ending(outcome=Outcome.FAILED, status=Status.CRITICAL, error=_why(found))
    return Ending(outcome=Outcome.PARTIAL, status=Status.WARNING, error=_why(found))


def _why(found: Snapshot) -> str:
    """What is wrong with a snapshot, in a line."""
    reasons = [*found.shrunk, *map(str, found.failures)]
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"{found.verdict.value}: {reasons[0] if reasons else 'for no reason that it says'}{more}"


def _told(system: str, made: Fetched | Left) -> Iterator[str]:
    if isinstance(made, Left):
        yield system
        yield f"{heading('UNKNOWN')}  NO BACKUP: the snapshot is where the data is"
        yield f"  On the server of Prometheus: {made.place}"
        yield f"  To have it fetched: systems.{system}.prometheus.data, its data folder as it is reached from here."
        yield "  Copied by hand or not, remove it there afterwards: it holds disk space."
        return
    found = made.snapshot
    version = f"Prometheus {found.server.version}" if found.server.version else "a Prometheus that hides its version"
    yield f"{system} ({version})"
    yield f"{heading(_VERDICTS[found.verdict.value])}  {found.verdict.value.upper()}  {found.id}"
    yield f"  {_contents(found)}; {_size(made.added)} of it new"
    yield from (f"  {each}" for each in found.shrunk)
    if found.shrunk:
        yield "  Look at what became of the data of Prometheus. If so much was removed on purpose: --fewer-expected."
    yield from (f"  not saved: {each}" for each in found.failures[:_SHOWN])
    if len(found.failures) > _SHOWN:
        yield f"  and {len(found.failures) - _SHOWN} more"
    yield from (f"  {note}" for note in made.notes)


def _contents(found: Snapshot) -> str:
    blocks = "1 block" if len(found.blocks) == 1 else f"{len(found.blocks)} blocks"
    covered = f", {_when(found.start)} to {_when(found.end)}" if found.start and found.end else ""
    memory = "" if found.head else ", without what was in memory"
    return f"{_size(found.size)} in {blocks}{covered}{memory}"


def _when(at: datetime) -> str:
    return f"{at.astimezone():%d %b %Y, %H:%M}"


def _size(count: int) -> str:
    from opsjobs.words import quantity  # noqa: PLC0415 - slow to import

    return quantity(float(count), "bytes")


@metrics.command("list", epilog="Example: opsjobs metrics list --system pratikoai")
@_ALL
@_JSON
@configured
@click.pass_obj
def listed(redactor: Redactor, *, name: str, as_json: bool, file: Path | None) -> None:
    """List the snapshots that there are, the newest first."""
    here = setting(file, redactor)
    found = {system: _vault(here, system).backups() for system in here.config.chosen(name)}
    if as_json:
        rows = [_summary(each) for snapshots, _ in found.values() for each in snapshots]
        click.echo(redactor.redact(json.dumps({"snapshots": rows}, indent=2, ensure_ascii=False)))
        return
    for system, (snapshots, broken) in found.items():
        click.echo(system if snapshots else f"{system}: no snapshot yet: `opsjobs metrics snapshot` makes one")
        for each in snapshots:
            click.echo(redactor.redact(f"  {each.id}  {each.verdict.value:<11} {_contents(each)}"))
        for error in broken:
            complain(redactor, f"  {error.message}")


@metrics.command(epilog="Example: opsjobs metrics verify 2026-11-21")
@click.argument("which", metavar="[SNAPSHOT]", default="latest")
@_ONE
@_JSON
@configured
@click.pass_obj
@click.pass_context
def verify(
    context: click.Context, redactor: Redactor, *, which: str, name: str | None, as_json: bool, file: Path | None
) -> None:
    """Read every file of a snapshot and hash it: whether it is all there, as it was written.

    Exits with 0 when it is, with 3 when the snapshot was not complete from the start, with 1 when something is damaged.
    """
    here = setting(file, redactor)
    system = _one_system(here, name)
    vault = _vault(here, system)
    found = vault.chosen(which)
    with keeping.progress(system) as progress:
        damaged = vault.verify(found.files, lambda done: progress("reading", done >> 20, found.size >> 20))
    if as_json:
        document = {**_summary(found), "damaged": [asdict(each) for each in damaged]}
        click.echo(redactor.redact(json.dumps(document, indent=2, ensure_ascii=False)))
    else:
        click.echo(redactor.redact("\n".join(_verified(system, found, damaged))))
    context.exit(_FAILED if damaged else 0 if found.good else _PARTIAL)


def _verified(system: str, found: Snapshot, damaged: Sequence[Loss]) -> Iterator[str]:
    yield f"{system}, {found.id}"
    if damaged:
        blocks = {each.block for each in damaged}
        what = "1 block is" if len(blocks) == 1 else f"{len(blocks)} blocks are"
        yield f"{heading('CRITICAL')}  {what} damaged: {len(damaged)} of {len(found.files)} files"
        yield from (f"  {each}" for each in damaged[:_SHOWN])
        return
    yield f"{heading('OK')}  {len(found.files)} files read back as they were written; {_contents(found)}"
    if not found.good:
        yield f"  The snapshot itself is {_why(found)}"


@metrics.command(epilog="Example: opsjobs metrics restore latest ./restored")
@click.argument("which", metavar="SNAPSHOT")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@_ONE
@_JSON
@configured
@click.pass_obj
@click.pass_context
def restore(
    context: click.Context,
    redactor: Redactor,
    *,
    which: str,
    folder: Path,
    name: str | None,
    as_json: bool,
    file: Path | None,
) -> None:
    """Write a data folder for Prometheus anew from a snapshot, into a folder that is empty or new.

    No running Prometheus is touched: one is to be started on that folder. Each file is hashed on the way. A block that
    is damaged is left out.

    Exits with 0 when all of the snapshot is there, with 3 when a block is missing, with 1 when nothing was written.
    """
    from opsjobs.backup.refill import refill  # noqa: PLC0415 - slow to import

    here = setting(file, redactor)
    system = _one_system(here, name)
    vault = _vault(here, system)
    found = vault.chosen(which)
    with keeping.progress(system) as progress:
        done = refill(vault, found, folder, progress)
    if as_json:
        document = {**_summary(found), "folder": str(folder.absolute()), "restored": asdict(done)}
        click.echo(redactor.redact(json.dumps(document, indent=2, ensure_ascii=False)))
    else:
        click.echo(redactor.redact("\n".join(_restored(system, found, done, folder.absolute()))))
    context.exit(_PARTIAL if done.left_out or not found.good else 0)


def _restored(system: str, found: Snapshot, done: Refilled, folder: Path) -> Iterator[str]:
    yield f"{system}, {found.id}: {_contents(found)}"
    blocks = "1 block" if len(done.blocks) == 1 else f"{len(done.blocks)} blocks"
    yield f"{heading('WARNING' if done.left_out else 'OK')}  {blocks} written to {folder}; {_size(done.size)}"
    yield from (f"  left out: block {block}, {reason}" for block, reason in done.left_out.items())
    if not found.good:
        yield f"  The snapshot itself is {_why(found)}"
    kept = f"; it was {found.server.retention}" if found.server.retention else ""
    yield "  Now let the user as whom Prometheus runs own the folder, and start it with"
    yield f"    --storage.tsdb.path={folder}"
    yield "    --storage.tsdb.retention.time as long as the data is to stay: what is older it removes at once" + kept


@metrics.command(epilog="Example: opsjobs metrics prune --dry-run")
@_ALL
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@configured
@click.pass_obj
def prune(redactor: Redactor, *, name: str, dry_run: bool, yes: bool, file: Path | None) -> None:
    """Remove old snapshots as the configuration says; never the newest complete one, and none without one.

    Only snapshots whose files all read back are counted.
    """
    here = setting(file, redactor)
    for system in here.config.chosen(name):
        with here.alone(system, _JOB):
            _pruned(here, system, dry_run=dry_run, yes=yes)


def _pruned(here: Setting, system: str, *, dry_run: bool, yes: bool) -> None:
    from opsjobs.backup import retention  # noqa: PLC0415 - slow to import

    declared = here.config.systems[system].backup.keep
    keep = retention.Keep(daily=declared.daily, weekly=declared.weekly, monthly=declared.monthly)
    vault = _vault(here, system)
    snapshots, broken = vault.backups()
    if broken:
        # Nobody knows which files it needs.
        raise broken[0]
    read: dict[str, str | None] = {}
    plan = retention.plan(snapshots, lambda each: not vault.verify(each.files, known=read), keep, now().astimezone())
    leaving = [each.backup for each in plan if not each.reasons]
    click.echo(system if plan else f"{system}: no snapshot yet")
    for each in plan:
        what = f"keep    {', '.join(each.reasons)}" if each.reasons else "remove"
        click.echo(f"  {each.backup.id}  {each.backup.verdict.value:<11} {what}")
    if not leaving or dry_run:
        return
    if not yes:
        keeping.ask(f"Remove {len(leaving)} of {len(plan)} snapshots?")
    freed = vault.drop(each.id for each in leaving)
    click.echo(f"  removed {len(leaving)}; {_size(freed)} are free")


def _one_system(here: Setting, name: str | None) -> str:
    """The one system that is meant. Raises `UsageError`."""
    chosen = here.config.chosen(name or "all")
    if len(chosen) > 1:
        raise UsageError(f"there are several systems: {', '.join(chosen)}", advice="Say which one with --system NAME.")
    return chosen[0]


def _document(system: str, made: Fetched | Left) -> Mapping[str, Any]:
    if isinstance(made, Left):
        return {"system": system, "fetched": False, "name": made.name, "place": made.place}
    failures = [asdict(each) for each in made.snapshot.failures]
    return {
        **_summary(made.snapshot),
        "fetched": True,
        "new_bytes": made.added,
        "failures": failures,
        "shrunk": list(made.snapshot.shrunk),
        "notes": list(made.notes),
    }


def _summary(found: Snapshot) -> dict[str, Any]:
    return {
        "id": found.id,
        "system": found.system,
        "verdict": found.verdict.value,
        "server": asdict(found.server),
        "name": found.name,
        "head": found.head,
        "started_at": found.started_at.isoformat(),
        "finished_at": found.finished_at.isoformat(),
        "from": found.start.isoformat() if found.start else None,
        "to": found.end.isoformat() if found.end else None,
        "blocks": len(found.blocks),
        "files": len(found.files),
        "samples": found.samples,
        "bytes": found.size,
    }

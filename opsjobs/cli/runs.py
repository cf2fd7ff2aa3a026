"""opsjobs runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsjobs import archive
from opsjobs.cli import keeping
from opsjobs.cli.daily import made, monday_of, report_on
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from opsjobs.log import Redactor
    from opsjobs.model import Run
    from opsjobs.runner import Ending, Finished

_WIDE = 200
_REPORTS = {"daily", "weekly", "costs"}
_INSTEAD = {
    "health": "`opsjobs health` looks at it now.",
    "backup": "`opsjobs dashboards backup` makes a new one.",
    "drill": "`opsjobs dashboards drill` makes a new one.",
    "compare": "`opsjobs dashboards diff` compares now.",
    "snapshot": "`opsjobs metrics snapshot` makes a new one.",
}


@click.group()
def runs() -> None:
    """What ran, when, and how it ended."""


@runs.command("list", epilog="Example: opsjobs runs list --job daily --limit 5")
@click.option("--system", "name", metavar="NAME", default="", help="Only of this system.")
@click.option("--job", default="", help="Only of this job.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
def list_runs(redactor: Redactor, *, name: str, job: str, limit: int, as_json: bool, file: Path | None) -> None:
    """List the newest runs, the newest first."""
    here = setting(file, redactor)
    with here.ledger() as ledger:
        found = ledger.runs(system=name, job=job, limit=limit)
    if as_json:
        click.echo(json.dumps({"runs": [_document(run) for run in found]}, indent=2))
        return
    if not found:
        click.echo("No runs yet. `opsjobs daily` makes the first.")
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    zone = f"{now().astimezone():%Z}"
    for title in ("run", "system", "job", "slot", f"started ({zone})", "took", "outcome", "status"):
        table.add_column(title, no_wrap=True, justify="right" if title == "took" else "left")
    for run in found:
        status = run.status.name if run.status else ""
        started = f"{run.started_at.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(run.id[:8], run.system, run.job, run.slot, started, _took(run), run.outcome.value, status)
    # A pipe has no width: nothing is cut there.
    Console(markup=False, width=None if sys.stdout.isatty() else _WIDE).print(table)


@runs.command("show", epilog="Example: opsjobs runs show 3f2a9c1e")
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
def show_run(redactor: Redactor, *, run_id: str, as_json: bool, file: Path | None) -> None:
    """Show one run, named by the beginning of its id."""
    here = setting(file, redactor)
    with here.ledger() as ledger:
        run = _one(ledger.run(run_id), run_id)
    if as_json:
        click.echo(json.dumps(_document(run), indent=2))
        return
    facts = {
        "run": run.id,
        "system": run.system,
        "job": run.job,
        "slot": run.slot,
        "due": f"{run.due_at.astimezone():%Y-%m-%d %H:%M %Z}" if run.due_at else "",
        "started": f"{run.started_at.astimezone():%Y-%m-%d %H:%M:%S %Z}",
        "took": _took(run),
        "outcome": run.outcome.value,
        "status": run.status.name if run.status else "",
        "host": f"{run.host}, process {run.pid}",
        "error": run.error,
    }
    for name, value in facts.items():
        if value:
            click.echo(f"{name:<9}{value}")
    for artifact in run.artifacts:
        click.echo(f"{'file':<9}{artifact.path}  {artifact.size:,} bytes  sha256 {artifact.sha256[:12]}")


def _one(found: list[Run], run_id: str) -> Run:
    """The only run that was found. Raises `UsageError`."""
    if len(found) != 1:
        how = "no run's id begins" if not found else "the ids of several runs begin"
        raise UsageError(f"{how} with '{run_id}'", advice="`opsjobs runs list` shows the newest.")
    return found[0]


@runs.command(epilog="Example: opsjobs runs rerun 3f2a9c1e --no-send")
@click.argument("run_id", metavar="RUN")
@click.option("--no-send", is_flag=True, help="Mail it to nobody.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def rerun(
    context: click.Context, redactor: Redactor, *, run_id: str, no_send: bool, as_json: bool, file: Path | None
) -> None:
    """Make the report of an earlier run again: of the same day or week.

    Whoever has got it gets it no second time.
    """
    here = setting(file, redactor)
    with here.ledger() as ledger:
        run = _one(ledger.run(run_id), run_id)
    if run.job not in _REPORTS:
        raise UsageError(
            f"a run of {run.job} speaks of its moment and cannot be made again", advice=_INSTEAD.get(run.job, "")
        )
    here.config.chosen(run.system)
    day = date.fromisoformat(run.slot) if run.job == "daily" else monday_of(run.slot)

    def make(name: str) -> Finished:
        return report_on(here, name, day, send=not no_send, job=run.job)

    context.exit(made(here, [run.system], make, as_json=as_json))


@runs.command(epilog="Example: opsjobs runs prune --dry-run")
@click.option("--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@configured
@click.pass_obj
def prune(redactor: Redactor, *, name: str, dry_run: bool, yes: bool, file: Path | None) -> None:
    """Remove runs, messages, day values and reports that are older than storage.retention says."""
    here = setting(file, redactor)
    for chosen in here.config.chosen(name):
        rows, folders = outdated(here, chosen)
        counted = [f"{count:,} {what}" for what, count in (*rows.items(), ("reports", len(folders))) if count]
        click.echo(f"{chosen}: {', '.join(counted) or 'nothing'} to be removed")
        if counted and not dry_run:
            if not yes:
                keeping.ask("Remove it?")
            pruned(here, chosen)


def outdated(here: Setting, name: str) -> tuple[dict[str, int], list[Path]]:
    """What is older than it is to be kept: rows of the ledger by what they are, and folders of reports."""
    before, values, reports = _limits(here)
    with here.ledger() as ledger:
        rows = ledger.prune(name, before, values, dry=True)
    return rows, archive.outdated(here.root / "reports", name, reports)


def pruned(here: Setting, name: str) -> Run:
    """Remove it, as a run."""
    from opsjobs.model import Outcome, Status  # noqa: PLC0415 - slow to import
    from opsjobs.runner import Ending, attend  # noqa: PLC0415 - as above

    def work(still: Callable[[], None]) -> Ending:
        before, values, reports = _limits(here)
        still()
        with here.ledger() as ledger:
            ledger.prune(name, before, values)
        for folder in archive.outdated(here.root / "reports", name, reports):
            archive.discard(folder)
        return Ending(outcome=Outcome.SUCCEEDED, status=Status.OK)

    with here.desk(name, send=False) as desk:
        return attend(name, "prune", here.slot(), desk, work)


def _limits(here: Setting) -> tuple[datetime, datetime, datetime]:
    """Before which time runs, values and reports are old."""
    from opsjobs.vocabulary import seconds  # noqa: PLC0415 - slow to import

    kept = here.config.storage.retention
    moment = now()
    before, values, reports = (
        moment - timedelta(seconds=seconds(each)) for each in (kept.runs, kept.values, kept.reports)
    )
    return before, values, reports


def _took(run: Run) -> str:
    if run.finished_at is None:
        return ""
    return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"


def _document(run: Run) -> dict[str, Any]:
    return {
        **asdict(run),
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "outcome": run.outcome.value,
        "status": run.status.name if run.status else None,
        "due_at": run.due_at.isoformat() if run.due_at else None,
    }

"""opsjobs runs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsjobs.cli.setting import configured, now, setting
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from opsjobs.log import Redactor
    from opsjobs.model import Run

_WIDE = 200


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
        found = ledger.run(run_id)
    if len(found) != 1:
        how = "no run's id begins" if not found else "the ids of several runs begin"
        raise UsageError(f"{how} with '{run_id}'", advice="`opsjobs runs list` shows the newest.")
    (run,) = found
    if as_json:
        click.echo(json.dumps(_document(run), indent=2))
        return
    facts = {
        "run": run.id,
        "system": run.system,
        "job": run.job,
        "slot": run.slot,
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
    }

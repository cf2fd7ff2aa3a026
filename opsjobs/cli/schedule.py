"""opsjobs schedule."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs import log
from opsjobs.cli import duties, logs
from opsjobs.cli.cron import install, uninstall
from opsjobs.cli.export import export
from opsjobs.cli.serve import served
from opsjobs.cli.setting import Setting, configured, now, setting
from opsjobs.cli.timetable import entries, planned
from opsjobs.errors import SlotTaken, UsageError
from opsjobs.threads import Pool

if TYPE_CHECKING:
    from opsjobs.log import Redactor
    from opsjobs.schedule.supervision import Supervisor
    from opsjobs.schedule.timetable import Entry

_LOG = logging.getLogger(__name__)
GRACE = timedelta(seconds=60)
"""For what goes on when the scheduler is told to stop."""
_ORPHANED = 15
"""Seconds beyond its limit after which a process ends that nobody has ended."""
_AHEAD = 3
_SYSTEM = click.option(
    "--system", "name", metavar="NAME", default="all", help="A system of the configuration. Default: each."
)


@click.group()
def schedule() -> None:
    """When the jobs run by themselves, and by whom."""


for command in (install, uninstall, export):
    schedule.add_command(command)


@schedule.command(epilog="Example: opsjobs schedule show --system pratikoai")
@_SYSTEM
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
def show(redactor: Redactor, *, name: str, as_json: bool, file: Path | None) -> None:
    """Show which jobs run when, and the next times of each."""
    here = setting(file, redactor)
    found = entries(here, here.config.chosen(name))
    if as_json:
        click.echo(json.dumps({"jobs": [_document(entry) for entry in found]}, indent=2))
        return
    if not found:
        click.echo("No job runs by itself: `schedule` in the configuration turns each off.")
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("system", "job", "when", "zone", "next", "may begin late by", "may take"):
        table.add_column(title, no_wrap=True)
    for entry in found:
        zone = entry.slots.zone
        following = next(entry.slots.after(now())).astimezone(zone)
        late, limit = (_length(each) for each in (entry.late, entry.limit))
        line = (entry.system, entry.job, str(entry.slots.cron), zone.key, f"{following:%a %d %b, %H:%M}", late, limit)
        table.add_row(*line)
    Console(markup=False, width=None if sys.stdout.isatty() else 200).print(table)


def _length(length: timedelta) -> str:
    from opsjobs.words import quantity  # noqa: PLC0415 - slow to import

    return quantity(length.total_seconds(), "seconds")


def _document(entry: Entry) -> dict[str, object]:
    ahead = entry.slots.after(now())
    return {
        "system": entry.system,
        "job": entry.job,
        "cron": str(entry.slots.cron),
        "zone": entry.slots.zone.key,
        "late_seconds": entry.late.total_seconds(),
        "limit_seconds": entry.limit.total_seconds(),
        "next": [next(ahead).isoformat() for _ in range(_AHEAD)],
    }


@schedule.command(epilog="Example: opsjobs schedule run --serve")
@_SYSTEM
@click.option("--serve", "archive", is_flag=True, help="Show the reports and metrics as well, as `opsjobs serve` does.")
@configured
@click.pass_obj
@click.pass_context
def run(context: click.Context, redactor: Redactor, *, name: str, archive: bool, file: Path | None) -> None:
    """Run the jobs at their times, until it is told to stop.

    What came while nobody was there is run first, where it is not too late for it. SIGTERM lets what goes on end
    within a minute; a second one ends it at once.
    """
    from opsjobs.schedule.embedded import Embedded  # noqa: PLC0415 - slow to import

    logs.serve(context)
    here = setting(file, redactor)
    batches = planned(here, here.config.chosen(name))
    if not batches:
        raise UsageError("no job runs by itself", advice="See `schedule` in docs/schedule.md.")
    supervisor = supervised(here, "--service")
    stop = threading.Event()
    _obey(supervisor, stop)
    first = min(batches, key=lambda each: next(each.slots.after(now())))
    at = next(first.slots.after(now())).astimezone(first.slots.zone)
    _LOG.info("%s jobs; the next is %s, %s", len(batches), first.job, f"{at:%a %d %b, %H:%M %Z}")
    with served(here) if archive else nullcontext() as server:
        if server:
            _LOG.info("%s shows the reports", server.url)
        Embedded(supervisor, batches, at_once=here.config.schedule.at_once).run(stop, GRACE)


def _obey(supervisor: Supervisor, stop: threading.Event) -> None:
    """Stop when told to, and at once when told again."""

    def told(*_: object) -> None:
        if stop.is_set():
            supervisor.launcher.abort()
        supervisor.launcher.stop()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)


@schedule.command(epilog="Example: opsjobs schedule once daily health")
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@_SYSTEM
@configured
@click.pass_obj
@click.pass_context
def once(context: click.Context, redactor: Redactor, *, jobs: tuple[str, ...], name: str, file: Path | None) -> None:
    """Run what is due now and that nobody has run yet, and say nothing when that is nothing.

    This is what cron, systemd and Kubernetes call. It may be called too often, and by several of them: a slot is run
    once.
    """
    here = setting(file, redactor)
    known = tuple(duties.DUTIES)
    for each in jobs:
        if each not in known:
            raise UsageError(f"'{each}' is no job", advice=f"There is {', '.join(known)}.")
    # Whoever calls says when: what is spread would be too late the next time.
    batches = [
        replace(each, offset=timedelta(0))
        for each in planned(here, here.config.chosen(name))
        if not jobs or each.job in jobs
    ]
    supervisor = supervised(here)
    _obey(supervisor, threading.Event())
    due = supervisor.look(batches, jobs[0] if len(jobs) == 1 else "")
    with Pool(here.config.schedule.at_once) as pool:
        codes = list(pool.map(lambda each: supervisor.carry_out(each.batch, each.slot, each.systems), due))
    context.exit(max((code for each in codes for code in each.values() if code != SlotTaken.exit_code), default=0))


@schedule.command(hidden=True, epilog="Example: opsjobs schedule work daily pratikoai --slot 2026-11-20T08:00:00+0000")
@click.argument("job")
@click.argument("systems", nargs=-1)
@click.option("--slot", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]))
@click.option("--limit", type=click.IntRange(min=0))
@click.option("--service", is_flag=True)
@configured
@click.pass_obj
@click.pass_context
def work(
    context: click.Context,
    redactor: Redactor,
    *,
    job: str,
    systems: tuple[str, ...],
    slot: datetime | None,
    limit: int | None,
    service: bool,
    file: Path | None,
) -> None:
    """Run one slot of a job for some systems, one after the other, and say how far it is."""
    from opsjobs.runner import attempted  # noqa: PLC0415 - slow to import

    if service:
        logs.serve(context)
    here = replace(setting(file, redactor), due_at=slot.astimezone(UTC) if slot else None)
    for name in systems:
        if limit is not None:
            # Whoever started this ends it sooner, unless it is dead.
            signal.alarm(limit + _ORPHANED)
        click.echo(f"begin {name}")
        sys.stdout.flush()
        code = attempted(f"{job} of {name}", partial(duties.run, here, job, name), redactor.redact)
        click.echo(f"end {name} {code}")
        sys.stdout.flush()


def supervised(here: Setting, *options: str) -> Supervisor:
    """Who sees to it that what is due is run, by processes with these options."""
    from opsjobs.schedule.launch import Launcher  # noqa: PLC0415 - slow to import
    from opsjobs.schedule.supervision import Supervisor  # noqa: PLC0415 - as above

    def command(job: str, slot: datetime | None, limit: timedelta) -> Sequence[str]:
        program = [sys.executable, "-m", "opsjobs", *(["--debug"] if _LOG.isEnabledFor(logging.DEBUG) else [])]
        which = ["--config", str(here.file.absolute())] if here.file else []
        when = ["--slot", f"{slot:%Y-%m-%dT%H:%M:%S%z}"] if slot else []
        long = ["--limit", f"{limit.total_seconds():.0f}"]
        return [*program, "schedule", "work", *which, *when, *long, *options, job]

    form = "json" if log.in_json() else "text"
    # A service has no home where charts could keep what they found out about fonts.
    environment = {"MPLCONFIGDIR": str(here.root / "cache" / "matplotlib"), **os.environ}
    return Supervisor(
        ledger=here.ledger,
        launcher=Launcher(environment={**environment, "OPSJOBS_HOME": str(here.root), "OPSJOBS_LOG_FORMAT": form}),
        command=command,
        clock=now,
        host=socket.gethostname(),
    )

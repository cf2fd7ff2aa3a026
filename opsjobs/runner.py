"""The whole life of a run: take the job's lock, write the row, do the work, publish the files, write how it ended.

The only place that knows all of it, and the only one that may catch everything: whatever happens, the row says so.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from opsjobs import archive
from opsjobs.errors import OpsjobsError
from opsjobs.jobs import JOBS, Context
from opsjobs.jobs.health import Health
from opsjobs.ledger import Ledger, lock
from opsjobs.log import Redactor
from opsjobs.model import CheckState, Delivery, DeliveryState, Outcome, Run, Status
from opsjobs.notify import Witness
from opsjobs.notify.outbox import Outbox
from opsjobs.report import MEDIA_TYPES, Rendered, mail, render
from opsjobs.report.document import Report
from opsjobs.report.pdf import Printer

_REMEMBERED = 200
"""How many runs a job is told of."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where runs are written down and their reports kept, with the clock and the ids that they take."""

    ledger: Ledger
    locks: Path
    reports: Path
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    host: str
    pid: int
    redactor: Redactor
    say: Callable[[str], None]
    """Told what is being done, for whoever waits."""
    outbox: Outbox | None = None
    """By which reports are sent; None where nothing is."""
    recipients: tuple[str, ...] = ()
    witness: Witness | None = None
    """Told how runs go; None where nobody is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A run that ended, with what it has to say."""

    run: Run
    report: Report
    deliveries: tuple[Delivery, ...] = ()
    """What was due and how far it is, of this run and of earlier ones."""


def execute(job: str, context: Context, desk: Desk, slot: str = "") -> Finished:
    """Run a job for a system and a slot, by default the day.

    Raises `SlotTaken`, or what the job raised once that is written down.
    """
    with _begun(desk, context.name, job, slot or context.day.isoformat()) as (run, known):
        context = replace(context, runs=known, undelivered=desk.ledger.undelivered(context.name))
        finished = _work(job, context, desk, run)
    if desk.witness:
        desk.witness.ended(finished.run)
    return finished


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the ledger knows before a look at the health of a system."""

    runs: Sequence[Run]
    undelivered: Sequence[Delivery]
    states: Mapping[str, CheckState]


def examine(name: str, slot: str, desk: Desk, look: Callable[[Known], Health]) -> Health:
    """Look at the health of a system as a run of its own; `look` is told what the ledger knows.

    Raises as `execute` does.
    """
    with _begun(desk, name, "health", slot) as (run, known):
        health = look(Known(runs=known, undelivered=desk.ledger.undelivered(name), states=desk.ledger.states(name)))
        unknown = any(each.status is Status.UNKNOWN for each in health.checks)
        ended = replace(
            run,
            finished_at=desk.clock(),
            outcome=Outcome.PARTIAL if unknown else Outcome.SUCCEEDED,
            status=health.status,
            error=desk.redactor.redact(f"{len(health.bad)} of {len(health.checks)} checks" if health.bad else ""),
        )
        desk.ledger.finish(ended, states=list(health.states.values()))
    if desk.witness:
        desk.witness.ended(ended)
    return health


@contextmanager
def _begun(desk: Desk, name: str, job: str, slot: str) -> Iterator[tuple[Run, Sequence[Run]]]:
    """A run whose row is written, with the runs before it; what ends it badly is written down, too."""
    with lock.held(desk.locks, name, job):
        # Whoever holds the lock knows that nobody else is at work: rows that say otherwise were left by the dead.
        crashed = desk.ledger.crash(name, job, desk.host, desk.clock())
        if crashed:
            _LOG.warning("%s earlier run(s) of %s for %s had crashed", crashed, job, name)
        run = Run(
            id=desk.new_id(), system=name, job=job, slot=slot, started_at=desk.clock(), host=desk.host, pid=desk.pid
        )
        # What is known of the jobs, this run not among them.
        known = desk.ledger.runs(system=name, limit=_REMEMBERED)
        desk.ledger.start(run)
        try:
            if desk.witness:
                desk.witness.started(run)
            yield run, known
        except BaseException as error:
            ended = replace(
                run, finished_at=desk.clock(), outcome=Outcome.FAILED, error=desk.redactor.redact(_told(error))
            )
            try:
                desk.ledger.finish(ended)
            finally:
                # Also where the ledger is what failed.
                if desk.witness:
                    desk.witness.failed(ended, error)
            raise


def _told(error: BaseException) -> str:
    """An error in one line of a row."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    known = isinstance(error, OpsjobsError)
    return str(error) if known else "".join(traceback.format_exception_only(error)).strip()


def _work(job: str, context: Context, desk: Desk, run: Run) -> Finished:
    with Printer() as printer:
        # The printer loads its libraries while the sources are asked.
        printer.start()
        desk.say(f"{context.system.title}: asking {context.metrics.name}")
        result = JOBS[job](context)
        desk.say(f"{context.system.title}: rendering the report")
        rendered = render(result.report, printer, desk.redactor.redact)
    folder = Path(context.name) / job / run.slot
    artifacts = archive.publish(desk.reports, folder, rendered.files, MEDIA_TYPES)
    deliveries = _delivered(desk, run, rendered, desk.reports / folder)
    unsent = [
        f"not sent to {each.recipient}: {each.error}" for each in deliveries if each.state is not DeliveryState.SENT
    ]
    ended = replace(
        run,
        finished_at=desk.clock(),
        outcome=Outcome.SUCCEEDED if rendered.report.complete and not unsent else Outcome.PARTIAL,
        status=result.report.status,
        artifacts=artifacts,
        error=desk.redactor.redact("; ".join([*rendered.failures.values(), *unsent])),
    )
    desk.ledger.finish(ended, context.day, result.indicators, numbers=result.numbers, forecasts=result.forecasts)
    return Finished(run=ended, report=rendered.report, deliveries=deliveries)


def _delivered(desk: Desk, run: Run, rendered: Rendered, folder: Path) -> tuple[Delivery, ...]:
    """Write the letters down and send what is due."""
    if desk.outbox is None:
        return ()
    if desk.recipients:
        desk.say(f"{rendered.report.system_title}: sending the report")
        letter = mail.letter(rendered.report, rendered.files, str(folder))
        desk.outbox.post(letter, "email", desk.recipients, (run.id, run.system, run.job, run.slot))
    return tuple(desk.outbox.deliver())

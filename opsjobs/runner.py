"""The whole life of a run: take the job's lock, write the row, do the work, publish the files, write how it ended.

The only place that knows all of it, and the only one that may catch everything: whatever happens, the row says so.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from opsjobs import archive, log
from opsjobs.errors import OpsjobsError, SlotLost, SlotOver, SlotTaken, UsageError
from opsjobs.jobs import JOBS, Context, costs
from opsjobs.jobs.health import Health
from opsjobs.ledger import Ledger
from opsjobs.log import Redactor
from opsjobs.model import (
    Acknowledgement,
    Artifact,
    CheckResult,
    CheckState,
    Delivery,
    DeliveryState,
    Notice,
    Outcome,
    Run,
    Slot,
    SlotState,
    Status,
)
from opsjobs.notify import Witness, flips
from opsjobs.notify.outbox import Outbox, Way, identity
from opsjobs.notify.routing import Receiver
from opsjobs.report import MEDIA_TYPES, Rendered, hygiene, mail, notice, render
from opsjobs.report.document import Report
from opsjobs.report.pdf import Printer

_AHEAD = timedelta(minutes=1)
"""How far the clocks of two hosts may be apart."""
_PATIENCE, _PAUSE = timedelta(minutes=10), 0.5
"""For how long the run of a slot waits for another run of its job, and the seconds between two looks."""
_REMEMBERED, _PAST = 200, timedelta(days=60)
"""How many runs a job is told of, and slots since when."""
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
    witnesses: tuple[Witness, ...] = ()
    """Told how runs go."""
    due_at: datetime | None = None
    """The slot of the schedule that is to be run, once; None where somebody asked for a run."""


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
        context = replace(
            context,
            runs=known,
            undelivered=desk.ledger.undelivered(context.name),
            slots=desk.ledger.slots(context.name, run.started_at - _PAST),
        )
        if job == "costs":
            first, last = costs.span(context.day)
            context = replace(
                context,
                spent=desk.ledger.spent(context.name, first, last),
                advised=desk.ledger.advised(context.name),
                saved=desk.ledger.saved(context.name),
            )
        finished = _work(job, context, desk, run)
    _ended(desk, finished.run, finished.deliveries)
    return finished


def attempted(what: str, work: Callable[[], bool], redact: Callable[[str], str]) -> int:
    """Do work whose failure must cost what comes after it nothing, and say in the log why it failed; the exit code."""
    try:
        return 0 if work() else OpsjobsError.exit_code
    except SlotOver as error:
        _LOG.info("%s", error)
        return error.exit_code
    except OpsjobsError as error:
        said = f"{what}: {error.message} {error.advice}".strip()
        _LOG.error("%s", redact(said), exc_info=_LOG.isEnabledFor(logging.DEBUG))
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - see above
        _LOG.exception("%s: opsjobs has a fault: %s", what, redact(str(error)))
        return OpsjobsError.exit_code


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How work ended that makes no report."""

    outcome: Outcome
    status: Status
    error: str = ""


def attend(name: str, job: str, slot: str, desk: Desk, work: Callable[[Callable[[], None]], Ending]) -> Run:
    """Do work for a system as a run that the ledger remembers. Raises as `execute` does.

    It is handed what makes sure, before it does something that others see, that nobody has taken it over.
    """
    with _begun(desk, name, job, slot) as (run, _):
        ending = work(lambda: desk.ledger.still(run))
        ended = replace(
            run,
            finished_at=desk.clock(),
            outcome=ending.outcome,
            status=ending.status,
            error=desk.redactor.redact(ending.error),
        )
        desk.ledger.finish(ended)
    _ended(desk, ended, ())
    return ended


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the ledger knows before a look at the health of a system."""

    runs: Sequence[Run]
    undelivered: Sequence[Delivery]
    slots: Sequence[Slot]
    states: Mapping[str, CheckState]
    acknowledged: Mapping[str, Acknowledgement]
    refused: Collection[tuple[str, str]] = ()
    """Receivers and runs whose message was given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Audience:
    """Who is told of the health of a system, and when nobody is."""

    receivers: Sequence[Receiver]
    title: str
    zone: tzinfo
    renotify: timedelta
    in_maintenance: Callable[[str], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """A look at the health of a system that ended."""

    run: Run
    health: Health
    known: Known
    deliveries: tuple[Delivery, ...] = ()
    """As of `Finished`."""


def examine(name: str, slot: str, desk: Desk, look: Callable[[Known], Health], audience: Audience) -> Examined:
    """Look at the health of a system as a run of its own, and tell what is new; `look` is told what the ledger knows.

    Raises as `execute` does.
    """
    with _begun(desk, name, "health", slot) as (run, runs):
        known = Known(
            runs=runs,
            undelivered=desk.ledger.undelivered(name),
            slots=desk.ledger.slots(name, run.started_at - _PAST),
            states=desk.ledger.states(name),
            acknowledged=desk.ledger.acknowledged(name),
            refused=desk.ledger.refused(name, run.job),
        )
        health = _cleaned(look(known), desk.redactor.redact)
        for check, said in known.acknowledged.items():
            if (state := health.states.get(check)) and state.status.rank > said.status.rank:
                # They knew of less.
                desk.ledger.withdraw(name, check)
        deliveries = _told(desk, run, health, known, audience)
        unsent = _unsent(deliveries)
        unknown = any(each.status is Status.UNKNOWN for each in health.checks)
        bad = f"{len(health.bad)} of {len(health.checks)} checks" if health.bad else ""
        ended = replace(
            run,
            finished_at=desk.clock(),
            outcome=Outcome.PARTIAL if unknown or unsent else Outcome.SUCCEEDED,
            status=health.status,
            error=desk.redactor.redact("; ".join(filter(None, [bad, *unsent]))),
        )
        desk.ledger.finish(ended)
    _ended(desk, ended, deliveries)
    return Examined(run=ended, health=health, known=known, deliveries=deliveries)


def _cleaned(health: Health, redact: Callable[[str], str]) -> Health:
    """The same without what sources may repeat of secrets: it goes to people."""

    def clean(check: CheckResult) -> CheckResult:
        return replace(
            check,
            title=redact(check.title),
            text=redact(check.text),
            advice=redact(check.advice),
            explains=tuple(map(redact, check.explains)),
        )

    return replace(
        health,
        checks=tuple(map(clean, health.checks)),
        told=tuple(map(clean, health.told)),
        states={name: replace(state, title=redact(state.title)) for name, state in health.states.items()},
    )


def _told(desk: Desk, run: Run, health: Health, known: Known, audience: Audience) -> tuple[Delivery, ...]:
    """Write down how the checks are and what is to be told of them, then send what is due."""
    if desk.outbox is None:
        desk.ledger.settle(run, list(health.states.values()))
        return ()
    states, notices = news(run, health, known, audience)
    messages = [
        desk.outbox.message(
            notice.letter(said),
            Way(channel=receiver.channel, recipient=receiver.recipient),
            (run.id, run.system, run.job, run.slot),
            identity(run.system, run.job, run.slot, f"{receiver.key}\0{said.incident}\0{run.id}"),
            # A repetition of what goes on is no news to anybody else.
            replaceable=bool(said.flips),
        )
        for receiver, said in notices
    ]
    desk.ledger.settle(run, list(states.values()), messages)
    if messages:
        desk.say(f"{audience.title}: telling {len(messages)} receivers")
    return tuple(desk.outbox.deliver(run.system))


def news(
    run: Run, health: Health, known: Known, audience: Audience
) -> tuple[dict[str, CheckState], list[tuple[Receiver, Notice]]]:
    """What each receiver is told, and the states of the checks once they are."""
    look = flips.Look(
        system=run.system,
        title=audience.title,
        zone=audience.zone,
        at=health.at,
        incident=f"{run.slot}.{run.id[:8]}",
        run=run.id,
        told=health.bad,
        results=health.checks,
        causes=health.causes,
        failed=known.refused,
        states=health.states,
        acknowledged=known.acknowledged,
        in_maintenance=audience.in_maintenance,
        renotify=audience.renotify,
    )
    return flips.settle(look, audience.receivers)


def _unsent(deliveries: Sequence[Delivery]) -> list[str]:
    return [
        f"not sent to {each.recipient}: {each.error}" for each in deliveries if each.state is not DeliveryState.SENT
    ]


def _ended(desk: Desk, run: Run, deliveries: Sequence[Delivery]) -> None:
    with log.bound(run=run.id, system=run.system, job=run.job):
        seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0
        said = run.status.name if run.status else ""
        _LOG.info("ended: %s of %s, %s, %s, %.1f s", run.job, run.slot, run.outcome.value, said, seconds)
        for witness in desk.witnesses:
            witness.ended(run, delivered=all(each.state is DeliveryState.SENT for each in deliveries))


@contextmanager
def _begun(desk: Desk, name: str, job: str, slot: str) -> Iterator[tuple[Run, Sequence[Run]]]:
    """A run whose row is written, with the runs before it; what ends it badly is written down, too."""
    if desk.due_at is not None and desk.due_at > desk.clock() + _AHEAD:
        raise UsageError(f"the slot {desk.due_at:%Y-%m-%d %H:%M} UTC has not come yet", advice="Look at the clock.")
    with _held(desk, name, job), log.bound(system=name, job=job), ExitStack() as lines:
        started = desk.clock()
        # Whoever holds the lock knows that nobody else is at work: rows that say otherwise were left by the dead.
        crashed = desk.ledger.crash(name, job, desk.host, started)
        if crashed:
            _LOG.warning("%s earlier run(s) of %s for %s had crashed", crashed, job, name)
        run = Run(
            id=desk.new_id(),
            system=name,
            job=job,
            slot=slot,
            started_at=started,
            host=desk.host,
            pid=desk.pid,
            due_at=desk.due_at,
        )
        # What is known of the jobs, this run not among them.
        known = desk.ledger.runs(system=name, limit=_REMEMBERED)
        desk.ledger.start(run)
        lines.enter_context(log.bound(run=run.id))
        _LOG.info("begun: %s of %s", job, slot)
        try:
            for witness in desk.witnesses:
                witness.started(run)
            yield run, known
        except SlotLost:
            # What there is to say of it, the other run says.
            raise
        except BaseException as error:
            ended = replace(
                run, finished_at=desk.clock(), outcome=Outcome.FAILED, error=desk.redactor.redact(_said(error))
            )
            # Also where the ledger is what failed.
            mine = True
            try:
                mine = desk.ledger.abandon(ended, again=isinstance(error, KeyboardInterrupt))
            finally:
                for witness in desk.witnesses if mine else ():
                    witness.failed(ended, error)
            if not mine and isinstance(error, OpsjobsError):
                # It failed of what took it over, such as a session of the ledger that was ended.
                desk.ledger.still(run)
            raise


@contextmanager
def _held(desk: Desk, name: str, job: str) -> Iterator[None]:
    """The lock of a job. For a slot of the schedule one waits a while: it comes but once."""
    with ExitStack() as stack:
        until = desk.clock() + _PATIENCE
        while True:
            try:
                stack.enter_context(desk.ledger.alone(desk.locks, name, job))
                break
            except SlotTaken:
                if desk.due_at is None:
                    raise
                _passed_by(desk, name, job, desk.due_at, until)
                time.sleep(_PAUSE)
        yield


def _passed_by(desk: Desk, name: str, job: str, due_at: datetime, until: datetime) -> None:
    """Raise `SlotOver` where somebody else is at the very slot, and `SlotTaken` where there is no more time to wait."""
    if desk.ledger.open_run(name, job, due_at):
        raise SlotOver(f"{job} for {name}, due {due_at:%Y-%m-%d %H:%M} UTC, is being run by another process")
    if desk.clock() < until:
        return
    reason = "another run of the job was still under way"
    slot = Slot(system=name, job=job, due_at=due_at, state=SlotState.MISSED, at=desk.clock(), reason=reason)
    desk.ledger.note_slots([slot])
    raise SlotTaken(f"{job} for {name}, due {due_at:%Y-%m-%d %H:%M} UTC, was missed: {reason}")


def _said(error: BaseException) -> str:
    """An error in one line of a row."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    known = isinstance(error, OpsjobsError)
    return str(error) if known else "".join(traceback.format_exception_only(error)).strip()


def present(name: str, job: str, slot: str, desk: Desk, tell: Callable[[], Report]) -> Finished:
    """Make a report that remembers nothing, as a run. Raises as `execute` does."""
    with _begun(desk, name, job, slot) as (run, _), Printer() as printer:
        printer.start()
        desk.say(f"{name}: asking for what is in it")
        finished = _published(desk, run, render(tell(), printer, desk.redactor.redact))
        desk.ledger.finish(finished.run)
    _ended(desk, finished.run, finished.deliveries)
    return finished


def _work(job: str, context: Context, desk: Desk, run: Run) -> Finished:
    with Printer() as printer:
        # The printer loads its libraries while the sources are asked.
        printer.start()
        desk.say(f"{context.system.title}: asking {context.metrics.name}")
        result = JOBS[job](context)
        desk.say(f"{context.system.title}: rendering the report")
        rendered = render(result.report, printer, desk.redactor.redact)
    finished = _published(desk, run, rendered)
    desk.ledger.finish(
        finished.run,
        context.day,
        result.indicators,
        numbers=result.numbers,
        forecasts=result.forecasts,
        advised=[
            replace(
                each,
                title=hygiene.harmless(each.title, desk.redactor.redact),
                arithmetic=hygiene.harmless(each.arithmetic, desk.redactor.redact),
            )
            for each in result.advised
        ],
        realised=result.realised,
        spent=result.spent,
    )
    return finished


def _published(desk: Desk, run: Run, rendered: Rendered) -> Finished:
    """Put the files of a report in their place and send it; the run as it is then to be written down."""
    folder = Path(run.system) / run.job / run.slot
    desk.ledger.still(run)
    artifacts: tuple[Artifact, ...] = ()
    unkept: list[str] = []
    try:
        artifacts = archive.publish(desk.reports, folder, rendered.files, MEDIA_TYPES)
    except OpsjobsError as error:
        if desk.outbox is None or not desk.recipients:
            raise
        # A disk that is full keeps the report from nobody who is sent it.
        unkept = [str(error)]
        _LOG.error("%s", desk.redactor.redact(f"{error.message} {error.advice}"))
    deliveries = _delivered(desk, run, rendered, "" if unkept else str(desk.reports / folder))
    unsent = _unsent(deliveries)
    ended = replace(
        run,
        finished_at=desk.clock(),
        outcome=Outcome.SUCCEEDED if rendered.report.complete and not unsent and not unkept else Outcome.PARTIAL,
        status=rendered.report.status,
        artifacts=artifacts,
        error=desk.redactor.redact("; ".join([*unkept, *rendered.failures.values(), *unsent])),
    )
    return Finished(run=ended, report=rendered.report, deliveries=deliveries)


def _delivered(desk: Desk, run: Run, rendered: Rendered, where: str) -> tuple[Delivery, ...]:
    """Write the letters down and send what is due."""
    if desk.outbox is None:
        return ()
    if desk.recipients:
        desk.say(f"{rendered.report.system_title}: sending the report")
        letter = mail.letter(rendered.report, rendered.files, where)
        desk.outbox.post(letter, "email", desk.recipients, (run.id, run.system, run.job, run.slot))
    return tuple(desk.outbox.deliver(run.system))

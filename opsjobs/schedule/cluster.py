"""Any number of workers on any number of machines, which share a PostgreSQL: procrastinate is their queue.

Each minute one of them asks the timetable what is due. A slot's row in the ledger and its job in the queue are one
transaction, so that neither is there without the other; a batch has a lock in the queue, and each run one in the
ledger. What a worker had that is not heard of any more, another one takes over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException

from opsjobs.errors import LedgerError
from opsjobs.model import Slot, SlotState
from opsjobs.schedule.due import Due
from opsjobs.schedule.supervision import Supervisor
from opsjobs.schedule.timetable import Batch

_QUEUE, _WORK = "opsjobs", "opsjobs.work"
_HEARTBEAT, _STALLED = 10.0, 30.0
"""Seconds between the words of a worker, and after which silence it is given up."""
_LOOK, _PATIENCE = 20.0, 3
"""Seconds between two looks at the database, and how many may fail."""
_KEPT_HOURS = 7 * 24
_QUEUED = """
SELECT jsonb_array_elements_text(CASE jsonb_typeof(args->'systems') WHEN 'array' THEN args->'systems' ELSE '[]' END)
FROM procrastinate_jobs
WHERE task_name = %s AND args->>'job' = %s AND args->>'slot' = %s AND status IN ('todo', 'doing')
"""
_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
_LOG = logging.getLogger(__name__)
_ADVICE = "It is tried again when the worker is started again, which its supervisor does: see docs/schedule.md."


class LeftError(Exception):
    """A batch was left before its end: another worker goes on with it."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A worker. `batches` is asked each minute, so that a timetable may change while it runs."""

    supervisor: Supervisor
    batches: Callable[[], Sequence[Batch]]
    conninfo: str
    at_once: int
    grace: timedelta

    def run(self) -> None:
        """Work until told to stop by a signal. Raises `LedgerError` when the database is lost."""
        try:
            asyncio.run(self._run())
        except ConnectorException as error:
            raise LedgerError(f"the queue cannot be used: {_first(error)}", advice=_ADVICE) from None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        # One thread for each batch, and some for what is asked each minute.
        loop.set_default_executor(ThreadPoolExecutor(self.at_once + 4, thread_name_prefix="opsjobs-work"))
        app = self._app()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told, stop)
        async with app.open_async():
            await _prepare(app)
            worker = asyncio.create_task(
                app.run_worker_async(
                    queues=[_QUEUE],
                    concurrency=self.at_once,
                    install_signal_handlers=False,
                    delete_jobs="successful",
                    update_heartbeat_interval=_HEARTBEAT,
                    stalled_worker_timeout=_STALLED,
                )
            )
            told, lost = asyncio.create_task(stop.wait()), asyncio.create_task(_lost(app))
            _LOG.info("the worker is there, with %s batches", len(self.batches()))
            ended, _ = await asyncio.wait({worker, told, lost}, return_when=asyncio.FIRST_COMPLETED)
            self.supervisor.launcher.stop()
            loop.call_later(self.grace.total_seconds(), self.supervisor.launcher.abort)
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker
            if told not in ended:
                # Its own return value says nothing of why.
                raise LedgerError("the worker lost its database", advice=_ADVICE)

    def _told(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            self.supervisor.launcher.abort()
        stop.set()

    def _app(self) -> App:
        app = App(connector=PsycopgConnector(conninfo=self.conninfo, kwargs=_CONNECTION))
        again = RetryStrategy(max_attempts=20, wait=15, retry_exceptions=(LeftError, LedgerError))

        @app.task(name=_WORK, queue=_QUEUE, retry=again)
        def work(**asked: Any) -> None:
            self._work(asked)

        @app.periodic(cron="* * * * *")
        @app.task(name="opsjobs.tick", queue=_QUEUE, queueing_lock="opsjobs.tick", lock="opsjobs.tick", priority=10)
        def tick(timestamp: int) -> None:
            del timestamp
            self._tick()

        @app.periodic(cron="* * * * *")
        @app.task(name="opsjobs.rescue", queue=_QUEUE, queueing_lock="opsjobs.rescue", pass_context=True, priority=20)
        async def rescue(context: JobContext, timestamp: int) -> None:
            del context, timestamp
            await _rescue(app, self.supervisor.clock())

        return app

    def _tick(self) -> None:
        """Queue what is due and is not queued: what is new, and what nobody ended whose job in the queue is over."""
        try:
            for due in self.supervisor.look(self.batches()):
                self._queue(due)
        except LedgerError as error:
            _LOG.error("what is due could not be looked at, and is within a minute: %s", error)

    def _queue(self, due: Due) -> None:
        now = self.supervisor.clock()
        job, slot = due.batch.job, due.slot.isoformat()
        slots = [Slot(system=each, job=job, due_at=due.slot, state=SlotState.WAITING, at=now) for each in due.systems]

        def defer(connection: Any) -> None:
            queued = {row[0] for row in connection.execute(_QUEUED, (_WORK, job, slot))}
            systems: list[Any] = [each for each in due.systems if each not in queued]
            if systems:
                # Only what is needed to write to a connection of ours.
                queue = App(connector=SyncPsycopgConnector())
                task = queue.configure_task(name=_WORK, queue=_QUEUE, lock=due.batch.name, connection=connection)
                task.defer(job=job, systems=systems, slot=slot)

        with self.supervisor.ledger() as ledger:
            ledger.enqueue(slots, defer)

    def _work(self, asked: Mapping[str, Any]) -> None:
        """Run a slot for some systems. What is queued is only believed as far as the timetable knows of it."""
        batch, slot, systems = self._believed(asked)
        if batch is None:
            return
        codes = self.supervisor.carry_out(batch, slot, systems)
        if set(codes) != set(systems):
            raise LeftError

    def _believed(self, asked: Mapping[str, Any]) -> tuple[Batch | None, datetime, list[str]]:
        """The batch, slot and systems that are queued; no batch where there is no such slot to be run now."""
        now = self.supervisor.clock()
        try:
            job, systems, slot = asked["job"], asked["systems"], datetime.fromisoformat(asked["slot"]).astimezone(UTC)
            known = {system: batch for batch in self.batches() if batch.job == job for system in batch.systems}
            mine = sorted({each for each in systems if each in known})
        except (LookupError, TypeError, ValueError, OverflowError):
            _LOG.error("what is queued is no slot of a job: %.300r", asked)
            return None, now, []
        for stranger in [each for each in systems if each not in known]:
            _LOG.error("%.100r of %.100r is queued, but the configuration has no such job", job, stranger)
        batch = known[mine[0]] if mine else None
        # Also what waited in the queue for longer than it may.
        if batch and not (timedelta(0) <= now - slot - batch.offset <= batch.late and batch.slots.latest(slot) == slot):
            _LOG.error("%s of %s is queued for %s, which is not to be run now", job, ", ".join(mine), slot.isoformat())
            batch = None
        return batch, slot, mine


async def _prepare(app: App) -> None:
    """Make the queue's tables where there are none; several workers may come first."""
    async with app.connector.pool.connection() as connection, connection.transaction():  # type: ignore[attr-defined]
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('opsjobs.queue'))")
        found = await (await connection.execute("SELECT to_regclass('procrastinate_jobs')")).fetchone()
        if found[0] is None:
            await connection.execute(app.schema_manager.get_schema())


async def _rescue(app: App, now: datetime) -> None:
    """Hand on what silent workers had, and forget what is long over."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED):
        _LOG.warning("the worker of %s %s is silent; another one takes it over", job.task_name, job.task_kwargs)
        await app.job_manager.retry_job(job, retry_at=now)
    await app.job_manager.delete_old_jobs(
        nb_hours=_KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )


async def _lost(app: App) -> None:
    """Ends when the database could not be asked several times in a row, even where nobody noticed."""
    failed = 0
    while failed < _PATIENCE:
        await asyncio.sleep(_LOOK)
        try:
            await asyncio.wait_for(app.check_connection_async(), _LOOK)
        except (ConnectorException, TimeoutError, OSError) as error:
            failed += 1
            _LOG.warning("the database of the queue does not answer: %s", _first(error))
        else:
            failed = 0


def _first(error: BaseException) -> str:
    cause = error.__cause__ or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]

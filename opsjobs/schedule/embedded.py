"""One process that runs what is due: APScheduler says when, `slots` which instants, the ledger whether it was done."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor as Threads
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, EVENT_SCHEDULER_STARTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.base import BaseTrigger

from opsjobs.schedule.supervision import Supervisor
from opsjobs.schedule.timetable import Batch

_SECONDS = 60
_LOOKS = "looks"
_EACH = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
_LOG = logging.getLogger(__name__)


class SlotTrigger(BaseTrigger):  # type: ignore[misc]
    """The slots of a batch, as APScheduler asks for them."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The next instant after both, so that a clock that is set back runs nothing twice."""
        after = max(previous, now) if previous else now
        return next(self._batch.slots.after(after - self._batch.offset)) + self._batch.offset


class Embedded:
    """A scheduler in this process, which runs so many batches at once."""

    def __init__(self, supervisor: Supervisor, batches: Sequence[Batch], *, at_once: int) -> None:
        self._supervisor = supervisor
        self._batches = {batch.name: batch for batch in batches}
        self._taken: set[str] = set()
        self._taking = threading.Lock()
        self._started = threading.Event()
        self._executors = {"default": ThreadPoolExecutor(at_once), _LOOKS: ThreadPoolExecutor(1)}
        # What it tells us is said below, in our words.
        for each in (logging.getLogger("apscheduler"), _LOG.getChild("apscheduler")):
            each.setLevel(logging.CRITICAL)
        self._scheduler = BlockingScheduler(
            timezone=UTC, executors=self._executors, logger=_LOG.getChild("apscheduler"), job_defaults=_EACH
        )
        self._scheduler.add_listener(lambda _: self._started.set(), EVENT_SCHEDULER_STARTED)
        self._scheduler.add_listener(_failed, EVENT_JOB_ERROR)

    def run(self, stop: threading.Event, grace: timedelta) -> None:
        """Run what is due until told to stop; then what goes on has so much time to end before it is told, too.

        A fault of a run is that run's; one of the scheduler itself is raised, so that whoever watches starts it again.
        """
        for batch in self._batches.values():
            late = max(1, int(batch.late.total_seconds()))
            trigger = SlotTrigger(batch)
            self._scheduler.add_job(self._attend, trigger, [batch], id=batch.name, misfire_grace_time=late)
        # What came while nobody was there.
        self._look()
        self._scheduler.add_job(self._look, "interval", seconds=_SECONDS, id=_LOOKS, executor=_LOOKS)
        with Threads(1, thread_name_prefix="opsjobs-clock") as clock:
            ended = clock.submit(self._scheduler.start)
            ended.add_done_callback(lambda _: self._started.set())
            ended.add_done_callback(lambda _: stop.set())
            stop.wait()
            self._end(grace)
            ended.result()

    def _end(self, grace: timedelta) -> None:
        """Begin nothing more, and have what goes on end."""
        self._supervisor.launcher.stop()
        # What has not begun cannot be ended.
        self._started.wait()
        if not self._scheduler.running:
            return
        # If it waited itself, it would hold back who has something to tell it on the way out.
        self._scheduler.shutdown(wait=False)
        ended = threading.Thread(target=lambda: [each.shutdown() for each in self._executors.values()])
        ended.start()
        ended.join(grace.total_seconds())
        if ended.is_alive():
            self._supervisor.launcher.abort()
            ended.join()

    def _look(self) -> None:
        """What is due and that nobody here is at: it came while the ledger was gone, or its run has died elsewhere.

        Each minute; so APScheduler looks at the clock as well, which may have been set, or have slept.
        """
        for due in self._supervisor.look(self._batches.values()):
            if self._take(due.batch):
                again = f"again {due.batch.name}"
                self._scheduler.add_job(self._carry_on, args=[due.batch], id=again, replace_existing=True)

    def _attend(self, batch: Batch) -> None:
        # Whoever is at it, or about to be, looks at what is due then.
        if self._take(batch):
            self._carry_on(batch)

    def _carry_on(self, batch: Batch) -> None:
        try:
            self._supervisor.attend(batch)
        finally:
            with self._taking:
                self._taken.discard(batch.name)

    def _take(self, batch: Batch) -> bool:
        """Make a batch one's own; whether nobody else in this process had it."""
        with self._taking:
            mine = batch.name not in self._taken
            self._taken.add(batch.name)
        return mine


def _failed(event: Any) -> None:
    _LOG.error("%s could not be looked after, and is within a minute: %s", event.job_id, event.exception)

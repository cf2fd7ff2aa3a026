"""The scheduler in one process: stopped at any moment, with a ledger that is gone, with faults of its own."""

import os
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.errors import LedgerError
from opsjobs.ledger import Ledger
from opsjobs.schedule import embedded
from opsjobs.schedule.embedded import Embedded
from opsjobs.schedule.launch import Launcher
from opsjobs.schedule.slots import Cron, Slots
from opsjobs.schedule.supervision import Supervisor
from opsjobs.schedule.timetable import Batch

GRACE = timedelta(seconds=20)
CHILD = """
import sys, time
from pathlib import Path
folder, job, *systems = sys.argv[1:]
for name in systems:
    print("begin", name, flush=True)
    with (Path(folder) / "begun").open("a") as begun:
        print(job, name, file=begun)
    time.sleep(float((Path(folder) / "takes").read_text()))
    with (Path(folder) / "ended").open("a") as ended:
        print(job, name, file=ended)
    print("end", name, 0, flush=True)
"""


class Stage:
    """A supervisor whose runs are processes that do next to nothing, and whose ledger can be gone."""

    def __init__(self, folder):
        self.folder, self.asked, self.lost = folder, 0, range(0)
        (folder / "child.py").write_text(CHILD)
        self.takes(0)
        self.launcher = Launcher(environment=dict(os.environ))

    def takes(self, seconds):
        (self.folder / "takes").write_text(str(seconds))

    @contextmanager
    def ledger(self):
        self.asked += 1
        if self.asked in self.lost:
            raise LedgerError("the ledger cannot be used: it is gone")
        ledger = Ledger.at(self.folder / "ledger.db").open()
        try:
            yield ledger
        finally:
            ledger.close()

    def supervisor(self):
        return Supervisor(
            ledger=self.ledger,
            launcher=self.launcher,
            command=lambda job, slot, limit: [sys.executable, str(self.folder / "child.py"), str(self.folder), job],
            clock=lambda: datetime.now(UTC),
            host="here",
        )

    def lines(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def batch(job="daily", line="* * * * *", late=timedelta(minutes=5)):
    slots = Slots(Cron(line), ZoneInfo("UTC"))
    return Batch(job=job, systems=("shop",), slots=slots, late=late, limit=timedelta(minutes=1))


@contextmanager
def running(scheduler, stop, grace=GRACE):
    """A scheduler in a thread, told to stop at the end; gives how it ended."""
    ended = []

    def run():
        try:
            ended.append(scheduler.run(stop, grace))
        except (LedgerError, RuntimeError) as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield ended
    stop.set()
    thread.join(60)
    assert not thread.is_alive(), "the scheduler did not end"


def until(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_what_is_due_is_run_at_once_and_a_stop_lets_it_end(stage):
    stage.takes(1)
    with running(Embedded(stage.supervisor(), [batch()], at_once=2), threading.Event()) as ended:
        until(lambda: stage.lines("begun"))
    assert ended == [None] and stage.lines("ended")[0] == "daily shop"


def test_what_does_not_end_within_the_grace_is_told_to(stage):
    stage.takes(120)
    scheduler = Embedded(stage.supervisor(), [batch()], at_once=2)
    with running(scheduler, threading.Event(), timedelta(seconds=1)) as ended:
        until(lambda: stage.lines("begun"))
    assert ended == [None] and stage.lines("ended") == []


@pytest.mark.parametrize("after", [0, 0.01, 0.1, 0.5])
def test_a_stop_that_comes_at_its_very_start_is_heard(stage, after):
    stop = threading.Event()
    with running(Embedded(stage.supervisor(), [batch("daily", "0 0 1 1 *")], at_once=2), stop) as ended:
        if after:
            time.sleep(after)
    assert ended == [None]


def test_a_ledger_that_cannot_be_read_at_the_start_is_raised(stage):
    stage.lost = range(1, 1_000_000)
    with running(Embedded(stage.supervisor(), [batch()], at_once=2), threading.Event()) as ended:
        until(lambda: ended)
    assert isinstance(ended[0], LedgerError) and stage.lines("begun") == []


def test_a_ledger_that_is_gone_for_a_while_loses_no_slot(stage, monkeypatch, caplog):
    monkeypatch.setattr(embedded, "_SECONDS", 0.5)
    # Gone at the second look, and back at the sixth.
    stage.lost = range(2, 6)
    yearly = batch("daily", f"{datetime.now(UTC):%M %H %d %m} *", late=timedelta(minutes=30))
    with running(Embedded(stage.supervisor(), [yearly], at_once=1), threading.Event()) as ended:
        until(lambda: stage.asked > 6 and stage.lines("ended"))
    assert ended == [None]
    assert "could not be looked after, and is within a minute: the ledger cannot be used" in caplog.text


def test_a_run_that_goes_on_is_not_begun_again_each_minute(stage, monkeypatch):
    monkeypatch.setattr(embedded, "_SECONDS", 0.2)
    stage.takes(3)
    with running(Embedded(stage.supervisor(), [batch()], at_once=4), threading.Event()) as ended:
        until(lambda: stage.lines("begun"))
        asked = stage.asked
        until(lambda: stage.asked > asked + 5)
        assert stage.lines("begun") == ["daily shop"]
    assert ended == [None]


def test_a_fault_of_the_clock_itself_is_raised_and_what_goes_on_may_end(stage):
    stage.takes(2)
    scheduler = Embedded(stage.supervisor(), [batch()], at_once=2)

    def broken():
        until(lambda: stage.lines("begun"))
        raise RuntimeError("the loop is broken")

    known = scheduler._scheduler._process_jobs
    with running(scheduler, threading.Event()) as ended:
        scheduler._scheduler._process_jobs = lambda: broken() if stage.lines("begun") else known()
        until(lambda: stage.lines("begun"))
        scheduler._scheduler.wakeup()
        until(lambda: ended)
    assert str(ended[0]) == "the loop is broken" and stage.lines("ended") == ["daily shop"]

"""What is written down of slots that were ended or that nobody ran, and who has the health looked at for it."""

import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.ledger import Ledger
from opsjobs.model import Outcome, Run, Slot, SlotState
from opsjobs.schedule import supervision
from opsjobs.schedule.launch import Launcher
from opsjobs.schedule.slots import Cron, Slots
from opsjobs.schedule.supervision import DONE, FAILED, TAKEN, Supervisor
from opsjobs.schedule.timetable import Batch

DUE = datetime(2026, 11, 16, 9, tzinfo=UTC)
CHILD = """
import sys, time
from pathlib import Path
folder, job, *systems = sys.argv[1:]
codes = Path(folder) / job
for name in systems:
    print("begin", name, flush=True)
    with (Path(folder) / "asked").open("a") as asked:
        print(job, name, file=asked)
    code, *more = codes.read_text().split() if codes.exists() else ["0"]
    codes.write_text(" ".join(more or [code]))
    if code == "hang":
        time.sleep(120)
    print("end", name, code, flush=True)
"""


class Desk:
    """A supervisor whose runs end as they are told."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "child.py").write_text(CHILD)
        self.supervisor = Supervisor(
            ledger=self.ledger,
            launcher=Launcher(environment=dict(os.environ)),
            command=lambda job, slot, limit: [sys.executable, str(folder / "child.py"), str(folder), job],
            clock=lambda: DUE + timedelta(minutes=5),
            host="here",
        )

    @contextmanager
    def ledger(self):
        ledger = Ledger.at(self.folder / "ledger.db").open()
        try:
            yield ledger
        finally:
            ledger.close()

    def ends(self, job, *codes):
        (self.folder / job).write_text(" ".join(map(str, codes)))

    @property
    def asked(self):
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def slots(self):
        with self.ledger() as ledger:
            return {each.due_at: (each.state, each.reason) for each in ledger.slots("shop", DUE - timedelta(days=90))}


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "_PAUSE", 0.01)
    return Desk(tmp_path)


def batch(job="daily", limit=timedelta(minutes=1), systems=("shop",)):
    slots = Slots(Cron("0 9 * * *"), ZoneInfo("UTC"))
    return Batch(job=job, systems=systems, slots=slots, late=timedelta(hours=1), limit=limit)


def test_a_job_that_failed_has_the_health_of_its_system_looked_at_and_the_others_are_left_alone(desk):
    desk.ends("daily", 0, 1)
    assert desk.supervisor.carry_out(batch(systems=("blog", "shop")), DUE, ("blog", "shop")) == {"blog": 0, "shop": 1}
    assert desk.asked == ["daily blog", "daily shop", "health shop"]


@pytest.mark.parametrize("code", [DONE, TAKEN])
def test_one_that_did_its_work_or_is_done_by_another_is_no_reason_for_it(desk, code):
    desk.ends("daily", code)
    assert desk.supervisor.carry_out(batch(), DUE, ("shop",)) == {"shop": code}
    assert desk.asked == ["daily shop"]


def test_a_look_that_goes_on_is_waited_for_since_it_may_not_know_yet(desk):
    desk.ends("daily", FAILED)
    desk.ends("health", TAKEN, TAKEN, 0)
    desk.supervisor.carry_out(batch(), DUE, ("shop",))
    assert desk.asked == ["daily shop", *["health shop"] * 3]


def test_a_look_that_fails_itself_is_not_looked_at_again(desk):
    desk.ends("health", FAILED)
    desk.supervisor.carry_out(batch("health"), DUE, ("shop",))
    assert desk.asked == ["health shop"]


@pytest.mark.parametrize("host", ["here", "elsewhere"])
def test_what_took_too_long_is_written_down_for_it_where_it_is_a_run_of_this_host(desk, host):
    run = Run(id="r", system="shop", job="daily", slot="x", started_at=DUE, host=host, pid=1, due_at=DUE)
    with desk.ledger() as ledger:
        ledger.start(run)
    desk.ends("daily", "hang")
    assert desk.supervisor.carry_out(batch(limit=timedelta(seconds=3)), DUE, ("shop",)) == {"shop": FAILED}
    with desk.ledger() as ledger:
        (found,) = ledger.runs()
    if host == "elsewhere":
        assert found == run and desk.slots()[DUE][0] is SlotState.RUNNING
        return
    assert found.outcome is Outcome.TIMED_OUT and desk.slots()[DUE] == (SlotState.FAILED, found.error)
    assert "longer than its limit of 0.05 min" in found.error


def test_what_took_too_long_before_it_wrote_a_word_is_written_down_as_well(desk):
    desk.ends("daily", "hang")
    desk.supervisor.carry_out(batch(limit=timedelta(seconds=3)), DUE, ("shop",))
    state, reason = desk.slots()[DUE]
    assert state is SlotState.FAILED and "raise schedule.jobs.daily.limit" in reason


def test_what_was_missed_is_written_down_and_told_once(desk, caplog):
    known = Slot(system="shop", job="daily", due_at=DUE - timedelta(days=3), state=SlotState.DONE, at=DUE)
    with desk.ledger() as ledger:
        ledger.note_slots([known])
    for _ in range(2):
        (due,) = desk.supervisor.look([batch()])
        assert (due.slot, due.systems) == (DUE, ("shop",))
    assert desk.asked == ["health shop"]
    assert caplog.text.count("was missed: nobody was there, or free for it") == 2
    assert [desk.slots()[DUE - timedelta(days=days)][0] for days in (2, 1)] == [SlotState.MISSED] * 2


def test_missed_looks_are_written_down_and_the_next_one_is_enough(desk):
    known = Slot(system="shop", job="health", due_at=DUE - timedelta(days=2), state=SlotState.DONE, at=DUE)
    with desk.ledger() as ledger:
        ledger.note_slots([known])
    desk.supervisor.look([replace(batch(), job="health")])
    assert desk.asked == []


def test_after_a_stop_nothing_is_begun(desk):
    desk.supervisor.launcher.stop()
    assert desk.supervisor.carry_out(batch(), DUE, ("shop",)) == {}
    assert desk.asked == [] and desk.slots() == {}

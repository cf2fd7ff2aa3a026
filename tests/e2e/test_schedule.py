"""Jobs that run by themselves, as real processes: asked for by many, killed, stopped, too slow, on a full disk."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsjobs.ledger import tables
from opsjobs.model import Outcome, Run, Slot, SlotState
from tests.e2e.clockwork import TO, alive, children, end_sessions, line, slot_of, until
from tests.unit.notify.hookserver import hook
from tests.unit.notify.mailserver import Inbox, mail_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


class Slow(Inbox):
    """Takes the first mails, then lets whoever sends wait."""

    def __init__(self, first=0, seconds=600):
        super().__init__()
        self.first, self.seconds, self.waiting = first, seconds, 0

    async def handle_DATA(self, server, session, envelope):
        if len(self.mails) >= self.first:
            self.waiting += 1
            await asyncio.sleep(self.seconds)
        return await super().handle_DATA(server, session, envelope)


def recipients(inbox):
    return sorted(recipient for recipient, _ in inbox.mails)


@pytest.fixture(params=["sqlite", "postgresql"])
def six(request, sites):
    """Six that share a ledger: on one host, or on six."""
    if request.param == "sqlite":
        return [sites()] * 6
    url = request.getfixturevalue("postgresql_url")
    return [sites(str(number), url) for number in range(6)]


def test_a_slot_that_six_are_called_for_at_once_is_run_once_and_mailed_once(six):
    inbox, when = Inbox(), line()
    with mail_server(inbox) as port:
        for each in six:
            each.configure({"daily": when, "prune": when}, port=port)
        called = [each.start("schedule", "once") for each in six]
        for process in called:
            process.communicate(timeout=150)
    assert [process.returncode for process in called] == [0] * 6
    assert [(row["job"], row["outcome"]) for row in six[0].runs()] in (
        [("daily", "partial"), ("prune", "succeeded")],
        [("prune", "succeeded"), ("daily", "partial")],
    )
    slots = six[0].slots()
    assert {(row["job"], row["due_at"], row["state"], row["attempt"]) for row in slots} == {
        (job, slot_of(when), "done", 1) for job in ("daily", "prune")
    }
    assert recipients(inbox) == sorted(TO)
    again = six[1].run("schedule", "once")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(six[0].runs()) == 2


def test_six_schedulers_and_cron_run_each_minute_once(sites, postgresql_url):
    six = [sites(str(number), postgresql_url).configure({"prune": "* * * * *"}) for number in range(6)]
    schedulers = [each.start("schedule", "run") for each in six]
    first = until(lambda: six[0].slots(job="prune"))[0]["due_at"]

    def two():
        six[0].run("schedule", "once")
        return [row for row in six[0].slots(state="done") if row["due_at"] > first]

    until(two, 150, "the next minute")
    for process in schedulers:
        process.send_signal(signal.SIGTERM)
    for process in schedulers:
        process.communicate(timeout=90)
    assert [process.returncode for process in schedulers] == [0] * 6
    slots, runs = six[0].slots(), six[0].runs()
    assert {(row["state"], row["attempt"]) for row in slots} == {("done", 1)}
    due = [row["due_at"] for row in slots]
    assert due == [first + timedelta(minutes=number) for number in range(len(due))]
    assert sorted(row["due_at"] for row in runs) == due


def test_a_run_that_is_killed_is_begun_again_and_given_up_after_three(site):
    inbox, when = Slow(), line()
    with mail_server(inbox) as port:
        site.configure({"daily": when}, port=port)
        once = site.start("schedule", "once")
        for number in (1, 2, 3):
            row = until(lambda number=number: (len(site.runs(job="daily")) == number) and site.running())
            os.kill(row["pid"], signal.SIGKILL)
        _, said = once.communicate(timeout=90)
    assert once.returncode == 1
    assert "was given up: 3 runs of it ended without a word" in said and "Traceback" not in said
    assert [row["outcome"] for row in site.runs(job="daily")] == ["crashed"] * 3
    (slot,) = site.slots(job="daily")
    assert (slot["state"], slot["attempt"]) == ("failed", 3)
    assert [row["due_at"] for row in site.runs(job="health")] == [None]
    assert "job:daily" in {row["check"] for row in site.rows(tables.check_states)}


def test_what_was_sent_before_a_kill_of_everything_is_not_sent_again(site):
    when = line()
    inbox = Slow(first=1)
    with mail_server(inbox) as port:
        site.configure({"daily": when}, port=port)
        once = site.start("schedule", "once")
        until(lambda: inbox.waiting)
        child = site.running()["pid"]
        once.kill()
        os.killpg(child, signal.SIGKILL)
        once.communicate(timeout=30)
        until(lambda: not alive(child))
        inbox.first = 9
        again = site.run("schedule", "once")
    assert again.returncode == 0
    assert [row["outcome"] for row in site.runs(job="daily")] == ["crashed", "partial"]
    (slot,) = site.slots(job="daily")
    assert (slot["state"], slot["attempt"]) == ("done", 2)
    assert recipients(inbox) == sorted(TO)


def test_one_that_was_stopped_while_another_took_over_does_nothing_more(sites, postgresql_url):
    when, inbox, silent = line(), Inbox(), Slow()
    stopped, other = sites("stopped", postgresql_url), sites("other", postgresql_url)
    with mail_server(inbox) as port, mail_server(silent) as held, hook() as server:
        ping = ", pings: {daily: {url_file: ping}}"
        for each in (stopped, other):
            (each.folder / "ping").write_text(f"{server.url}/ping")
        stopped.configure({"daily": when}, port=held, more=ping)
        once = stopped.start("schedule", "once")
        child = stopped.running()["pid"]
        # That it has begun is told beside the row, not with it.
        until(lambda: server.requests)
        os.killpg(child, signal.SIGSTOP)
        before = list(silent.mails)
        end_sessions(postgresql_url)
        other.configure({"daily": when}, port=port, more=ping)
        taken = other.run("schedule", "once")
        assert taken.returncode == 0 and recipients(inbox) == sorted(TO)
        known = stopped.rows(tables.runs), stopped.rows(tables.deliveries), stopped.slots()
        pings = len(server.requests)
        os.killpg(child, signal.SIGCONT)
        _, said = once.communicate(timeout=90)
        assert (stopped.rows(tables.runs), stopped.rows(tables.deliveries), stopped.slots()) == known
        assert len(server.requests) == pings
    assert once.returncode == 0 and "taken over by another run" in said and "Traceback" not in said
    assert silent.mails == before == [] and not silent.waiting
    assert not list((stopped.state / "reports").glob("**/report.*"))
    assert [row["outcome"] for row in other.runs(job="daily")] == ["crashed", "partial"]


def test_a_job_that_hangs_is_ended_at_its_limit_told_and_the_next_slot_runs(site):
    when, inbox = line(), Slow()
    with mail_server(inbox) as port:
        site.configure({"daily": f"{{cron: '{when}', limit: 12s}}"}, port=port)
        once = site.start("schedule", "once")
        child = site.running()["pid"]
        until(lambda: site.runs(job="daily", outcome="timed out"))
        inbox.first = 99
        _, said = once.communicate(timeout=120)
        assert once.returncode == 1 and not alive(child)
        assert "took longer than its limit of 0.2 min" in said
        (run,) = site.runs(job="daily")
        assert run["outcome"] == "timed out" and "raise schedule.jobs.daily.limit" in run["error"]
        (slot,) = site.slots(job="daily")
        assert (slot["state"], slot["reason"]) == ("failed", run["error"])
        assert "job:daily" in {row["check"] for row in site.rows(tables.check_states)}
        site.configure({"daily": line(timedelta(minutes=1))}, port=port)
        assert site.run("schedule", "once").returncode == 0
    assert [row["state"] for row in site.slots(job="daily")] == ["failed", "done"]
    assert recipients(inbox) == sorted(TO)


@pytest.mark.parametrize("times", [1, 2])
def test_a_scheduler_that_is_told_to_stop_lets_its_run_end_and_told_again_leaves_the_slot_to_the_next(site, times):
    when, inbox = line(), Slow(seconds=3 if times == 1 else 600)
    with mail_server(inbox) as port:
        site.configure({"daily": when}, port=port)
        scheduler = site.start("schedule", "run")
        until(lambda: inbox.waiting)
        for _ in range(times):
            scheduler.send_signal(signal.SIGTERM)
            time.sleep(0.5)
        _, said = scheduler.communicate(timeout=90)
        assert scheduler.returncode == 0 and "Traceback" not in said
        (slot,) = site.slots(job="daily")
        if times == 1:
            assert slot["state"] == "done" and recipients(inbox) == sorted(TO)
            return
        assert (slot["state"], slot["attempt"], slot["reason"]) == ("waiting", 1, "interrupted")
        inbox.first = 99
        following = site.start("schedule", "run")
        until(lambda: [row for row in site.slots(job="daily") if row["state"] == "done"])
        following.send_signal(signal.SIGTERM)
        following.communicate(timeout=90)
    assert following.returncode == 0 and site.slots(job="daily")[0]["attempt"] == 2
    assert recipients(inbox) == sorted(TO)


def test_a_call_by_cron_that_is_told_to_stop_ends_what_goes_on_and_leaves_the_rest_to_the_next(site):
    inbox, both = Slow(seconds=3), {"systems": ("blog", "shop"), "schedule": "  at_once: 1\n"}
    with mail_server(inbox) as port:
        site.configure({"daily": line()}, port=port, **both)
        once = site.start("schedule", "once")
        until(lambda: inbox.waiting)
        once.send_signal(signal.SIGTERM)
        _, said = once.communicate(timeout=90)
        assert once.returncode == 0 and "Traceback" not in said
        assert [(row["system"], row["state"]) for row in site.slots()] == [("blog", "done")]
        inbox.first = 99
        assert site.run("schedule", "once").returncode == 0
    assert sorted((row["system"], row["state"]) for row in site.slots()) == [("blog", "done"), ("shop", "done")]
    assert recipients(inbox) == sorted(TO * 2)


def test_on_its_start_it_catches_up_with_what_is_not_too_late_and_says_what_was_missed(site):
    daily, health = line(timedelta(hours=3)), line(timedelta(hours=2))
    site.configure({"daily": daily, "health": health, "prune": line(timedelta(hours=1))})
    last = {"daily": slot_of(daily) - timedelta(days=3), "health": slot_of(health) - timedelta(days=1)}
    with site.ledger() as ledger:
        ledger.note_slots(
            [
                Slot(system="shop", job=job, due_at=at, state=SlotState.DONE, at=at, attempt=1)
                for job, at in last.items()
            ]
        )
    scheduler = site.start("schedule", "run")
    until(
        lambda: [row for row in site.slots(job="daily") if row["due_at"] == slot_of(daily) and row["state"] == "done"]
    )
    scheduler.send_signal(signal.SIGTERM)
    _, said = scheduler.communicate(timeout=90)
    assert scheduler.returncode == 0
    assert [row["state"] for row in site.slots(job="daily")] == ["done", "missed", "missed", "done"]
    assert [row["state"] for row in site.slots(job="health")] == ["done", "missed"]
    # Of what was never scheduled before, nothing old.
    assert [(row["state"], row["reason"]) for row in site.slots(job="prune")] == [
        ("skipped", "it was due before the schedule began")
    ]
    assert "health of shop, due" in said and "was missed: nobody was there, or free for it" in said
    assert not [row for row in site.runs(job="health") if row["due_at"]]
    status = site.run("status")
    assert "missed: health of shop" in status.stdout


def test_a_slot_waits_for_a_run_that_was_started_by_hand_and_is_then_run(site):
    when, inbox = line(), Slow()
    with mail_server(inbox) as port:
        site.configure({"daily": when}, port=port)
        by_hand = site.start("daily", "--date", "2026-11-10")
        site.running()
        once = site.start("schedule", "once")
        until(lambda: children(once.pid))
        time.sleep(4)
        assert once.poll() is None and site.slots() == []
        by_hand.send_signal(signal.SIGINT)
        by_hand.communicate(timeout=60)
        inbox.first = 99
        once.communicate(timeout=90)
    assert once.returncode == 0
    assert [(row["state"], row["attempt"]) for row in site.slots(job="daily")] == [("done", 1)]


def test_a_slot_that_is_to_come_and_one_that_is_none_are_refused(site):
    site.configure({"prune": line()})
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:00+0000}"
    done = site.run("schedule", "work", "prune", "shop", "--slot", tomorrow)
    assert done.stdout.splitlines() == ["begin shop", "end shop 64"] and "has not come yet" in done.stderr
    assert site.runs() == [] and site.slots() == []
    assert site.run("schedule", "once", "sweep").returncode == 64


def test_what_a_scheduler_left_behind_ends_by_itself_when_its_time_is_over(site):
    when, inbox = line(), Slow()
    with mail_server(inbox) as port:
        site.configure({"daily": f"{{cron: '{when}', limit: 10s}}"}, port=port)
        once = site.start("schedule", "once")
        run = site.running()
        until(lambda: inbox.waiting)
        once.kill()
        assert alive(run["pid"])
        until(lambda: not alive(run["pid"]), 60)
        inbox.first = 99
        assert site.run("schedule", "once").returncode == 0
    assert [(row["outcome"], row["due_at"]) for row in site.runs(job="daily")] == [
        ("crashed", slot_of(when)),
        ("partial", slot_of(when)),
    ]
    assert recipients(inbox) == sorted(TO)


@contextlib.contextmanager
def little_room(folder, size="400k"):
    """A disk that is soon full."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_costs_the_files_and_not_the_mail_and_when_there_is_room_all_is_well(site, postgresql_url):
    inbox, site.url = Inbox(), postgresql_url
    with little_room(site.state) as disk, mail_server(inbox) as port:
        filler = disk / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(bytes(2_000_000))
        site.configure({"daily": line()}, port=port)
        full = site.run("schedule", "once")
        assert full.returncode == 0 and "No space left" in full.stderr and "Traceback" not in full.stderr
        assert recipients(inbox) == sorted(TO)
        (run,) = site.runs(job="daily")
        assert run["outcome"] == "partial" and "the report cannot be written: No space left" in run["error"]
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        site.configure({"daily": line(timedelta(minutes=1))}, port=port)
        assert site.run("schedule", "once").returncode == 0
        assert len(site.runs(job="daily")[-1]["artifacts"]) == 4


def test_a_full_disk_under_the_ledger_itself_is_said_and_survived(site):
    with little_room(site.state, "200k") as disk:
        site.configure({"prune": line()})
        with site.ledger():
            pass
        filler = disk / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(bytes(2_000_000))
        scheduler = site.start("schedule", "run")
        time.sleep(8)
        _, said = None, None
        if scheduler.poll() is None:
            scheduler.send_signal(signal.SIGTERM)
        _, said = scheduler.communicate(timeout=90)
        assert "cannot be used" in said and "Traceback" not in said
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert site.run("schedule", "once").returncode == 0
        assert [row["state"] for row in site.slots(job="prune")] == ["done"]


@pytest.mark.parametrize("words", [("schedule", "run"), ("schedule", "once"), ("worker",)])
def test_a_ledger_that_cannot_be_reached_is_said_and_ends_it(site, words):
    site.url = "postgresql://opsjobs:geheim@127.0.0.1:9/none"
    site.configure({"prune": line()})
    done = site.run(*words)
    assert done.returncode == 1 and "cannot be used: " in done.stderr
    assert "Traceback" not in done.stderr and "geheim" not in done.stderr


def test_status_says_what_runs_what_is_late_and_what_nobody_runs(site):
    when = line(timedelta(hours=3))
    site.configure({"prune": when})
    nobody = site.run("status")
    assert nobody.returncode == 3 and "nothing runs it by a schedule" in nobody.stdout
    with site.ledger() as ledger:
        at = slot_of(when) - timedelta(days=2)
        ledger.note_slots([Slot(system="shop", job="prune", due_at=at, state=SlotState.DONE, at=at, attempt=1)])
    late = site.run("status")
    assert late.returncode == 1 and "LATE" in late.stdout
    assert site.run("schedule", "once").returncode == 0
    well = site.run("status", "--json")
    assert well.returncode == 0 and '"status": "OK"' in well.stdout
    assert '"reason": "nobody was there, or free for it"' in well.stdout


def test_status_says_at_once_what_failed_or_was_missed_until_it_is_made(site):
    when = line()
    site.configure({"daily": when, "prune": when, "health": when})
    at = slot_of(when)
    with site.ledger() as ledger:
        for job, outcome in (("daily", Outcome.FAILED), ("health", Outcome.PARTIAL)):
            run = Run(id=job, system="shop", job=job, slot="x", started_at=at, due_at=at)
            ledger.start(run)
            ledger.abandon(replace(run, finished_at=at, outcome=outcome, error="the disk is full"), again=False)
        ledger.note_slots([Slot(system="shop", job="prune", due_at=at, state=SlotState.MISSED, at=at, reason="asleep")])
    failed = site.run("status", "--json")
    found = {each["job"]: (each["status"], each["text"]) for each in json.loads(failed.stdout)["jobs"]}
    due = f"due {at:%a %d %b, %H:%M}"
    assert failed.returncode == 1
    assert found == {
        "daily": ("FAILED", f"{due}; failed: the disk is full"),
        "health": ("OK", "as scheduled"),
        "prune": ("MISSED", f"{due}: asleep"),
    }
    with site.ledger() as ledger:
        since = replace(run, id="by hand", job="daily", due_at=None, outcome=Outcome.RUNNING)
        ledger.start(since)
        ledger.finish(replace(since, outcome=Outcome.SUCCEEDED))
    assert "failed: the disk is full" not in site.run("status").stdout


def test_an_earlier_report_is_made_again_and_mailed_to_nobody_twice(site):
    inbox = Inbox()
    with mail_server(inbox) as port:
        site.configure({"daily": line()}, port=port)
        assert site.run("schedule", "once").returncode == 0
        (first,) = site.runs(job="daily")
        again = site.run("runs", "rerun", first["id"][:8])
    assert again.returncode == 3
    assert [(row["slot"], row["due_at"]) for row in site.runs(job="daily")] == [
        (first["slot"], first["due_at"]),
        (first["slot"], None),
    ]
    assert recipients(inbox) == sorted(TO)
    refused = site.run("runs", "rerun", "nothing")
    assert refused.returncode == 64 and "no run's id begins with" in refused.stderr

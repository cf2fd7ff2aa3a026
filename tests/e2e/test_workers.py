"""Workers that share a PostgreSQL, as real processes: killed, stopped, without their database, with a hostile queue."""

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.contract.conftest import _owner, postgresql
from tests.e2e.clockwork import TO, alive, end_sessions, line, slot_of, until
from tests.e2e.test_schedule import Slow, recipients
from tests.unit.notify.mailserver import Inbox, mail_server

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")


def queued(url, query="SELECT id, task_name, status::text, attempts FROM procrastinate_jobs ORDER BY id", *known):
    with psycopg.connect(url) as connection:
        return connection.execute(query, known).fetchall()


def work_queued(url):
    try:
        return queued(url, "SELECT status::text FROM procrastinate_jobs WHERE task_name = 'opsjobs.work'")
    except psycopg.errors.UndefinedTable:
        return []


def stop(*workers):
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    return [worker.communicate(timeout=90)[1] for worker in workers]


def test_two_workers_run_each_slot_of_forty_systems_once(sites, postgresql_url):
    when, names = line(), [f"s{number:02}" for number in range(40)]
    two = [sites(name, postgresql_url) for name in ("one", "two")]
    for each in two:
        each.configure({"prune": when}, systems=names, schedule="  batch: 4\n  at_once: 2\n")
    workers = [each.start("worker") for each in two]
    until(lambda: len(two[0].slots(state="done")) == 40, 120, "the end of forty slots")
    said = stop(*workers)
    assert [worker.returncode for worker in workers] == [0, 0] and "Traceback" not in "".join(said)
    slots, runs = two[0].slots(), two[0].runs()
    assert {(row["due_at"], row["attempt"]) for row in slots} == {(slot_of(when), 1)}
    assert sorted(row["system"] for row in slots) == sorted(row["system"] for row in runs) == names
    assert work_queued(postgresql_url) == []


def test_what_a_killed_worker_had_another_one_finishes_and_nothing_is_mailed_twice(sites, postgresql_url):
    when, inbox = line(), Slow(first=1)
    one, other = sites("one", postgresql_url), sites("other", postgresql_url)
    with mail_server(inbox) as port:
        one.configure({"daily": when}, port=port)
        killed = one.start("worker")
        until(lambda: inbox.waiting)
        child = one.running()["pid"]
        killed.kill()
        os.killpg(child, signal.SIGKILL)
        until(lambda: not alive(child))
        # What half a minute of silence comes to.
        queued(
            postgresql_url, "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour' RETURNING id"
        )
        inbox.first = 99
        other.configure({"daily": when}, port=port)
        worker = other.start("worker")
        until(lambda: other.slots(job="daily", state="done"), 120, "the end of the slot")
        (said,) = stop(worker)
    assert worker.returncode == 0 and "is silent; another one takes it over" in said
    assert [row["outcome"] for row in other.runs(job="daily")] == ["crashed", "partial"]
    assert other.slots(job="daily")[0]["attempt"] == 2
    assert recipients(inbox) == sorted(TO)


def test_a_slot_whose_job_is_over_while_nobody_ended_it_is_queued_again(sites, postgresql_url):
    """As after a machine lost its power, whose lock the server still holds for a while."""
    when = line()
    one = sites("one", postgresql_url).configure({"prune": when})
    with one.ledger() as ledger:
        from opsjobs.model import Run

        at = slot_of(when)
        dead = Run(id="dead", system="shop", job="prune", slot="x", started_at=at, host="gone", pid=1, due_at=at)
        ledger.start(dead)
    worker = one.start("worker")
    until(lambda: one.slots(state="done"), 100, "the end of the slot")
    stop(worker)
    assert worker.returncode == 0 and one.slots()[0]["attempt"] == 2
    assert [row["outcome"] for row in one.runs()] == ["crashed", "succeeded"]


def test_one_that_was_stopped_while_another_took_over_mails_nobody(sites, postgresql_url):
    when, inbox, silent = line(), Inbox(), Slow()
    stopped, other = sites("stopped", postgresql_url), sites("other", postgresql_url)
    with mail_server(inbox) as port, mail_server(silent) as held:
        stopped.configure({"daily": when}, port=held)
        worker = stopped.start("worker")
        child = stopped.running()["pid"]
        worker.send_signal(signal.SIGSTOP)
        os.killpg(child, signal.SIGSTOP)
        end_sessions(postgresql_url)
        queued(
            postgresql_url, "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour' RETURNING id"
        )
        other.configure({"daily": when}, port=port)
        second = other.start("worker")
        until(lambda: other.slots(job="daily", state="done"), 120, "the end of the slot")
        os.killpg(child, signal.SIGCONT)
        worker.send_signal(signal.SIGCONT)
        until(lambda: not alive(child))
        time.sleep(1)
        stop(second, worker)
    assert second.returncode == 0
    assert recipients(inbox) == sorted(TO) and silent.mails == [] and not silent.waiting
    assert [row["outcome"] for row in other.runs(job="daily")] == ["crashed", "partial"]
    assert other.slots(job="daily")[0]["attempt"] == 2


@contextlib.contextmanager
def restarted(server, how=signal.SIGQUIT):
    """The same cluster, ended at once and started again."""
    server.send_signal(how)
    server.wait(30)
    _, own = _owner()
    folder = Path(server.args[server.args.index("-D") + 1]).parent
    again = subprocess.Popen(server.args, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **own)
    try:
        yield again
    finally:
        again.terminate()
        again.wait(30)


def _answers(url):
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False


def test_a_database_that_is_ended_under_load_costs_no_slot(sites):
    names = [f"s{number:02}" for number in range(12)]
    with postgresql() as (url, server):
        two = [sites(name, url) for name in ("one", "two")]
        for each in two:
            each.configure({"prune": line()}, systems=names, schedule="  at_once: 2\n")
        workers = [each.start("worker") for each in two]
        until(lambda: len(two[0].slots(state="done")) > 1)
        with restarted(server):
            until(lambda: _answers(url), 30, "PostgreSQL")
            since = time.monotonic()
            while time.monotonic() - since < 70 and None in [worker.poll() for worker in workers]:
                if len(two[0].slots(state="done")) == 12:
                    break
                time.sleep(0.5)
            for worker in workers:
                if worker.poll() is not None:
                    _, said = worker.communicate(timeout=10)
                    assert worker.returncode == 1, said
                    assert "lost its database" in said or "cannot be used" in said
            # As whoever watches them does.
            again = [
                each.start("worker") for each, worker in zip(two, workers, strict=True) if worker.poll() is not None
            ]
            until(lambda: len(two[0].slots(state="done")) == 12, 150, "the end of twelve slots")
            stop(*again, *(worker for worker in workers if worker.poll() is None))
            slots, runs = two[0].slots(), two[0].runs()
    assert [row["system"] for row in sorted(slots, key=lambda row: row["system"])] == names
    done = Counter(row["system"] for row in runs if row["outcome"] == "succeeded")
    assert done == Counter(names)


HOSTILE = [
    {"job": "prune", "systems": ["nobody"], "slot": "SLOT"},
    {"job": "../../etc/passwd", "systems": ["shop"], "slot": "SLOT"},
    {"job": "prune", "systems": ["../shop", "shop; rm -rf /", "\x1b[31mred"], "slot": "SLOT"},
    {"job": "prune", "systems": ["shop"], "slot": "1999-01-01T00:00:00+00:00"},
    {"job": "prune", "systems": ["shop"], "slot": "0001-01-01T00:00:00+14:00"},
    {"job": "prune", "systems": ["shop"], "slot": "2999-01-01T00:00:00+00:00"},
    {"job": "prune", "systems": ["shop"], "slot": "NOT-A-SLOT"},
    {"job": "prune", "systems": ["shop"], "slot": "yesterday"},
    {"job": "prune", "systems": "shop", "slot": "SLOT"},
    {"job": "prune", "systems": 7, "slot": "SLOT"},
    {"job": ["prune"], "systems": [["shop"]], "slot": 7},
    {"job": "prune", "systems": ["shop"]},
    {"job": "prune", "systems": ["shop"], "slot": "SLOT", "command": "rm"},
    {},
]


def test_what_strangers_queue_is_refused_with_words_and_nothing_is_run(sites, postgresql_url):
    when = line()
    one = sites("one", postgresql_url).configure({"prune": when})
    first = one.start("worker")
    until(lambda: one.slots(state="done"))
    stop(first)
    slot = slot_of(when)
    known = {"SLOT": slot.isoformat(), "NOT-A-SLOT": (slot + timedelta(seconds=7)).isoformat()}
    rows = [
        (Jsonb({key: known.get(value, value) if isinstance(value, str) else value for key, value in each.items()}),)
        for each in HOSTILE
    ]
    before = one.runs(), one.slots()
    with psycopg.connect(postgresql_url) as connection:
        add = (
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status) "
            "VALUES ('opsjobs', 'opsjobs.work', 5, %s, 'todo')"
        )
        connection.cursor().executemany(add, rows)
        connection.execute(add.replace("opsjobs.work", "os.system"), (Jsonb({"command": "true"}),))
    worker = one.start("worker")
    until(lambda: not [status for (status,) in work_queued(postgresql_url) if status in {"todo", "doing"}])
    (said,) = stop(worker)
    assert worker.returncode == 0
    assert (one.runs(), one.slots()) == before
    assert said.count("the configuration has no such job") >= 5
    assert said.count("which is not to be run now") == 3
    assert said.count("what is queued is no slot of a job") >= 5
    assert "\x1b[31mred" not in said
    assert not (one.folder / "etc").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_a_worker_that_is_told_to_stop_lets_its_run_end_and_told_again_leaves_it_to_another(
    sites, postgresql_url, times
):
    when, inbox = line(), Slow(seconds=3 if times == 1 else 600)
    one = sites("one", postgresql_url)
    with mail_server(inbox) as port:
        one.configure({"daily": when}, port=port)
        worker = one.start("worker")
        until(lambda: inbox.waiting)
        for _ in range(times):
            worker.send_signal(signal.SIGTERM)
            time.sleep(0.5)
        worker.communicate(timeout=90)
        assert worker.returncode == 0
        (slot,) = one.slots(job="daily")
        if times == 1:
            assert slot["state"] == "done" and recipients(inbox) == sorted(TO)
            return
        assert slot["state"] == "waiting"
        inbox.first = 99
        following = one.start("worker")
        until(lambda: one.slots(job="daily", state="done"))
        stop(following)
    assert one.slots(job="daily")[0]["attempt"] == 2 and recipients(inbox) == sorted(TO)

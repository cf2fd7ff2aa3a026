"""Scheduled jobs of small systems as real processes: what they run on, how they are started, and what became of it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import sqlalchemy as sa

from opsjobs.ledger import Ledger, tables

PROFILE = """\
title: Tiny
zone: UTC
teams: {web: {contact: web@example.com}}
components: {api: {title: API, up: 'up', team: web}}
dashboards: {main: {title: Main, path: /d/main}}
metrics: {orders: {type: gauge, component: api}}
groups:
  g:
    title: G
    team: web
    dashboard: main
    indicators:
      orders: {title: Orders, query: orders, unit: count, healthy: above, warning: 1, step: 1h}
"""
TO = ("a@example.com", "b@example.com")
JOBS = ("daily", "health", "backup", "compare", "drill", "prune", "costs")


def line(back=timedelta(minutes=2)):
    """A line whose last slot was a moment ago, and whose next one is a day away."""
    at = datetime.now(UTC) - back
    return f"{at.minute} {at.hour} * * *"


def slot_of(text):
    """The last slot of such a line."""
    minute, hour, *_ = text.split()
    at = datetime.now(UTC).replace(minute=int(minute), hour=int(hour), second=0, microsecond=0)
    return at if at <= datetime.now(UTC) else at - timedelta(days=1)


def until(condition, seconds=90, what="it"):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come in {seconds} s"
        time.sleep(0.1)
    return found


class Site:
    """A folder with a configuration, and the processes that were started there."""

    def __init__(self, folder, url=""):
        self.folder, self.url, self.started, self.systems = folder, url, [], ()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tiny.yml").write_text(PROFILE)
        self.state = folder / "state"

    def configure(self, jobs, *, port=None, systems=("shop",), prometheus="http://127.0.0.1:9", more="", schedule=""):
        """`jobs` by name: a line, or what stands in braces."""
        told = dict.fromkeys(JOBS, "off") | jobs
        lines = "".join(
            f"    {job}: {how if how.startswith('{') or how == 'off' else repr(how)}\n" for job, how in told.items()
        )
        sent = f", recipients: [{', '.join(TO)}]" if port else ""
        mail = f"  email: {{host: 127.0.0.1, port: {port}, security: none, sender: o@example.com, timeout: 120}}\n"
        (self.folder / "opsjobs.yml").write_text(
            "systems:\n"
            + "".join(
                f"  {name}: {{profile: tiny.yml, prometheus: {{url: '{prometheus}', timeout: 2}}{sent}{more}}}\n"
                for name in systems
            )
            + f"schedule:\n{schedule}  jobs:\n{lines}"
            + (f"delivery:\n{mail}" if port else "")
            + f"storage: {{root: state{f', ledger: {self.url!r}' if self.url else ''}}}\n"
        )
        return self

    def start(self, *words, **known):
        process = subprocess.Popen(
            [sys.executable, "-m", "opsjobs", *words],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **known,
        )
        self.started.append(process)
        return process

    def run(self, *words, seconds=150):
        process = self.start(*words)
        printed, said = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(words, process.returncode, printed, said)

    @contextlib.contextmanager
    def ledger(self):
        ledger = Ledger(self.url) if self.url else Ledger.at(self.state / "ledger.db")
        try:
            yield ledger.open()
        finally:
            ledger.close()

    def rows(self, table, **where):
        """The rows of a table of the ledger, as they are now."""
        with self.ledger() as ledger, ledger.database.begin() as connection:
            query = sa.select(table).where(*(table.c[name] == value for name, value in where.items()))
            return list(connection.execute(query).mappings())

    def runs(self, **where):
        return sorted(self.rows(tables.runs, **where), key=lambda row: row["started_at"])

    def slots(self, **where):
        return sorted(self.rows(tables.slots, **where), key=lambda row: row["due_at"])

    def running(self, job="daily"):
        """The row of a run that goes on, once there is one."""
        return until(lambda: self.runs(job=job, outcome="running"), what=f"a run of {job}")[0]


def end(processes):
    """Leave no process and nothing that it started."""
    for process in processes:
        for child in children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def children(pid):
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if f"PPid:\t{pid}\n" in status.read_text():
                found.append(int(status.parent.name))
    return found


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" not in status.read_text()
    except OSError:
        return False


def end_sessions(url, but=()):
    """What a server does with sessions that are silent: those of all others."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

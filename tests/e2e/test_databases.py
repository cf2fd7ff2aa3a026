"""Databases that go away in the middle of a run, as real processes: the report comes, and says what is missing."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
import requests

from tests.conftest import prometheus_with
from tests.contract.conftest import postgresql, redis_server
from tests.contract.test_postgres import GRANT
from tests.e2e.test_honesty import healthy
from tests.unit.shop import DAY, PROFILE

pytestmark = pytest.mark.xdist_group("postgresql")

TIMEOUT = 3
"""Seconds after which a database that hangs is left."""


@pytest.fixture(scope="module")
def metrics(binaries, tmp_path_factory):
    """A real Prometheus with a healthy day."""
    with prometheus_with(binaries, tmp_path_factory.mktemp("prometheus"), healthy()) as server:
        yield server.url


@pytest.fixture
def servers():
    with postgresql(superuser="postgres") as (url, process), redis_server() as store:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(GRANT)
            admin.execute("CREATE TABLE held (x int)")
        yield SimpleNamespace(url=url, postgresql=process, redis=store.process, redis_port=store.port)


@contextmanager
def passing_on(metrics, before):
    """Passes on what Prometheus is asked, and does something before it: then the run has begun, and databases wait."""
    done, lock = [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            with lock:
                if not done:
                    done.append(before())
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = {"Content-Type": self.headers.get("Content-Type") or ""}
            found = requests.post(f"{metrics}{self.path}", data=body, headers=kind, timeout=30)
            self.send_response(found.status_code)
            self.end_headers()
            self.wfile.write(found.content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def start(folder, metrics, servers):
    (folder / "shop.yml").write_text(PROFILE)
    (folder / "opsjobs.yml").write_text(f"""
systems:
  shop:
    profile: shop.yml
    prometheus: {{url: '{metrics}'}}
    postgresql: {{host: 127.0.0.1, port: {urlsplit(servers.url).port}, dbname: postgres, timeout: {TIMEOUT}}}
    redis: {{host: 127.0.0.1, port: {servers.redis_port}, timeout: {TIMEOUT}}}
storage: {{root: state}}
""")
    return subprocess.Popen(
        [sys.executable, "-m", "opsjobs", "daily", "--date", DAY.isoformat()],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(folder, run):
    """How the run ended: what it printed, and its report as JSON."""
    said, complained = run.communicate(timeout=60)
    assert "Traceback" not in said + complained
    assert run.returncode in {0, 3}, complained
    files = folder / f"state/reports/shop/daily/{DAY}"
    assert {path.suffix for path in files.iterdir()} == {".html", ".pdf", ".txt", ".json"}
    return SimpleNamespace(code=run.returncode, said=said, report=json.loads((files / "report.json").read_text()))


def gaps(result):
    return {gap["source"]: gap["reason"] for gap in result.report["gaps"]}


def test_with_its_databases_the_report_is_complete(tmp_path, metrics, servers):
    result = ended(tmp_path, start(tmp_path, metrics, servers))
    assert (result.code, result.report["gaps"]) == (0, [])
    assert {"postgresql", "redis"} <= {section["id"] for section in result.report["sections"]}


def test_a_later_run_tells_how_far_they_grew_and_a_run_of_the_same_day_does_not(tmp_path, metrics, servers):
    def sizes(result):
        states = [
            row
            for section in result.report["sections"]
            for block in section["blocks"]
            for row in block.get("states", [])
        ]
        return {row["title"]: row["value"] for row in states if row["title"] in {"Size of postgres", "Keys"}}

    for _ in range(2):
        said = sizes(ended(tmp_path, start(tmp_path, metrics, servers)))
        assert "than" not in str(said) and "week" not in str(said)
    with closing(sqlite3.connect(tmp_path / "state/ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE server_days SET day = date(day, '-7 days')")
    with psycopg.connect(servers.url, autocommit=True) as session:
        session.execute("CREATE TABLE grown AS SELECT repeat(i::text, 100) FROM generate_series(1, 10000) AS i")
    with redis.Redis(port=servers.redis_port) as keys:
        keys.mset({"a": 1, "b": 2})
    said = sizes(ended(tmp_path, start(tmp_path, metrics, servers)))
    assert said["Keys"] == "2, 2 more than a week ago"
    assert said["Size of postgres"].endswith("MiB more than a week ago") or "KiB more than a week ago" in str(said)


def test_databases_that_end_after_the_run_began_are_gaps(tmp_path, metrics, servers):
    def end():
        servers.postgresql.send_signal(signal.SIGQUIT)
        servers.postgresql.wait(30)
        servers.redis.kill()
        servers.redis.wait(30)

    with passing_on(metrics, end) as url:
        result = ended(tmp_path, start(tmp_path, url, servers))
    assert (result.code, result.report["complete"]) == (3, False)
    assert "PARTIAL" in result.said
    found = gaps(result)
    assert set(found) == {"PostgreSQL could not be asked", "Redis could not be asked"}
    assert all("cannot be reached: Connection refused" in reason or "refused" in reason for reason in found.values())


def test_databases_that_hang_are_left_at_their_timeout(tmp_path, metrics, servers):
    def hang():
        servers.postgresql.send_signal(signal.SIGSTOP)
        servers.redis.send_signal(signal.SIGSTOP)

    began = time.monotonic()
    with passing_on(metrics, hang) as url:
        result = ended(tmp_path, start(tmp_path, url, servers))
    assert (result.code, result.report["complete"]) == (3, False)
    assert time.monotonic() - began < 2 * TIMEOUT + 30
    found = gaps(result)
    assert set(found) == {"PostgreSQL could not be asked", "Redis could not be asked"}
    assert all("did not answer in time" in reason for reason in found.values())


def test_a_postgresql_that_ends_while_a_statement_waits_for_a_lock_is_a_gap(tmp_path, metrics, servers):
    with (
        closing(psycopg.connect(servers.url)) as holder,
        closing(psycopg.connect(servers.url, autocommit=True)) as watcher,
    ):
        holder.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        run = start(tmp_path, metrics, servers)
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsjobs' AND wait_event_type = 'Lock'"
        )
        for _ in range(2000):
            if watcher.execute(waiting).fetchone()[0]:
                break
            time.sleep(0.01)
        else:
            pytest.fail("no statement of the run waited for the lock")
        servers.postgresql.send_signal(signal.SIGQUIT)
        result = ended(tmp_path, run)
    assert result.code == 3
    assert set(gaps(result)) == {"PostgreSQL could not be asked"}
    assert "redis" in {section["id"] for section in result.report["sections"]}

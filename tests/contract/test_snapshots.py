"""Snapshots of a real Prometheus: taken, proven, brought back, and answered from."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

import pytest

from opsjobs.demo.prometheus import Prometheus, Scrape, import_history
from opsjobs.http import Deadline
from opsjobs.sources import Question
from opsjobs.sources.prometheus import Prometheus as Source
from tests.conftest import connection, openmetrics, prometheus_with
from tests.unit.test_http import reply, serving

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
THEN = NOW - timedelta(days=2)
HISTORY = {
    f'orders_total{{shop="{shop}"}}': [(THEN.timestamp() + minute * 60, float(minute * shop)) for minute in range(301)]
    for shop in (1, 2, 3)
}


class WithAdmin(Prometheus):
    """One that makes snapshots."""

    def _command(self, port):
        return [*super()._command(port), "--web.enable-admin-api"]


@pytest.fixture(scope="module")
def exporter():
    """What goes into the head: one metric."""
    with serving(reply(200, b"# TYPE heat gauge\nheat 36.6\n", Content_Type="text/plain")) as (url, _):
        yield url.removeprefix("http://")


@contextmanager
def collecting(binaries, folder, exporter):
    """A Prometheus with days of history and a few scrapes in its memory."""
    server = WithAdmin(binaries, folder, scrape=[Scrape(job="oven", instance="oven", address=exporter)], interval=1)
    folder.mkdir(parents=True)
    (folder / "history.om").write_text(openmetrics(HISTORY))
    import_history(binaries, folder / "history.om", server.storage)
    with server:
        server.wait_for_scrapes()
        deadline = time.monotonic() + 30
        while answer(server, "heat") != {"oven": 36.6} and time.monotonic() < deadline:
            time.sleep(0.2)
        yield server


@pytest.fixture(scope="module")
def shared(binaries, exporter, tmp_path_factory):
    with collecting(binaries, tmp_path_factory.mktemp("snapshots") / "real", exporter) as server:
        yield server


@pytest.fixture
def real(shared):
    yield shared
    shutil.rmtree(shared.storage / "snapshots", ignore_errors=True)


def answer(server, query, at=None):
    with Source(connection(server.url)) as metrics:
        found = metrics.ask(Question(query=query, at=at or datetime.now(UTC)), Deadline(10))
    return {
        series.labels.get("instance") or series.labels.get("shop", ""): series.samples[0].value
        for series in found.series
    }


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


class Shop:
    """A configuration of one system, and the commands that are run on it."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "state"

    def configure(self, url, data=None):
        prometheus = {"url": url, "timeout": 10, **({"data": str(data)} if data else {})}
        content = {"systems": {"pratikoai": {"prometheus": prometheus}}, "storage": {"root": "state"}}
        (self.folder / "opsjobs.yml").write_text(json.dumps(content))
        return self

    def run(self, *arguments, program=("-m", "opsjobs")):
        return subprocess.run(
            [sys.executable, *program, *map(str, arguments)],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def json(self, *arguments, code=0):
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def snapshot(self, *arguments, code=0):
        (found,) = self.json("metrics", "snapshot", *arguments, code=code)["snapshots"]
        return found

    @property
    def objects(self):
        return [path for path in (self.state / "backups/pratikoai/prometheus/objects").rglob("*") if path.is_file()]


def left(server):
    return list((server.storage / "snapshots").iterdir())


def test_a_restored_prometheus_answers_as_the_one_that_was_backed_up(real, shop, binaries, tmp_path):
    shop.configure(real.url, real.storage)
    made = shop.snapshot()
    assert (made["verdict"], made["fetched"], made["server"]["version"][:2]) == ("complete", True, "2.")
    assert left(real) == []
    assert made["from"] <= THEN.isoformat() and made["to"] > (NOW - timedelta(hours=1)).isoformat()
    (listed,) = shop.json("metrics", "list")["snapshots"]
    assert listed["id"] == made["id"]
    assert shop.json("metrics", "verify")["damaged"] == []

    taken = datetime.fromisoformat(made["finished_at"])
    queries = [
        ("increase(orders_total[1h])", THEN + timedelta(hours=4)),
        ("last_over_time(heat[10m])", taken),
        ("sum(count_over_time(heat[10m]))", datetime.fromisoformat(made["started_at"])),
    ]
    before = [answer(real, query, at) for query, at in queries]
    assert before[0]["3"] == pytest.approx(180, rel=0.02) and before[1] == {"oven": 36.6} and before[2][""] >= 1
    done = shop.json("metrics", "restore", "latest", "again/data")
    assert done["restored"]["left_out"] == {}
    with Prometheus(binaries, tmp_path / "again") as again:
        assert [answer(again, query, at) for query, at in queries] == before


def test_a_second_snapshot_keeps_only_what_is_new(real, shop):
    shop.configure(real.url, real.storage)
    first = shop.snapshot()
    second = shop.snapshot()
    third = shop.snapshot("--skip-head")
    assert first["new_bytes"] == first["bytes"] - 9 * (first["blocks"] - 1)
    # The history is one block, and the same; the head is another each time.
    assert second["new_bytes"] < second["bytes"] / 2
    assert third["new_bytes"] == 0
    assert (third["blocks"], third["verdict"]) == (second["blocks"] - 1, "complete")
    assert [each["id"] for each in shop.json("metrics", "list")["snapshots"]] == [
        each["id"] for each in (third, second, first)
    ]


def test_a_damaged_file_is_found_and_its_block_left_out(real, shop):
    shop.configure(real.url, real.storage).snapshot()
    largest = max(shop.objects, key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    largest.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (damaged,) = shop.json("metrics", "verify", code=1)["damaged"]
    assert damaged["reason"] == "its file was damaged after it was written"
    restored = shop.json("metrics", "restore", "latest", "again", code=3)["restored"]
    assert list(restored["left_out"]) == [damaged["path"].partition("/")[0]]
    said = shop.run("metrics", "verify")
    assert said.returncode == 1 and "1 block is damaged" in said.stdout


def test_an_admin_api_that_is_off_is_said_with_what_turning_it_on_means(binaries, shop, tmp_path):
    with prometheus_with(binaries, tmp_path / "real", HISTORY) as server:
        done = shop.configure(server.url, "real/data").run("metrics", "snapshot")
    assert done.returncode == 1
    assert "its admin API is off" in done.stderr
    assert "--web.enable-admin-api" in done.stderr and "delete series" in done.stderr
    assert "no snapshot yet" in shop.run("metrics", "list").stdout


def test_what_is_no_prometheus_has_no_snapshots(shop, tmp_path):
    (tmp_path / "data").mkdir()
    with serving(reply(404, b"404 page not found")) as (url, _):
        done = shop.configure(url, "data").run("metrics", "snapshot")
    assert done.returncode == 1
    assert "has no snapshots" in done.stderr


@pytest.mark.parametrize("name", ["../../etc", "/etc", "", "a/b", ".", None, "x" * 500])
def test_a_name_that_leads_elsewhere_is_not_believed(shop, tmp_path, name):
    (tmp_path / "data" / "snapshots").mkdir(parents=True)
    (tmp_path / "data" / "wal").mkdir()
    body = json.dumps({"status": "success", "data": {"name": name}}).encode()
    with serving(reply(200, body)) as (url, _):
        done = shop.configure(url, "data").run("metrics", "snapshot")
    assert done.returncode == 1
    assert "did not say how its snapshot is called" in done.stderr
    assert (tmp_path / "data" / "wal").is_dir()


def test_without_its_data_folder_it_says_where_the_snapshot_lies_and_that_it_is_no_backup(real, shop):
    done = shop.configure(real.url).run("metrics", "snapshot")
    (folder,) = left(real)
    assert done.returncode == 3
    assert str(folder) in done.stdout and "NO BACKUP" in done.stdout and "prometheus.data" in done.stdout
    found = shop.snapshot("--skip-head", code=3)
    assert found["fetched"] is False and found["place"].endswith(f"/snapshots/{found['name']}")
    assert shop.json("metrics", "list")["snapshots"] == []
    outcomes = [(run["job"], run["outcome"]) for run in shop.json("runs", "list")["runs"]]
    assert outcomes == [("snapshot", "partial")] * 2


def test_a_data_folder_that_is_not_there_makes_no_snapshot(real, shop):
    done = shop.configure(real.url, "nowhere").run("metrics", "snapshot")
    assert done.returncode == 1
    assert "there is no such folder" in done.stderr
    assert not (real.storage / "snapshots").exists()


def test_a_prometheus_without_data_has_nothing_to_be_backed_up(binaries, shop, tmp_path):
    with WithAdmin(binaries, tmp_path / "real") as server:
        done = shop.configure(server.url, "real/data").run("metrics", "snapshot")
        assert left(server) == []
    assert done.returncode == 1
    assert "the snapshot is empty" in done.stderr


KILLED = """
import os, signal
from opsjobs.backup.store import Folder
from opsjobs.cli import main

def pour(self, name, pieces, poured=[]):
    poured.append(name)
    if len(poured) == 3:
        pieces = (os.kill(os.getpid(), signal.SIGKILL) for _ in range(1))
    real(self, name, pieces)

real, Folder.pour = Folder.pour, pour
main()
"""


def test_killed_half_way_it_is_no_backup_and_the_next_one_is(real, shop):
    shop.configure(real.url, real.storage)
    killed = shop.run("metrics", "snapshot", program=("-c", KILLED))
    assert killed.returncode == -signal.SIGKILL
    assert len(shop.objects) == 3, "two that are whole, and one that is not"
    assert shop.json("metrics", "list")["snapshots"] == []
    assert len(left(real)) == 1
    made = shop.snapshot()
    assert made["verdict"] == "complete"
    assert any("another snapshot lies" in note for note in made["notes"])
    assert not [path for path in shop.objects if path.name.startswith(".")]
    assert [run["outcome"] for run in shop.json("runs", "list")["runs"]] == ["succeeded", "crashed"]


def test_old_snapshots_go_when_they_are_told_to(real, shop):
    shop.configure(real.url, real.storage)
    first, second = shop.snapshot(), shop.snapshot()
    plan = shop.run("metrics", "prune", "--dry-run")
    assert f"{second['id']}  complete    keep    the newest complete one" in plan.stdout
    assert f"{first['id']}  complete    remove" in plan.stdout
    assert shop.run("metrics", "prune").returncode != 0, "nobody is there to say yes"
    assert len(shop.json("metrics", "list")["snapshots"]) == 2
    assert "removed 1" in shop.run("metrics", "prune", "--yes").stdout
    assert [each["id"] for each in shop.json("metrics", "list")["snapshots"]] == [second["id"]]
    assert shop.json("metrics", "verify")["damaged"] == []


def test_what_was_deleted_on_the_server_does_not_pass_for_a_backup(binaries, exporter, shop, tmp_path):
    delete = "/api/v1/admin/tsdb/delete_series?match[]=orders_total"
    with collecting(binaries, tmp_path / "real", exporter) as server:
        # Relative to the file in which it stands.
        shop.configure(server.url, "real/data").snapshot()
        with closing(HTTPConnection(server.url.removeprefix("http://"))) as admin:
            for path in (delete, "/api/v1/admin/tsdb/clean_tombstones"):
                admin.request("POST", path)
                assert admin.getresponse().read() == b""
        found = shop.snapshot(code=1)
        assert found["verdict"] == "shrunk"
        assert "hours are missing" in found["shrunk"][0]
        assert shop.snapshot("--fewer-expected")["verdict"] == "complete"


def test_two_at_once_are_not_at_work_on_the_same_backups(real, shop):
    from opsjobs.ledger import lock

    shop.configure(real.url, real.storage)
    with lock.held(shop.state / "locks", "pratikoai", "snapshot"):
        assert shop.run("metrics", "snapshot").returncode == 75
        assert shop.run("metrics", "prune", "--yes").returncode == 75

"""`opsjobs demo` as a newcomer runs it."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from tests.unit.demo.servers import reachable, required


@pytest.fixture
def temporary():
    """Where the demonstration makes temporary folders."""
    with reachable() as folder:
        yield folder


def start(folder, temporary, *arguments):
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "TMPDIR": str(temporary)}
    return subprocess.Popen(
        [sys.executable, "-m", "opsjobs", "demo", *arguments],
        cwd=folder,
        env=environment | {"OPSJOBS_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def below(folder):
    """The command lines of processes that work in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


@pytest.fixture(autouse=True)
def _servers():
    required("PostgreSQL")
    required("Redis")


def test_the_demo_prints_two_verdicts_and_their_files_and_leaves_nothing_behind(binaries, tmp_path, temporary):
    demo = start(tmp_path, temporary, "--scenario", "quiet")
    said, progress = demo.communicate(timeout=180)
    assert demo.returncode == 0, progress
    assert re.search(r"OK  All \d+ indicators with limits kept to them, and all 7 components were up\.", said)
    files = [Path(line.strip()) for line in said.splitlines() if line.startswith("  /")]
    # The daily report, and the weekly costs with their lines.
    assert [path.suffix for path in files] == [".html", ".pdf", ".txt", ".json"] * 2 + [".csv"]
    assert "The week cost €" in said
    assert all(path.stat().st_size > 1000 for path in files)
    assert "Loading" in progress
    assert list(temporary.iterdir()) == []
    assert below(temporary) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_kept_it_lives_until_it_is_interrupted_and_then_is_gone(binaries, tmp_path, temporary, how):
    demo = start(tmp_path, temporary, "--keep")
    url, places = "", {}
    for line in demo.stderr:
        if found := re.match(r"Prometheus +(http://127\.0\.0\.1:\d+)", line):
            url = found[1]
        if found := re.match(r"(PostgreSQL|Redis) +(.*://opsjobs@127\.0\.0\.1:\d+.*)", line):
            places[found[1]] = found[2]
        if found := re.match(r" +password in (.*/postgresql.password)$", line):
            password = Path(found[1]).read_text()
        if line.startswith("Ctrl-C"):
            break
    with urllib.request.urlopen(f"{url}/api/v1/query?query=up", timeout=10) as answer:  # noqa: S310 - our own server
        assert b'"pratikoai"' in answer.read()
    assert set(places) == {"PostgreSQL", "Redis"}
    with psycopg.connect(places["PostgreSQL"], password=password) as session:
        assert session.execute("SELECT count(*) > 1000 FROM payments").fetchone() == (True,)
    demo.send_signal(how)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/-/ready", timeout=5)  # noqa: S310 - our own server
    assert list(temporary.iterdir()) == []
    assert below(temporary) == []


def test_interrupted_while_it_loads_it_leaves_nothing_behind(binaries, tmp_path, temporary):
    demo = start(tmp_path, temporary)
    for line in demo.stderr:
        if line.startswith("Loading"):
            break
    time.sleep(0.5)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert list(temporary.iterdir()) == []
    assert below(temporary) == []

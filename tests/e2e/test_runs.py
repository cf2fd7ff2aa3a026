"""The life of a run as real processes: killed, interrupted, twice at once, without a PDF."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest


@pytest.fixture
def silent_server():
    """Something that accepts connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    held = []

    def accept():
        while True:
            try:
                held.append(listener.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    for connection in held:
        connection.close()


def configure(folder, url, timeout=60):
    (folder / "opsjobs.yml").write_text(
        f"systems: {{pratikoai: {{prometheus: {{url: '{url}', timeout: {timeout}}}}}}}\nstorage: {{root: state}}\n"
    )


def environment(folder, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(folder), **more}


def start(folder, *arguments, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "opsjobs", "daily", "--date", "2026-11-18", *arguments],
        cwd=folder,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def runs(folder):
    done = subprocess.run(
        [sys.executable, "-m", "opsjobs", "runs", "list", "--json"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)["runs"]


def wait_until_running(folder):
    for _ in range(200):
        if (folder / "state" / "ledger.db").exists() and any(run["outcome"] == "running" for run in runs(folder)):
            return
        time.sleep(0.05)
    pytest.fail("the run's row was not written before its work")


def children_of(pid):
    return [
        int(status.parent.name)
        for status in Path("/proc").glob("[0-9]*/status")
        if f"PPid:\t{pid}\n" in status.read_text()
    ]


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_run_that_was_killed_is_seen_as_crashed_by_the_next(tmp_path, silent_server):
    configure(tmp_path, silent_server)
    killed = start(tmp_path)
    wait_until_running(tmp_path)
    killed.kill()
    killed.communicate(timeout=30)

    configure(tmp_path, "http://127.0.0.1:9", timeout=2)
    following = start(tmp_path)
    following.communicate(timeout=60)
    assert following.returncode == 3
    newest, oldest = runs(tmp_path)
    assert (newest["outcome"], oldest["outcome"]) == ("partial", "crashed")
    assert "killed" in oldest["error"]
    assert oldest["finished_at"]


def test_the_same_job_twice_at_once_is_refused_and_the_first_goes_on(tmp_path, silent_server):
    configure(tmp_path, silent_server)
    first = start(tmp_path)
    wait_until_running(tmp_path)
    second = start(tmp_path)
    _, said = second.communicate(timeout=60)
    assert second.returncode == 75
    assert "another run of daily for pratikoai is under way" in said
    assert [run["outcome"] for run in runs(tmp_path)] == ["running"]
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)


def test_a_system_whose_job_is_held_costs_the_others_nothing(tmp_path, silent_server):
    configure(tmp_path, silent_server)
    held = start(tmp_path)
    wait_until_running(tmp_path)
    (tmp_path / "both.yml").write_text(
        f"systems:\n  pratikoai: {{prometheus: {{url: '{silent_server}'}}}}\n"
        "  pytake: {prometheus: {url: 'http://127.0.0.1:9', timeout: 2}}\nstorage: {root: state}\n"
    )
    every = start(tmp_path, "--json", OPSJOBS_CONFIG="both.yml")
    printed, said = every.communicate(timeout=90)
    document = json.loads(printed)
    assert every.returncode == 75
    assert [run["system"] for run in document["runs"]] == ["pytake"]
    assert [each["system"] for each in document["failed"]] == ["pratikoai"]
    assert said.startswith("pratikoai: ")
    held.send_signal(signal.SIGINT)
    held.communicate(timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_leaves_no_process(tmp_path, silent_server, how):
    configure(tmp_path, silent_server)
    run = start(tmp_path)
    wait_until_running(tmp_path)
    children = children_of(run.pid)
    run.send_signal(how)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Interrupted." in said
    assert "Traceback" not in said
    (row,) = runs(tmp_path)
    assert (row["outcome"], row["error"]) == ("failed", "interrupted")
    assert children
    assert not [child for child in children if alive(child)]


def test_a_report_without_its_pdf_is_partial_and_says_why(tmp_path):
    """The child that prints gets too little memory to load its libraries."""
    configure(tmp_path, "http://127.0.0.1:9", timeout=2)
    code = (
        "from opsjobs.report import pdf; import functools, sys;"
        "pdf.Printer.__init__ = functools.partialmethod(pdf.Printer.__init__, memory=64 << 20);"
        "sys.argv = ['opsjobs', 'daily', '--date', '2026-11-18']; from opsjobs.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 3, done.stderr
    folder = tmp_path / "state/reports/pratikoai/daily/2026-11-18"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.txt"]
    for path in folder.iterdir():
        assert "PDF" in path.read_text(), path.name
    assert runs(tmp_path)[0]["error"]


def test_a_folder_that_is_in_the_way_is_told_and_the_run_has_failed(tmp_path):
    configure(tmp_path, "http://127.0.0.1:9", timeout=2)
    (tmp_path / "out").write_text("a file where the folder should be")
    run = start(tmp_path, "--out", "out/below")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "the report cannot be written" in said
    assert runs(tmp_path)[0]["outcome"] == "failed"

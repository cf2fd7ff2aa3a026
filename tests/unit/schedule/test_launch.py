"""Batches as child processes: their limits, their deaths, and being told to stop."""

import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from opsjobs.schedule import launch
from opsjobs.schedule.launch import End, Ended, Launcher

LONG = timedelta(seconds=60)

CHILD = """
import os, signal, subprocess, sys, time
from pathlib import Path

folder = Path(sys.argv[1])
with (folder / "starts").open("a") as starts:
    print(os.getpid(), *sys.argv[2:], file=starts)

def begin(name):
    print("begin", name, flush=True)

def end(name, code=0):
    print("end", name, code, flush=True)

def beside():
    helper = subprocess.Popen(["sleep", "120"])
    (folder / "helper").write_text(str(helper.pid))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

for name in sys.argv[2:]:
    exec((folder / "does").read_text())
"""


@pytest.fixture
def child(tmp_path):
    (tmp_path / "child.py").write_text(CHILD)

    def command(does):
        (tmp_path / "does").write_text(does)
        return [sys.executable, str(tmp_path / "child.py"), str(tmp_path)]

    return command


@pytest.fixture
def launcher():
    return Launcher(environment=dict(os.environ))


def starts(folder):
    return [line.split()[1:] for line in (folder / "starts").read_text().splitlines()]


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def gone(pid):
    until = time.monotonic() + 20
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


def appears(path):
    until = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.02)
    return path.read_text()


def test_one_process_works_through_its_systems_and_each_has_its_code(tmp_path, child, launcher):
    command = child("begin(name); end(name, {'a': 0, 'b': 3, 'c': 75}[name])")
    ended = list(launcher.run(command, ["a", "b", "c"], LONG))
    assert ended == [Ended(system=name, end=End.LEFT, code=code) for name, code in (("a", 0), ("b", 3), ("c", 75))]
    assert starts(tmp_path) == [["a", "b", "c"]]


def test_what_takes_longer_than_its_limit_is_ended_and_the_others_are_run(tmp_path, child, launcher):
    command = child("begin(name)\nif name == 'b': time.sleep(120)\nend(name)")
    ended = {each.system: each.end for each in launcher.run(command, ["a", "b", "c"], timedelta(seconds=4))}
    assert ended == {"a": End.LEFT, "b": End.TIMED_OUT, "c": End.LEFT}
    assert starts(tmp_path) == [["a", "b", "c"], ["c"]]


def test_the_limit_is_that_of_each_system_and_not_of_the_batch(tmp_path, child, launcher):
    command = child("begin(name); time.sleep(1.4); end(name)")
    ended = list(launcher.run(command, list("abcd"), timedelta(seconds=4)))
    assert {each.end for each in ended} == {End.LEFT} and len(ended) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_limit_ends_also_what_was_started_beside_it_and_what_does_not_obey(tmp_path, child, launcher):
    command = child("signal.signal(signal.SIGTERM, signal.SIG_IGN); begin(name); beside(); time.sleep(120)")
    (ended,) = launcher.run(command, ["a"], timedelta(seconds=4))
    assert ended.end is End.TIMED_OUT
    assert gone(int((tmp_path / "helper").read_text()))
    assert gone(int((tmp_path / "starts").read_text().split()[0]))


def test_a_process_that_dies_is_started_again_for_what_is_left(tmp_path, child, launcher):
    command = child("begin(name)\nif name == 'b' and not (folder / 'helper').exists(): beside(); die()\nend(name)")
    before = time.monotonic()
    ended = list(launcher.run(command, ["a", "b", "c"], LONG))
    assert [(each.system, each.end) for each in ended] == [(name, End.LEFT) for name in "abc"]
    assert starts(tmp_path) == [["a", "b", "c"], ["b", "c"]]
    # What it had started still holds its output.
    assert time.monotonic() - before < LONG.total_seconds() / 2


def test_a_process_that_dies_of_the_same_system_each_time_is_given_up_and_costs_the_others_nothing(
    tmp_path, child, launcher
):
    command = child("begin(name)\nif name == 'b': die()\nend(name)")
    ended = list(launcher.run(command, ["a", "b", "c"], LONG))
    assert {each.system: each.end for each in ended} == {"a": End.LEFT, "b": End.KILLED, "c": End.LEFT}
    # The ledger gives a slot up at the fourth beginning, which is to be reached.
    assert starts(tmp_path) == [["a", "b", "c"], *[["b", "c"]] * 3, ["c"]]


def test_a_process_that_dies_before_it_begins_is_started_three_times(tmp_path, child, launcher):
    ended = list(launcher.run(child("die()"), ["a", "b"], LONG))
    assert ended == [Ended(system=name, end=End.KILLED) for name in ("a", "b")]
    assert starts(tmp_path) == [["a", "b"]] * 3


def test_one_that_ends_by_itself_before_it_begins_would_do_so_again(tmp_path, child, launcher):
    ended = list(launcher.run(child("sys.exit(78)"), ["a", "b"], LONG))
    assert ended == [Ended(system=name, end=End.LEFT, code=78) for name in ("a", "b")]
    assert starts(tmp_path) == [["a", "b"]]


def test_a_program_that_is_not_there_is_an_error_that_says_so(launcher):
    with pytest.raises(OSError, match="nowhere"):
        list(launcher.run(["/nowhere/opsjobs"], ["a"], LONG))


def test_one_that_closes_its_output_and_stays_is_ended_at_its_limit(tmp_path, child, launcher):
    command = child("begin(name); os.close(1); time.sleep(120)")
    (ended,) = launcher.run(command, ["a"], timedelta(seconds=4))
    assert (ended.system, ended.end) == ("a", End.TIMED_OUT)
    assert starts(tmp_path) == [["a"]]


def test_other_words_on_its_output_are_no_news(child, launcher):
    command = child("print('a library greets'); print(); begin(name); print('end'); end(name)")
    assert list(launcher.run(command, ["a"], LONG)) == [Ended(system="a", end=End.LEFT)]


def test_after_a_stop_what_goes_on_may_end_and_a_dead_one_is_not_started_again(tmp_path, child, launcher):
    command = child("begin(name); beside(); time.sleep(1); die()")
    found = []
    work = threading.Thread(target=lambda: found.extend(launcher.run(command, ["a", "b"], LONG)))
    work.start()
    appears(tmp_path / "helper")
    launcher.stop()
    work.join(30)
    assert not work.is_alive() and found == []
    assert starts(tmp_path) == [["a", "b"]]
    assert list(launcher.run(command, ["c"], LONG)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("obeys", [True, False])
def test_what_is_aborted_is_told_then_killed_and_counts_as_not_run(tmp_path, child, launcher, monkeypatch, obeys):
    monkeypatch.setattr(launch, "_GRACE", 2.0)
    command = child(
        ("" if obeys else "signal.signal(signal.SIGTERM, signal.SIG_IGN); ") + "begin(name); beside(); time.sleep(120)"
    )
    found = []
    work = threading.Thread(target=lambda: found.extend(launcher.run(command, ["a", "b"], LONG)))
    work.start()
    helper = int(appears(tmp_path / "helper"))
    launcher.abort()
    work.join(30)
    assert not work.is_alive() and found == []
    assert gone(helper) and starts(tmp_path) == [["a", "b"]]

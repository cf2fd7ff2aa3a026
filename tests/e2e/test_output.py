"""Where output goes: terminals that lack a sign, disks that are full, readers that have had enough."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OPSJOBS = [sys.executable, "-m", "opsjobs"]


def run(tmp_path, *words, **known):
    environment = {**os.environ, "OPSJOBS_HOME": str(tmp_path), **known.pop("environment", {})}
    return subprocess.run([*OPSJOBS, *words], env=environment, capture_output="stdout" not in known, **known)


def test_a_terminal_without_the_sign_gets_another_one(tmp_path):
    done = run(tmp_path, "config", "example", environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    done = run(tmp_path, "daily", "--config", "nichts-\u00e4\u2713.yml", environment={"PYTHONIOENCODING": "latin-1"})
    assert (
        done.returncode == 78 and b"fault" not in done.stderr and "nichts-\u00e4?.yml".encode("latin-1") in done.stderr
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told_in_words(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = run(tmp_path, "config", "example", stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "Error: the output cannot be written: No space left on device\n")

"""The wheel, installed into an empty environment and used away from the checkout."""

import json
import os
import pwd
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import closing, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # Out of a copy: building leaves folders beside pyproject.toml.
    source = folder / "source"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(source)], check=True)
    subprocess.run(f"cd {ROOT} && git diff --binary HEAD | git -C {source} apply --allow-empty", shell=True, check=True)  # noqa: S602 - two paths of our own
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(source)], check=True
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_templates_profiles_migrations_and_scenarios_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for needed in (
        "opsjobs/py.typed",
        "opsjobs/example.yml",
        "opsjobs/systems/pratikoai.yml",
        "opsjobs/templates/report.html",
        "opsjobs/templates/report.css",
        "opsjobs/ledger/migrations/env.py",
        "opsjobs/ledger/migrations/versions/v0001_runs_and_indicator_days.py",
        "opsjobs/demo/simulations/pratikoai.yml",
        "opsjobs/demo/scenarios/pratikoai/quiet.yml",
    ):
        assert needed in names
    assert not [name for name in names if name.startswith("tests")]


def test_every_module_of_the_checkout_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (ROOT / "opsjobs").rglob("*.py"):
        assert str(path.relative_to(ROOT)) in names


@pytest.fixture(scope="module")
def installed(wheel):
    """An environment with nothing but opsjobs, where everybody may read."""
    with tempfile.TemporaryDirectory(prefix="opsjobs-installed-") as folder:
        Path(folder).chmod(0o755)
        subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)
        words = ["-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel]
        subprocess.run([f"{folder}/venv/bin/python", *words], check=True)
        yield Path(folder)


def test_installed_elsewhere_it_makes_a_report(installed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "opsjobs.yml").write_text(
        "systems: {pratikoai: {prometheus: {url: 'http://127.0.0.1:9', timeout: 2}}}\nstorage: {root: state}\n"
    )
    done = subprocess.run(
        [installed / "venv/bin/opsjobs", "daily", "--date", "2026-11-18"],
        cwd=elsewhere,
        env={"PATH": os.environ["PATH"], "HOME": str(elsewhere)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    folder = elsewhere / "state/reports/pratikoai/daily/2026-11-18"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.pdf", "report.txt"]
    assert b"<style>" in (folder / "report.html").read_bytes()


def may_mount():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="only root may make a root that cannot be written")
def test_the_scheduler_runs_as_somebody_who_may_nothing_and_writes_below_its_home_only(installed):
    state = installed / "state"
    state.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(state, nobody.pw_uid, nobody.pw_gid)
    jobs = "{health: {cron: '* * * * *', late: 1m}, daily: {cron: '*/5 * * * *', late: 9m}, prune: off, costs: off}"
    (installed / "opsjobs.yml").write_text(
        f"""systems: {{pratikoai: {{prometheus: {{url: 'http://127.0.0.1:9', timeout: 2}}, visits: false}}}}
storage: {{root: {state}}}
schedule: {{jobs: {jobs}}}
"""
    )
    # An interpreter below somebody's home cannot be read by others: reading is all that this lends.
    reading = "--inh-caps +dac_read_search --ambient-caps +dac_read_search"
    hidden = any(not each.stat().st_mode & 0o001 for each in Path(sys.executable).resolve().parents)
    # As systemd's ProtectSystem=strict with PrivateTmp has it.
    script = f"""
        mount --make-rprivate / && mount --bind {state} {state} && mount -o remount,ro,bind / || exit 90
        mount -t tmpfs -o size=64m none /var/tmp || exit 91
        chmod 1777 /var/tmp; export TMPDIR=/var/tmp
        exec setpriv --reuid {nobody.pw_uid} --regid {nobody.pw_gid} --clear-groups {reading if hidden else ""} \\
            {installed}/venv/bin/opsjobs --log-format json schedule run
    """
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "OPSJOBS_CONFIG": f"{installed}/opsjobs.yml"}
    done: set[str] = set()
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script], env=environment, cwd="/", stderr=subprocess.PIPE, text=True
    ) as server:
        deadline = time.monotonic() + 200
        while done != {"daily", "health"} and time.monotonic() < deadline and server.poll() is None:
            time.sleep(0.5)
            if (state / "ledger.db").exists():
                with suppress(sqlite3.OperationalError), closing(sqlite3.connect(state / "ledger.db")) as ledger:
                    done = {job for (job,) in ledger.execute("SELECT job FROM slots WHERE state = 'done'")}
        server.terminate()
        said = server.communicate(timeout=120)[1]
    assert done == {"daily", "health"}, said
    assert server.returncode == 0, said
    lines = [json.loads(line) for line in said.splitlines()]
    ended = {line["job"] for line in lines if line["message"].startswith("ended: ")}
    assert ended >= {"daily", "health"} and all(line["run"] for line in lines if line["message"].startswith("ended: "))
    assert "Traceback" not in said and "Read-only" not in said
    owners = {path.lstat().st_uid for path in state.rglob("*")}
    assert owners == {nobody.pw_uid}
    pages = [path.name for path in state.glob("reports/pratikoai/daily/*/*")]
    assert sorted(pages)[:4] == ["report.html", "report.json", "report.pdf", "report.txt"]

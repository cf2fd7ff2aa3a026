"""The wheel, installed into an empty environment and used away from the checkout."""

import os
import subprocess
import sys
import zipfile
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


def test_installed_elsewhere_it_makes_a_report(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    constraints = ROOT / "constraints.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-c", constraints, str(wheel)], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "opsjobs.yml").write_text(
        "systems: {pratikoai: {prometheus: {url: 'http://127.0.0.1:9', timeout: 2}}}\nstorage: {root: state}\n"
    )
    done = subprocess.run(
        [tmp_path / "venv/bin/opsjobs", "daily", "--date", "2026-11-18"],
        cwd=elsewhere,
        env={"PATH": os.environ["PATH"], "HOME": str(elsewhere)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    folder = elsewhere / "state/reports/pratikoai/daily/2026-11-18"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.pdf", "report.txt"]
    assert b"<style>" in (folder / "report.html").read_bytes()

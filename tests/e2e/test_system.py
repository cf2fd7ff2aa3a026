"""opsjobs system: what is declared, and what of it a real Prometheus has."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from opsjobs import system
from opsjobs.demo.stage import Stage

pytestmark = pytest.mark.xdist_group("systems")


def opsjobs(folder, *words):
    environment = {**os.environ, "OPSJOBS_HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "opsjobs", "system", *words], env=environment, capture_output=True, text=True, cwd=folder
    )


@pytest.fixture(scope="module")
def living(binaries, tmp_path_factory):
    """The folder of a configuration that leads to a troubled system."""
    folder = tmp_path_factory.mktemp("system")
    with Stage("promptpilot", "troubled", now=datetime.now(UTC), binaries=binaries) as stage:
        (folder / "opsjobs.yml").write_text(f"systems:\n  promptpilot:\n    prometheus: {{url: '{stage.url}'}}\n")
        yield folder


def test_what_is_missing_is_named_once_with_who_needs_it(living):
    done = opsjobs(living, "check", "--live")
    first, *_, last = done.stdout.splitlines()
    assert done.returncode == 1, done.stderr
    assert first.startswith("WARNING  metric:process_open_fds: no such metric")
    assert first.endswith("needed by indicator:open_files")
    assert done.stdout.count("WARNING") == 1 and "6 of 6 components" in last


def test_the_same_for_programs(living):
    done = opsjobs(living, "check", "promptpilot", "--live", "--json")
    (document,) = json.loads(done.stdout)["systems"]
    assert done.returncode == 1 and document["there"]["components"] == 6
    assert [remark["subject"] for remark in document["remarks"]] == ["metric:process_open_fds"]


def test_a_prometheus_that_cannot_be_asked_is_unknown(tmp_path):
    (tmp_path / "opsjobs.yml").write_text("systems:\n  portfolio:\n    prometheus: {url: 'http://127.0.0.1:9'}\n")
    done = opsjobs(tmp_path, "check", "--live")
    assert done.returncode == 3 and "UNKNOWN" in done.stdout and "Traceback" not in done.stderr


def test_every_profile_that_ships_is_listed_and_shown(tmp_path):
    listed = json.loads(opsjobs(tmp_path, "list", "--json").stdout)["systems"]
    assert {each["name"] for each in listed} == set(system.shipped())
    for name in system.shipped():
        assert opsjobs(tmp_path, "check", name).stdout.startswith(f"{name}: valid.")
        shown = opsjobs(tmp_path, "show", name)
        assert shown.returncode == 0 and "Alerts" in shown.stdout
        assert json.loads(opsjobs(tmp_path, "show", name, "--json").stdout)["title"]


def test_a_name_that_is_nobodys_is_told_with_one_that_is_near(tmp_path):
    done = opsjobs(tmp_path, "show", "pitake")
    assert done.returncode == 64 and "did you mean 'pytake'?" in done.stderr


def test_faults_of_a_profile_come_all_at_once(tmp_path):
    (tmp_path / "opsjobs.yml").write_text("systems: {shop: {profile: shop.yml}}\n")
    text = "title: Shop\nzone: Rome/Europe\nteams: {}\ncomponents: {}\nmetrics: {}\ngroups: {}\n"
    (tmp_path / "shop.yml").write_text(text)
    done = opsjobs(tmp_path, "check")
    assert done.returncode == 78 and "zone" in done.stderr and "groups" in done.stderr

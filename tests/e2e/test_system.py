"""opsjobs system: what is declared, and what of it a real Prometheus has."""

import json
import os
import re
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


def test_a_draft_is_made_checked_and_reported_on_without_an_edit(living):
    (url,) = re.findall(r"http://[\d.:]+", (living / "opsjobs.yml").read_text())
    done = opsjobs(living, "init", "shop", "--url", url, "--zone", "Europe/Rome", "--out", "shop.yml")
    assert done.returncode == 0, done.stderr
    said = re.search(r"systems:\n(    .*\n)+", done.stdout)[0]
    (living / "own.yml").write_text("\n".join(line.removeprefix("  ") for line in said.splitlines()))
    checked = opsjobs(living, "check", "shop", "--live", "--config", "own.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_draft_is_printed_where_no_file_is_named_and_never_written_over_one(living):
    (living / "mine.yml").write_text("mine")
    done = opsjobs(living, "init", "promptpilot", "--out", "mine.yml")
    assert done.returncode == 64 and "is there already" in done.stderr
    assert (living / "mine.yml").read_text() == "mine"
    assert opsjobs(living, "init", "promptpilot", "--title", "Ours").stdout.count("\ntitle: Ours\n") == 1


def test_a_draft_can_be_made_before_the_profile_that_the_configuration_names(living):
    (url,) = re.findall(r"http://[\d.:]+", (living / "opsjobs.yml").read_text())
    (living / "new.yml").write_text(f"systems:\n  new: {{profile: none-yet.yml, prometheus: {{url: '{url}'}}}}\n")
    assert opsjobs(living, "init", "new", "--config", "new.yml").stdout.startswith("# Drafted by opsjobs")


@pytest.mark.parametrize("words", [("--url", "http://me:hunter2@127.0.0.1:1"), ()])
def test_a_draft_of_what_cannot_be_asked_says_what_to_give(tmp_path, words):
    done = opsjobs(tmp_path, "init", "shop", *words)
    assert done.returncode in {64, 78} and "url" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout

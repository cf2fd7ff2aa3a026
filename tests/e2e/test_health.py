"""`opsjobs health` as people and programs use it, on a system that lives."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from opsjobs.demo.stage import Stage

pytestmark = pytest.mark.xdist_group("health")

# What goes on until now, so that it is found at whatever hour these tests are run.
FAILING = """\
title: Gemini fails
about: Requests to Gemini have failed since yesterday.
truths:
  - what: Gemini fails.
    effect: {metric: llm_requests_total, labels: {provider: gemini, status: error}, set: 0.04}
    days: [-1, 7]
    expect: ["indicator:llm_errors"]
    says: ["above 0"]
"""


def opsjobs(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "opsjobs", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module", params=["quiet", "failing"])
def scenario(request):
    return request.param


@pytest.fixture(scope="module")
def living(binaries, scenario, tmp_path_factory):
    folder = tmp_path_factory.mktemp(scenario)
    if scenario == "failing":
        (folder / "failing.yml").write_text(FAILING)
        scenario = str(folder / "failing.yml")
    with Stage("portfolio", scenario, now=datetime.now(UTC), binaries=binaries) as stage:
        (folder / "opsjobs.yml").write_text(
            f"systems:\n  portfolio: {{prometheus: {{url: '{stage.url}'}}, visits: false}}\nstorage: {{root: state}}\n"
        )
        yield folder


def test_a_person_reads_what_is_wrong_and_what_to_do(living, scenario):
    done = opsjobs(living, "health")
    lines = done.stdout.splitlines()
    if scenario == "quiet":
        assert done.returncode == 0 and lines[1].startswith("● OK  all ")
        assert len(lines) == 2
        return
    assert done.returncode == 2 and lines[1].startswith("◆ CRITICAL")
    (failed,) = [number for number, line in enumerate(lines) if "Failed LLM requests" in line]
    assert "above 0" in lines[failed]
    assert "docs/runbooks/portfolio.md#llmprovidererror" in "\n".join(lines[failed:])


def test_programs_read_the_same(living, scenario):
    done = opsjobs(living, "health", "--json")
    (system,) = json.loads(done.stdout)["systems"]
    assert (system["system"], system["status"]) == ("portfolio", "OK" if scenario == "quiet" else "CRITICAL")
    assert ("indicator:llm_errors" in system["told"]) == (scenario == "failing")
    assert len(system["checks"]) > 10 and {each["id"] for each in system["checks"]} >= set(system["told"])


def test_a_monitoring_plugin_reads_a_line_with_performance_data(living, scenario):
    done = opsjobs(living, "health", "--nagios")
    first, *_ = done.stdout.splitlines()
    status = {"quiet": "OK", "failing": "CRITICAL"}[scenario]
    assert first.startswith(f"OPSJOBS {status} - ") and done.returncode == {"OK": 0, "CRITICAL": 2}[status]
    data = re.findall(r"'portfolio\.(\S+)'=(\S+)", done.stdout)
    values = dict(data)
    assert re.fullmatch(r"[\d.e-]+s;~:0\.5", values["indicator:api_p95"])
    assert re.fullmatch(r"[\d.e-]+;0\.7:", values["indicator:cache_hit_ratio"])
    assert done.stdout.count("|") == 2


def test_each_look_is_a_run_that_is_remembered(living):
    opsjobs(living, "health")
    runs = json.loads(opsjobs(living, "runs", "list", "--json").stdout)["runs"]
    assert {run["job"] for run in runs} == {"health"}
    assert {run["outcome"] for run in runs} == {"succeeded"}


def test_what_stays_bad_is_told_with_when_it_was_first_seen(living, scenario):
    opsjobs(living, "health")
    again = json.loads(opsjobs(living, "health", "--json").stdout)["systems"][0]["checks"]
    looks = {each["id"]: (each["looks"], each["since"]) for each in again}
    if scenario == "quiet":
        assert set(looks.values()) == {(0, None)}
        return
    count, since = looks["indicator:llm_errors"]
    third = opsjobs(living, "health").stdout
    first = datetime.fromisoformat(since).astimezone(UTC)
    assert count >= 2
    assert f"seen {count + 1} times in a row, first {first:%a %d %b, %H:%M}" in third


def test_what_is_well_is_listed_on_request(living):
    few, all_of_it = (opsjobs(living, "health", *words).stdout for words in ((), ("--all",)))
    assert all_of_it.count("● OK") > few.count("● OK") + 10


@pytest.fixture
def lost(tmp_path):
    (tmp_path / "opsjobs.yml").write_text(
        "systems:\n  portfolio: {prometheus: {url: 'http://127.0.0.1:9', timeout: 2}, visits: false}\n"
        "storage: {root: state}\n"
    )
    return tmp_path


def test_a_prometheus_that_is_gone_is_told_once_and_never_as_well(lost):
    done = opsjobs(lost, "health")
    assert done.returncode == 3
    assert done.stdout.count("UNKNOWN   ") == 1 and "Monitoring is blind" in done.stdout
    assert "set systems.portfolio.prometheus.url" in done.stdout
    (run,) = json.loads(opsjobs(lost, "runs", "list", "--json").stdout)["runs"]
    assert run["outcome"] == "partial"


def test_an_address_that_does_not_answer_is_critical(lost):
    text = (lost / "opsjobs.yml").read_text()
    (lost / "opsjobs.yml").write_text(text.replace(", visits: false", ""))
    done = opsjobs(lost, "health")
    assert done.returncode == 2
    assert "Grafana at its address: http://localhost:3000/api/health cannot be reached" in done.stdout


def test_an_alertmanager_and_a_grafana_that_are_gone_are_told_and_why(lost):
    text = (lost / "opsjobs.yml").read_text()
    gone = "alertmanager: {url: 'http://127.0.0.1:9'}, grafana: {url: 'http://127.0.0.1:9'}, visits: false"
    (lost / "opsjobs.yml").write_text(text.replace("visits: false", gone))
    (system,) = json.loads(opsjobs(lost, "health", "--json").stdout)["systems"]
    bad = {check["id"]: (check["status"], check["text"]) for check in system["checks"]}
    for name in ("source:alertmanager", "source:grafana"):
        status, said = bad[name]
        assert status in {"CRITICAL", "UNKNOWN"} and "cannot be reached: Connection refused" in said


def test_a_plugin_says_unknown_of_a_faulty_configuration(tmp_path):
    (tmp_path / "opsjobs.yml").write_text("systems: {portfolio: {visit: 1}}\n")
    done = opsjobs(tmp_path, "health", "--nagios")
    assert done.returncode == 3 and done.stdout.startswith("OPSJOBS UNKNOWN - opsjobs.yml:1: ")
    assert opsjobs(tmp_path, "health").returncode == 78
    assert opsjobs(tmp_path, "health", "--nagios", "--json").returncode == 64

"""A Sentry as a source and as a witness, with real processes: what arrives, what is said, and what must not be."""

import json
import os
import subprocess
import sys

import pytest

from tests.contract.test_sentry import START, TOKEN, issue, sentry_server
from tests.unit.notify.sentryserver import KEY, sentry


def configure(folder, system="", sentry=""):
    (folder / "opsjobs.yml").write_text(
        f"""systems:
  pratikoai:
    prometheus: {{url: 'http://127.0.0.1:1', timeout: 2}}
{system}
storage: {{root: state}}
{sentry}
"""
    )


def run(folder, *arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "opsjobs", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **more},
        capture_output=True,
        text=True,
        timeout=120,
    )


def daily(folder, **more):
    return run(folder, "daily", "--date", "2026-11-18", **more)


def everything(folder):
    """Each file that a run left, but for the configuration and its secrets."""
    return [path.read_bytes() for path in (folder / "state").rglob("*") if path.is_file()]


def test_the_errors_of_a_day_are_in_the_report_and_its_evidence_and_the_token_is_nowhere(tmp_path):
    hours = {START: {"accepted": 1234, "rate_limited": 5}}
    issues = [(START, issue("ZeroDivisionError: pay", 9, 2, link="https://sentry.io/issues/9/"), False)]
    (tmp_path / "token").write_text(TOKEN)
    with sentry_server(hours, issues) as (url, _):
        configure(tmp_path, f"    sentry: {{url: '{url}', organization: shop, project: api, token_file: token}}")
        done = daily(tmp_path)
    assert done.returncode == 3, done.stderr
    folder = tmp_path / "state/reports/pratikoai/daily/2026-11-18"
    told = json.loads((folder / "report.json").read_text())
    (section,) = (each for each in told["sections"] if each["id"] == "sentry")
    rows = {row["title"]: row["value"] for row in section["blocks"][0]["states"]}
    assert rows["Errors"] == "1,234" and rows["New: ZeroDivisionError: pay"] == "9 times, 2 users"
    assert [each["subject"] for each in told["findings"] if "sentry" in each["subject"]] == ["sentry:rate_limited"]
    queries = [each["query"] for each in told["evidence"] if each["subject"].startswith("sentry:")]
    assert len(queries) == 5 and all(query.startswith(f"GET {url}/api/0/") for query in queries)
    assert "ZeroDivisionError" in (folder / "report.txt").read_text()
    for said in (done.stdout, done.stderr):
        assert "canary" not in said
    assert not any(b"canary" in content for content in everything(tmp_path))


def test_one_that_is_down_is_a_gap_and_does_not_end_the_run(tmp_path):
    configure(
        tmp_path,
        "    sentry: {url: 'http://127.0.0.1:1', organization: shop, project: api, token: '${SENTRY_TOKEN}'}",
    )
    done = daily(tmp_path, SENTRY_TOKEN=TOKEN)
    assert done.returncode == 3
    assert "Sentry could not be asked" in done.stdout
    assert "systems.pratikoai.sentry.url" in done.stdout


def test_a_run_checks_in_and_checks_out(tmp_path):
    with sentry() as server:
        configure(tmp_path, sentry="sentry: {dsn: '${SENTRY_DSN}', environment: staging}")
        done = daily(tmp_path, SENTRY_DSN=server.dsn)
    assert done.returncode == 3, done.stderr
    first, last = server.of("check_in")
    assert [first["status"], last["status"]] == ["in_progress", "ok"]
    assert first["monitor_slug"] == "opsjobs-pratikoai-daily"
    assert last["duration"] > 0 and last["environment"] == "staging"
    assert server.of("event") == []
    assert KEY not in done.stdout + done.stderr
    assert not any(KEY.encode() in content for content in everything(tmp_path))


def test_a_run_that_fails_is_told_with_its_error(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/reports").write_text("in the way")
    with sentry() as server:
        configure(tmp_path, sentry="sentry: {dsn: '${SENTRY_DSN}'}")
        done = daily(tmp_path, SENTRY_DSN=server.dsn)
    assert done.returncode == 1
    (event,) = server.of("event")
    assert event["tags"] == {"system": "pratikoai", "job": "daily", "slot": "2026-11-18"}
    assert event["environment"] == "production"
    assert [each["status"] for each in server.of("check_in")] == ["in_progress", "error"]


def test_a_sentry_that_is_not_there_changes_nothing(tmp_path):
    configure(tmp_path)
    without = daily(tmp_path)
    configure(tmp_path, sentry="sentry: {dsn: '${SENTRY_DSN}'}")
    done = daily(tmp_path, SENTRY_DSN=f"http://{KEY}@127.0.0.1:1/7")
    assert (done.returncode, done.stderr) == (without.returncode, without.stderr)


@pytest.mark.parametrize("command", [["config", "check"], ["daily", "--date", "2026-11-18"]])
def test_without_the_package_the_configuration_is_at_fault_and_says_what_to_install(tmp_path, command):
    configure(tmp_path, sentry="sentry: {dsn: '${SENTRY_DSN}'}")
    (tmp_path / "sentry_sdk.py").write_text("raise ModuleNotFoundError('No module', name='sentry_sdk')\n")
    done = run(tmp_path, *command, SENTRY_DSN=f"https://{KEY}@sentry.example.com/7", PYTHONPATH=str(tmp_path))
    assert done.returncode == 78
    assert "sentry_sdk" in done.stderr and "pip install 'opsjobs[sentry]'" in done.stderr


@pytest.mark.parametrize(
    "dsn", [f"{KEY}", f"https://{KEY}@/7", f"https://{KEY}@x", f"http://{KEY}@x/7", f"https://{KEY}@[x/7"]
)
def test_what_is_no_dsn_is_a_fault_that_does_not_repeat_it(tmp_path, dsn):
    configure(tmp_path, sentry="sentry: {dsn: '${SENTRY_DSN}'}")
    done = run(tmp_path, "config", "check", SENTRY_DSN=dsn)
    assert done.returncode == 78
    assert "sentry.dsn" in done.stderr and KEY not in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentry: {}", "one of the two"),
        (f"sentry: {{dsn: 'https://{KEY}@x/7'}}", "does not belong into this file"),
        ("sentry: {dsn_file: nowhere}", "nowhere: cannot be read"),
        ("sentry: {dsn_file: x, environmnt: y}", "unknown key"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_a_fault(tmp_path, text, message):
    configure(tmp_path, sentry=text)
    done = run(tmp_path, "config", "check")
    assert done.returncode == 78
    assert message in done.stderr and KEY not in done.stderr

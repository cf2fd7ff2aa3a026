"""Rules that watch opsjobs itself: there where its metrics are, and each fires when it should."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from opsjobs import declaration, promql, telemetry
from opsjobs.stack import Own, drift, render, scraping, secrets, watching
from tests.unit.stack.plans import NAMES, planned

PAGE = Path(__file__).parents[3] / "docs/watching.md"
SERVED = Own(target="localhost:9099", late={"daily": 26 * 3600, "costs": 8 * 86400, "health": 7 * 3600})
RULES, TESTS = "prometheus/rules/opsjobs.yml", "prometheus/rules/opsjobs.test.yml"


def read(text):
    return declaration.plain(text, name="a rendered file")


def put(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def promtool(binaries, folder, *arguments):
    done = subprocess.run(
        binaries.command("promtool", *arguments, folders=(folder,)), capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_where_nobody_has_its_metrics_nothing_watches_it():
    files = render(planned("pratikoai"))
    assert RULES not in files and TESTS not in files
    assert "opsjobs.yml" not in files["prometheus/prometheus.yml"]
    assert watching.rules(planned("pratikoai")) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_has_a_team_a_severity_and_a_section_that_says_what_to_do(name):
    plan = planned(name, own=SERVED)
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    for rule in watching.rules(plan):
        document = rule.document
        promql.check(document["expr"])
        assert document["labels"]["team"] in plan.system.teams and document["labels"]["severity"] == "warning"
        assert document["labels"]["system"] == name
        assert document["annotations"]["runbook_url"] == f"docs/watching.md#{rule.name.lower()}"
        for part in ("Symptom", "Look", "Do", "Escalate"):
            assert f"**{part}.**" in sections[rule.name]
    assert {rule.name for rule in watching.rules(plan)} == {each for each in sections if each.startswith("Opsjobs")}


def test_every_metric_that_a_rule_asks_for_is_one_that_opsjobs_has(tmp_path):
    from tests.unit.serving.kept import NOW, Kept

    kept = Kept(tmp_path)
    known = {family.name for family in telemetry.families(kept.reading, NOW)}
    kept.close()
    asked = {name for rule in watching.rules(planned("pratikoai", own=SERVED)) for name in promql.metrics(rule.expr)}
    assert asked and asked <= known


@pytest.mark.parametrize("name", NAMES)
def test_prometheus_takes_them_and_each_fires_when_it_should(name, tmp_path, binaries):
    files = render(planned(name, own=SERVED))
    put(tmp_path, files)
    code, said = promtool(binaries, tmp_path, "test", "rules", str(tmp_path / TESTS))
    assert code == 0, said
    code, said = promtool(binaries, tmp_path, "check", "rules", str(tmp_path / RULES))
    assert code == 0 and f"{len(watching.rules(planned(name, own=SERVED)))} rules found" in said, said


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("> 93600", "> 93700"),
        ("> 25200", "> 24000"),
        ('outcome!~"succeeded|partial"', 'outcome!~"succeeded|failed"'),
        ('state="failed"', 'state="sent"'),
        ("opsjobs_overdue_deliveries", "opsjobs_overdue_messages"),
        ("absent(opsjobs_build_info)", "absent(opsjobs_version)"),
        ("for: 15m", "for: 1h"),
        ("job_name: daily", "job_name: weekly"),
    ],
)
def test_a_rule_that_says_something_else_fails_its_tests(was, becomes, tmp_path, binaries):
    files = render(planned("pratikoai", own=SERVED))
    changed = files[RULES].replace(was, becomes)
    assert changed != files[RULES]
    put(tmp_path, files | {RULES: changed})
    code, _ = promtool(binaries, tmp_path, "test", "rules", str(tmp_path / TESTS))
    assert code != 0


def test_a_backup_that_is_not_whole_has_failed_and_a_report_in_parts_has_not(tmp_path, binaries):
    (rule,) = [each for each in watching.rules(planned("pratikoai", own=SERVED)) if each.name == "OpsjobsJobFailed"]
    outcomes = {("backup", "partial"): 1, ("daily", "partial"): 1, ("drill", "succeeded"): 1, ("costs", "crashed"): 1}
    series = [
        {
            "series": f'opsjobs_last_run_outcome{{system="pratikoai",job_name="{job}",outcome="{how}"}}',
            "values": f"{one}",
        }
        for (job, how), one in outcomes.items()
    ]
    found = [{"labels": f'{{job_name="{job}"}}', "value": 1} for job in ("backup", "costs")]
    asked = {"expr": rule.expr, "eval_time": "0m", "exp_samples": found}
    tests = {"rule_files": [], "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [asked]}]}
    put(tmp_path, {"own.test.yml": declaration.written(tests)})
    code, said = promtool(binaries, tmp_path, "test", "rules", str(tmp_path / "own.test.yml"))
    assert code == 0, said


def test_jobs_may_be_late_after_other_times():
    own = replace(SERVED, late={"daily": 3600})
    late = [each for each in watching.rules(planned("pratikoai", own=own)) if "Late" in each.name]
    assert [each.expr for each in late if each.name == "OpsjobsJobLate"] == [
        promql.pretty('time() - opsjobs_last_success_timestamp_seconds{system="pratikoai", job_name="daily"} > 3600')
    ]


@pytest.mark.parametrize(
    ("own", "expected", "secret"),
    [
        (SERVED, {}, []),
        (
            Own(target="localhost:9099", token=True),
            {"authorization": {"credentials_file": "/run/secrets/opsjobs-token"}},
            ["opsjobs-token"],
        ),
        (
            Own(target="localhost:9099", username="ops"),
            {"basic_auth": {"username": "ops", "password_file": "/run/secrets/opsjobs-password"}},
            ["opsjobs-password"],
        ),
    ],
)
def test_what_is_served_is_scraped_with_what_lets_in(own, expected, secret):
    plan = planned("pratikoai", own=own)
    (job,) = [each for each in scraping.document(plan)["scrape_configs"] if each["job_name"] == "opsjobs"]
    assert job == {
        "job_name": "opsjobs",
        "scrape_interval": "1m",
        **expected,
        "static_configs": [{"targets": ["host.docker.internal:9099"], "labels": {"instance": "localhost:9099"}}],
    }
    assert f"rules/{watching.FILE}" in scraping.document(plan)["rule_files"]
    assert [each.file for each in secrets.needed(plan) if each.file.startswith("opsjobs")] == secret
    services = read(render(plan)["compose.yml"])["services"]
    assert services["prometheus"].get("secrets", []) == secret
    assert not set(services["alertmanager"].get("secrets", [])) & set(secret)


def test_what_is_pushed_is_watched_and_not_scraped():
    plan = planned("pratikoai", own=Own(late=SERVED.late))
    document = scraping.document(plan)
    assert "opsjobs" not in [each["job_name"] for each in document["scrape_configs"]]
    assert f"rules/{watching.FILE}" in document["rule_files"] and list(secrets.own(plan)) == []


def test_prometheus_takes_the_configuration_with_the_job_that_asks_opsjobs(tmp_path, binaries):
    plan = planned("pratikoai", own=Own(target="localhost:9099", token=True), folder=str(tmp_path))
    put(tmp_path, render(plan) | {"secrets/opsjobs-token": "x"})
    code, said = promtool(binaries, tmp_path, "check", "config", str(tmp_path / "prometheus/prometheus.yml"))
    assert code == 0, said


def test_the_rules_are_declared_and_so_no_drift():
    plan = planned("pratikoai", own=SERVED)
    loaded = drift._declared_rules(plan)
    assert drift.of_rules(plan, loaded) == []
    found = drift.of_rules(planned("pratikoai"), loaded)
    assert {each.subject for each in found} == {f"rule:{rule.name}" for rule in watching.rules(plan)}

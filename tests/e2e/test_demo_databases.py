"""The demonstration with its databases, from end to end: what is planted is found, and all stores tell the same."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsjobs.demo.stage import Stage
from tests.unit.demo.servers import required

ROME = ZoneInfo("Europe/Rome")
# How far a value may be from that of Prometheus: it estimates an increase from samples.
TOLERANCE = {
    "mrr": 5,
    "active_subscriptions": 0,
    "revenue_per_user": 0.01,
    "payment_success": 0.003,
    "signups_day": 0.1,
    "costliest_user": 0.25,
}


def lives(scenario, binaries):
    required("PostgreSQL")
    required("Redis")
    return Stage(scenario=scenario, now=datetime.now(UTC), binaries=binaries, databases=True)


@pytest.fixture(scope="module")
def troubled(binaries):
    with lives("troubled", binaries) as stage:
        yield stage


def reported(stage, folder, *, store="prometheus", back=1):
    """The report of a day, as its JSON, with the indicators taken from one of the stores."""
    day = datetime.now(ROME).date() - timedelta(days=back)
    return made(stage, folder, "daily", "--date", day.isoformat(), store=store)


def made(stage, folder, *words, store="prometheus"):
    """The report that a command makes, as its JSON."""
    postgresql, redis = stage.databases["postgresql"], stage.databases["redis"]
    folder.mkdir(exist_ok=True)
    (folder / "opsjobs.yml").write_text(f"""
systems:
  pratikoai:
    prometheus: {{url: '{stage.url}'}}
    postgresql:
      host: {postgresql.host}
      port: {postgresql.port}
      dbname: {postgresql.database}
      user: {postgresql.user}
      password_file: {postgresql.password_file}
    redis:
      host: {redis.host}
      port: {redis.port}
      username: {redis.user}
      password_file: {redis.password_file}
    indicators_from: {store}
storage: {{root: state}}
""")
    done = subprocess.run(
        [sys.executable, "-m", "opsjobs", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 3}, done.stderr
    made = [path for path in done.stdout.splitlines() if path.endswith("report.json")]
    return json.loads(Path(made[0].strip()).read_text())


def values(report):
    """The value of each indicator that a table shows."""
    rows = [row for section in report["sections"] for block in section["blocks"] for row in block.get("rows", [])]
    return {row["id"]: row["value"] for row in rows if row.get("id") in TOLERANCE}


def subjects(report):
    return {finding["subject"] for finding in report["findings"]}


@pytest.mark.xdist_group("troubled databases")
class TestATroubledDay:
    @pytest.mark.parametrize("store", ["prometheus", "postgresql", "redis"])
    def test_what_was_planted_is_named_and_nothing_else_whoever_is_asked(self, troubled, tmp_path, store):
        report = reported(troubled, tmp_path, store=store)
        assert subjects(report) == {subject for truth in troubled.scenario.truths for subject in truth.expect}
        assert {"postgresql:archiver", "redis:memory"} < subjects(report)

    def test_each_finding_says_what_was_planted(self, troubled, tmp_path):
        told = {
            finding["subject"]: f"{finding['title']} {finding['detail']}"
            for finding in reported(troubled, tmp_path)["findings"]
        }
        for truth in troubled.scenario.truths:
            if truth.effect.database:
                assert all(words in told[subject] for subject in truth.expect for words in truth.says), truth.what

    @pytest.mark.parametrize("back", [1, 2, 8])
    def test_all_stores_tell_the_same(self, troubled, tmp_path, back):
        found = {
            store: values(reported(troubled, tmp_path / store, store=store, back=back))
            for store in ("prometheus", "postgresql", "redis")
        }
        for name, tolerance in TOLERANCE.items():
            for store in ("postgresql", "redis"):
                expected = found["prometheus"][name]
                assert found[store][name] == pytest.approx(expected, abs=tolerance + 1e-9), (name, store)


def test_on_a_quiet_day_nothing_is_found_in_the_databases_either(binaries, tmp_path):
    with lives("quiet", binaries) as stage:
        assert set(stage.databases) == {"postgresql", "redis"}
        for store in ("prometheus", "postgresql", "redis"):
            report = reported(stage, tmp_path, store=store)
            assert (subjects(report), report["status"], report["complete"]) == (set(), "OK", True), store
        # Of whole weeks, so that what was planted yesterday would be in them on Mondays only.
        sql_and_counters_agree(made(stage, tmp_path, "costs"))


def sql_and_counters_agree(report):
    (section,) = [each for each in report["sections"] if each["id"] == "usage"]
    month, top, plans = section["blocks"]
    rows = {row["cells"][0]: row["cells"][1:] for row in month["rows"]}
    assert rows["What they cost"][1].startswith("the counters say €2,")
    assert rows["What they cost"][1].endswith(", too"), "within what a counter's days are off at their edges"
    assert len(top["rows"]) == 12
    margins = {row["cells"][0]: row["cells"][-1] for row in plans["rows"]}
    assert {"company", "starter", "team"} < set(margins) and margins["team"].endswith(" %")
    assert (subjects(report), report["status"], report["complete"]) == (set(), "OK", True)


def test_other_states_are_found_too(binaries, tmp_path):
    story = tmp_path / "full.yml"
    story.write_text("""
title: Nobody gets in
truths:
  - what: Nearly all connections are used.
    effect: {database: postgresql, state: connections_used}
    expect: ["postgresql:connections"]
  - what: Redis cannot write its snapshot.
    effect: {database: redis, state: snapshot_fails}
    expect: ["redis:bgsave"]
""")
    with lives(str(story), binaries) as stage:
        assert subjects(reported(stage, tmp_path)) == {"postgresql:connections", "redis:bgsave"}

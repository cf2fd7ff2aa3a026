"""The daily report from end to end: a simulated PratikoAI on a real Prometheus, asked over HTTP.

What a scenario plants is what the report must name, exactly; on the quiet scenario it names nothing.
"""

import html
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsjobs import system
from opsjobs.demo.stage import Stage
from opsjobs.http import Deadline
from opsjobs.jobs import Context, daily
from opsjobs.jobs.panels import ask_panels
from opsjobs.model import Quality, Status
from opsjobs.report import render
from opsjobs.sources.prometheus import Prometheus
from tests.conftest import connection
from tests.e2e.looks import looks
from tests.unit.stack.plans import planned


def plain(text):
    """Without tags, entities, and where lines end."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())


def local(spell):
    """When a firing began and ended, in Rome."""
    return [time.astimezone(ZoneInfo("Europe/Rome")) for time in (spell.start, spell.end)]


def reported(stage, day=None):
    profile = system.read("pratikoai", Path())
    now = datetime.now(UTC)
    yesterday = now.astimezone(ZoneInfo(profile.zone)).date() - timedelta(days=1)
    with Prometheus(connection(stage.url, timeout=30)) as metrics:
        return daily.run(
            Context(
                name="pratikoai", system=profile, metrics=metrics, day=day or yesterday, now=now, deadline=Deadline(120)
            )
        )


@pytest.fixture(scope="module")
def quiet(binaries):
    with Stage(scenario="quiet", now=datetime.now(UTC), binaries=binaries) as stage:
        yield stage


@pytest.fixture(scope="module")
def troubled(binaries):
    with Stage(scenario="troubled", now=datetime.now(UTC), binaries=binaries) as stage:
        yield stage


@pytest.mark.xdist_group("quiet")
class TestAQuietDay:
    def test_health_checks_are_silent(self, quiet):
        with Prometheus(connection(quiet.url, timeout=30)) as metrics:
            assert looks(system.read("pratikoai", Path()), metrics).told == set()

    def test_every_panel_of_every_dashboard_shows_something(self, quiet):
        plan = planned("pratikoai")
        with Prometheus(connection(quiet.url, timeout=30)) as metrics:
            shown = ask_panels(plan, metrics, datetime.now(UTC), Deadline(60))
        assert [(each.subject, each.text) for each in shown.remarks] == []
        assert shown.asked == shown.answered > 0

    def test_nothing_needs_a_person(self, quiet):
        result = reported(quiet)
        assert [finding.title for finding in result.report.findings] == []
        assert (result.report.status, result.report.complete, result.report.gaps) == (Status.OK, True, ())

    def test_no_alert_fired_and_that_is_said_because_rules_were_loaded(self, quiet):
        section = next(part for part in reported(quiet).report.sections if part.id == "alerts")
        assert (section.note, section.blocks) == (
            "No alert fired in the day. Nor did any in the six days before.",
            (),
        )

    def test_nothing_that_matters_is_outside_its_band_or_will_soon_be_full(self, quiet):
        blocks = [block for section in reported(quiet).report.sections for block in section.blocks]
        notes = {name: said for block in blocks for name, said in getattr(block, "notes", {}).items()}
        assert not {"user_cost", "llm_cost_day", "mrr", "payment_success", "uptime", "disk"} & set(notes)
        assert "full in" not in str(notes)

    def test_every_indicator_has_a_value_and_two_days_to_compare_with(self, quiet):
        for indicator in reported(quiet).indicators:
            assert indicator.measurement.quality is Quality.OK, indicator.id
            assert indicator.day_before is not None, indicator.id
            assert indicator.week_before is not None, indicator.id

    def test_a_month_is_not_compared_with_a_shorter_one(self, quiet):
        """What thirty days cost grows by some percent a week in the simulation, and not by what history lacks."""
        monthly = {indicator.id: indicator for indicator in reported(quiet).indicators}
        for name in ("user_cost", "llm_cost_month"):
            result = monthly[name]
            assert abs(result.measurement.value / result.week_before - 1) < 0.04, name
        early = reported(quiet, datetime.now(UTC).date() - timedelta(days=9))
        assert {indicator.id: indicator for indicator in early.indicators}["llm_cost_month"].week_before is None

    def test_a_day_for_which_there_is_no_month_of_history_is_not_called_well(self, quiet):
        result = reported(quiet, datetime.now(UTC).date() - timedelta(days=25))
        status = {indicator.id: indicator.status for indicator in result.indicators}
        assert status["user_cost"] is Status.UNKNOWN
        assert status["api_p95"] is Status.OK

    def test_each_of_the_last_days_is_quiet_too(self, quiet):
        today = datetime.now(UTC).date()
        for days in range(2, 9):
            result = reported(quiet, today - timedelta(days=days))
            subjects = [finding.subject for finding in result.report.findings]
            assert subjects == [], f"{days} days ago"

    def test_made_twice_over_the_same_data_the_report_is_the_same_byte_for_byte(self, quiet):
        first, second = (render(reported(quiet).report) for _ in range(2))
        assert first.failures == second.failures == {}
        assert first.files == second.files


@pytest.mark.xdist_group("troubled")
class TestATroubledDay:
    def test_health_checks_see_what_was_planted(self, troubled):
        with Prometheus(connection(troubled.url, timeout=30)) as metrics:
            seen = looks(system.read("pratikoai", Path()), metrics)
        expected = {subject for truth in troubled.scenario.truths for subject in truth.expect}
        assert expected - seen.bad - seen.told == set()
        assert {each for each in seen.told if not each.startswith(("alert:", "slo:"))} <= expected

    def test_what_was_planted_is_named_and_nothing_else(self, troubled):
        found = {finding.subject for finding in reported(troubled).report.findings}
        assert found == {subject for truth in troubled.scenario.truths for subject in truth.expect}
        assert len(found) >= 6

    def test_each_finding_says_what_was_planted(self, troubled):
        findings = {
            finding.subject: f"{finding.title} {finding.detail} {finding.explains}"
            for finding in reported(troubled).report.findings
        }
        said = 0
        for truth in troubled.scenario.truths:
            for words in truth.says:
                assert any(words in findings[subject] for subject in truth.expect), f"{truth.what}: {words}"
                said += 1
        assert said >= 6

    def test_the_vanished_metric_is_a_gap_and_makes_the_report_partial(self, troubled):
        report = reported(troubled).report
        assert not report.complete
        assert [gap.source for gap in report.gaps] == ["No data: db_query_duration_seconds"]

    def test_all_four_formats_tell_the_same_findings(self, troubled):
        report = reported(troubled).report
        rendered = render(report)
        assert rendered.failures == {}
        page, text = (plain(rendered.files[f"report.{kind}"].decode()) for kind in ("html", "txt"))
        document = json.loads(rendered.files["report.json"])
        assert [item["title"] for item in document["findings"]] == [finding.title for finding in report.findings]
        for finding in report.findings:
            assert finding.title in page
            assert finding.title in text

    def test_the_alerts_that_were_planted_are_told_with_their_times(self, troubled):
        section = next(part for part in reported(troubled).report.sections if part.id == "alerts")
        (table,) = section.blocks
        told = {
            row.name: (
                row.severity,
                row.team,
                row.firing,
                [f"{at:%H:%M}" for spell in row.spells for at in local(spell)],
            )
            for row in table.rows
        }
        # There is a sample every two minutes: the first after 11:40 is of 11:42, and tells of the minute before.
        # Imported history has no marks of staleness: the last one, of 19:30, is served for five minutes.
        assert told == {
            "DailyCostSpike": ("warning", "finance", True, ["11:41", "00:00"]),
            "HighLLMDailyCost": ("warning", "engineering", True, ["16:21", "00:00"]),
            "HighPaymentFailure": ("critical", "business", False, ["09:11", "19:35"]),
        }
        assert [row.name for row in table.rows] == ["DailyCostSpike", "HighLLMDailyCost", "HighPaymentFailure"]
        assert section.note.startswith("3 alerts fired in the day, 2 still at its end: 2 warning, 1 critical;")
        assert {row.week_firings for row in table.rows} == {1}

    def test_what_was_planted_is_what_changed_most(self, troubled):
        section = next(part for part in reported(troubled).report.sections if part.id == "changes")
        told = {row.indicator: row for block in section.blocks for row in block.rows}
        # The cost against the day before is explained by the cost of the day.
        planted = {"llm_cost_day", "slowest_endpoint", "costliest_user"}
        assert planted <= set(told)
        assert "cost_spike" not in told
        # Less of both at a weekend.
        assert re.search(r"rose from €[678]\d\.\d\d to at least €1[235]\d\.\d\d", told["llm_cost_day"].text)
        for name in planted:
            assert told[name].better is False, name
        # It is outside of what four earlier weeks had, which the history holds.
        assert "outside its band" in told["llm_cost_day"].remarks[0]

    def test_the_day_before_the_trouble_was_quiet(self, troubled):
        day = datetime.now(UTC).astimezone(ZoneInfo("Europe/Rome")).date() - timedelta(days=2)
        assert reported(troubled, day).report.findings == ()

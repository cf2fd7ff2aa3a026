"""Each system that ships, alive: on a quiet day nothing is found, on a troubled one what was planted and no more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsjobs import expenses, system
from opsjobs.analysis.prices import Expenses, Price, PriceTable
from opsjobs.demo.stage import Stage
from opsjobs.http import Deadline
from opsjobs.jobs import Context, costs, daily
from opsjobs.jobs.panels import ask_panels
from opsjobs.model import Quality, Status
from opsjobs.report import render
from opsjobs.sources.prometheus import Prometheus
from opsjobs.stack import Plan
from tests.conftest import connection
from tests.e2e.looks import looks
from tests.unit.report.test_render import BrokenPrinter

NAMES = [name for name in system.shipped() if name != "pratikoai"]  # which has tests of its own
PRICES = Expenses(prices=PriceTable(tuple(Price(**dict(each)) for each in expenses.shipped().prices)))
pytestmark = pytest.mark.xdist_group("systems")


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


def lived(name, scenario, binaries):
    """The report of yesterday, what was planted in it, what panels show now, what health checks saw, and last week's
    costs.
    """
    with Stage(name, scenario, now=datetime.now(UTC), binaries=binaries) as stage:
        profile = system.read(name, Path())
        day = datetime.now(ZoneInfo(profile.zone)).date() - timedelta(days=1)
        with Prometheus(connection(stage.url, timeout=30)) as metrics:
            work = {"name": name, "system": profile, "metrics": metrics, "day": day, "now": datetime.now(UTC)}
            plan = Plan(name=name, system=profile, grafana="http://localhost:3000", runbooks=profile.runbooks)
            shown = ask_panels(plan, metrics, work["now"], Deadline(120))
            seen = looks(profile, metrics)
            report = daily.run(Context(**work, deadline=Deadline(120)))
            # A week ago is in the last week that is over.
            before = work | {"day": day - timedelta(days=6)}
            spent = costs.run(Context(**before, expenses=PRICES, deadline=Deadline(120))).report
            return report, stage.scenario, shown, seen, spent


@pytest.fixture(scope="module")
def alive(name, binaries):
    return lived(name, "quiet", binaries)


@pytest.fixture(scope="module")
def quiet(alive):
    return alive[0]


@pytest.fixture(scope="module")
def in_trouble(name, binaries):
    return lived(name, "troubled", binaries)


@pytest.fixture(scope="module")
def troubled(in_trouble):
    return in_trouble[:2]


def test_on_a_quiet_day_health_checks_are_silent(alive):
    assert alive[3].told == set()


def test_a_quiet_week_costs_something_and_asks_nothing_of_anybody(alive):
    spent = alive[4]
    assert [(each.subject, each.detail) for each in spent.findings] == []
    assert [(each.source, each.reason) for each in spent.gaps] == []
    assert (spent.status, spent.complete) == (Status.OK, True) and spent.verdict.startswith("The week cost ")
    (advice,) = [section for section in spent.sections if section.id == "advice"]
    assert advice.note.startswith("Nothing is advised: no lever")


def test_what_was_planted_is_seen_by_health_checks_and_told_once(in_trouble):
    scenario, seen = in_trouble[1], in_trouble[3]
    expected = {subject for truth in scenario.truths for subject in truth.expect}
    assert expected - seen.bad - seen.told == set()
    # An alert that lasts a little longer than what it watches may stand beside it.
    assert {each for each in seen.told if not each.startswith(("alert:", "slo:"))} <= expected


def test_every_panel_of_every_dashboard_shows_something(alive):
    shown = alive[2]
    assert [(each.subject, each.text) for each in shown.remarks] == []
    assert shown.asked == shown.answered > 0


def test_on_a_quiet_day_nobody_is_needed_and_everything_is_known(quiet):
    assert [(each.subject, each.detail) for each in quiet.report.findings] == []
    assert (quiet.report.status, quiet.report.complete) == (Status.OK, True)
    assert {each.id for each in quiet.indicators if each.measurement.quality is not Quality.OK} == set()


def test_on_a_quiet_day_every_target_is_met(quiet):
    missed = [
        (each.id, each.measurement.value)
        for each in quiet.indicators
        if each.threshold.target is not None and not each.threshold.meets_target(each.measurement.value)
    ]
    assert missed == []


def test_what_a_system_has_not_is_not_shown(quiet, name):
    profile = system.read(name, Path())
    sections = {each.id for each in quiet.report.sections}
    assert ("objectives" in sections) == bool(profile.slos)
    assert not sections & {"postgresql", "redis", "sentry"}


def test_every_breakdown_has_members(quiet, name):
    broken_down = {each.id for each in system.read(name, Path()).indicators if each.spec.breakdown}
    # Where nothing was counted there is nothing to break down.
    counted = {each.id for each in quiet.indicators if each.measurement.value}
    assert {each.id for each in quiet.indicators if each.id in broken_down & counted and not each.breakdown} == set()


def test_on_a_troubled_day_what_was_planted_is_found_and_nothing_else(troubled):
    result, scenario = troubled
    assert {each.subject for each in result.report.findings} == {
        subject for truth in scenario.truths for subject in truth.expect
    }


def test_the_findings_say_what_was_planted(troubled):
    result, scenario = troubled
    for truth in scenario.truths:
        found = [each for each in result.report.findings if each.subject in truth.expect]
        said = " ".join(f"{each.title} {each.detail} {' '.join(each.explains)}" for each in found)
        assert [text for text in truth.says if text not in said] == [], truth.what


def test_the_report_comes_in_every_form(troubled):
    files = render(troubled[0].report, BrokenPrinter()).files
    for name in ("report.html", "report.txt", "report.json"):
        assert "NaN" not in files[name].decode() and "None" not in files[name].decode()

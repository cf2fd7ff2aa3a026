"""Who the money is spent on, from end to end on a real Prometheus and PostgreSQL: found, told, and by no name."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import jsonschema
import psycopg
import pytest

from opsjobs.analysis.prices import Expenses
from opsjobs.analysis.pseudonyms import pseudonym
from opsjobs.config import PostgresConnection
from opsjobs.declaration import parse
from opsjobs.errors import QueryRejected, TimedOut
from opsjobs.http import Deadline
from opsjobs.jobs import Context, costs
from opsjobs.model import Status, Window
from opsjobs.report.document import Table
from opsjobs.sources.postgres import Postgres
from opsjobs.sources.prometheus import Prometheus
from opsjobs.system import System
from opsjobs.vocabulary import names
from tests.conftest import connection, prometheus_with
from tests.contract.conftest import postgresql
from tests.contract.test_postgres import FAKED, GRANT
from tests.e2e.test_costs import MONDAY, PROFILE, ROME, WEEK, Day, costs_of, history, in_the_week
from tests.fakes import FakePostgres

pytestmark = pytest.mark.xdist_group("usage")

USAGE = """
  usage:
    sql: >-
      select who as "user", eur as amount, plan, feature from spent where day between :first and :last
    revenue: sum by (plan) (revenue_eur)
"""
WITH_USAGE = (
    PROFILE.replace("  users: {type: gauge", "  revenue_eur: {type: gauge, component: api}\n  users: {type: gauge")
    .replace("  target: 0.50\n", "  target: 20\n")
    .replace("critical: 2.50", "critical: 50\n  crisis: 100")
    + USAGE
)
MONTH = [WEEK[-1] - timedelta(days=number) for number in range(30)]
HOSTILE = {
    "ann": "ann<script>alert('ann')</script>@example.com",
    "cmd": '=cmd|"/c calc"!A1-canary',
    "two": "canary-first\nsecond",
    "long": "canary-long" * 100,
}
ID = "canary-user-{}@example.com"


def crowd(count=60, days=range(45)):
    """Users who cost 10 cents every day, the last of them without a plan: 60 of them 42 euros in a week."""
    for number in range(count):
        plan = ("free", "team", None)[number % 3]
        for ago in days:
            yield ID.format(number), WEEK[-1] - timedelta(days=ago), Decimal("0.1"), plan, ("chat", "search")[ago % 2]


def on(days, who, eur, plan="team", feature="chat"):
    return [(who, day, Decimal(eur), plan, feature) for day in days]


RUNAWAY = [*crowd(), *on(WEEK, HOSTILE["ann"], 10), *on(MONTH[7:], HOSTILE["ann"], "0.1")]


@pytest.fixture(scope="module")
def servers(binaries, tmp_path_factory):
    """A Prometheus with five weeks of costs, and a PostgreSQL with a table to fill."""
    series = history(in_the_week(Day()))
    end = Window.day(WEEK[-1], ROME).end.timestamp()
    for plan, eur in (("team", 500.0), ("free", 100.0)):
        series[f'revenue_eur{{plan="{plan}"}}'] = [(end - 60, eur), (end, eur)]
    with (
        prometheus_with(binaries, tmp_path_factory.mktemp("usage"), series) as prometheus,
        postgresql(superuser="postgres") as (url, _),
    ):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(GRANT)
            admin.execute("CREATE TABLE spent (who text, day date, eur numeric, plan text, feature text)")
            admin.execute("GRANT SELECT ON spent TO opsjobs")
        yield SimpleNamespace(prometheus=prometheus.url, postgresql=url, port=urlsplit(url).port)


@pytest.fixture
def fill(servers):
    def fill(rows):
        with psycopg.connect(servers.postgresql, autocommit=True) as admin, admin.cursor() as cursor:
            cursor.execute("TRUNCATE spent")
            with cursor.copy("COPY spent FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    return fill


@pytest.fixture
def told(servers, fill):
    """What the report of the week says of rows, or of what another database says."""

    def told(rows=(), profile=WITH_USAGE, database="real", expenses=None):
        fill(rows)
        known = PostgresConnection(
            key="k", host="127.0.0.1", port=servers.port, dbname="postgres", user="opsjobs", sslmode="prefer"
        )
        with Prometheus(connection(servers.prometheus)) as metrics:
            context = Context(
                name="shop",
                system=parse(profile, System, context=names, name="shop.yml"),
                metrics=metrics,
                day=MONDAY,
                now=Window.day(WEEK[-1], ROME).end + timedelta(hours=9),
                deadline=Deadline(60),
                postgresql=Postgres(known) if database == "real" else database,
                expenses=expenses or Expenses(),
                user=lambda user: f"<{user}>",
            )
            return costs.run(context).report

    return told


def tables(report):
    """The tables of the section by the heading of their first column: rows by their first cell."""
    (section,) = [each for each in report.sections if each.id == "usage"]
    return {
        block.columns[0]: {row.cells[0]: row.cells[1:] for row in block.rows}
        for block in section.blocks
        if isinstance(block, Table)
    }


def note(report):
    return next(each.note for each in report.sections if each.id == "usage")


def of_users(report):
    return [each for each in report.findings if each.subject.startswith(("costs:runaway", "costs:plan"))]


def test_a_quiet_month_is_told_to_the_cent_and_asks_nothing_of_anybody(told):
    report = told(crowd())
    assert (report.status, report.complete, of_users(report)) == (Status.OK, True, [])
    found = tables(report)
    month = found["The last 30 days"]
    assert (month["Users"][0], month["What they cost"][0]) == ("60", "€180.00")
    assert [month[name][0] for name in month if "of them cost at most" in name] == ["€3.00"] * 3
    assert month["The costliest one costs"][0] == "€3.00"
    assert month["Above €20.00 (target)"] == ("€0.00", "nobody")
    assert found["Plan"] == {
        "free": ("20", "€60.00", "€3.00", "€3.00", "€3.00", "€100.00", "40.0 %"),
        "team": ("20", "€60.00", "€3.00", "€3.00", "€3.00", "€500.00", "88.0 %"),
        "without a plan": ("20", "€60.00", "€3.00", "€3.00", "€3.00", "", ""),
        "In total": ("", "€180.00", "", "", "", "", ""),
    }
    assert found["Feature"]["chat"] == ("60", "€90.00", "50.0 %")
    assert len(found["User"]) == 12 and found["User"]["All others"][:2] == ("€150.00", "83.3 %")


def test_a_user_who_ran_away_is_named_with_what_to_do(told):
    report = told(RUNAWAY)
    (finding,) = [each for each in of_users(report) if "runaway" in each.subject]
    assert (report.status, report.complete) == (Status.WARNING, True)
    # 70 of 112 euros of the week, and 2.30 in the 30 days before it.
    assert finding.title == f"<{HOSTILE['ann']}> cost €70.00 in the week, 62.5 % of all"
    assert finding.detail == "€0.54 in a week of the month before; €72.30 in 30 days"
    assert "leaked" in finding.advice and finding.team.contact == "finance@example.com"
    month = tables(report)["The last 30 days"]
    assert month["Above €50.00 (critical)"] == ("€22.30", "beyond the limit, of 1 user who cost €72.30")
    assert month["Above €100.00 (crisis)"][0] == "€0.00"


def test_what_databases_and_counters_say_is_held_against_each_other(told):
    counted = Decimal(sum(sum(costs_of(Day(), day.weekday()).values()) for day in MONTH))
    found = tables(told(on(MONTH, "ann", counted / 30)))
    assert found["The last 30 days"]["What they cost"][1].endswith(", too")
    found = tables(told(on(MONTH, "ann", counted / 30 * Decimal("1.1"))))
    assert found["The last 30 days"]["What they cost"][1].endswith("here is 10.0 % more")
    found = tables(told(on(MONTH[:15], "ann", counted / 30)))
    assert found["The last 30 days"]["What they cost"][1].endswith("here is 50.0 % less")


def test_a_plan_that_costs_more_than_it_earns_is_a_finding(told):
    report = told(crowd())
    assert of_users(report) == []
    report = told([*crowd(), *on(MONTH, "ann", 30)], WITH_USAGE.replace("target: 20", "target: 2000"))
    assert [each.subject for each in of_users(report)] == ["costs:plan:team"]


def test_another_currency_counts_by_its_rate_alone(told):
    profile = f"{WITH_USAGE}    currency: USD\n"
    report = told(crowd(), profile, expenses=Expenses(rates={"USD": Decimal("0.5")}))
    assert tables(report)["The last 30 days"]["What they cost"][0] == "€90.00"
    report = told(crowd(), profile)
    assert (report.status, report.complete) == (Status.UNKNOWN, False)
    assert ("no rate from USD to EUR", "Give it in costs.rates.") in {(gap.reason, gap.advice) for gap in report.gaps}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "not one row of the last 30 days"),
        (on(MONTH[7:], "ann", 1), "not one row of the week"),
        ([*crowd(), *on(WEEK[:1], "ann", -1)], "below zero"),
        ([*crowd(), *on(WEEK[:1], "ann", "NaN")], "is NaN"),
    ],
)
def test_rows_that_leave_something_open_prove_nothing_well(told, rows, words):
    report = told(rows)
    assert (report.status, report.complete) == (Status.UNKNOWN, False)
    (gap,) = [gap for gap in report.gaps if gap.source == "Costs of users"]
    assert words in gap.reason and gap.advice


@pytest.mark.parametrize("error", [QueryRejected("rejected", advice="Correct it."), TimedOut("late", advice="Wait.")])
def test_a_database_that_does_not_say_is_a_gap(told, error):
    report = told(database=FakePostgres(FAKED, used=error))
    assert (report.status, report.complete) == (Status.UNKNOWN, False)
    assert ("Costs of users", error.message, error.advice) in {
        (gap.source, gap.reason, gap.advice) for gap in report.gaps
    }
    assert note(report).startswith("It is not known who it is spent on")


def test_without_a_database_the_report_says_so_and_is_whole(told):
    report = told(database=None)
    assert report.complete and "PostgreSQL is not configured" in note(report)


def test_without_a_past_nobody_ran_away(told):
    report = told([row for row in RUNAWAY if row[1] in WEEK])
    assert [each for each in of_users(report) if "runaway" in each.subject] == []
    assert note(report).startswith("There was no use in the 30 days before")


def test_revenue_that_is_not_one_number_for_each_plan_is_a_gap(told):
    for query, words in (("revenue_eur * 0 / 0", "no number"), ("revenue_eur > 1e9", "no plan has any")):
        report = told(crowd(), WITH_USAGE.replace("sum by (plan) (revenue_eur)", query))
        (gap,) = report.gaps
        assert gap.source == "Revenue by plan" and words in gap.reason and gap.advice


class TestOnTheCommandLine:
    def run(self, servers, folder, **known):
        (folder / "shop.yml").write_text(WITH_USAGE)
        (folder / "opsjobs.yml").write_text(
            json.dumps(
                {
                    "systems": {
                        "shop": {
                            "profile": "shop.yml",
                            "prometheus": {"url": servers.prometheus},
                            "postgresql": {"host": "127.0.0.1", "port": servers.port, "dbname": "postgres"},
                            "costs": known,
                        }
                    },
                    "storage": {"root": "state"},
                }
            )
        )
        done = subprocess.run(
            [sys.executable, "-m", "opsjobs", "costs", "--week", "2026-W46"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr
        return done

    def files(self, folder):
        return {path.suffix: path for path in (folder / "state/reports/shop/costs/2026-W46").iterdir()}

    def test_no_file_and_no_line_has_a_user_by_name(self, servers, fill, tmp_path):
        rows = [*RUNAWAY, *(row for who in HOSTILE.values() for row in on(MONTH, who, 1))]
        fill([*rows, *on(MONTH, None, 1)])
        done = self.run(servers, tmp_path)
        assert done.returncode == 0, done.stderr
        key = tmp_path / "state/pseudonyms.key"
        assert key.stat().st_mode & 0o777 == 0o600
        ann = pseudonym(bytes.fromhex(key.read_text()), "shop", HOSTILE["ann"])
        files = self.files(tmp_path)
        document = json.loads(files[".json"].read_text())
        jsonschema.validate(document, json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text()))
        assert f"costs:runaway:{ann}" in {each["subject"] for each in document["findings"]}
        assert f"{ann} cost €77" in files[".txt"].read_text() and ann in files[".html"].read_text()
        written = {
            path: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file() and path != key
        }
        assert len(written) >= 6, "the reports and the ledger"
        said = {**written, "stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
        for where, content in said.items():
            for word in (b"canary", b"alert('ann", b"cmd|", b"ann<", b"ann&lt;", key.read_text().strip().encode()):
                assert word not in content, (where, word)
        again = self.run(servers, tmp_path)
        assert again.returncode == 0 and ann in self.files(tmp_path)[".json"].read_text(), "it is stable"

    def test_names_are_told_where_the_configuration_says_so(self, servers, fill, tmp_path):
        fill([*RUNAWAY, *(row for who in HOSTILE.values() for row in on(MONTH, who, 1))])
        done = self.run(servers, tmp_path, users="named")
        assert done.returncode == 0, done.stderr
        files = self.files(tmp_path)
        html = files[".html"].read_text()
        assert "<script>alert" not in html and "ann&lt;script&gt;" in html
        document = json.loads(files[".json"].read_text())
        (users,) = [
            block
            for section in document["sections"]
            for block in section["blocks"]
            if block["kind"] == "table" and block["columns"][0] == "User"
        ]
        told = {row["cells"][0] for row in users["rows"]}
        assert {HOSTILE["ann"], HOSTILE["cmd"], "canary-first second"} <= {
            each.rpartition(" (user-")[0] for each in told
        }
        assert all(len(each) <= 256 for each in told)
        # What is remembered is under a pseudonym.
        ledger = b"".join(path.read_bytes() for path in (tmp_path / "state").glob("ledger.db*"))
        assert b"limit a use that nobody planned" in ledger and b"canary" not in ledger

    def test_a_key_that_others_may_read_names_nobody(self, servers, fill, tmp_path):
        fill(RUNAWAY)
        key = tmp_path / "state/pseudonyms.key"
        key.parent.mkdir()
        key.write_text("00" * 32)
        key.chmod(0o644)
        done = self.run(servers, tmp_path)
        text = " ".join(self.files(tmp_path)[".txt"].read_text().split())
        assert done.returncode == 3 and "others may read it" in text and "chmod 600" in text
        assert "canary" not in text

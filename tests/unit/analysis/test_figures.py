"""Indicators that come from databases: through the daily job, on stores that say what each test plants."""

from datetime import UTC, datetime, timedelta

import pytest

from opsjobs.declaration import parse
from opsjobs.errors import AccessDenied, ConfigError, Unreachable
from opsjobs.model import Answer, Quality, Sample, Series, Status
from opsjobs.report import render
from opsjobs.system import System
from opsjobs.vocabulary import names
from tests.contract.test_postgres import FAKED as POSTGRES
from tests.contract.test_redis import FAKED as REDIS
from tests.fakes import FakePostgres, FakeRedis
from tests.unit.analysis.test_findings import Shop, report, told
from tests.unit.report.test_render import BrokenPrinter
from tests.unit.shop import DAY, PROFILE

INDICATORS = """
      sales:
        {title: Sales, sql: 'select sum(eur) from paid where day = :day', unit: EUR, healthy: above, warning: 50,
         breakdown: {by: plan, sql: 'select plan, sum(eur) from paid where day = :day group by plan'}}
      refunds: {title: Refunds, sql: 'select sum(eur) from refunds where day = :day', unit: EUR, healthy: below}
      visits: {title: Visits, redis: 'GET visits:{day}', unit: count, healthy: above, warning: 10, summary: sum}
"""
TEXT = PROFILE + INDICATORS.removeprefix("\n")


def store(fake, said, values, breakdown=()):
    """A store that knows values by the days before the day; `breakdown` has those of members."""

    def canned(question):
        end = question.window.end.timestamp()
        if "plan" in question.query:
            rows = [Series(labels={"plan": name}, samples=(Sample(end, value),)) for name, value in breakdown]
            return Answer(series=tuple(rows))
        known = next((value for part, value in values.items() if part in question.query), {})
        if isinstance(known, Exception | Answer):
            return known
        value = known.get((DAY - question.window.start.date()).days, ...)
        return Answer() if value is ... else Answer(series=(Series(samples=(Sample(end, value),)),))

    return fake(said, canned)


EVERY_DAY = dict.fromkeys(range(29), 100.0)


def stores(paid=EVERY_DAY, refunds=EVERY_DAY, visits=EVERY_DAY, **known):
    tables = {"from paid": paid, "refunds": refunds}
    return {
        "postgresql": store(FakePostgres, known.get("postgresql", POSTGRES), tables, known.get("breakdown", ())),
        "redis": store(FakeRedis, known.get("redis", REDIS), {"visits": visits}),
    }


def result(name, **known):
    return next(each for each in report(Shop(), text=TEXT, **known).indicators if each.id == name)


def test_a_figure_is_valued_judged_and_compared_like_any_indicator():
    plans = [("team", 30.0), ("solo", 10.0)]
    sales = result("sales", **stores({**EVERY_DAY, 0: 40.0, 1: 80.0, 7: 60.0}, breakdown=plans))
    assert (sales.measurement.value, sales.status, sales.day_before, sales.week_before) == (40, Status.WARNING, 80, 60)
    assert [(share.name, share.value) for share in sales.breakdown] == plans
    assert [sample.value for sample in sales.series.samples[-8:]] == [60, 100, 100, 100, 100, 100, 80, 40]


def test_its_evidence_can_be_run_by_hand():
    evidence = report(Shop(), text=TEXT, **stores()).report.evidence
    shown = {each.subject: (each.source, each.query) for each in evidence}
    assert shown["indicator:sales"] == ("PostgreSQL", "select sum(eur) from paid where day = date '2026-11-18'")
    assert shown["indicator:visits"] == ("Redis", "GET visits:2026-11-18")
    assert "breakdown:sales" in shown


def test_a_healthy_day_from_three_stores_needs_nobody():
    assert told(Shop(), text=TEXT, **stores()) == []


def test_a_number_that_is_missing_is_unknown_and_never_zero():
    visits = result("visits", **stores(visits={1: 100.0}))
    assert (visits.measurement.value, visits.measurement.quality, visits.status) == (
        None,
        Quality.EMPTY,
        Status.UNKNOWN,
    )
    assert told(Shop(), text=TEXT, **stores(visits={})) == [("indicator:visits", Status.UNKNOWN, ())]


def test_a_store_that_is_down_explains_all_its_indicators_once():
    down = Unreachable("PostgreSQL at db.example.com:5432 cannot be reached: no route", advice="Check that it runs.")
    assert told(Shop(), text=TEXT, **stores(postgresql=down)) == [
        ("source:postgresql", Status.UNKNOWN, ("Sales", "Refunds"))
    ]


def test_several_statements_that_fail_are_one_finding_of_the_store():
    denied = AccessDenied("PostgreSQL: permission denied for table paid", advice="GRANT SELECT.")
    found = report(Shop(), text=TEXT, **stores(denied, denied)).report.findings
    assert [(each.subject, each.title, each.explains) for each in found] == [
        ("source:postgresql", "2 of 2 indicators from PostgreSQL are not known", ("Sales", "Refunds"))
    ]
    assert "permission denied" in found[0].detail


def test_one_statement_that_fails_is_told_by_itself():
    denied = AccessDenied("PostgreSQL: permission denied for table paid", advice="GRANT SELECT.")
    assert told(Shop(), text=TEXT, **stores(paid=denied)) == [("indicator:sales", Status.UNKNOWN, ())]


def test_a_standby_that_lacks_a_part_of_the_day_proves_nothing():
    weak = Answer(series=(Series(samples=(Sample(0, 100.0),)),), warnings=("the standby has only what was written",))
    sales = result("sales", **stores(paid=weak))
    assert (sales.measurement.quality, sales.status) == (Quality.PARTIAL, Status.UNKNOWN)


def test_several_rows_are_no_number():
    both = Answer(series=(Series(samples=(Sample(0, 1.0),)),) * 2)
    assert result("sales", **stores(paid=both)).measurement.reason == "it gave 2 rows where one is due"


def test_nan_is_no_number():
    assert result("sales", **stores(paid={0: None})).measurement.quality is Quality.NAN


def test_a_total_of_a_day_that_goes_on_does_not_prove_too_little():
    early = datetime(2026, 11, 18, 8, tzinfo=UTC)
    shop = report(Shop(), text=TEXT, now=early, **stores(visits={**EVERY_DAY, 0: 3.0}))
    rows = [row for section in shop.report.sections if section.id == "group-shop" for row in section.blocks[0].rows]
    assert next(row for row in rows if row.id == "visits").status is Status.UNKNOWN


def test_without_prometheus_the_figures_are_still_told():
    silent = Unreachable("Prometheus cannot be reached", advice="Start it.")
    made = report(canned=lambda _: silent, text=TEXT, **stores(visits={**EVERY_DAY, 0: 1.0})).report
    assert [(each.subject, each.status) for each in made.findings] == [
        ("source:prometheus", Status.UNKNOWN),
        ("indicator:visits", Status.WARNING),
    ]
    assert made.verdict == "No component and only 3 of 8 indicators are known: Prometheus could not be asked."


def test_what_the_ledger_remembers_is_not_asked_again():
    past = {"visits": {DAY - timedelta(weeks=week): 100.0 for week in (2, 3, 4)}}
    asked = stores(visits={**EVERY_DAY, 0: 500.0})
    made = report(Shop(), text=TEXT, past=past, **asked).report
    days = [question.window.start.date() for question in asked["redis"].asked]
    assert not set(past["visits"]) & set(days) and len(days) == 8
    assert b"outside its band" in render(made, BrokenPrinter()).files["report.txt"]


def test_the_day_is_asked_first_and_the_days_only_for_the_spark_line_last():
    asked = stores()
    report(Shop(), text=TEXT, **asked)
    windows = [(DAY - question.window.start.date()).days for question in asked["postgresql"].asked]
    assert windows == [0, 0, 0, 1, 1, 7, 7, 14, 14, 21, 21, 28, 28, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def test_hostile_names_of_members_are_text_everywhere():
    nasty = [("<script>alert(1)</script>", 1.0), ("a\u202eb\n", 2.0)]
    files = render(report(Shop(), text=TEXT, **stores(breakdown=nasty)).report, BrokenPrinter()).files
    assert b"<script>alert" not in files["report.html"]
    assert all("\u202e".encode() not in content for content in files.values())


def read(text):
    return parse(text, System, context=names, name="shop.yml")


@pytest.mark.parametrize(
    ("indicator", "why"),
    [
        ("{title: X, sql: 'drop table x', unit: EUR, healthy: above}", "begins with SELECT"),
        ("{title: X, redis: 'GET x', unit: EUR, healthy: above}", "which day"),
        ("{title: X, unit: EUR, healthy: above}", "give either query, or numerator and denominator; or sql, or redis"),
        ("{title: X, sql: 'select :day', for: 5m, unit: EUR, healthy: above}", "needs points within a day"),
        ("{title: X, sql: 'select :day', breakdown: {by: y}, unit: EUR, healthy: above}", "give a query, sql or redis"),
    ],
)
def test_what_cannot_be_asked_is_a_fault_of_the_profile(indicator, why):
    with pytest.raises(ConfigError) as caught:
        read(f"{PROFILE}      x: {indicator}\n")
    assert why in str(caught.value)


def test_an_indicator_is_asked_of_the_store_that_is_preferred_where_it_says_how():
    both = "{title: X, query: orders, sql: 'select :day', redis: 'GET x:{day}', unit: EUR, healthy: above}"
    shop = read(f"{PROFILE}      x: {both}\n")
    found = [
        {each.id: each.spec.store for each in shop.preferring(store).indicators}
        for store in ("prometheus", "postgresql", "redis")
    ]
    assert [each["x"] for each in found] == ["prometheus", "postgresql", "redis"]
    assert {each["orders"] for each in found} == {"prometheus"}

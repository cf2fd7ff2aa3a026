"""Indicators that databases keep, as health checks: the limits and the words of those of Prometheus."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opsjobs import statements
from opsjobs.checks import databases, indicators
from opsjobs.checks.causes import rolled_up
from opsjobs.declaration import parse
from opsjobs.errors import AccessDenied, QueryRejected, TimedOut, Unreachable
from opsjobs.model import Answer, Sample, Series, Status, Team
from opsjobs.sources import figure
from opsjobs.system import System
from opsjobs.vocabulary import names
from tests.contract.test_postgres import FAKED as POSTGRESQL
from tests.contract.test_redis import FAKED as REDIS
from tests.fakes import FakePostgres, FakeRedis
from tests.unit.checks.around import NOW, TEXT, around, looked, results

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN
STORED = """\
      sales:
        title: Sales
        sql: select sum(eur) from payments where paid_at >= :start and paid_at < :end
        unit: EUR
        healthy: above
        warning: 1000
        critical: 500
        explained_by: indicator:baskets
      refunds: {title: Refunds, sql: select count(*) from refunds where day = :day, unit: count, healthy: below}
      baskets: {title: Baskets, redis: 'HGET shop:{day} baskets', unit: count, healthy: above, warning: 10}
"""
PROFILE = parse(TEXT + STORED, System, context=names, name="shop.yml")


def says(*values, **known):
    return lambda question: Answer(series=tuple(figure(value, question.at) for value in values), **known)


def found(postgresql=None, redis=None, **known):
    return looked(databases, around(system=PROFILE, postgresql=postgresql, redis=redis, **known))


def sales(answer, facts=POSTGRESQL):
    return results(found(FakePostgres(facts, answer)))["indicator:sales"]


def told(checks):
    bad, _ = rolled_up([*results(checks).values()], Team(name=""), "")
    return [each.id for each in bad if each.status != OK]


@pytest.mark.parametrize(
    ("value", "status", "text"),
    [
        (1200, OK, "€1,200"),
        (1000, OK, "€1,000"),
        (999.99, WARNING, "€999.99, below €1,000"),
        (500, WARNING, "€500.00, below €1,000"),
        (499, CRITICAL, "€499.00, below €500"),
    ],
)
def test_a_limit_is_violated_strictly_beyond_it(value, status, text):
    seen = sales(says(value))
    assert (seen.status, seen.text, seen.value) == (status, text, value)
    assert (seen.title, seen.team.name, seen.warning, seen.critical) == ("Sales", "web", 1000, 500)
    assert seen.cause == "indicator:baskets"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(), "it gave no number for the day"),
        (Answer(series=(Series(), Series())), "it gave 2 rows where one is due"),
        (Answer(series=(Series(samples=(Sample(0.0, None),)),)), "what it gave is not a finite number"),
        (QueryRejected("no such table"), "no such table"),
    ],
)
def test_what_is_not_known_is_never_well_and_the_source_explains_it(answer, text):
    seen = sales(lambda _: answer)
    assert (seen.status, seen.text, seen.value, seen.cause) == (UNKNOWN, text, None, "source:postgresql")


def test_a_statement_that_is_refused_is_told_by_itself_with_what_to_do():
    checks = found(FakePostgres(POSTGRESQL, lambda _: AccessDenied("denied", advice="GRANT it")), FakeRedis(REDIS))
    assert told(checks) == ["indicator:sales", "indicator:baskets"]
    assert results(checks)["indicator:sales"].advice == "GRANT it"


def test_weak_evidence_can_prove_a_fault_and_never_health():
    behind = "the standby has only what was written until noon"
    assert sales(says(10, warnings=(behind,))).status is CRITICAL
    seen = sales(says(2000, warnings=(behind,)))
    assert (seen.status, seen.text) == (UNKNOWN, f"€2,000; the source warns: {behind}")


@pytest.mark.parametrize("error", [Unreachable("refused"), TimedOut("too late")])
def test_a_database_that_is_gone_is_told_once_and_not_asked_again(error):
    asked = []
    database = FakePostgres(error)
    database.figures = lambda *_: asked.append(1)
    checks = found(database, FakeRedis(REDIS, says(20)))
    assert told(checks) == ["source:postgresql"] and asked == []
    assert results(checks)["indicator:sales"].text == str(error)


def test_who_may_not_see_how_it_is_may_still_read_its_numbers():
    database = FakeRedis(REDIS, says(20))
    database.facts = lambda _: (_ for _ in ()).throw(AccessDenied("no INFO"))
    checks = results(found(FakePostgres(POSTGRESQL, says(2000)), database))
    assert (checks["indicator:baskets"].status, checks["source:redis"].status) == (OK, UNKNOWN)


def test_one_that_is_not_configured_is_told_once():
    checks = found(FakePostgres(POSTGRESQL, says(2000)))
    assert told(checks) == ["source:redis"]
    assert results(checks)["indicator:baskets"].text == "it is not configured where redis is"


def test_only_those_with_limits_are_asked_and_each_of_its_own_store():
    relational, keys = FakePostgres(POSTGRESQL, says(2000)), FakeRedis(REDIS, says(20))
    checks = results(found(relational, keys))
    (question,) = relational.asked
    assert question.query.startswith("select sum(eur)")
    assert [question.query for question in keys.asked] == ["HGET shop:{day} baskets"]
    assert "indicator:refunds" not in checks
    assert set(results(looked(indicators, around(system=PROFILE)))) == {"indicator:stock"}


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        (NOW.replace(second=30), "2026-11-17T12:59:00+01:00", "2026-11-18T12:59:00+01:00"),
        # The clocks went back: the day has 25 hours, and its date is still the one before.
        (datetime(2026, 10, 25, 23, 30, tzinfo=UTC), "2026-10-25T00:29:00+02:00", "2026-10-26T00:29:00+01:00"),
    ],
)
def test_it_is_asked_of_the_last_day_and_of_the_date_before(now, start, end):
    keys = FakeRedis(REDIS, says(20))
    found(FakePostgres(POSTGRESQL), keys, now=now)
    (question,) = keys.asked
    assert (question.window.start.isoformat(), question.window.end.isoformat()) == (start, end)
    assert question.at == question.window.end
    assert statements.command(question.query, question.window)[1] == f"shop:{start[:10]}"


def test_a_standby_that_is_as_far_behind_as_it_may_be_has_what_is_asked_for():
    relational = FakePostgres(replace(POSTGRESQL))
    found(relational, FakeRedis(REDIS))
    assert all((NOW - question.window.end).total_seconds() >= 60 for question in relational.asked)

"""How far a database grew and when it is full: only from what is remembered of that database."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import jsonschema
import pytest

from opsjobs.analysis import growth, postgresql, redis
from opsjobs.analysis.forecast import Fared, Outcome
from opsjobs.analysis.growth import Memory
from opsjobs.model import Status, Trend
from opsjobs.report import data
from tests.contract.test_postgres import FAKED as POSTGRESQL
from tests.contract.test_redis import FAKED as REDIS
from tests.fakes import FakePostgres, FakeRedis

from .test_findings import NOW, Shop, report

DAY = date(2026, 11, 19)
"""When the databases are asked."""
WEEK = timedelta(days=7)
PLACES = {"postgresql": "db:5432", "redis": "keys:6379"}
MEMORY = "redis:keys:6379:memory"


def row(result, name):
    return next(each for each in result.rows if each.id == name)


def told(result, numbers, forecasts=None, day=DAY):
    return growth.told(result, PLACES[result.id], Memory(numbers=numbers, forecasts=forecasts or {}), day)


def remembered(value, per_day, count=10, first=1):
    """What was said on some days before."""
    return {DAY - timedelta(days=number): value - per_day * number for number in range(first, count + first)}


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        ({DAY - WEEK: 1_000_000.0}, "3.0 MiB, 2.0 MiB more than a week ago"),
        ({DAY - WEEK: 5_242_880.0}, "3.0 MiB, 2.0 MiB less than a week ago"),
        ({DAY - WEEK: 3_145_728.0}, "3.0 MiB, as much as a week ago"),
        ({date(2026, 11, 14): 1_048_576.0}, "3.0 MiB, 2.0 MiB more than on 14 November"),
        ({date(2026, 11, 14): 1_048_576.0, DAY - WEEK: 3_145_728.0}, "3.0 MiB, as much as a week ago"),
        (
            {DAY - timedelta(days=6): 0.0, DAY - timedelta(days=8): 1_048_576.0},
            "3.0 MiB, 2.0 MiB more than on 11 November",
        ),
        ({}, "3.0 MiB"),
        ({DAY: 1.0}, "3.0 MiB"),
        ({DAY + WEEK: 1.0, DAY - timedelta(days=36): 1.0}, "3.0 MiB"),
    ],
)
def test_the_size_is_told_against_the_day_that_is_nearest_to_a_week_ago(earlier, said):
    result = postgresql.evaluate(replace(POSTGRESQL, size=3 << 20))
    assert row(told(result, {"postgresql:db:5432/shop:size": earlier}), "size").value == said


@pytest.mark.parametrize(
    "other", ["postgresql:db:5432/other:size", "postgresql:db2:5432/shop:size", "redis:db:5432/shop:size"]
)
def test_another_server_or_another_database_is_not_compared(other):
    result = postgresql.evaluate(replace(POSTGRESQL, size=3 << 20))
    assert row(told(result, {other: {DAY - WEEK: 1.0}}), "size").value == "3.0 MiB"


def test_tables_memory_and_keys_grow_too_and_nothing_else_does():
    result = redis.evaluate(replace(REDIS, keys=1500, memory=3 << 20, clients=5))
    earlier = {f"redis:keys:6379:{name}": {DAY - WEEK: 1200.0} for name in ("keys", "clients")}
    found = told(result, earlier)
    assert row(found, "keys").value == "1,500, 300 more than a week ago"
    assert row(found, "clients").value == row(result, "clients").value


def test_a_finding_keeps_its_title():
    facts = replace(REDIS, memory=950, memory_limit=1000, policy="noeviction")
    result = told(redis.evaluate(facts), {MEMORY: {DAY - WEEK: 900.0}})
    assert "more than a week ago" in row(result, "memory").value
    assert "week" not in result.findings[0].title


def full(numbers, memory=800, limit=1000, **known):
    facts = replace(REDIS, memory=memory, memory_limit=limit, **known)
    return row(told(redis.evaluate(facts), {MEMORY: numbers}, known.get("forecasts")), "memory")


def test_memory_is_full_where_its_line_reaches_the_limit():
    found = full(remembered(800.0, 10.0))
    assert found.forecast.days == pytest.approx(20)
    assert found.reason == "full in about 20 days (20 to 20); no earlier forecasts to hold it against"
    assert found.status is Status.OK


def test_what_does_not_count_against_the_limit_is_added_to_it():
    assert full(remembered(800.0, 10.0), memory_uncounted=100).forecast.days == pytest.approx(30)


def test_two_days_are_not_enough_and_no_number_is_given():
    found = full(remembered(800.0, 10.0, count=1))
    assert found.reason == "when it is full: not enough data"
    assert full(remembered(800.0, 10.0, count=2)).forecast.outcome is Outcome.FULL_IN


def test_without_a_limit_or_a_trend_nothing_is_said():
    assert full(remembered(800.0, 10.0), limit=0).forecast is None
    flat = full(remembered(800.0, 0.0))
    assert (flat.forecast.outcome, flat.reason) == (Outcome.NO_TREND, "")


def test_transaction_ids_are_used_up():
    facts = replace(POSTGRESQL, transaction_age=replace(POSTGRESQL.transaction_age, age=2**31 - 200_000_000))
    past = {"postgresql:db:5432/shop:age": remembered(2.0**31 - 200_000_000, 10_000_000.0)}
    found = row(told(postgresql.evaluate(facts), past), "age")
    assert "used up in about 20 days (20 to 20)" in found.reason
    assert found.status is Status.CRITICAL


def test_how_earlier_forecasts_of_a_server_fared_is_said():
    facts = replace(REDIS, memory=800, memory_limit=1000)
    line = Trend(value=730.0, low=9.0, slope=10.0, high=11.0)
    found = told(redis.evaluate(facts), {MEMORY: remembered(800.0, 10.0)}, {MEMORY: {DAY - WEEK: line}})
    assert row(found, "memory").fared == Fared(1, 1)


def test_what_is_not_known_is_neither_compared_nor_remembered():
    result = redis.evaluate(replace(REDIS, loading=True, memory=3 << 20))
    assert told(result, {MEMORY: {DAY - WEEK: 1.0}}).rows == result.rows
    assert list(growth.numbers(result, "keys:6379", DAY)) == []
    assert told(redis.evaluate(replace(REDIS, keys=None)), {}).rows


def reported(remembers=None, **redis_known):
    databases = {"postgresql": FakePostgres(POSTGRESQL), "redis": FakeRedis(replace(REDIS, **redis_known))}
    return report(Shop(), places=PLACES, memory=remembers or Memory(), **databases)


def test_a_report_remembers_the_numbers_under_the_day_when_it_asked():
    kept = {number.subject: number for number in reported().numbers}
    size = kept["postgresql:db:5432/shop:size"]
    assert (size.day, size.value, size.unit) == (NOW.date(), 8_000_000, "bytes")
    assert MEMORY in kept and not any("statement" in subject for subject in kept)


def test_the_sections_of_a_report_tell_growth_and_its_json_the_numbers():
    memory = Memory(numbers={MEMORY: remembered(800.0, 10.0)})
    result = reported(memory, memory=800, memory_limit=1000)
    schema = json.loads((Path(__file__).parents[3] / "docs/report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(data.render(result.report)))
    section = next(each for each in json.loads(data.render(result.report))["sections"] if each["id"] == "redis")
    found = next(each for each in section["blocks"][0]["states"] if each["title"] == "Memory")
    assert found["value"].endswith("70 B more than a week ago")
    assert (found["number"], found["unit"]) == (800, "bytes")
    assert found["forecast"] == {
        "outcome": "full in",
        "days": pytest.approx(20),
        "earliest": pytest.approx(20),
        "latest": pytest.approx(20),
        "checked": 0,
        "held": 0,
    }
    assert [each.subject for each in result.forecasts] == [MEMORY]

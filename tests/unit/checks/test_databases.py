"""What databases say of themselves, as health checks: one for each row, and one for why rows are not known."""

from dataclasses import replace
from datetime import timedelta

from opsjobs.analysis.growth import Memory
from opsjobs.checks import databases
from opsjobs.checks.causes import rolled_up
from opsjobs.errors import Unreachable
from opsjobs.facts import Connections
from opsjobs.model import CheckResult, Status, Team
from tests.contract.test_postgres import FAKED as POSTGRESQL
from tests.contract.test_redis import FAKED as REDIS
from tests.fakes import FakePostgres, FakeRedis
from tests.unit.checks.around import NOW, around, looked, results

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN


def postgresql(**known):
    return FakePostgres(replace(POSTGRESQL, **known))


def redis(**known):
    return FakeRedis(replace(REDIS, **known))


def told(found, *others):
    bad, _ = rolled_up([*results(found).values(), *others], Team(name=""), "")
    return [each.id for each in bad if each.status != OK]


def test_each_row_is_a_check_and_all_are_well_of_servers_that_are():
    found = results(looked(databases, around(postgresql=postgresql(), redis=redis())))
    assert {each.status for each in found.values()} == {OK}
    assert set(found) >= {
        *(f"postgresql:{row}" for row in ("connecting", "connections", "transaction", "blocked", "replication")),
        *(f"postgresql:{row}" for row in ("age", "archiver", "cache", "size")),
        *(f"redis:{row}" for row in ("memory", "policy", "evicted", "rejected", "bgsave", "aof", "role", "slow")),
    }
    assert found["postgresql:connecting"].text == "20 ms"


def test_what_is_bad_is_told_with_what_to_do():
    full = postgresql(connections=Connections(used=7, usable=7, by_state={"idle": 7}))
    found = results(looked(databases, around(postgresql=full)))["postgresql:connections"]
    assert (found.status, found.text) == (CRITICAL, "7 of 7 usable (100 %), above 95 %: 7 idle")
    assert found.advice and found.cause == "component:postgresql"


def test_why_several_things_are_not_known_is_told_once():
    hidden = postgresql(connections=None, blocked=None, missing={"connections": "grant it", "blocked": "grant it"})
    found = looked(databases, around(postgresql=hidden))
    assert told(found) == ["source:postgresql"]
    source = results(found)["source:postgresql"]
    assert source.status is UNKNOWN and "grant it" in source.text and "pg_monitor" in source.advice
    assert results(found)["postgresql:blocked"].status is UNKNOWN


def test_a_redis_that_loads_is_told_once_and_is_well_in_nothing():
    found = results(looked(databases, around(redis=redis(loading=True))))
    assert {name: each.status for name, each in found.items()} == {"source:redis": UNKNOWN}
    assert found["source:redis"].title == "Redis is still loading"
    found = results(looked(databases, around(redis=redis(loading=True, bgsave_ok=False))))
    assert {name: each.status for name, each in found.items()} == {"source:redis": UNKNOWN, "redis:bgsave": CRITICAL}


def component(status):
    return CheckResult(id="component:redis", title="Redis", status=status, text="how it is")


def test_a_server_that_does_not_answer_is_explained_by_its_component_where_that_is_known_to_be_down():
    found = looked(databases, around(redis=FakeRedis(Unreachable("refused", advice="start it"))))
    assert told(found) == told(found, component(OK)) == ["source:redis"]
    assert told(found, component(CRITICAL)) == ["component:redis"]
    # A Prometheus that is gone must not hide that this one is, too.
    assert sorted(told(found, component(UNKNOWN))) == ["component:redis", "source:redis"]


def test_a_component_that_is_not_known_hides_nothing_of_what_a_server_says():
    found = looked(databases, around(redis=redis(rejected=3)))
    assert sorted(told(found, component(UNKNOWN))) == ["component:redis", "redis:rejected"]


def test_growth_is_told_from_what_daily_reports_remember_of_that_place():
    size = {"postgresql:db:5432/shop:size": {(NOW - timedelta(days=7)).date(): 6_000_000.0}}
    there = {"postgresql": postgresql(), "memory": Memory(numbers=size)}
    found = results(looked(databases, around(**there, places={"postgresql": "db:5432"})))["postgresql:size"]
    assert found.text == "7.6 MiB, 1.9 MiB more than a week ago"
    found = results(looked(databases, around(**there, places={"postgresql": "other:5432"})))["postgresql:size"]
    assert found.text == "7.6 MiB"

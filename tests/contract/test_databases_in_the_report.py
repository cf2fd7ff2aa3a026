"""The daily report with real databases: healthy, in trouble, stopped, one of them down."""

import threading
import time

import psycopg
import pytest
import redis

from opsjobs.model import Status
from opsjobs.report import render
from tests.contract.test_postgres import cluster, postgres
from tests.contract.test_redis import store
from tests.unit.analysis.test_findings import Shop, report
from tests.unit.report.test_render import BrokenPrinter


@pytest.fixture(scope="module")
def server():
    with cluster() as made:
        yield made


def subjects(result):
    return [(finding.subject, finding.status) for finding in result.report.findings]


def section(result, name):
    return next((each for each in result.report.sections if each.id == name), None)


def test_healthy_databases_have_their_sections_and_need_nobody(server, redis_real):
    with postgres(server) as relational, store(redis_real) as keys:
        result = report(Shop(), postgresql=relational, redis=keys)
    assert subjects(result) == []
    assert {row.title for row in section(result, "postgresql").blocks[0].rows} >= {"Connections", "Cache hits"}
    assert {row.title for row in section(result, "redis").blocks[0].rows} >= {"Memory", "Evicted keys"}
    files = render(result.report, BrokenPrinter()).files
    for name in ("report.html", "report.txt", "report.json"):
        assert "usable" in files[name].decode()


def test_without_databases_there_are_no_sections():
    result = report(Shop())
    assert section(result, "postgresql") is section(result, "redis") is None


def test_a_database_that_is_down_is_a_gap_and_costs_the_rest_nothing(server):
    with postgres(server, port=1) as relational:
        result = report(Shop(), postgresql=relational)
    assert subjects(result) == [("source:postgresql", Status.UNKNOWN)]
    assert not result.report.complete
    assert [gap.source for gap in result.report.gaps] == ["PostgreSQL could not be asked"]
    assert len(result.indicators) == 5


def test_a_transaction_that_blocks_another_is_found(server):
    with psycopg.connect(server.url) as holder, psycopg.connect(server.url) as waiting:
        holder.execute("CREATE TABLE IF NOT EXISTS locked (x int)")
        holder.commit()
        holder.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        waiting.execute("SET lock_timeout = '20s'")
        blocked = threading.Thread(target=lambda: waiting.execute("SELECT * FROM locked"), daemon=True)
        blocked.start()
        time.sleep(1)
        with postgres(server) as relational:
            result = report(Shop(), postgresql=relational)
        rows = {row.title: row for row in section(result, "postgresql").blocks[0].rows}
        assert rows["Blocked sessions"].value.startswith("1")
        holder.rollback()
        blocked.join(10)
        waiting.rollback()


def test_a_redis_at_its_limit_that_evicts_nothing_is_critical(redis_real):
    with store(redis_real) as keys, redis.Redis(port=redis_real.port) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", str(int(client.info("memory")["used_memory"] * 1.02)))
        try:
            result = report(Shop(), redis=keys)
        finally:
            client.config_set("maxmemory", "0")
    assert ("redis:memory", Status.CRITICAL) in subjects(result)

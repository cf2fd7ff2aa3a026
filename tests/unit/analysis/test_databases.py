from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsjobs.analysis import postgresql as postgresql_rows
from opsjobs.analysis import redis as redis_rows
from opsjobs.errors import Unreachable
from opsjobs.facts import (
    Archiver,
    Blocked,
    Cache,
    Connections,
    RedisReplica,
    Replica,
    Replication,
    Slot,
    Statement,
    Table,
    Transactions,
)
from opsjobs.model import Status, Team
from tests.contract.test_postgres import FAKED as POSTGRESQL
from tests.contract.test_redis import FAKED as REDIS

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN
NOW = POSTGRESQL.at
HOUR = timedelta(hours=1)


def row(result, name):
    return next(each for each in result.rows if each.id == name)


def postgresql(**known):
    return postgresql_rows.evaluate(replace(POSTGRESQL, **known))


def redis(**known):
    return redis_rows.evaluate(replace(REDIS, **known))


def subjects(result):
    return [(finding.subject, finding.status) for finding in result.findings]


def test_a_healthy_server_has_rows_and_no_findings():
    for result in (postgresql(), redis()):
        assert result.findings == () and result.gap is None
        assert {each.status for each in result.rows} == {OK}
        assert len({each.id for each in result.rows}) == len(result.rows)
        assert all(each.value for each in result.rows)


@pytest.mark.parametrize(("judge", "name"), [(postgresql_rows.evaluate, "postgresql"), (redis_rows.evaluate, "redis")])
def test_a_server_that_is_down_is_a_gap_and_unknown(judge, name):
    result = judge(Unreachable("It cannot be reached", advice="Check that it runs."), team=Team(name="data"))
    assert result.rows == ()
    assert (result.gap.reason, result.gap.advice) == ("It cannot be reached", "Check that it runs.")
    (finding,) = result.findings
    assert (finding.subject, finding.status) == (f"source:{name}", UNKNOWN)
    assert finding.team.name == "data" and finding.advice


@pytest.mark.parametrize(
    ("used", "status"), [(0, OK), (80, OK), (81, WARNING), (95, WARNING), (96, CRITICAL), (101, CRITICAL)]
)
def test_connections_are_held_against_what_is_usable(used, status):
    result = postgresql(connections=Connections(used=used, usable=100, by_state={"idle": used}))
    assert row(result, "connections").status is status
    assert subjects(result) == ([] if status is OK else [("postgresql:connections", status)])


@pytest.mark.parametrize(
    ("seconds", "status", "said"),
    [(0.02, OK, "20 ms"), (1.0, OK, "1.0 s"), (1.001, WARNING, "1.001 s"), (None, UNKNOWN, "no data")],
)
def test_whoever_connects_may_wait_for_a_second(seconds, status, said):
    result = postgresql(connecting=seconds)
    assert (row(result, "connecting").status, row(result, "connecting").value) == (status, said)
    if status is WARNING:
        (finding,) = result.findings
        assert finding.detail == "Above 1 s." and "pooler" in finding.advice


def test_a_server_without_a_usable_connection_is_unknown():
    result = postgresql(connections=Connections(used=3, usable=0, by_state={"idle": 3}))
    assert row(result, "connections").status is UNKNOWN


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(None, OK), (900, OK), (901, WARNING), (3600, WARNING), (3601, CRITICAL)],
)
def test_a_transaction_may_be_open_for_a_quarter_of_an_hour(seconds, status):
    pid = None if seconds is None else 77
    found = postgresql(transactions=Transactions(longest=seconds, longest_pid=pid, idle=0, longest_idle=None))
    assert row(found, "transaction").status is status
    assert ("pid 77" in row(found, "transaction").reason) == (pid is not None)


@pytest.mark.parametrize(("seconds", "status"), [(60.0, OK), (60.1, WARNING), (None, UNKNOWN)])
def test_a_session_may_wait_for_a_minute(seconds, status):
    result = postgresql(blocked=(Blocked(pid=5, by=(7, 0), waits_for="relation", seconds=seconds),))
    found = row(result, "blocked")
    assert found.status is status
    assert "pid 5 waits for relation behind pid 7, a prepared transaction" in found.reason


@pytest.mark.parametrize(
    ("hit", "read", "status"),
    [(0, 0, OK), (90_009, 10_001, OK), (90_000, 10_001, WARNING), (0, 10_000, OK), (0, 10_001, WARNING)],
)
def test_the_cache_is_judged_only_when_enough_was_read(hit, read, status):
    result = postgresql(cache=Cache(hit=hit, read=read, since=NOW - HOUR))
    assert row(result, "cache").status is status
    assert "since 1 h ago" in row(result, "cache").reason


@pytest.mark.parametrize(
    ("age", "freeze_at", "status"),
    [
        (200_000_001, 200_000_000, OK),
        (300_000_000, 200_000_000, OK),
        (300_000_001, 200_000_000, WARNING),
        (1_610_612_737, 200_000_000, CRITICAL),
        (1_610_612_737, 2_000_000_000, CRITICAL),
        (1_610_612_736, 2_000_000_000, OK),
    ],
)
def test_transactions_are_to_be_frozen_in_time(age, freeze_at, status):
    result = postgresql(transaction_age=replace(POSTGRESQL.transaction_age, age=age, freeze_at=freeze_at))
    assert row(result, "age").status is status


@pytest.mark.parametrize(
    ("seconds", "size", "status"),
    [
        (60.0, 10, OK),
        (60.5, 10, WARNING),
        (None, 100, OK),
        (None, 17 << 20, UNKNOWN),
        (None, None, UNKNOWN),
        (0.3, 31 << 20, UNKNOWN),
        (90.0, 31 << 20, WARNING),
    ],
)
def test_a_replica_may_be_a_minute_behind(seconds, size, status):
    replica = Replica(name="b", state="streaming", seconds=seconds, size=size)
    found = Replication(standby=False, streaming=False, behind=None, replicas=(replica,))
    assert row(postgresql(replication=found), "replica:b").status is status


@pytest.mark.parametrize(("behind", "status"), [(0.0, OK), (61.0, WARNING), (None, UNKNOWN)])
def test_a_standby_may_be_a_minute_behind(behind, status):
    found = Replication(
        standby=True, streaming=False, behind=behind, slots=(Slot(name="old", active=False, retained=9),)
    )
    result = postgresql(replication=found)
    assert row(result, "standby").status is status
    assert "not connected" in row(result, "standby").reason
    assert row(result, "slot:old").reason == "nobody reads it"


@pytest.mark.parametrize(
    ("on", "archived", "failed", "status"),
    [
        (False, None, None, OK),
        (True, NOW - HOUR, None, OK),
        (True, NOW - HOUR, NOW - 2 * HOUR, OK),
        (True, NOW - 2 * HOUR, NOW - HOUR, CRITICAL),
        (True, None, NOW - HOUR, CRITICAL),
        (True, None, None, UNKNOWN),
    ],
)
def test_archiving_fails_when_nothing_succeeded_since(on, archived, failed, status):
    found = Archiver(on=on, archived=1, failed=3 if failed else 0, last_archived=archived, last_failed=failed)
    assert row(postgresql(archiver=found), "archiver").status is status


def test_parts_that_are_missing_are_unknown_and_one_finding_says_why():
    hidden = {"connections": "grant it", "transactions": "grant it"}
    result = postgresql(connections=None, transactions=None, missing=hidden)
    assert row(result, "connections").status is row(result, "transactions").status is UNKNOWN
    (finding,) = result.findings
    assert (finding.subject, finding.status) == ("source:postgresql", UNKNOWN)
    assert finding.explains == ("Connections", "Transactions")
    assert "grant it" in finding.detail


def test_statistics_of_statements_need_nobody_when_they_are_not_there():
    result = postgresql(statements=None, missing={"statements": "not installed"})
    assert row(result, "statements").status is UNKNOWN
    assert result.findings == ()


def test_tables_and_statements_are_rows_of_their_own():
    result = postgresql(
        tables=(Table("public.orders", 3 << 30),),
        statements=(Statement(id="42", text="SELECT $1", calls=3, total=6.0, mean=2.0),),
    )
    assert row(result, "table:public.orders").value == "3.0 GiB"
    assert row(result, "statement:42").value == "6.0 s in all, 2.0 s on average, 3 times"
    assert row(result, "statement:42").reason == "SELECT $1"


def test_a_mighty_role_that_is_allowed_is_named_in_every_report():
    assert "SUPERUSER" in row(postgresql(privileges=("SUPERUSER",)), "role").reason


def test_the_worst_finding_is_first():
    result = postgresql(
        connections=Connections(used=85, usable=100, by_state={}),
        transactions=Transactions(longest=4000.0, longest_pid=1, idle=0, longest_idle=None),
        size=None,
    )
    assert [status for _, status in subjects(result)] == [CRITICAL, UNKNOWN, WARNING]


@pytest.mark.parametrize(
    ("used", "limit", "policy", "status"),
    [
        (10**9, 0, "noeviction", OK),
        (900, 1000, "noeviction", OK),
        (901, 1000, "noeviction", CRITICAL),
        (901, 1000, "allkeys-lru", WARNING),
        (901, None, "noeviction", UNKNOWN),
        (None, 1000, "noeviction", UNKNOWN),
    ],
)
def test_memory_is_held_against_its_limit_where_there_is_one(used, limit, policy, status):
    result = redis(memory=used, memory_limit=limit, policy=policy)
    assert row(result, "memory").status is status


def test_what_does_not_count_against_the_limit_is_left_out():
    assert row(redis(memory=1000, memory_uncounted=200, memory_limit=1000), "memory").status is OK


@pytest.mark.parametrize(
    ("known", "name", "status"),
    [
        ({"bgsave_ok": False}, "bgsave", CRITICAL),
        ({"aof": True, "aof_ok": False}, "aof", CRITICAL),
        ({"aof": True, "aof_ok": None}, "aof", UNKNOWN),
        ({"aof": False, "aof_ok": False}, "aof", OK),
        ({"role": "slave", "link_up": False, "link_down": 90.0}, "link", CRITICAL),
        ({"role": "slave", "link_up": None}, "link", UNKNOWN),
        ({"role": "slave", "link_up": True, "link_silent": 1.0}, "link", OK),
        ({"role": ""}, "role", UNKNOWN),
        ({"rejected": 1}, "rejected", WARNING),
        ({"evicted": 5}, "evicted", OK),
        ({"replicas": (RedisReplica(name="b", state="online", lag=61.0),)}, "replica:b", WARNING),
        ({"replicas": (RedisReplica(name="b", state="online", lag=None),)}, "replica:b", UNKNOWN),
        ({"policy": ""}, "policy", UNKNOWN),
        ({"loading": None}, "loading", UNKNOWN),
    ],
)
def test_what_is_wrong_with_a_redis_is_told(known, name, status):
    result = redis(**known)
    assert row(result, name).status is status
    expected = {OK: [], UNKNOWN: [("source:redis", UNKNOWN)]}.get(status, [(f"redis:{name}", status)])
    assert subjects(result) == expected


def test_of_the_slow_log_it_is_said_how_long_the_newest_took_and_when_where_that_is_known():
    assert row(redis(slow=3), "slow").reason == "entries, of as many as are kept"
    found = row(redis(slow=3, slow_at=REDIS.at - 2 * HOUR, slow_seconds=0.25), "slow")
    assert found.reason == "entries, of as many as are kept, the newest took 250 ms, 2 h ago"
    assert (found.status, found.number) == (OK, 3)


def test_nothing_is_well_of_a_redis_that_still_loads_and_what_is_wrong_stays_so():
    result = redis(loading=True, bgsave_ok=False)
    assert OK not in {each.status for each in result.rows}
    assert subjects(result) == [("redis:bgsave", CRITICAL), ("source:redis", UNKNOWN)]
    assert result.findings[1].title == "Redis is still loading"


def test_a_redis_of_which_nothing_was_read_has_no_ratio():
    assert row(redis(), "hits").value == "nothing was read"
    assert row(redis(hits=3, misses=1), "hits").value == "75.0 %"


def test_a_redis_that_says_nothing_is_well_in_nothing_that_is_judged():
    silent = redis_rows.evaluate(type(REDIS)(at=datetime.now(UTC)))
    assert {each.id for each in silent.rows if each.status is OK} == {"version"}
    assert subjects(silent) == [("source:redis", UNKNOWN)]

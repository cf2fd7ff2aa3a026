"""`opsjobs health` on a real PostgreSQL and a real Redis: in good condition, then in each bad one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from tests.contract.conftest import postgresql, redis_server, standby
from tests.contract.test_postgres import GRANT, eventually

pytestmark = pytest.mark.xdist_group("health-databases")

PROFILE = """
title: Shop
zone: UTC
teams: {web: {contact: web@example.com}}
components:
  api: {title: API, up: 'up{job="api"}', team: web}
  postgresql: {title: PostgreSQL, up: pg_up, team: web, runbook: database-down}
metrics: {pg_up: {type: gauge, component: postgresql}}
groups:
  shop:
    title: Shop
    team: web
    indicators:
      sales:
        title: Sales
        sql: select sum(eur) from payments where paid_at >= :start and paid_at < :end
        unit: EUR
        healthy: above
        warning: 100
        critical: 50
      baskets: {title: Baskets, redis: 'HGET shop:{day} baskets', unit: count, healthy: above, warning: 10}
"""
USABLE = 7
BAD = {"WARNING", "CRITICAL", "UNKNOWN"}
HASTY = """
import sys
from opsjobs.analysis import postgresql as limits
from opsjobs.cli import main
sys.modules["opsjobs.cli.health"]._PAUSE = 0.1
"""
"""The command, with a shorter pause before it looks again, and other limits: a test does not wait for an hour."""


@pytest.fixture
def look(tmp_path, servers):
    """Looks at the servers, or at others: every check by its id, and which of them were told."""

    def look(*, postgresql=servers.postgresql, redis=servers.redis, timeout=10, hasty=True, **limits):
        (tmp_path / "shop.yml").write_text(PROFILE)
        (tmp_path / "opsjobs.yml").write_text(f"""
systems:
  shop:
    profile: shop.yml
    visits: false
    prometheus: {{url: 'http://127.0.0.1:9', timeout: 0.5}}
    postgresql: {{host: 127.0.0.1, port: {urlsplit(postgresql).port}, dbname: postgres, timeout: {timeout}}}
    redis: {{host: 127.0.0.1, port: {redis.port}, timeout: {timeout}}}
storage: {{root: state}}
""")
        lowered = "\n".join(f"limits.{name} = {value}" for name, value in limits.items())
        program = ["-c", f"{HASTY}{lowered}\nmain()"] if hasty else ["-m", "opsjobs"]
        done = subprocess.run(
            [sys.executable, *program, "health", "--json"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stdout and "Traceback" not in done.stderr, done.stderr
        (system,) = json.loads(done.stdout)["systems"]
        checks = {each["id"]: SimpleNamespace(**each) for each in system["checks"]}
        return SimpleNamespace(code=done.returncode, checks=checks, told=system["told"], said=done.stdout)

    return look


def bad(seen, *, of=("postgresql", "redis", "indicator")):
    """The checks of databases that are not well, with how they are."""
    kinds = {*of, *(f"source:{name}" for name in of)}
    return {
        name: each.status
        for name, each in seen.checks.items()
        if each.status in BAD and ({name, name.partition(":")[0]} & kinds)
    }


@contextmanager
def shop(*settings):
    """A PostgreSQL with sales, that archives; its URL and its process."""
    limits = (f"max_connections={USABLE + 3}", "superuser_reserved_connections=3", "archive_mode=on")
    with postgresql([*limits, *settings], superuser="postgres") as (url, process):
        with administrator(url) as admin:
            admin.execute(GRANT)
            admin.execute("CREATE TABLE payments (paid_at timestamptz, eur numeric)")
            admin.execute("INSERT INTO payments VALUES (now() - interval '1 hour', 120)")
            admin.execute("GRANT SELECT ON payments TO opsjobs")
            archive(admin, "/bin/true")
            eventually(lambda: one(admin, "SELECT archived_count > 0 FROM pg_stat_archiver"))
        yield url, process


@contextmanager
def baskets(*options, **known):
    """A Redis with baskets."""
    with redis_server(*options, **known) as server:
        for days in (0, 1):
            # Also where the day ends meanwhile.
            server.client.hset(f"shop:{(datetime.now(UTC) - timedelta(days=days)).date()}", "baskets", 12)
        yield server


@pytest.fixture(scope="module")
def servers():
    with shop() as (url, _), baskets() as server:
        yield SimpleNamespace(postgresql=url, redis=server)


@contextmanager
def administrator(url):
    with psycopg.connect(url, autocommit=True) as admin:
        yield admin


@pytest.fixture
def admin(servers):
    with administrator(servers.postgresql) as session:
        yield session


def one(session, query, *values):
    return session.execute(query, values).fetchone()[0]


@contextmanager
def changed(admin, **settings):
    """The server with other settings."""
    try:
        for name, value in settings.items():
            admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        admin.execute("SELECT pg_reload_conf()")
        yield
    finally:
        for name in settings:
            admin.execute(f"ALTER SYSTEM RESET {name}")
        admin.execute("SELECT pg_reload_conf()")


def archive(admin, command):
    """Have a file of the log archived by that command."""
    admin.execute(f"ALTER SYSTEM SET archive_command = '{command}'")
    admin.execute("SELECT pg_reload_conf()")
    admin.execute("SELECT pg_logical_emit_message(true, 'test', 'so that there is something to archive')")
    admin.execute("SELECT pg_switch_wal()")


def test_in_good_condition_no_database_check_is_bad(look, servers):
    seen = look(hasty=False)
    assert bad(seen) == {}
    rows = ("connecting", "connections", "transaction", "blocked", "replication", "age", "cache", "archiver", "size")
    keys = ("memory", "policy", "evicted", "rejected", "bgsave", "aof", "role", "slow")
    assert {*(f"postgresql:{row}" for row in rows), *(f"redis:{row}" for row in keys)} <= set(seen.checks)
    assert "last success" in seen.checks["postgresql:archiver"].text
    assert seen.checks["indicator:sales"].text == "€120.00" and seen.checks["indicator:baskets"].text == "12"
    assert not {"source:postgresql", "source:redis"} & set(seen.checks)


# PostgreSQL.


@pytest.mark.parametrize(
    ("others", "status", "said"),
    [(5, "WARNING", "6 of 7 usable (85.7 %), above 80 %"), (6, "CRITICAL", "7 of 7 usable (100 %), above 95 %")],
)
def test_connections_that_run_out(look, servers, others, status, said):
    with ExitStack() as held:
        for _ in range(others):
            held.enter_context(closing(psycopg.connect(servers.postgresql)))
        found = look().checks["postgresql:connections"]
    assert found.status == status and said in found.text and "idle" in found.text
    assert "pooler" in found.advice


def test_connections_that_have_run_out_are_told_once(look, servers):
    with ExitStack() as held:
        for _ in range(USABLE):
            held.enter_context(closing(psycopg.connect(servers.postgresql)))
        seen = look()
    assert bad(seen) == {"source:postgresql": "UNKNOWN", "indicator:sales": "UNKNOWN"}
    assert "remaining connection slots are reserved" in seen.checks["source:postgresql"].text
    assert "max_connections" in seen.checks["source:postgresql"].advice
    assert "source:postgresql" in seen.told and "indicator:sales" not in seen.told


def test_a_server_that_lets_in_late(look, admin):
    with changed(admin, post_auth_delay=1):
        found = look().checks["postgresql:connecting"]
    assert found.status == "WARNING" and found.text.endswith(" s, above 1 s") and found.value > 1


def test_a_session_that_waits_for_a_lock(look, servers, admin):
    with psycopg.connect(servers.postgresql) as holder, psycopg.connect(servers.postgresql) as waiter:
        pids = waiter.info.backend_pid, holder.info.backend_pid
        holder.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        select = "SELECT * FROM payments /* canary */"
        thread = threading.Thread(target=waiter.execute, args=(select,))
        thread.start()
        try:
            waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND clock_timestamp() - waitstart > '1s'"
            eventually(lambda: one(admin, waits))
            seen = look(BLOCKED_WARNING=1)
        finally:
            holder.rollback()
            thread.join(10)
    found = seen.checks["postgresql:blocked"]
    assert found.status == "WARNING" and found.text.startswith("1, the longest for ")
    assert "pid {} waits for relation behind pid {}".format(*pids) in found.text
    assert found.text.endswith("longer than 1 s") and "canary" not in seen.said
    # What is asked of the table has to wait as well, and is left.
    assert seen.checks["indicator:sales"].status == "UNKNOWN"
    assert "a lock was not free within 1 s" in seen.checks["indicator:sales"].text


@pytest.mark.parametrize(("critical", "status"), [(3600, "WARNING"), (1, "CRITICAL")])
def test_a_transaction_that_was_left_open(look, servers, admin, critical, status):
    with psycopg.connect(servers.postgresql) as left:
        left.execute("SELECT 1")
        pid = left.info.backend_pid
        old = "SELECT clock_timestamp() - xact_start > '1s' FROM pg_stat_activity WHERE pid = %s"
        eventually(lambda: one(admin, old, pid))
        seen = look(TRANSACTION_WARNING=1, TRANSACTION_CRITICAL=critical)
    found = seen.checks["postgresql:transaction"]
    assert found.status == status and f"pid {pid}, longer than 1 s" in found.text
    assert "pg_terminate_backend" in found.advice
    assert seen.checks["postgresql:idle"].text.startswith("1, one for ")


def test_archiving_that_fails_and_works_again(look, admin):
    try:
        archive(admin, "/bin/false")
        eventually(lambda: one(admin, "SELECT last_failed_time > last_archived_time FROM pg_stat_archiver"))
        found = look().checks["postgresql:archiver"]
    finally:
        archive(admin, "/bin/true")
    assert found.status == "CRITICAL" and found.text.startswith("failing, last success ")
    assert "failures in all, none succeeded since" in found.text and "archive_command" in found.advice
    eventually(lambda: one(admin, "SELECT last_failed_time < last_archived_time FROM pg_stat_archiver"))
    found = look().checks["postgresql:archiver"]
    assert found.status == "OK" and "failures in all" in found.text


def test_a_standby_that_lags_from_both_sides(look):
    with shop("wal_keep_size=256MB") as (url, _), standby(url) as (follower, _):
        with administrator(url) as admin, administrator(follower) as other:
            admin.execute("INSERT INTO payments VALUES (now() - interval '1 hour', 1)")
            written = one(admin, "SELECT pg_current_wal_lsn()")
            eventually(lambda: one(other, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written))
            other.execute("SELECT pg_wal_replay_pause()")
            eventually(lambda: one(other, "SELECT pg_get_wal_replay_pause_state()") == "paused")
            admin.execute("CREATE TABLE written AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)")
            late = (
                "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"
                " AND clock_timestamp() - pg_last_xact_replay_timestamp() > '1s'"
            )
            eventually(lambda: one(other, late))
            found = look(postgresql=follower, LAG_WARNING=1).checks["postgresql:standby"]
            assert found.status == "WARNING" and found.text.endswith(" behind") and found.value > 1
            seen = look(postgresql=url)
            found = seen.checks["postgresql:replica:walreceiver"]
            assert found.status == "UNKNOWN" and "MiB of the log" in found.text
            assert "source:postgresql" in seen.told and found.id not in seen.told
            other.execute("SELECT pg_wal_replay_resume()")


def test_a_role_that_sees_only_itself_is_told_once(look, admin):
    admin.execute("REVOKE pg_monitor FROM opsjobs")
    try:
        seen = look()
    finally:
        admin.execute("GRANT pg_monitor TO opsjobs")
    hidden = {f"postgresql:{part}" for part in ("connections", "transactions", "blocked", "replication")}
    assert bad(seen) == dict.fromkeys({"source:postgresql", *hidden}, "UNKNOWN")
    assert "GRANT pg_monitor" in seen.checks["source:postgresql"].text
    assert "source:postgresql" in seen.told and not hidden & set(seen.told)


@pytest.mark.parametrize("how", ["stopped", "hangs"])
def test_a_postgresql_that_does_not_answer_is_told_once_and_never_as_well(look, how):
    with shop() as (url, process):
        if how == "stopped":
            process.send_signal(signal.SIGINT)
            process.wait(30)
        else:
            process.send_signal(signal.SIGSTOP)
        seen = look(postgresql=url, timeout=10 if how == "stopped" else 1)
    said = {"stopped": "cannot be reached: Connection refused", "hangs": "did not answer in time"}[how]
    assert bad(seen) == {"source:postgresql": "UNKNOWN", "indicator:sales": "UNKNOWN"}
    assert all(said in seen.checks[name].text for name in bad(seen))
    assert not [name for name in seen.checks if name.startswith("postgresql:")]
    assert seen.checks["indicator:sales"].cause == "source:postgresql"
    assert "source:postgresql" in seen.told and "indicator:sales" not in seen.told
    assert seen.checks["source:postgresql"].runbook == "database-down" and seen.code == 3


# Indicators that databases keep.


def test_numbers_beyond_their_limits(look, servers, admin):
    key = f"shop:{(datetime.now(UTC) - timedelta(days=1)).date()}"
    admin.execute("UPDATE payments SET eur = 49")
    servers.redis.client.hset(key, "baskets", 9)
    try:
        seen = look()
    finally:
        admin.execute("UPDATE payments SET eur = 120")
        servers.redis.client.hset(key, "baskets", 12)
    assert bad(seen) == {"indicator:sales": "CRITICAL", "indicator:baskets": "WARNING"}
    assert seen.checks["indicator:sales"].text == "€49.00, below €50"
    assert seen.checks["indicator:baskets"].text == "9, below 10"


def test_numbers_that_are_not_there_or_not_to_be_read(look, servers, admin):
    keys = [f"shop:{(datetime.now(UTC) - timedelta(days=days)).date()}" for days in (0, 1)]
    admin.execute("REVOKE SELECT ON payments FROM opsjobs")
    servers.redis.client.delete(*keys)
    try:
        seen = look()
    finally:
        admin.execute("GRANT SELECT ON payments TO opsjobs")
        for key in keys:
            servers.redis.client.hset(key, "baskets", 12)
    assert bad(seen) == {"indicator:sales": "UNKNOWN", "indicator:baskets": "UNKNOWN"}
    assert "permission denied for table payments" in seen.checks["indicator:sales"].text
    assert seen.checks["indicator:sales"].advice.startswith("GRANT SELECT on what it reads TO opsjobs")
    assert seen.checks["indicator:baskets"].text == "it gave no number for the day"
    assert {"indicator:sales", "indicator:baskets"} <= set(seen.told)


# Redis.


@pytest.mark.parametrize(
    ("policy", "status", "said"),
    [
        ("allkeys-lru", "WARNING", "above 90 %, and at the limit keys are evicted"),
        ("noeviction", "CRITICAL", "above 90 %, and at the limit writes are refused (noeviction)"),
    ],
)
def test_a_redis_at_the_limit_of_its_memory(look, policy, status, said):
    with baskets("--maxmemory-policy", policy) as server:
        server.client.config_set("maxmemory", server.client.info("memory")["used_memory"] + 200_000)
        refused = 0
        for number in range(500):
            try:
                server.client.set(f"key-{number}", "x" * 1000)
            except redis.exceptions.OutOfMemoryError:
                refused += 1
        seen = look(redis=server)
    assert bool(refused) == (policy == "noeviction")
    found = seen.checks["redis:memory"]
    assert found.status == status and said in found.text and "maxmemory" in found.advice
    assert seen.checks["redis:policy"].text == policy
    evicted = seen.checks["redis:evicted"]
    assert (evicted.value > 0, "to stay within the limit" in evicted.text) == (not refused, not refused)


def test_a_redis_that_could_not_save_and_refuses_writes(look, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    with baskets(folder=folder) as server:
        server.client.config_set("save", "3600 1")
        shutil.rmtree(folder)
        server.client.bgsave()
        eventually(lambda: server.client.info("persistence")["rdb_last_bgsave_status"] == "err")
        with pytest.raises(redis.ResponseError, match="MISCONF"):
            server.client.set("unsaved", 1)
        seen = look(redis=server)
    assert bad(seen) == {"redis:bgsave": "CRITICAL"}
    assert seen.checks["redis:bgsave"].text.startswith("failed, the last that went well, or the start: ")
    assert "disk" in seen.checks["redis:bgsave"].advice


def test_a_redis_whose_log_of_writes_cannot_be_rewritten(look, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    with baskets("--appendonly", "yes", folder=folder) as server:
        shutil.rmtree(folder)
        with pytest.raises(redis.ResponseError):
            server.client.bgrewriteaof()
        found = look(redis=server).checks["redis:aof"]
    assert found.status == "CRITICAL" and found.text == "failing, the last write or rewriting of it failed"


def test_a_redis_with_too_many_clients_and_one_that_had_them(look):
    with baskets("--maxclients", "3") as server:
        with ExitStack() as held:
            others = [held.enter_context(closing(redis.Redis(port=server.port))) for _ in range(2)]
            assert all(other.ping() for other in others)
            seen = look(redis=server)
        assert bad(seen) == {"source:redis": "UNKNOWN", "indicator:baskets": "UNKNOWN"}
        assert "takes no more clients" in seen.checks["source:redis"].text
        assert "maxclients" in seen.checks["source:redis"].advice
        assert "source:redis" in seen.told and "indicator:baskets" not in seen.told
        eventually(lambda: server.client.info("clients")["connected_clients"] == 1)
        seen = look(redis=server)
    found = seen.checks["redis:rejected"]
    assert bad(seen) == {"redis:rejected": "WARNING"}
    assert "there were too many at once" in found.text and found.value >= 1 and "CONFIG RESETSTAT" in found.advice


def test_a_replica_that_lost_its_master(look):
    with baskets("--repl-diskless-sync-delay", "0") as master:
        with redis_server("--replicaof", "127.0.0.1", str(master.port)) as replica:
            eventually(lambda: replica.client.info("replication")["master_link_status"] == "up")
            assert bad(look(redis=replica)) == {}
            master.process.kill()
            eventually(lambda: replica.client.info("replication")["master_link_status"] == "down")
            seen = look(redis=replica)
    assert bad(seen) == {"redis:link": "CRITICAL"}
    assert seen.checks["redis:link"].text.startswith("down") and "master" in seen.checks["redis:link"].advice


def test_a_redis_that_still_loads_is_told_once(look, tmp_path):
    with baskets(folder=tmp_path) as server:
        server.client.mset({f"key-{number}": "x" * 100 for number in range(60_000)})
        server.client.save()
    slowly = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    with redis_server(*slowly, folder=tmp_path, wait=False) as server:
        eventually(lambda: loading(server.client))
        seen = look(redis=server)
    assert bad(seen) == {"source:redis": "UNKNOWN", "indicator:baskets": "UNKNOWN"}
    assert "still loading" in seen.checks["source:redis"].text
    assert "source:redis" in seen.told and "indicator:baskets" not in seen.told


def loading(client):
    try:
        return client.info("persistence")["loading"]
    except redis.ConnectionError:
        return False


@pytest.mark.parametrize("how", ["stopped", "hangs"])
def test_a_redis_that_does_not_answer_is_told_once_and_never_as_well(look, how):
    with baskets() as server:
        if how == "stopped":
            server.process.kill()
            server.process.wait(30)
        else:
            server.process.send_signal(signal.SIGSTOP)
        seen = look(redis=server, timeout=10 if how == "stopped" else 1)
    said = {"stopped": "cannot be reached", "hangs": "did not answer in time"}[how]
    assert bad(seen) == {"source:redis": "UNKNOWN", "indicator:baskets": "UNKNOWN"}
    assert all(said in seen.checks[name].text for name in bad(seen))
    assert not [name for name in seen.checks if name.startswith("redis:")]
    assert "source:redis" in seen.told and "indicator:baskets" not in seen.told and seen.code == 3


def test_both_stopped_are_never_well(look):
    with shop() as (url, process), baskets() as server:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        server.process.kill()
        server.process.wait(30)
        seen = look(postgresql=url, redis=server, hasty=False)
    # Prometheus is not there, either: then nearly nothing is known, which is told once.
    assert {each.status for name, each in seen.checks.items() if name != "jobs"} == {"UNKNOWN"}
    assert seen.told == ["monitoring"] and seen.code == 3

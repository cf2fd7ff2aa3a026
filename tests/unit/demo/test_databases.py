"""A real PostgreSQL and a real Redis of the demonstration: what is in them, how they are, and that nothing stays."""

import os
import subprocess
import sys
import tempfile
import textwrap
import time
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
import redis

from opsjobs.demo import databases
from opsjobs.demo.access import Access
from opsjobs.demo.books import Books, Day, Payment, Subscription, Usage, User
from opsjobs.demo.databases import Databases
from opsjobs.demo.postgresql import PostgreSQL
from opsjobs.demo.programs import Programs
from opsjobs.demo.redis import Redis
from opsjobs.demo.scenario import STATES
from opsjobs.errors import DemoError
from tests.unit.demo import processes
from tests.unit.demo.servers import reachable, required
from tests.unit.demo.test_binaries import program
from tests.unit.demo.test_prometheus import refused

NOON = datetime(2026, 11, 20, 11, tzinfo=UTC)
TODAY = date(2026, 11, 20)
BOOKS = Books(
    users=(User("user-0001", NOON), User("user-0002", NOON)),
    subscriptions=(
        Subscription(1, "user-0001", "team", 450.0, NOON),
        Subscription(2, "user-0002", "team", 450.0, NOON, NOON),
    ),
    payments=(Payment(1, "user-0001", 9.9, "succeeded", NOON),),
    usage=(Usage("user-0001", TODAY, 0.123456),),
    days={TODAY: Day({"mrr": 450.0, "payment_success": 1.0}, {"user-0001": 0.5, "user-0002": 0.25})},
)


def postgresql(folder, *states):
    return PostgreSQL(required("PostgreSQL"), folder, states=states)


def redis_server(folder, *states):
    return Redis(required("Redis"), folder, states=states)


def asked(access, statement):
    with psycopg.connect(
        host=access.host,
        port=access.port,
        dbname=access.database,
        user=access.user,
        password=access.password,
        sslmode="disable",
    ) as session:
        return session.execute(statement).fetchall()


def client(access):
    return redis.Redis(
        host=access.host,
        port=access.port,
        username=access.user,
        password=access.password,
        decode_responses=True,
        protocol=2,
    )


def test_opsjobs_may_read_the_tables_and_no_more(tmp_path):
    with postgresql(tmp_path) as server:
        access = server.fill(BOOKS)
        assert asked(access, "SELECT count(*) FROM users") == [(2,)]
        assert asked(access, "SELECT id, cancelled_at FROM subscriptions ORDER BY id") == [(1, None), (2, NOON)]
        assert asked(access, "SELECT status, amount_eur::text FROM payments") == [("succeeded", "9.90")]
        assert asked(access, "SELECT day, cost_eur::text FROM usage_costs") == [(TODAY, "0.123456")]
        for statement in ("DELETE FROM users", "SET transaction_read_only = off; DELETE FROM users"):
            with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)):
                asked(access, statement)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host=access.host, port=access.port, dbname="postgres", user="postgres", password="x")


def test_the_statements_of_the_application_are_counted_and_not_how_it_was_filled(tmp_path):
    with postgresql(tmp_path) as server:
        access = server.fill(BOOKS)
        counted = asked(access, "SELECT query, calls FROM pg_stat_statements WHERE query LIKE 'SELECT plan%'")
        assert counted == [
            ("SELECT plan, price_eur FROM subscriptions WHERE user_id = $1 AND cancelled_at IS NULL", len(BOOKS.users))
        ]
        assert asked(access, "SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'COPY%'") == [(0,)]


def test_opsjobs_may_read_the_figures_and_no_more(tmp_path):
    with redis_server(tmp_path) as server:
        access = server.fill(BOOKS)
        with client(access) as found:
            assert found.hget(f"pratikoai:{TODAY}", "mrr") == "450.0"
            by_user = found.zrevrange(f"pratikoai:{TODAY}:cost_by_user", 0, 4, withscores=True)
            assert by_user == [("user-0001", 0.5), ("user-0002", 0.25)]
            assert found.info()["rdb_last_bgsave_status"] == "ok"
            assert found.info()["maxmemory"] == 32 << 20
            for forbidden in (lambda: found.set("pratikoai:x", 1), lambda: found.hget("other", "x"), found.flushall):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    forbidden()
        with redis.Redis(host=access.host, port=access.port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_a_password_is_in_a_file_of_this_user_alone_and_in_no_text(tmp_path):
    with redis_server(tmp_path) as server:
        access = server.fill(BOOKS)
        assert access.password_file.read_text() == access.password
        assert access.password_file.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "redis.conf").stat().st_mode & 0o777 == 0o600
        assert access.password not in repr(access)
        assert access.password not in str(processes.naming(str(tmp_path)))


def test_archiving_fails_where_a_scenario_says_so(tmp_path):
    with postgresql(tmp_path, "archiving_fails") as server:
        access = server.fill(BOOKS)
        server.bring_about()
        assert asked(access, "SELECT archived_count, failed_count > 0 FROM pg_stat_archiver") == [(0, True)]


def test_connections_are_used_where_a_scenario_says_so_and_three_are_left_for_a_report(tmp_path):
    with postgresql(tmp_path, "connections_used") as server:
        access = server.fill(BOOKS)
        server.bring_about()
        used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        ((count,),) = asked(access, used)
        assert 0.8 < count / 27 < 0.95
        assert 27 - (count - 1) >= 3


def test_the_memory_is_full_where_a_scenario_says_so(tmp_path):
    with redis_server(tmp_path, "memory_full") as server:
        access = server.fill(BOOKS)
        server.bring_about()
        with client(access) as found:
            info = found.info()
            assert 0.9 < info["used_memory"] / info["maxmemory"] < 1
            assert info["maxmemory_policy"] == "noeviction"
            assert found.hget(f"pratikoai:{TODAY}", "mrr") == "450.0"


def test_a_snapshot_fails_where_a_scenario_says_so(tmp_path):
    with redis_server(tmp_path, "snapshot_fails") as server:
        access = server.fill(BOOKS)
        server.bring_about()
        with client(access) as found:
            assert found.info()["rdb_last_bgsave_status"] == "err"


@pytest.fixture
def both(tmp_path):
    programs = {"postgresql": required("PostgreSQL"), "redis": required("Redis")}
    every = [(name, state) for name, states in STATES.items() for state in states]
    return lambda **known: Databases(
        {**programs, **known.pop("programs", {})}, tmp_path, books=BOOKS, states=known.pop("states", every)
    )


def test_every_state_can_be_had_at_once_and_nothing_stays(both, tmp_path):
    with both() as coming:
        found = coming.wait()
        assert {name: type(access) for name, access in found.items()} == {"postgresql": Access, "redis": Access}
        ((home,),) = asked(found["postgresql"], "SELECT current_database()")
        assert home == "pratikoai"
        places = [f"{access.host}:{access.port}" for access in found.values()]
        assert processes.naming(str(tmp_path))
    assert all(refused(f"http://{place}") for place in places)
    assert not processes.naming(str(tmp_path))


def test_one_that_cannot_start_is_told_and_the_other_lives(both, tmp_path):
    program(tmp_path / "broken", "redis-server", "echo 'Fatal: no luck' >&2; exit 1")
    with both(programs={"redis": Programs(folder=tmp_path / "broken")}, states=()) as coming:
        found = coming.wait()
        assert isinstance(found["postgresql"], Access)
        assert str(found["redis"]) == "Redis ended with 1 while starting: Fatal: no luck"


def test_one_whose_files_cannot_be_written_is_told(both, tmp_path):
    (tmp_path / "redis").mkdir()
    with both(states=()) as coming:
        assert str(coming.wait()["redis"]) == f"{tmp_path}/redis: File exists"


def test_without_waiting_for_them_nothing_stays_either(both, tmp_path):
    with both():
        pass
    assert not processes.naming(str(tmp_path))


def test_what_cannot_be_had_is_one_line_with_the_reason(monkeypatch):
    def missing(**_):
        raise DemoError("Redis is not installed, and there is no apt-get to get it with")

    here = Programs(folder=Path("/here"))
    monkeypatch.setattr(databases, "_OBTAIN", {"postgresql": lambda **_: here, "redis": missing})
    told = []
    assert databases.obtain(told.append) == {"postgresql": here}
    assert told == ["Going on without Redis: Redis is not installed, and there is no apt-get to get it with"]


@pytest.fixture
def temporary(monkeypatch):
    """Where temporary folders are made."""
    with reachable() as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        yield folder


def test_a_parent_that_is_killed_leaves_no_server(temporary):
    script = f"""
        import time
        from pathlib import Path, PosixPath
        from opsjobs.demo.postgresql import PostgreSQL
        from opsjobs.demo.programs import Programs
        from opsjobs.demo.redis import Redis
        folder = Path({str(temporary)!r})
        with PostgreSQL({required("PostgreSQL")!r}, folder) as one, Redis({required("Redis")!r}, folder) as two:
            print(one.port, two.port, flush=True)
            time.sleep(600)
    """
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        ports = parent.stdout.readline().split()
        assert len(ports) == 2
        assert not any(refused(f"http://127.0.0.1:{port}") for port in ports)
        parent.kill()
        parent.wait()
        assert processes.gone(str(temporary))
    assert all(refused(f"http://127.0.0.1:{port}") for port in ports)


def test_the_folder_of_postgresql_is_its_own_and_goes_with_it(temporary, tmp_path):
    with postgresql(tmp_path):
        assert processes.naming(str(temporary)) or os.geteuid() != 0
        assert [entry.name.startswith("opsjobs-demo-") for entry in temporary.iterdir()] in ([True], [])
    assert list(temporary.iterdir()) == []
    assert not processes.naming(str(temporary))


def test_somebody_who_is_still_connected_does_not_keep_it_alive(tmp_path):
    with postgresql(tmp_path) as server:
        access = server.fill(BOOKS)
        known = {"host": access.host, "port": access.port, "dbname": access.database, "user": access.user}
        session = psycopg.connect(**known, password=access.password, sslmode="disable")
        began = time.monotonic()
    assert time.monotonic() - began < 5
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()

"""What a PostgreSQL that tells how it is must do: the fake always, a real server too, healthy and not."""

import signal
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest
import trustme

from opsjobs import config
from opsjobs.config import PostgresConnection
from opsjobs.errors import AccessDenied, ConfigError, Overloaded, SourceError, TimedOut, Unreachable
from opsjobs.facts import (
    Archiver,
    Cache,
    Connections,
    PostgresFacts,
    Replication,
    TransactionAge,
    Transactions,
)
from opsjobs.http import Deadline
from opsjobs.sources.catalog import QUERIES
from opsjobs.sources.postgres import Postgres, _Asker
from tests.contract.conftest import SUPERUSER_PASSWORD, free_port, postgresql
from tests.fakes import FakePostgres

pytestmark = pytest.mark.xdist_group("postgresql")

PASSWORD = "canary-of-the-looker"
GRANT = (files("opsjobs.sources") / "grant.sql").read_text("utf-8")
PARTS = {
    "connecting",
    "size",
    "tables",
    "connections",
    "transactions",
    "blocked",
    "cache",
    "statements",
    "replication",
    "transaction_age",
    "archiver",
}
FAKED = PostgresFacts(
    version="15.18",
    at=datetime.now(UTC),
    database="shop",
    connecting=0.02,
    size=8_000_000,
    tables=(),
    connections=Connections(used=1, usable=7, by_state={"active": 1}),
    transactions=Transactions(longest=None, longest_pid=None, idle=0, longest_idle=None),
    blocked=(),
    cache=Cache(hit=99, read=1, since=None),
    statements=(),
    replication=Replication(standby=False, streaming=False, behind=None),
    transaction_age=TransactionAge(database="shop", age=10, freeze_at=200_000_000),
    archiver=Archiver(on=False, archived=0, failed=0, last_archived=None, last_failed=None),
)


@contextmanager
def cluster(*settings):
    """A cluster as a careful operator has it: passwords, TLS, statistics of statements, the role of the script."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    kept = {"key": certificate.private_key_pem.bytes(), "cert": certificate.cert_chain_pems[0].bytes()}
    settings = (
        "max_connections=10",
        "superuser_reserved_connections=3",
        "shared_preload_libraries=pg_stat_statements",
        "ssl=on",
        "ssl_cert_file=FOLDER/cert",
        "ssl_key_file=FOLDER/key",
        *settings,
    )
    with postgresql(settings, authentication="scram-sha-256", files=kept, superuser="postgres") as (url, process):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(GRANT)
            admin.execute(f"ALTER ROLE opsjobs PASSWORD '{PASSWORD}'")
            admin.execute("CREATE EXTENSION pg_stat_statements")
        yield SimpleNamespace(url=url, port=urlsplit(url).port, process=process, authority=authority)


@pytest.fixture(scope="module")
def server():
    with cluster("archive_mode=on", "archive_command=/bin/false") as made:
        yield made


@pytest.fixture
def admin(server):
    with psycopg.connect(server.url, autocommit=True) as session:
        yield session


def postgres(server, **known):
    given = {"key": "systems.shop.postgresql", "host": "127.0.0.1", "port": server.port, "dbname": "postgres"}
    given |= {"user": "opsjobs", "password": PASSWORD, "sslmode": "prefer", **known}
    return Postgres(PostgresConnection(**given))


def ask(server, seconds=20, **known):
    with postgres(server, **known) as database:
        return database.facts(Deadline(seconds))


def refused(server, kind=SourceError, seconds=20, **known):
    with pytest.raises(kind) as caught:
        ask(server, seconds, **known)
    said = repr(caught.value) + caught.value.advice
    assert "canary" not in said
    assert "systems.shop.postgresql" in caught.value.advice or type(caught.value) in {Overloaded, TimedOut}
    return caught.value


@contextmanager
def role(admin, name, options="", *grants):
    admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'canary-{name}' {options}")
    try:
        for grant in grants:
            admin.execute(f"GRANT {grant} TO {name}")
        yield {"user": name, "password": f"canary-{name}"}
    finally:
        admin.execute(f"DROP ROLE {name}")


def eventually(what):
    for _ in range(200):
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that in 10 s")


@pytest.fixture(params=["fake", "real"])
def database(request):
    if request.param == "fake":
        yield FakePostgres(FAKED)
    else:
        with postgres(request.getfixturevalue("server")) as real:
            yield real


def test_a_healthy_server_tells_each_part(database):
    facts = database.facts(Deadline(20))
    assert database.name == "PostgreSQL"
    assert facts.missing == {} and facts.privileges == ()
    assert {part for part in PARTS if getattr(facts, part) is None} == set()
    assert int(facts.version.split(".")[0]) >= 13
    assert abs(facts.at - datetime.now(UTC)) < timedelta(minutes=5)
    assert facts.size > 1_000_000
    assert 0 < facts.connecting < 20
    assert facts.connections.usable == 7
    assert facts.connections.used == sum(facts.connections.by_state.values()) >= 1
    assert facts.blocked == () and not facts.replication.standby
    assert 0 < facts.cache.ratio <= 1
    assert 0 < facts.transaction_age.age < facts.transaction_age.freeze_at


def test_without_time_it_is_a_time_out(database):
    with pytest.raises(TimedOut):
        database.facts(Deadline(0))


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_a_server_that_is_down_is_unreachable(kind):
    nowhere = SimpleNamespace(port=free_port())
    database = FakePostgres(Unreachable("PostgreSQL cannot be reached")) if kind == "fake" else postgres(nowhere)
    with pytest.raises(Unreachable, match="cannot be reached"):
        database.facts(Deadline(5))


def test_the_words_of_a_server_that_is_down_are_those_of_the_system():
    error = refused(SimpleNamespace(port=free_port()), Unreachable)
    assert error.message.endswith("cannot be reached: Connection refused")


def test_a_name_that_nobody_has_is_unreachable_and_no_part_of_the_password_is_told():
    error = refused(SimpleNamespace(port=5432), Unreachable, host="nowhere.invalid", password="canary@tail:x")
    assert "tail" not in str(error)


def test_a_superuser_is_refused_unless_the_configuration_allows_it(server):
    mighty = {"user": "postgres", "password": SUPERUSER_PASSWORD}
    error = refused(server, **mighty)
    assert "may do more than look: SUPERUSER" in str(error)
    assert "allow_superuser" in error.advice
    assert ask(server, **mighty, allow_superuser=True).privileges == ("SUPERUSER",)


@pytest.mark.parametrize(
    ("options", "grants", "said"),
    [
        ("CREATEROLE", (), "CREATEROLE"),
        ("BYPASSRLS REPLICATION", (), "REPLICATION, BYPASSRLS"),
        ("", ("pg_write_server_files",), "member of pg_write_server_files"),
        ("NOINHERIT", ("pg_execute_server_program",), "member of pg_execute_server_program"),
        ("NOINHERIT", ("postgres",), "member of postgres (SUPERUSER"),
    ],
)
def test_a_role_that_can_become_mighty_is_refused_too(server, admin, options, grants, said):
    with role(admin, "mighty", options, *grants) as who:
        assert said in str(refused(server, **who))


def test_the_role_of_the_script_may_look_and_do_no_more_even_in_a_session_that_may_write(server, admin):
    admin.execute("CREATE TABLE IF NOT EXISTS secrets AS SELECT 'canary' AS secret")
    with psycopg.connect(
        host="127.0.0.1", port=server.port, dbname="postgres", user="opsjobs", password=PASSWORD, autocommit=True
    ) as session:
        session.execute("SET default_transaction_read_only = off")
        for attempt in (
            "CREATE TABLE mine ()",
            "SELECT * FROM secrets",
            "DELETE FROM secrets",
            "SELECT pg_read_file('PG_VERSION')",
            "SELECT lo_import('/etc/passwd')",
            "COPY (SELECT 1) TO '/tmp/opsjobs-never'",
            "COPY (SELECT 1) TO PROGRAM 'cat'",
            "CREATE ROLE other",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(attempt)
        row = session.execute(
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls, rolconnlimit,"
            " ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid)"
            " FROM pg_roles r WHERE rolname = 'opsjobs'"
        ).fetchone()
        assert row == (False, 3, ["pg_monitor"])


def test_a_role_that_sees_only_itself_is_told_so_and_nothing_is_taken_for_well(server, admin):
    with role(admin, "blind") as who:
        facts = ask(server, **who)
    assert set(facts.missing) >= {"connections", "transactions", "blocked", "replication"}
    assert "GRANT pg_monitor" in facts.missing["transactions"]
    assert facts.connections is facts.transactions is facts.blocked is facts.replication is None
    assert facts.size and facts.cache


def test_nothing_can_be_written_in_its_session_and_a_second_statement_is_not_taken(server):
    database = postgres(server, user="postgres", password=SUPERUSER_PASSWORD)
    with database._connected(Deadline(20)) as session:
        asker = _Asker(session)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            asker.rows("CREATE TABLE written ()")
        with pytest.raises(psycopg.errors.SyntaxError, match="multiple commands"):
            asker.rows("SELECT 1; SET transaction_read_only = off")
        names = ("statement_timeout", "lock_timeout", "application_name", "search_path", "transaction_read_only")
        shown = [asker.one(f"SHOW {name}")[name] for name in names]
        assert shown == ["5s", "1s", "opsjobs", "pg_catalog", "on"]
        assert asker.one("SHOW idle_in_transaction_session_timeout") != {"idle_in_transaction_session_timeout": "0"}


def test_every_statement_only_selects():
    for name, query in QUERIES.items():
        assert query.strip().startswith("SELECT"), name
        assert ";" not in query, name


def test_what_lies_in_the_schemas_of_others_is_not_asked(server, admin):
    admin.execute("CREATE FUNCTION public.pg_database_size(name) RETURNS bigint LANGUAGE sql AS 'SELECT 666::bigint'")
    try:
        assert ask(server).size > 1_000_000
    finally:
        admin.execute("DROP FUNCTION public.pg_database_size(name)")


def test_a_table_that_is_locked_costs_one_part_and_no_more(server, admin):
    admin.execute("CREATE TABLE locked AS SELECT generate_series(1, 100) AS x")
    with psycopg.connect(server.url) as other:
        other.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        facts = ask(server)
    assert facts.missing == {"tables": "a lock was not free within 1 s"}
    assert facts.tables is None and facts.size and facts.statements is not None
    assert "public.locked" in {table.name for table in ask(server).tables}


@contextmanager
def slow_database(server):
    """A database in which the statistics of statements take half a minute."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE slow")
        with psycopg.connect(server.url.removesuffix("postgres") + "slow", autocommit=True) as inside:
            inside.execute("CREATE EXTENSION pg_stat_statements")
            inside.execute("ALTER EXTENSION pg_stat_statements DROP VIEW pg_stat_statements")
            inside.execute("DROP VIEW pg_stat_statements")
            inside.execute(
                "CREATE VIEW pg_stat_statements AS SELECT s.* FROM pg_sleep(30), pg_stat_statements(true) AS s"
            )
            inside.execute("GRANT SELECT ON pg_stat_statements TO PUBLIC")
        yield
        admin.execute("DROP DATABASE slow WITH (FORCE)")


def test_a_statement_that_takes_too_long_is_ended_by_the_server_and_the_others_go_on(server):
    with slow_database(server):
        facts = ask(server, dbname="slow")
        assert facts.missing == {"statements": "it took longer than 5 s"}
        assert facts.connections and facts.tables is not None
        started = time.monotonic()
        refused(server, TimedOut, seconds=1.5, dbname="slow")
        assert time.monotonic() - started < 3


def test_a_server_that_hangs_is_left_at_the_deadline(server):
    server.process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        error = refused(server, TimedOut, seconds=1)
        assert time.monotonic() - started < 3
        assert "systems.shop.postgresql.timeout" in error.advice
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_server_that_ends_in_the_middle_is_unreachable():
    with cluster() as server, slow_database_that_dies_with(server):
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(refused(server, Unreachable, dbname="slow")))
        thread.start()
        with psycopg.connect(server.url, autocommit=True) as watching:
            eventually(
                lambda: watching.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename = 'opsjobs'"
                ).fetchone()
            )
        server.process.send_signal(signal.SIGINT)
        thread.join(20)
        assert len(outcome) == 1


@contextmanager
def slow_database_that_dies_with(server):
    making = slow_database(server)
    making.__enter__()
    yield
    with pytest.raises(psycopg.OperationalError):
        making.__exit__(None, None, None)


def test_a_server_without_a_free_connection_says_so(server):
    with_all = [psycopg.connect(server.url) for _ in range(8)]
    try:
        error = refused(server, Overloaded)
        assert "remaining connection slots are reserved" in str(error)
        assert "max_connections" in error.advice
    finally:
        for session in with_all:
            session.close()


def test_it_says_how_long_it_took_until_it_let_us_in(server, admin):
    admin.execute("ALTER SYSTEM SET post_auth_delay = 1")
    admin.execute("SELECT pg_reload_conf()")
    try:
        found = eventually(lambda: (found := ask(server).connecting) > 1 and found)
    finally:
        admin.execute("ALTER SYSTEM RESET post_auth_delay")
        admin.execute("SELECT pg_reload_conf()")
    assert 1 < found < 20


def test_connections_are_counted_by_state(server):
    with psycopg.connect(server.url) as idle:
        idle.execute("SELECT 1")
        found = ask(server).connections
    assert found.by_state["idle in transaction"] == 1
    assert found.by_state["active"] == 1


def test_a_transaction_that_is_left_open_is_seen_with_its_age(server):
    with psycopg.connect(server.url) as left:
        left.execute("SELECT 1")
        time.sleep(0.3)
        found = ask(server).transactions
        assert found.longest_pid == left.info.backend_pid
    assert found.longest >= 0.3 and found.idle == 1 and found.longest_idle >= 0.2


def test_a_session_that_waits_is_seen_with_who_holds_it_up_and_without_what_it_runs(server, admin):
    admin.execute("CREATE TABLE IF NOT EXISTS held AS SELECT 1 AS x")
    with psycopg.connect(server.url) as holder, psycopg.connect(server.url) as waiter:
        holder.execute("UPDATE held SET x = 2")

        def wait():
            waiter.execute("UPDATE held SET x = 3 /* canary-text */")

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            facts = eventually(lambda: (found := ask(server, show_queries=True)).blocked and found)
        finally:
            holder.rollback()
            thread.join(10)
        (blocked,) = facts.blocked
        assert blocked.pid == waiter.info.backend_pid
        assert blocked.by == (holder.info.backend_pid,)
        assert 0 <= blocked.seconds < 15
        assert blocked.waits_for == "transactionid"
        assert "canary-text" not in repr(facts)


def test_a_wrong_password_is_told_without_it(server):
    error = refused(server, AccessDenied, password="canary-that-is-wrong")
    assert "password authentication failed" in str(error)


def test_no_password_is_not_filled_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=0")
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.2")
    monkeypatch.setenv("PGSSLMODE", "disable")
    refused(server, AccessDenied, password="")
    assert ask(server, sslmode="require").size


def test_a_database_or_a_role_that_is_not_there_is_told(server):
    assert "nosuch" in str(refused(server, AccessDenied, dbname="nosuch"))
    refused(server, AccessDenied, user="nosuch", password="x")


def test_a_certificate_is_verified(server, tmp_path):
    authority, stranger = tmp_path / "ca.pem", tmp_path / "stranger.pem"
    server.authority.cert_pem.write_to_path(str(authority))
    trustme.CA().cert_pem.write_to_path(str(stranger))
    verified = {"host": "localhost", "sslmode": "verify-full"}
    assert ask(server, **verified, ca_file=str(authority)).size
    assert "ca_file" in refused(server, **verified, ca_file=str(stranger)).advice
    assert "ca_file" in refused(server, **verified).advice
    assert "ca_file" in refused(server, **verified, ca_file=str(tmp_path / "nowhere")).advice


def test_statements_are_told_by_their_number_unless_texts_are_asked_for(server, admin):
    admin.execute("SELECT pg_stat_statements_reset()")
    # What is no query is kept as it was written, a new password too.
    admin.execute("DO 'BEGIN PERFORM pg_sleep(0.2); END /* canary-utility */'")
    for _ in range(3):
        admin.execute("SELECT 'canary-constant', pg_sleep(0.02)")
    hidden, shown = ask(server).statements, ask(server, show_queries=True).statements
    assert [each.text for each in hidden] == [""] * len(hidden)
    assert len(shown) == 5
    slowest = next(each for each in shown if "pg_sleep" in each.text)
    assert slowest.calls == 3 and slowest.total >= 0.06 and 0.02 <= slowest.mean < 1
    assert slowest.text == "SELECT $1, pg_sleep($2)"
    assert slowest.id in {each.id for each in hidden}
    assert shown[0].total >= 0.2 and shown[0].text == ""
    assert "canary" not in repr(shown)


def test_a_database_without_statistics_of_statements_says_so(server, admin):
    admin.execute("CREATE DATABASE plain")
    facts = ask(server, dbname="plain")
    assert facts.missing == {"statements": "the extension pg_stat_statements is not installed in this database"}
    assert facts.statements is None


def test_archiving_that_fails_is_seen(server, admin):
    admin.execute("SELECT pg_switch_wal()")
    found = eventually(lambda: (facts := ask(server)).archiver.failed and facts.archiver)
    assert found.on and found.failing and found.last_archived is None


def test_a_slot_that_nobody_reads_is_seen_with_what_is_kept_for_it(server, admin):
    admin.execute("SELECT pg_create_physical_replication_slot('gone', true)")
    try:
        (slot,) = ask(server).replication.slots
    finally:
        admin.execute("SELECT pg_drop_replication_slot('gone')")
    assert slot.name == "gone" and not slot.active and slot.retained >= 0


# The configuration.


def configured(folder, text, **environment):
    path = folder / "opsjobs.yml"
    path.write_text(f"systems: {{pratikoai: {{postgresql: {text}}}}}\n")
    return config.read(path, environment).systems["pratikoai"].postgresql


def test_a_connection_comes_out_of_the_configuration(tmp_path):
    (tmp_path / "password").write_text("canary-in-a-file\n")
    server = configured(tmp_path, "{host: db.example.com, dbname: shop, password_file: password, ca_file: ca.pem}")
    connection = config.postgresql_connection(server, "systems.pratikoai.postgresql", tmp_path)
    assert (connection.port, connection.user, connection.dbname) == (5432, "opsjobs", "shop")
    assert (connection.sslmode, connection.ca_file) == ("verify-full", str(tmp_path / "ca.pem"))
    assert connection.password == "canary-in-a-file"
    assert "canary" not in repr(connection)
    local = configured(tmp_path, "{dbname: shop, password: '${S}'}", S="canary")
    assert config.postgresql_connection(local, "k", tmp_path).sslmode == "prefer"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{dbname: x, password: canary}", "does not belong into this file"),
        ("{dbname: x, password: '${S}', password_file: y}", "not both"),
        ("{host: db.example.com, dbname: x, sslmode: require}", "only for a server on this machine"),
        ("{host: db.example.com, dbname: x, sslmode: verify-ca}", "needs ca_file"),
        ("{host: db.example.com}", "this key is missing"),
        ("{dbname: x, prot: 1}", "unknown key"),
    ],
)
def test_a_server_that_makes_no_sense_is_a_fault(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, text, S="secret")
    assert any(message in fault.message for fault in caught.value.faults), caught.value.faults
    assert "canary" not in str(caught.value)

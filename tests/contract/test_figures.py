"""What a store of figures must do: the fakes and real servers alike, and what only a real server can do wrong."""

import threading
import time
from datetime import date
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import psycopg
import pytest

from opsjobs.config import PostgresConnection, RedisConnection
from opsjobs.errors import AccessDenied, QueryRejected, SourceError, TimedOut, Unreachable
from opsjobs.http import Deadline
from opsjobs.model import Answer, Sample, Series, Window
from opsjobs.sources import Question
from opsjobs.sources.postgres import Postgres
from opsjobs.sources.redis import Redis
from tests.contract.conftest import free_port, postgresql, redis_server
from tests.contract.test_postgres import FAKED as POSTGRES_FAKED
from tests.contract.test_postgres import GRANT
from tests.contract.test_redis import FAKED as REDIS_FAKED
from tests.fakes import FakePostgres, FakeRedis

pytestmark = pytest.mark.xdist_group("figures")

DAY = Window.day(date(2026, 11, 18), ZoneInfo("Europe/Rome"))
DAY_BEFORE = Window.day(date(2026, 11, 17), ZoneInfo("Europe/Rome"))
END = DAY.end.timestamp()


def postgres(port, **known):
    given = {"key": "systems.shop.postgresql", "host": "127.0.0.1", "port": port, "dbname": "postgres"}
    return Postgres(PostgresConnection(**{**given, "user": "opsjobs", "sslmode": "prefer", **known}))


def redis_store(port, **known):
    return Redis(RedisConnection(**{"key": "systems.shop.redis", "host": "127.0.0.1", "port": port, **known}))


@pytest.fixture(scope="module")
def cluster():
    with postgresql(superuser="postgres") as (url, process):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(GRANT)
            admin.execute("CREATE TABLE paid (day date, plan text, eur numeric)")
            rows = [("2026-11-18", "team", 12.5), ("2026-11-18", None, 7), ("2026-11-17", "team", 3)]
            with admin.cursor() as cursor:
                cursor.executemany("INSERT INTO paid VALUES (%s, %s, %s)", rows)
            admin.execute("GRANT SELECT ON paid TO opsjobs")
            admin.execute("CREATE TABLE hidden (day date)")
            admin.execute("CREATE SEQUENCE numbers")
            admin.execute("GRANT USAGE ON SEQUENCE numbers TO opsjobs")
        yield SimpleNamespace(url=url, port=int(url.rsplit(":", 1)[1].split("/")[0]), process=process)


@pytest.fixture(scope="module")
def redis_real():
    with redis_server() as server:
        server.client.set("paid:2026-11-18", "19.5")
        server.client.set("paid:2026-11-17", "3")
        server.client.zadd("by_plan:2026-11-18", {"team": 12.5, "": 7})
        yield server


def canned(question):
    """What both real stores are asked here, as they answer it."""
    if question.query == "bad":
        return QueryRejected("it was rejected", advice="Correct it.")
    known = {DAY: [19.5], DAY_BEFORE: [3.0]}.get(question.window, [])
    rows = [12.5, 7.0] if question.query == "plan" else known
    end = question.window.end.timestamp()
    return Answer(series=tuple(Series(samples=(Sample(end, value),)) for value in rows))


STORES = {
    "PostgreSQL": (
        "select sum(eur) from paid where day = :day",
        "select plan, eur from paid where day = :day order by eur desc",
        "select bad from paid where day = :day",
    ),
    "Redis": ("GET paid:{day}", "ZREVRANGE by_plan:{day} 0 4 WITHSCORES", "LLEN paid:{day}"),
    "fake PostgreSQL": ("value", "plan", "bad"),
    "fake Redis": ("value", "plan", "bad"),
}


@pytest.fixture(params=STORES)
def store(request):
    """A store that lives, with the ways to ask it for a value, for members, and for what it rejects."""
    value, members, bad = STORES[request.param]
    if request.param == "PostgreSQL":
        made = postgres(request.getfixturevalue("cluster").port)
    elif request.param == "Redis":
        made = redis_store(request.getfixturevalue("redis_real").port)
    elif request.param == "fake PostgreSQL":
        made = FakePostgres(POSTGRES_FAKED, canned)
    else:
        made = FakeRedis(REDIS_FAKED, canned)
    return SimpleNamespace(source=made, value=value, members=members, bad=bad)


def question(query, window=DAY):
    return Question(query=query, at=window.end, window=window)


def values(answer):
    return [series.samples[0].value for series in answer.series]


def test_answers_come_in_the_order_of_the_questions_at_the_end_of_their_windows(store):
    found = store.source.figures([question(store.value), question(store.value, DAY_BEFORE)], Deadline(20))
    assert [values(answer) for answer in found] == [[19.5], [3.0]]
    assert found[0].series[0].samples[0].time == END


def test_a_day_of_which_nothing_is_kept_is_no_data_and_not_zero(store):
    long_ago = Window.day(date(2020, 2, 2), ZoneInfo("Europe/Rome"))
    (found,) = store.source.figures([question(store.value, long_ago)], Deadline(20))
    assert found == Answer()


def test_members_are_series(store):
    (found,) = store.source.figures([question(store.members)], Deadline(20))
    assert values(found) == [12.5, 7.0]


def test_one_that_fails_leaves_its_error_and_the_others_their_answers(store):
    found = store.source.figures([question(store.value), question(store.bad), question(store.value)], Deadline(20))
    assert isinstance(found[1], QueryRejected) and found[1].advice
    assert values(found[0]) == values(found[2]) == [19.5]


def test_without_time_each_question_has_an_error(store):
    found = store.source.figures([question(store.value)] * 3, Deadline(0))
    assert len(found) == 3 and all(isinstance(each, TimedOut) for each in found)


@pytest.mark.parametrize("name", ["PostgreSQL", "Redis"])
def test_a_server_that_is_down_is_the_error_of_each_question(name):
    source, (query, *_) = (postgres if name == "PostgreSQL" else redis_store)(free_port()), STORES[name]
    found = source.figures([question(query)] * 3, Deadline(20))
    assert len(found) == 3 and all(isinstance(each, Unreachable) for each in found)


def test_a_row_of_postgresql_names_its_members(cluster):
    (found,) = postgres(cluster.port).figures([question(STORES["PostgreSQL"][1])], Deadline(20))
    assert [series.labels for series in found.series] == [{"plan": "team"}, {"plan": ""}]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("select 'many' where :day is not null", "str where a number is due"),
        ("select true where :day is not null", "bool where a number is due"),
        ("select generate_series(1, 1000000) where :day is not null", "more than 500 rows"),
        ("with gone as (delete from paid where day = :day returning eur) select sum(eur) from gone", "top level"),
        ("select 1 where :day is not null; drop table paid", "syntax error"),
        ("select 1 where :day is not null) as x; drop table paid; select (1", "multiple commands"),
        (
            "select set_config('default_transaction_read_only', 'off', false) where :day is not null",
            "str where a number",
        ),
        ("select nextval('numbers') where :day is not null", "read-only transaction"),
    ],
)
def test_a_statement_that_gives_no_number_or_does_more_than_read_is_refused(cluster, statement, why):
    (found,) = postgres(cluster.port).figures([question(statement)], Deadline(20))
    assert isinstance(found, SourceError) and why in str(found)
    with psycopg.connect(cluster.url) as admin:
        assert admin.execute("select count(*) from paid").fetchone() == (3,)


def test_a_table_that_the_role_may_not_read_is_told_with_the_grant(cluster):
    (found,) = postgres(cluster.port).figures([question("select count(*) from hidden where day = :day")], Deadline(20))
    assert isinstance(found, AccessDenied) and "GRANT SELECT" in found.advice and "hidden" in str(found)


@pytest.mark.parametrize("value", ["'NaN'::float8", "'Infinity'::float8", "1e400::numeric"])
def test_what_is_not_finite_is_no_number(cluster, value):
    (found,) = postgres(cluster.port).figures([question(f"select {value} where :day is not null")], Deadline(20))
    assert found.series[0].samples == (Sample(END, None),)


def test_a_statement_that_is_slow_costs_itself_and_not_what_was_answered_before(cluster):
    slow = question("select count(*) from (select pg_sleep(30)) as s where :day is not null")
    with psycopg.connect(cluster.url) as _:
        found = postgres(cluster.port, timeout=2).figures([question(STORES["PostgreSQL"][0]), slow, slow], Deadline(20))
    assert values(found[0]) == [19.5] and all(isinstance(each, TimedOut) for each in found[1:])


def test_a_table_that_is_locked_costs_its_statement_a_second(cluster):
    with psycopg.connect(cluster.url) as admin:
        admin.execute("LOCK TABLE paid IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        found = postgres(cluster.port).figures(
            [question(STORES["PostgreSQL"][0]), question("select 1 where :day is not null")], Deadline(20)
        )
    assert isinstance(found[0], TimedOut) and "lock" in str(found[0]) and values(found[1]) == [1.0]
    assert time.monotonic() - began < 5


def test_a_server_that_ends_in_the_middle_leaves_what_it_had_answered():
    with postgresql(superuser="postgres") as (url, process):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(GRANT)
        ending = threading.Timer(1.0, process.kill)
        ending.start()
        slow = question("select count(*) from (select pg_sleep(4)) as s where :day is not null")
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        found = postgres(port).figures([question("select 7 where :day is not null"), slow, slow], Deadline(20))
        ending.join()
    assert values(found[0]) == [7.0] and all(isinstance(each, SourceError) for each in found[1:])


@pytest.mark.parametrize(
    ("command", "setting", "why"),
    [
        ("GET text:{day}", ("set", "text:2026-11-18", "many"), "no number"),
        ("GET text:{day}", ("set", "text:2026-11-18", "1_000"), "no number"),
        ("GET text:{day}", ("set", "text:2026-11-18", "nan"), "no number"),
        ("GET list:{day}", ("rpush", "list:2026-11-18", "1"), "WRONGTYPE"),
    ],
)
def test_what_redis_keeps_as_something_else_is_refused(redis_real, command, setting, why):
    name, *words = setting
    getattr(redis_real.client, name)(*words)
    (found,) = redis_store(redis_real.port).figures([question(command)], Deadline(20))
    assert isinstance(found, QueryRejected) and why in str(found)
    redis_real.client.delete(words[0])


@pytest.mark.parametrize(
    ("command", "setting", "value"),
    [
        ("HGET hash:{day} b", ("hset", "hash:2026-11-18", "b", "2.5"), [2.5]),
        ("HGET hash:{day} c", ("hset", "hash:2026-11-18", "b", "2.5"), []),
        ("HLEN hash:{day}", ("hset", "hash:2026-11-18", "b", "2.5"), [1.0]),
        ("LLEN list:{day}", ("rpush", "list:2026-11-18", "1", "2"), [2.0]),
        ("SCARD set:{day}", ("sadd", "set:2026-11-18", "1", "2"), [2.0]),
        ("SCARD none:{day}", ("sadd", "set:2026-11-18", "1", "2"), []),
        ("GET number:{day}", ("set", "number:2026-11-18", "-1e3"), [-1000.0]),
        ("GET number:{day}", ("set", "number:2026-11-18", "9" * 400), [None]),
    ],
)
def test_redis_gives_the_number_of_a_day_whatever_it_is_kept_in(redis_real, command, setting, value):
    name, *words = setting
    getattr(redis_real.client, name)(*words)
    (found,) = redis_store(redis_real.port).figures([question(command)], Deadline(20))
    assert values(found) == value


def test_a_redis_user_that_may_not_read_a_key_is_told_what_it_needs():
    with redis_server() as server:
        server.client.execute_command("ACL", "SETUSER", "looker", "on", ">canary", "+info", "+slowlog|len")
        source = redis_store(server.port, username="looker", password="canary")
        (found,) = source.figures([question("GET paid:{day}")], Deadline(20))
    assert isinstance(found, AccessDenied) and "+get" in found.advice and "canary" not in repr(found) + found.advice

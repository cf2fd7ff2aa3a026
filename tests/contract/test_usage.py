"""What users cost, added up by a real PostgreSQL: planted amounts are found exactly, and nobody's name is repeated."""

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from math import ceil
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import psycopg
import pytest

from opsjobs.config import PostgresConnection
from opsjobs.errors import AccessDenied, QueryRejected, SourceError, TimedOut, Unreachable
from opsjobs.http import Deadline
from opsjobs.model import Window
from opsjobs.sources import UsageQuestion
from opsjobs.sources.postgres import Postgres
from tests.contract.conftest import free_port, postgresql
from tests.contract.test_postgres import FAKED, GRANT
from tests.fakes import NO_USAGE, FakePostgres

pytestmark = pytest.mark.xdist_group("usage")

ROME = ZoneInfo("Europe/Rome")
LAST = date(2026, 11, 15)
SQL = 'select who as "user", eur as amount, plan, feature from spent where day between :first and :last'


def span(first, last):
    """From so many days before the last to so many, in local days."""
    days = [LAST - timedelta(days=number) for number in (first, last)]
    return Window(start=Window.day(days[0], ROME).start, end=Window.day(days[1], ROME).end)


def question(sql=SQL, **known):
    return UsageQuestion(sql=sql, earlier=span(36, 30), middle=span(29, 7), week=span(6, 0), **known)


def postgres(port):
    return Postgres(
        PostgresConnection(
            key="systems.shop.postgresql",
            host="127.0.0.1",
            port=port,
            dbname="postgres",
            user="opsjobs",
            sslmode="prefer",
            timeout=20,
        )
    )


@pytest.fixture(scope="module")
def cluster():
    with postgresql(superuser="postgres") as (url, _):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(GRANT)
            admin.execute("CREATE TABLE spent (who text, day date, eur numeric, plan text, feature text)")
            admin.execute("CREATE TABLE used (who uuid, at timestamptz, eur double precision)")
            admin.execute("CREATE TABLE hidden (who text, day date, eur numeric)")
            admin.execute("GRANT SELECT, DELETE ON spent, used TO opsjobs")
        yield SimpleNamespace(url=url, port=int(url.rsplit(":", 1)[1].split("/")[0]))


@pytest.fixture
def ask(cluster):
    """What is said of rows of (user, days ago, euros, plan, feature)."""

    def asked(rows=(), sql=SQL, **known):
        with psycopg.connect(cluster.url, autocommit=True) as admin, admin.cursor() as cursor:
            cursor.execute("TRUNCATE spent, used")
            with cursor.copy("COPY spent FROM STDIN") as copy:
                for who, ago, eur, plan, feature in rows:
                    copy.write_row((who, LAST - timedelta(days=ago), eur, plan, feature))
        return postgres(cluster.port).usage(question(sql, **known), Deadline(20))

    return asked


def planted(seed=1):
    """Rows of 300 users over 45 days, some of them outside of all spans."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    for number in range(300):
        plan = chance.choice(["free", "team", None])
        for ago in chance.sample(range(45), 12):
            eur = Decimal(chance.randrange(1, 3_000_000)) / 1_000_000
            yield f"user{number}@example.com", ago, eur, plan, chance.choice(["chat", "search"])


def shares(amounts):
    """The smallest amounts that half, 90 %, 99 % and all of them do not exceed."""
    ranked = sorted(amounts)
    return [ranked[ceil(share * len(ranked) / 100) - 1] for share in (50, 90, 99, 100)]


def sums(rows, spans, by):
    found = defaultdict(Decimal)
    for row in rows:
        if row[1] in spans:
            found[by(row)] += row[2]
    return found


def test_a_planted_distribution_is_found_to_the_millionth(ask):
    rows, limits = list(planted()), (Decimal(10), Decimal("12.5"), Decimal(1000))
    found = ask(rows, limits=limits)
    month, week, before = (sums(rows, span, lambda row: row[0]) for span in (range(30), range(7), range(7, 37)))
    assert (found.month, found.week, found.before) == tuple(sum(each.values()) for each in (month, week, before))
    assert (found.users, found.week_users) == (len(month), len(week))
    assert found.rows == sum(row[1] < 30 for row in rows)
    assert [found.p50, found.p90, found.p99, found.most] == shares(month.values())
    costliest = sorted(month, key=lambda who: (-month[who], who))[:10]
    assert [(each.user, each.month, each.week, each.before) for each in found.top] == [
        (who, month[who], week[who], before[who]) for who in costliest
    ]
    assert found.heavy == (), "nobody is a tenth of the week"
    for beyond in found.beyond:
        above = [amount for amount in month.values() if amount > beyond.limit]
        assert (beyond.users, beyond.amount) == (len(above), sum(above))
        assert beyond.above == sum(above) - len(above) * beyond.limit
    assert {each.limit for each in found.beyond} == set(limits)
    for groups, column in ((found.plans, 3), (found.features, 4)):
        by_both = sums(rows, range(30), lambda row, column=column: (row[column], row[0]))
        by_group = sums(rows, range(30), lambda row, column=column: row[column])
        assert {each.name: each.amount for each in groups.shown} == dict(by_group)
        for each in groups.shown:
            amounts = [amount for (name, _), amount in by_both.items() if name == each.name]
            assert [each.users, each.p50, each.p90, each.p99] == [len(amounts), *shares(amounts)[:3]]
    assert (found.without_amount, found.negative, found.no_number, found.nameless) == (0, 0, 0, 0)


def test_who_costs_a_tenth_of_the_week_or_more_is_named(ask):
    rows = [(f"u{number}", ago, Decimal(1), None, None) for number in range(90) for ago in (3, 20)]
    found = ask([*rows, ("heavy", 2, Decimal(10), None, None), ("light", 2, Decimal("9.9"), None, None)])
    assert [(each.user, each.week, each.before) for each in found.heavy] == []
    found = ask([*rows, ("heavy", 2, Decimal(12), None, None), ("heavy", 10, Decimal(2), None, None)])
    assert [(each.user, each.week, each.before) for each in found.heavy] == [("heavy", 12, 2)]


def test_what_has_no_user_plan_or_feature_is_counted_as_such(ask):
    rows = [
        ("ann", 1, Decimal(1), "team", None),
        (None, 1, Decimal(2), "team", "chat"),
        ("", 10, Decimal(4), None, "chat"),
        ("bob", 1, Decimal(8), "", ""),
    ]
    found = ask(rows)
    assert (found.month, found.users, found.nameless, found.nameless_week, found.nameless_before) == (15, 2, 6, 2, 4)
    assert {each.name: (each.users, each.amount) for each in found.plans.shown} == {"team": (1, 3), None: (1, 12)}
    assert {each.name: (each.users, each.amount) for each in found.features.shown} == {"chat": (0, 6), None: (2, 9)}
    assert [each.user for each in found.top] == ["bob", "ann"]


def test_amounts_that_are_none_are_counted_and_in_no_sum(ask):
    bad = [None, Decimal(-1), Decimal("-0.000001"), Decimal("NaN"), Decimal("1e15")]
    found = ask([("ann", 1, Decimal(1), None, None), *(("ann", 1, eur, None, None) for eur in bad)])
    assert (found.month, found.rows, found.without_amount, found.negative, found.no_number) == (1, 6, 1, 2, 2)


def test_numbers_of_other_types_and_other_columns_do_too(ask, cluster):
    sql = 'select who as "user", eur as amount from used where at >= :start and at < :end'
    with psycopg.connect(cluster.url, autocommit=True) as admin:
        ask()
        for eur in ("0.1", "0.2", "NaN", "Infinity", "-Infinity"):
            query = "INSERT INTO used VALUES ('00000000-0000-0000-0000-00000000000a', %s, %s)"
            admin.execute(query, (span(6, 0).end - timedelta(seconds=1), eur))
        admin.execute("INSERT INTO used VALUES (NULL, %s, 5)", (span(6, 0).end,))
    found = postgres(cluster.port).usage(question(sql, rate=Decimal("0.5")), Deadline(20))
    assert (found.month, found.week, found.no_number, found.negative) == (Decimal("0.15"), Decimal("0.15"), 2, 1)
    assert (found.plans, found.features, found.nameless) == (None, None, 0), "what is at the week's end is after it"
    assert found.top[0].user == "00000000-0000-0000-0000-00000000000a"


def test_more_plans_than_can_be_shown_are_counted_and_summed_up(ask):
    rows = [("ann", 1, Decimal(number), f"plan {number}", "chat") for number in range(1, 31)]
    found = ask(rows).plans
    assert [each.name for each in found.shown] == [f"plan {number}" for number in range(30, 10, -1)]
    assert (found.more, found.more_amount) == (10, sum(range(1, 11)))


def test_hostile_names_are_names(ask):
    names = ["<script>alert(1)</script>", "=cmd()", "two\nlines", "'; drop table spent; --", "%(start)s", "x" * 5000]
    found = ask([(name, 1, Decimal(number + 1), name, name) for number, name in enumerate(names)])
    told = [each.user for each in found.top]
    assert told[1:] == names[-2::-1]
    assert told[0].startswith("x" * 200 + " ") and len(told[0]) == 265, "the beginning and the hash"
    assert [each.name for each in found.plans.shown][1:] == names[-2::-1]
    assert "script" not in repr(found.top), "users are in no representation"


def test_no_row_is_nothing_and_not_zero_users_that_are_well(ask):
    assert (ask().rows, ask().users, ask().p50, ask().top) == (0, 0, None, ())
    assert FakePostgres(FAKED).usage(question(), Deadline(20)) == NO_USAGE


def test_days_end_where_the_clocks_say(ask):
    # The spans have the night of 25 October in them, and dates are not shifted by it.
    found = ask([("ann", ago, Decimal(10) ** -(ago % 6), None, None) for ago in (0, 6, 7, 29, 30, 36, 37)])
    assert (found.week, found.month, found.before) == (
        Decimal(2),
        Decimal(2) + Decimal("0.1") + Decimal("0.00001"),
        Decimal("0.1") + Decimal("0.00001") + Decimal(2),
    )


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select who, eur as amount from spent where day between :first and :last", "no column user"),
        ("select 1 as eins where :first < :last", "no column user and none amount"),
        (SQL.replace("eur as amount", "eur as amount, day"), "nobody knows what its column day is"),
        (SQL.replace("eur as amount", "eur::text as amount"), "column amount is no bigint"),
        (SQL.replace("from spent", "from nowhere"), "does not exist"),
        (SQL.replace("eur as amount", "eur as amount, eur as amount"), "ambiguous"),
        ("with gone as (delete from spent where :first < :last returning *) SQL", "top level"),
        ("SQL; delete from spent", "syntax error"),
        ("SQL) as told; delete from spent; select * from (select 1", "multiple commands"),
        (
            "SQL) as told GROUP BY 2, 3, 4), gone as (delete from spent returning *), more as (select * from (SQL",
            "synt",
        ),
    ],
)
def test_a_statement_that_gives_something_else_or_writes_is_refused_in_words(ask, cluster, sql, why):
    with pytest.raises(QueryRejected, match=why) as refused:
        ask([("ann", 1, Decimal(1), None, None)], sql.replace("SQL", SQL))
    assert refused.value.advice
    with psycopg.connect(cluster.url) as admin:
        assert admin.execute("select count(*) from spent").fetchone() == (1,)


def test_a_table_that_is_not_granted_says_which_grant(ask):
    with pytest.raises(AccessDenied, match="permission denied") as refused:
        ask(sql=SQL.replace("plan, feature from spent", "who as plan from hidden"))
    assert "GRANT SELECT" in refused.value.advice


def test_what_a_server_repeats_of_a_row_is_not_told(ask):
    sql = SQL.replace("eur as amount", "who::int as amount")
    with pytest.raises(QueryRejected, match="22P02") as refused:
        ask([("ann@example.com", 1, Decimal(1), None, None)], sql)
    assert "ann" not in str(refused.value) and refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_one_that_takes_too_long_is_left(ask, monkeypatch):
    monkeypatch.setattr("opsjobs.sources.postgres._USAGE_SECONDS", 0.5)
    sql = SQL.replace("eur as amount", "eur + (pg_sleep(5)::text is null)::int as amount")
    with pytest.raises(TimedOut, match="longer than there was time"):
        ask([("ann", 1, Decimal(1), None, None)], sql)


def test_a_server_that_is_down_is_an_error():
    with pytest.raises(Unreachable):
        postgres(free_port()).usage(question(), Deadline(20))


def test_without_time_it_is_late():
    for source in (postgres(free_port()), FakePostgres(FAKED)):
        with pytest.raises(TimedOut):
            source.usage(question(), Deadline(0))


def test_a_fake_fails_as_it_was_told_to():
    error = SourceError("it was rejected")
    with pytest.raises(SourceError, match="rejected"):
        FakePostgres(FAKED, used=error).usage(question(), Deadline(20))

from datetime import date, datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest

from opsjobs import statements
from opsjobs.model import Window

pytestmark = pytest.mark.xdist_group("postgresql")

ROME = ZoneInfo("Europe/Rome")
NIGHT_OF_THE_CHANGE = Window.day(date(2026, 10, 25), ROME)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("delete from users where day = :day", "begins with SELECT"),
        ("", "begins with SELECT"),
        ("select count(*) from users", "does not say of when"),
        ("select count(*) from users where created_at > :start", "does not say of when"),
        ("select now()::end", "does not say of when"),
    ],
)
def test_sql_that_cannot_be_a_days_number_is_refused_in_words(statement, why):
    with pytest.raises(ValueError, match=why):
        statements.check_sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "select 1 where :day is not null;",
        "WITH paid AS (select 1 where :end > now()) select * from paid",
        "values (:day - date '2026-01-01')",
    ],
)
def test_sql_that_says_of_when_is_kept_without_its_semicolon(statement):
    assert statements.check_sql(f"  {statement}\n") == statement.removesuffix(";")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("delete from used where day between :first and :last", "begins with SELECT"),
        ("select * from used", "does not say of which days"),
        ("select * from used where day = :day", "does not say of which days"),
        ("select * from used where day <= :last", "does not say of which days"),
        ("select * from used where at > :start and day <= :last", "does not say of which days"),
    ],
)
def test_sql_that_cannot_be_of_some_days_is_refused_in_words(statement, why):
    with pytest.raises(ValueError, match=why):
        statements.check_span(statement)


@pytest.mark.parametrize("ends", [":first and :last", ":start and :end"])
def test_sql_of_some_days_is_kept_without_its_semicolon(ends):
    statement = f"select * from used where at between {ends}"  # noqa: S608 - nobody is asked
    assert statements.check_span(f" {statement} ;\n") == statement


def test_some_days_have_their_own_parameters_beside_those_of_others():
    week = Window(start=NIGHT_OF_THE_CHANGE.start, end=Window.day(date(2026, 10, 31), ROME).end)
    assert statements.inner("select :first, '5%', x::start", "_week") == "select %(first_week)s, '5%%', x::start"
    known = statements.parameters(week, "_week")
    assert (known["first_week"], known["last_week"]) == (date(2026, 10, 25), date(2026, 10, 31))
    assert statements.by_hand("select :last", week) == "select date '2026-10-31'"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("FLUSHALL", "not among the commands"),
        ("SET shop:{day} 1", "not among the commands"),
        ("", "not among the commands"),
        ("GET shop:mrr", "does not say of which day"),
        ("HGET {day}", "takes 2 words here, and this has 1"),
        ("HGET shop {day}", "does not say of which day"),
        ("ZREVRANGE shop:{day} 0 -1 WITHSCORES", "at most 500"),
        ("ZREVRANGE shop:{day} 0 500 WITHSCORES", "at most 500"),
        ("ZREVRANGE shop:{day} 0 4 LIMIT", "only WITHSCORES"),
        ("GET 'shop:{day}", "cannot be read"),
    ],
)
def test_a_redis_command_that_does_more_or_less_than_read_a_day_is_refused_in_words(command, why):
    with pytest.raises(ValueError, match=why):
        statements.check_redis(command)


def test_a_command_gets_the_local_date_of_its_window():
    assert statements.command("hget 'shop figures:{day}' paid", NIGHT_OF_THE_CHANGE) == [
        "HGET",
        "shop figures:2026-10-25",
        "paid",
    ]


def test_casts_and_percent_signs_are_not_taken_for_parameters():
    bound = statements.bound("select x::date, y like '%a', a.b:start from t where day=:day and z::end is null")
    assert "x::date" in bound and "z::end" in bound and "'%%a'" in bound and "a.b:start" in bound
    assert "day=%(day)s" in bound


def test_by_hand_shows_local_times_with_their_offset():
    said = statements.by_hand("select 1 where at >= :start and at < :end and day = :day", NIGHT_OF_THE_CHANGE)
    assert said == (
        "select 1 where at >= timestamptz '2026-10-25 00:00:00+02:00' and at < timestamptz '2026-10-26 00:00:00+01:00'"
        " and day = date '2026-10-25'"
    )


def test_what_is_shown_by_hand_gives_the_number_that_was_asked(postgresql_server):
    statement = "select extract(epoch from :end - :start) + (:day - date '2026-10-01')"
    known = {**statements.parameters(NIGHT_OF_THE_CHANGE), "most": 2}
    with psycopg.connect(postgresql_server) as session:
        asked = session.execute(statements.bound(statement), known).fetchall()
        assert asked == session.execute(statements.by_hand(statement, NIGHT_OF_THE_CHANGE)).fetchall()
    assert float(asked[0][0]) == 25 * 3600 + 24


def test_a_window_of_today_ends_where_it_is_cut():
    until = datetime(2026, 11, 18, 9, 30, tzinfo=ROME)
    window = Window(start=datetime(2026, 11, 18, tzinfo=ROME), end=until)
    assert statements.parameters(window) == {
        "start": window.start,
        "end": until,
        **dict.fromkeys(("day", "first", "last"), date(2026, 11, 18)),
    }

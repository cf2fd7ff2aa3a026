"""What an error tracker owes: asked of the fake, and of the source before a server that answers as Sentry's API."""

import json
import re
import ssl
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
import trustme

from opsjobs import config
from opsjobs.errors import (
    AccessDenied,
    BadAnswer,
    ConfigError,
    NotFound,
    Overloaded,
    QueryRejected,
    SourceError,
    TimedOut,
    Unreachable,
)
from opsjobs.facts import ErrorCounts, Issue
from opsjobs.http import Connection, Deadline
from opsjobs.model import Window
from opsjobs.sources.sentry import Sentry
from tests.fakes import FakeSentry
from tests.unit.test_http import reply, serving

TOKEN = "canary-of-the-token"
ROME = ZoneInfo("Europe/Rome")
DAY = Window.day(date(2026, 11, 18), ROME)
BEFORE, WEEK = Window.day(date(2026, 11, 17), ROME), Window.day(date(2026, 11, 11), ROME)
START = DAY.start.astimezone(UTC)
"""Of the day, 23:00 UTC."""


def at(hours):
    """An hour from the start of the day on."""
    return START + timedelta(hours=hours)


def issue(title, count=1, users=0, **known):
    return Issue(title=title, count=count, users=users, **{"level": "error", "unresolved": True, **known})


HOURS = {
    at(-1): {"accepted": 1000},
    at(0): {"accepted": 3, "filtered": 2},
    at(23): {"accepted": 4, "rate_limited": 5, "invalid": 6, "client_discard": 1},
    at(24): {"accepted": 2000},
    at(-20): {"accepted": 10},
    at(-7 * 24): {"accepted": 20, "filtered": 7},
}
ISSUES = [
    (at(2), issue("ValueError: twice", 2, 1, culprit="shop.views in pay", link="https://sentry.io/issues/1/"), False),
    (at(3), issue("KeyError: often", 90, 4, level="fatal", unresolved=False), False),
    (at(-2), issue("OSError: old", 50, 3), True),
    (at(25), issue("OSError: to come", 70), False),
]


# A server that answers as the documentation of Sentry's API says.


@contextmanager
def sentry_server(hours=HOURS, issues=ISSUES, instead=None, page=100, context=None):
    """The project `api` (number 42) of `shop`; `instead` answers those requests whose path has its key."""

    def answer(handler, number):
        parts = urlsplit(handler.path)
        query = parse_qs(parts.query)
        for part, other in (instead or {}).items():
            if part in handler.path:
                return other(handler, number)
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            return said(handler, {"detail": "Invalid token"}, 401)
        if parts.path == "/api/0/projects/shop/api/":
            return said(handler, {"id": "42", "slug": "api", "name": "API"})
        if query.get("project") != ["42"]:
            return said(handler, {"detail": "The requested resource does not exist"}, 404)
        if parts.path == "/api/0/organizations/shop/stats_v2/":
            return said(handler, statistics(hours, query))
        if parts.path == "/api/0/organizations/shop/issues/":
            return listed(handler, issues, query, page)
        return said(handler, {"detail": "The requested resource does not exist"}, 404)

    with serving(answer, context) as served:
        yield served


def said(handler, content, code=200, **headers):
    reply(code, json.dumps(content).encode(), **headers)(handler, 0)


def moment(text):
    return datetime.fromisoformat(text)


def statistics(hours, query):
    """As stats_v2 gives it: what is asked for is rounded to whole hours, and the end is inclusive."""
    assert (query["category"], query["groupBy"], query["field"]) == (["error"], ["outcome"], ["sum(quantity)"])
    assert query["interval"] == ["1h"]
    hour = moment(query["start"][0]).replace(minute=0, second=0)
    last = moment(query["end"][0]) + timedelta(seconds=1)
    asked = []
    while hour < last:
        asked.append(hour)
        hour += timedelta(hours=1)
    outcomes = sorted({name for each in asked for name in hours.get(each, {})})
    groups = []
    for name in outcomes:
        series = [hours.get(each, {}).get(name, 0) for each in asked]
        groups.append(
            {"by": {"outcome": name}, "totals": {"sum(quantity)": sum(series)}, "series": {"sum(quantity)": series}}
        )
    return {
        "start": f"{asked[0]:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{hour:%Y-%m-%dT%H:%M:%SZ}",
        "intervals": [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in asked],
        "groups": groups,
    }


def listed(handler, issues, query, page):
    """As the issues of an organization are listed: by their frequency, a page at a time, with cursors both ways."""
    search = query["query"][0]
    assert query["sort"] == ["freq"] and {"start", "end"} <= set(query)
    bounds = dict(re.findall(r"firstSeen:(>=|<)(\S+)", search))
    numbered = list(enumerate(issues, start=1))
    if bounds:
        since, until = moment(bounds[">="]), moment(bounds["<"])
        numbered = [each for each in numbered if since <= each[1][0] < until]
    else:
        assert search == "is:unresolved is:regressed"
        numbered = [each for each in numbered if each[1][2]]
    numbered.sort(key=lambda each: -(each[1][1].count or 0))
    offset = int(query.get("cursor", ["0:0:0"])[0].split(":")[1])
    rows = [
        {
            "id": str(number),
            "title": found.title,
            "culprit": found.culprit,
            "level": found.level,
            "count": str(found.count),
            "userCount": found.users,
            "permalink": found.link,
            "status": "unresolved" if found.unresolved else "resolved",
            "firstSeen": f"{first_seen:%Y-%m-%dT%H:%M:%SZ}",
        }
        for number, (first_seen, found, _) in numbered[offset : offset + page]
    ]
    more = str(offset + page < len(numbered)).lower()
    elsewhere = "http://127.0.0.1:1/api/0/organizations/shop/issues/"
    link = (
        f'<{elsewhere}?&cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1", '
        f'<{elsewhere}?&cursor=0:{offset + page}:0>; rel="next"; results="{more}"; cursor="0:{offset + page}:0"'
    )
    said(handler, rows, Link=link)


@contextmanager
def tracker(url, organization="shop", project="api", **known):
    details = {"name": "Sentry", "key": "systems.shop.sentry", "token": TOKEN, "concurrency": 1, **known}
    with Sentry(Connection(url=url, **details), organization, project) as source:
        yield source


def ask(source, day=DAY, before=BEFORE, week=WEEK, seconds=20):
    return source.facts(day, day_before=before, week_before=week, deadline=Deadline(seconds))


@contextmanager
def fake(hours, issues):
    yield FakeSentry(hours, issues)


@contextmanager
def real(hours, issues):
    with sentry_server(hours, issues) as (url, _), tracker(url) as source:
        yield source


both = pytest.mark.parametrize("made", [fake, real])


# The contract.


@both
def test_the_errors_of_the_day_are_counted_by_what_became_of_them(made):
    with made(HOURS, ISSUES) as source:
        facts = ask(source)
    assert source.name == "Sentry"
    assert facts.day == ErrorCounts(accepted=7, filtered=2, rate_limited=5, others=7)
    assert facts.missing == {}


@both
def test_the_same_is_known_of_the_day_before_and_of_the_weekday_a_week_before(made):
    with made(HOURS, ISSUES) as source:
        facts = ask(source)
    assert facts.day_before == ErrorCounts(accepted=1010)
    assert facts.week_before == ErrorCounts(accepted=20, filtered=7)


@both
def test_the_issues_that_are_new_in_the_day_are_listed_the_most_frequent_first(made):
    with made(HOURS, ISSUES) as source:
        facts = ask(source)
    assert facts.issues == (ISSUES[1][1], ISSUES[0][1])
    assert not facts.more_issues
    assert facts.regressed == 1


@both
def test_a_quiet_day_has_zeros_and_not_gaps(made):
    with made({}, []) as source:
        facts = ask(source)
    assert facts.day == facts.day_before == facts.week_before == ErrorCounts(accepted=0)
    assert facts.issues == () and facts.regressed == 0 and facts.missing == {}


@both
def test_the_same_day_can_be_asked_again(made):
    with made(HOURS, ISSUES) as source:
        assert ask(source) == ask(source)


@both
def test_hours_are_those_of_utc_where_a_zone_has_half_ones(made):
    day, before, week = (Window.day(date(2026, 11, number), ZoneInfo("Asia/Kolkata")) for number in (18, 17, 11))
    first = datetime(2026, 11, 17, 18, tzinfo=UTC)
    hours = {first - timedelta(hours=1): {"accepted": 1}, first: {"accepted": 2}, day.end.astimezone(UTC): {}}
    with made(hours, []) as source:
        facts = ask(source, day, before, week)
    assert (facts.start, facts.end) == (first, first + timedelta(days=1))
    assert facts.day == ErrorCounts(accepted=2)
    assert facts.day_before == ErrorCounts(accepted=1)


@both
@pytest.mark.parametrize(("day", "length"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_on_which_the_clocks_change_has_its_own_hours(made, day, length):
    window = Window.day(day, ROME)
    start = window.start.astimezone(UTC)
    hours = {start + timedelta(hours=number): {"accepted": 1} for number in range(-1, 26)}
    with made(hours, []) as source:
        assert ask(source, window).day == ErrorCounts(accepted=length)


@both
def test_without_time_nothing_is_asked(made):
    with made(HOURS, ISSUES) as source, pytest.raises(TimedOut):
        ask(source, seconds=0)


# The source.


def test_it_asks_by_get_with_the_token_and_says_what_it_asked_without_it():
    with sentry_server() as (url, requests), tracker(url) as source:
        facts = ask(source)
    assert all(headers["Authorization"] == f"Bearer {TOKEN}" for headers, _, _ in requests)
    assert [each.part for each in facts.asked] == ["day", "day_before", "week_before", "issues", "regressed"]
    assert [each.request.removeprefix("GET ") for each in facts.asked] == [
        f"{url}{path}" for _, path, _ in requests[1:]
    ]
    assert "start=2026-11-17T23%3A00%3A00Z&end=2026-11-18T22%3A59%3A59Z" in facts.asked[0].request
    assert (facts.asked[0].start, facts.asked[0].end) == (DAY.start, DAY.end)
    assert "canary" not in repr(facts) and "canary" not in repr(source)


def test_all_pages_are_read_from_the_same_server_whatever_its_links_say():
    many = [(at(1), issue(f"Error {number:03}", 1000 - number), False) for number in range(250)]
    with sentry_server(issues=many) as (url, requests), tracker(url) as source:
        facts = ask(source)
    assert [each.title for each in facts.issues] == [f"Error {number:03}" for number in range(250)]
    cursors = [parse_qs(urlsplit(path).query).get("cursor") for _, path, _ in requests if "firstSeen" in path]
    assert cursors == [None, ["0:100:0"], ["0:200:0"]]


def test_more_issues_than_anybody_reads_are_not_all_read():
    many = [(at(1), issue(f"Error {number:03}", 1000 - number), False) for number in range(30)]
    with sentry_server(issues=many, page=2) as (url, _), tracker(url) as source:
        facts = ask(source)
    assert len(facts.issues) == 20 and facts.more_issues
    assert facts.issues[0].title == "Error 000"


def test_pages_that_go_round_in_a_circle_are_left():
    link = '<http://x/>; rel="next"; results="true"; cursor="0:1:0"'
    with sentry_server(instead={"firstSeen": reply(200, b"[]", Link=link)}) as (url, _), tracker(url) as source:
        assert "circle" in ask(source).missing["issues"]


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (401, AccessDenied, "org:read, project:read and event:read"),
        (403, AccessDenied, "systems.shop.sentry.token_file"),
        (404, NotFound, "systems.shop.sentry.organization"),
        (302, BadAnswer, "systems.shop.sentry.url"),
        (500, BadAnswer, "proxy"),
        (400, QueryRejected, "up to date"),
        (503, Overloaded, "again later"),
    ],
)
def test_a_refusal_says_what_to_do(code, kind, advice):
    refusal = reply(code, b'{"detail": "No, says canary-of-the-token."}', Location="https://login.example.com")
    with sentry_server(instead={"/": refusal}) as (url, _), tracker(url) as source:
        with pytest.raises(kind) as caught:
            ask(source)
    assert advice in caught.value.advice
    assert "canary" not in str(caught.value)


def test_a_project_that_is_not_there_is_told_with_what_sentry_says():
    with sentry_server() as (url, _), tracker(url, project="other") as source:
        with pytest.raises(NotFound, match="The requested resource does not exist"):
            ask(source)


def test_a_wrong_token_is_refused_and_never_told():
    with sentry_server() as (url, _), tracker(url, token="canary-wrong") as source:
        with pytest.raises(AccessDenied) as caught:
            ask(source)
    assert "canary" not in f"{caught.value} {caught.value.advice}"


def test_it_is_asked_again_after_the_time_that_it_names():
    def busy(handler, number):
        if number == 1:
            reply(429, b'{"detail": "too many"}', Retry_After="1")(handler, number)
        else:
            said(handler, {"id": "42"})

    with sentry_server(instead={"/projects/": busy}) as (url, _), tracker(url) as source:
        started = time.monotonic()
        assert ask(source).day is not None
        assert time.monotonic() - started >= 1


def test_one_that_stays_busy_is_told():
    busy = reply(429, b'{"detail": "too many"}', Retry_After="600")
    with sentry_server(instead={"/": busy}) as (url, _), tracker(url) as source:
        with pytest.raises(Overloaded, match="429"):
            ask(source)


def test_a_part_that_is_refused_is_missing_and_costs_the_others_nothing():
    refused = reply(403, b'{"detail": "no event:read"}')
    with sentry_server(instead={"/issues/": refused}) as (url, _), tracker(url) as source:
        facts = ask(source)
    assert set(facts.missing) == {"issues", "regressed"}
    assert "HTTP 403" in facts.missing["issues"]
    assert facts.issues is None and facts.regressed is None and facts.day.accepted == 7


def test_one_that_refuses_every_part_is_a_failure_as_a_whole():
    refused = reply(403, b"{}")
    with sentry_server(instead={"/organizations/": refused}) as (url, _), tracker(url) as source:
        with pytest.raises(AccessDenied):
            ask(source)


def test_one_that_is_down_is_unreachable():
    with tracker("http://127.0.0.1:1") as source, pytest.raises(Unreachable, match="Sentry at"):
        ask(source)


def test_one_that_hangs_is_left_at_its_timeout_and_not_asked_for_the_rest():
    def hang(handler, _):
        time.sleep(3)

    with sentry_server(instead={"/stats_v2/": hang}) as (url, requests), tracker(url, timeout=1) as source:
        started = time.monotonic()
        with pytest.raises(TimedOut) as caught:
            ask(source)
        assert time.monotonic() - started < 2.5
    assert "systems.shop.sentry.timeout" in caught.value.advice
    assert len(requests) <= 2


def series(*numbers, hours=24):
    intervals = [f"{at(number):%Y-%m-%dT%H:%M:%SZ}" for number in range(hours)]
    groups = [{"by": {"outcome": "accepted"}, "series": {"sum(quantity)": list(numbers)}}]
    return json.dumps({"intervals": intervals, "groups": groups}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>log in</html>", "log in"),
        (b"[]", "TypeError"),
        (b"null", "TypeError"),
        (b'{"groups": []}', "KeyError"),
        (series(*range(23)), "not as long"),
        (series(*range(5), hours=5), "5 of 24 hours"),
        (series(*[-1] * 24), "below 0"),
        (series(*[None] * 24), "NoneType"),
        (series(*[1e308 * 10] * 24).replace(b"Infinity", b"1e999"), "no answer"),
    ],
)
def test_what_is_no_answer_is_told(body, reason):
    with sentry_server(instead={"stats_v2": reply(200, body)}) as (url, _), tracker(url) as source:
        facts = ask(source)
    assert facts.day is None
    assert reason in facts.missing["day"]


@pytest.mark.parametrize(
    "body", [b"{}x", b'{"detail": 1}', b'[{"id": 1}]', b"[1]", b'[{"id": 1, "title": 1, "count": []}]']
)
def test_issues_that_are_none_are_told(body):
    with sentry_server(instead={"firstSeen": reply(200, body)}) as (url, _), tracker(url) as source:
        facts = ask(source)
    assert facts.issues is None
    assert "no answer of its API" in facts.missing["issues"]


def test_what_an_issue_does_not_say_is_not_known_and_only_web_addresses_are_links():
    body = b'[{"id": 1, "title": "x", "count": null, "permalink": "javascript:alert(1)", "culprit": null}]'
    with sentry_server(instead={"firstSeen": reply(200, body)}) as (url, _), tracker(url) as source:
        assert ask(source).issues == (Issue(title="x"),)


def test_a_certificate_is_verified(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with sentry_server(context=context) as (url, _):
        with tracker(url, ca_file=str(tmp_path / "ca.pem")) as source:
            assert ask(source).day.accepted == 7
        with tracker(url) as source, pytest.raises(SourceError, match="certificate"):
            ask(source)


# The configuration.


def configured(folder, text, **environment):
    path = folder / "opsjobs.yml"
    path.write_text(f"systems: {{pratikoai: {{sentry: {text}}}}}\n")
    return config.read(path, environment).systems["pratikoai"].sentry


def test_a_connection_comes_out_of_the_configuration(tmp_path):
    (tmp_path / "token").write_text("canary-in-a-file\n")
    server = configured(tmp_path, "{organization: shop, project: api, token_file: token, ca_file: ca.pem}")
    connection = config.sentry_connection(server, "systems.pratikoai.sentry", tmp_path)
    assert (connection.url, connection.token) == ("https://sentry.io", "canary-in-a-file")
    assert connection.ca_file == str(tmp_path / "ca.pem") and connection.timeout == 30
    assert "canary" not in repr(connection)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{organization: a, project: b, token: canary}", "does not belong into this file"),
        ("{organization: a, project: b}", "one of the two"),
        ("{organization: a, project: b, token: '${S}', token_file: x}", "one of the two"),
        ("{organization: ../a, project: b, token: '${S}'}", "must be a slug"),
        ("{organization: a, project: 'b/c?d', token: '${S}'}", "must be a slug"),
        ("{url: 'http://sentry.example.com', organization: a, project: b, token: '${S}'}", "not sent in clear"),
        ("{organization: a, token: '${S}'}", "missing"),
        ("{organization: a, project: b, token: '${S}', tokn: x}", "unknown key"),
    ],
)
def test_a_server_that_makes_no_sense_is_a_fault(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, text, S="canary-secret")
    assert any(message in fault.message for fault in caught.value.faults), caught.value.faults
    assert "canary" not in str(caught.value)

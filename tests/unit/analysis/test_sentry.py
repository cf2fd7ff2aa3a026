"""The errors of a day, judged and told: through the daily job where a report is made of them."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.analysis import sentry
from opsjobs.errors import AccessDenied
from opsjobs.facts import ErrorCounts, Issue, SentryFacts
from opsjobs.model import Quality, Status
from opsjobs.report import render
from tests.fakes import FakeSentry
from tests.unit.analysis.test_findings import Shop, report
from tests.unit.report.test_render import BrokenPrinter
from tests.unit.shop import days

ROME = ZoneInfo("Europe/Rome")
WINDOW = days().window
START = WINDOW.start.astimezone(UTC)


def facts(**known):
    said = {
        "day": ErrorCounts(accepted=120),
        "day_before": ErrorCounts(accepted=100),
        "week_before": ErrorCounts(accepted=150),
        "issues": (),
        "regressed": 0,
        **known,
    }
    return SentryFacts(start=START, end=WINDOW.end, **said)


def judged(**known):
    return sentry.evaluate(facts(**known), WINDOW, ROME)


def row(result, name):
    return next(each for each in result.rows if each.id == name)


def found(result):
    return [(each.subject, each.status) for each in result.findings]


def test_errors_are_told_against_the_day_before_and_the_weekday_and_need_nobody():
    result = judged()
    errors = row(result, "errors")
    assert (errors.value, errors.number, errors.status) == ("120", 120, Status.OK)
    assert errors.reason == "the day before 100 (+20); a week before 150 (\N{MINUS SIGN}30)"
    assert result.findings == ()


def test_errors_that_were_dropped_at_a_limit_are_a_warning_and_those_filtered_are_not():
    result = judged(day=ErrorCounts(accepted=120, filtered=30, rate_limited=4, others=2))
    assert found(result) == [("sentry:rate_limited", Status.WARNING)]
    (finding,) = result.findings
    assert finding.title == "Sentry: errors over the limit: 4"
    assert "nobody saw" in finding.detail and "quota" in finding.advice
    assert (row(result, "filtered").value, row(result, "others").value) == ("30", "2")


def test_new_issues_are_news_with_the_five_most_frequent_told():
    issues = tuple(
        Issue(
            title=f"Error {number}",
            culprit="shop.pay",
            level="error",
            count=100 - number,
            users=number,
            link=f"https://sentry.io/issues/{number}/",
            unresolved=number > 1,
        )
        for number in range(7)
    )
    result = judged(issues=issues)
    assert found(result) == []
    new = row(result, "new")
    assert (new.value, new.reason) == ("7", "5 of them unresolved as of now")
    told = [each for each in result.rows if each.id.startswith("issue:")]
    assert [each.title for each in told] == [f"New: Error {number}" for number in range(5)]
    assert told[1].value == "99 times, 1 user"
    assert told[1].reason == "error, shop.pay, https://sentry.io/issues/1/"


def test_a_new_issue_that_is_fatal_is_one_warning_that_names_it():
    result = judged(issues=(Issue(title="Out of memory", level="fatal", link="https://sentry.io/issues/1/"),))
    assert found(result) == [("sentry:fatal", Status.WARNING)]
    assert result.findings[0].detail == "Out of memory (https://sentry.io/issues/1/)."


def test_that_none_is_fatal_is_not_said_of_more_than_were_looked_at():
    issues = (Issue(title="x", level="error"),)
    assert row(judged(issues=issues), "fatal").status is Status.OK
    result = judged(issues=issues, more_issues=True)
    assert row(result, "fatal").status is Status.UNKNOWN
    assert row(result, "new").value == "more than 1"
    assert row(result, "new").number is None


def test_issues_that_came_back_are_told_without_alarm():
    assert row(judged(regressed=2), "regressed").value == "2"
    assert found(judged(regressed=2)) == []


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("day", {"errors", "rate_limited"}),
        ("day_before", {"day_before"}),
        ("week_before", {"week_before"}),
        ("issues", {"new", "fatal"}),
    ],
)
def test_what_is_missing_is_unknown_and_never_well(part, rows):
    result = judged(**{part: None}, missing={part: "Sentry at x refused the credentials (HTTP 403)"})
    assert {each.id for each in result.rows if each.status is Status.UNKNOWN} == rows
    assert found(result) == [("source:sentry", Status.UNKNOWN)]
    assert "HTTP 403" in result.findings[0].detail and "event:read" in result.findings[0].advice


def test_an_older_sentry_that_does_not_know_what_came_back_is_no_gap():
    result = judged(regressed=None, missing={"regressed": "rejected"})
    assert row(result, "regressed").status is Status.UNKNOWN
    assert found(result) == []


def test_hours_that_are_not_those_of_the_day_are_told():
    known = facts()
    shifted = SentryFacts(
        start=START - timedelta(minutes=30),
        end=WINDOW.end.astimezone(UTC) - timedelta(minutes=30),
        day=known.day,
        issues=(),
        regressed=0,
    )
    errors = row(sentry.evaluate(shifted, WINDOW, ROME), "errors")
    assert errors.reason == "counted from 23:30 on Tue 17 Nov to 23:30"


# In the report.


def section(result):
    return next((each for each in result.report.sections if each.id == "sentry"), None)


def test_a_report_has_a_section_with_its_evidence_only_where_a_sentry_is_configured():
    assert section(report(Shop())) is None
    tracker = FakeSentry({START: {"accepted": 5}})
    result = report(Shop(), sentry=tracker)
    assert result.report.status is Status.OK and result.report.complete
    assert {each.title for each in section(result).blocks[0].rows} >= {"Errors", "New issues"}
    assert tracker.asked == [WINDOW]


def test_what_was_asked_is_evidence_that_can_be_asked_again():
    from opsjobs.facts import Asked

    class Tracker(FakeSentry):
        def facts(self, day, **known):
            asked = tuple(
                Asked(part=part, request=f"GET https://sentry.io/{part}", start=day.start, end=day.end)
                for part in ("day", "issues")
            )
            return facts(asked=asked, issues=None, missing={"issues": "it did not answer"})

    evidence = [each for each in report(Shop(), sentry=Tracker()).report.evidence if each.source == "Sentry"]
    assert [(each.subject, each.query, each.quality) for each in evidence] == [
        ("sentry:day", "GET https://sentry.io/day", Quality.OK),
        ("sentry:issues", "GET https://sentry.io/issues", Quality.ERROR),
    ]
    assert evidence[1].reason == "it did not answer"


def test_one_that_is_down_is_a_gap_with_what_to_do_and_costs_the_rest_nothing():
    error = AccessDenied("Sentry at x refused the credentials (HTTP 401)", advice="Set its token_file.")
    result = report(Shop(), sentry=FakeSentry(fails=error))
    (finding,) = result.report.findings
    assert (finding.subject, finding.status, finding.advice) == (
        "source:sentry",
        Status.UNKNOWN,
        "Set its token_file.",
    )
    assert not result.report.complete
    assert section(result) is None
    assert len(result.indicators) == 5


def test_a_hostile_title_is_text_in_every_format():
    hostile = Issue(title="<script>alert(1)</script>\x1b[31m\u202eevil", culprit="x" * 5000, level="fatal", count=3)
    tracker = FakeSentry(issues=[(START + timedelta(hours=1), hostile, False)])
    files = render(report(Shop(), sentry=tracker).report, BrokenPrinter()).files
    assert b"<script>alert" not in files["report.html"]
    for content in files.values():
        assert b"\x1b" not in content and "\u202e".encode() not in content

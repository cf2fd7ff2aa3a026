"""The weekly digest over sources that are made up: each day is judged by itself, and nothing unknown is called well."""

import json
from datetime import UTC, date, datetime, timedelta

import jsonschema
import pytest

from opsjobs.analysis import alerts
from opsjobs.errors import TimedOut, Unreachable, UsageError
from opsjobs.http import Deadline
from opsjobs.jobs import JOBS, Context, week, weekly
from opsjobs.model import Answer, Sample, Series, Status, Window
from opsjobs.report import data, html, hygiene, mail, text
from opsjobs.report.document import DayStrip, WeekTable
from tests.fakes import FakeMetrics, FakePostgres, FakeSentry
from tests.unit.shop import ZONE, system

MONDAY = date(2026, 11, 9)
WEEK = [MONDAY + timedelta(days=number) for number in range(7)]
LATER = datetime(2026, 11, 17, 8, 0, tzinfo=UTC)
LABELS = {'up{job="api"}': {"instance": "a"}, "db_up": {"instance": "db"}}


def local_day(time):
    """The local day whose step ends at this time."""
    return datetime.fromtimestamp(time - 1, ZONE).date()


class Shop:
    """A healthy shop, but for `faults`: by a part of the query, what is there at a time (... is nothing)."""

    def __init__(self, faults=None, fail=lambda _: None):
        self.faults = faults or {}
        self.fail = fail

    def value(self, query, time):
        for part, fault in self.faults.items():
            if part in query:
                found = fault(local_day(time), time)
                if found is not None:
                    return found
        if "ALERTS" in query:
            return ...
        if "prometheus_rule_group_rules" in query:
            return 5.0
        return {"orders": 30.0, "stock": 5.0}.get(query, 1.0)

    def answer(self, question):
        error = self.fail(question)
        if error is not None:
            return error
        if question.query.startswith("count by (__name__)"):
            names = ("orders", "stock", "paid", "tried", "up")
            point = (Sample(question.at.timestamp(), 1.0),)
            return Answer(series=tuple(Series(labels={"__name__": name}, samples=point) for name in names))
        times = [question.at.timestamp()]
        if question.window is not None:
            start, end = question.window.start.timestamp(), question.window.end.timestamp()
            times = [start + question.step * number for number in range(1, int((end - start) // question.step) + 1)]
        pairs = [(time, self.value(question.query, time)) for time in times]
        samples = tuple(Sample(time, value) for time, value in pairs if value is not ...)
        labels = next((found for part, found in LABELS.items() if part in question.query), {})
        if "ALERTS" in question.query:
            labels = {"alertname": "Slow", "severity": "warning", "team": "web"}
        kinds = (
            [{"part": name} for name in ("numerator", "denominator")] if "label_replace" in question.query else [labels]
        )
        return Answer(series=tuple(Series(labels=each, samples=samples) for each in kinds) if samples else ())


def context(shop=None, *, day=MONDAY, now=LATER, **known):
    metrics = FakeMetrics(canned=(shop or Shop()).answer)
    return Context(
        **{
            "name": "shop",
            "system": system(),
            "metrics": metrics,
            "day": day,
            "now": now,
            "deadline": Deadline(60),
            **known,
        }
    )


def reported(shop=None, **known):
    return weekly.run(context(shop, **known)).report


def on(day, value):
    """A fault of one day."""
    return lambda found, _: value if found == day else None


def strip(report):
    return next(block for part in report.sections for block in part.blocks if isinstance(block, DayStrip)).days


def table(report, section):
    part = next(part for part in report.sections if part.id == section)
    return next((block for block in part.blocks if isinstance(block, WeekTable)), None)


def row(report, section, name):
    return next(row for row in table(report, section).rows if row.id == name)


def section(report, name):
    return next(part for part in report.sections if part.id == name)


@pytest.fixture(scope="module")
def healthy():
    return reported()


@pytest.fixture(scope="module")
def troubled():
    """Few orders on Tuesday and fewer on Friday, the database away on Thursday night, an alert over a midnight."""
    thursday = datetime(2026, 11, 12, 23, 30, tzinfo=ZONE).timestamp()
    alert = datetime(2026, 11, 10, 23, 0, tzinfo=ZONE).timestamp()

    def orders(day, _):
        return {WEEK[1]: 8.0, WEEK[4]: 3.0}.get(day)

    return reported(
        Shop(
            {
                "orders": orders,
                "count_over_time((db_up": lambda *_: 1.0,
                "db_up": lambda _, time: 0.0 if thursday < time <= thursday + 3600 else None,
                "ALERTS": lambda _, time: 1.0 if alert < time <= alert + 7200 else None,
            }
        )
    )


def test_seven_good_days_are_well_and_complete(healthy):
    assert (healthy.status, healthy.complete, healthy.over) == (Status.OK, True, True)
    assert healthy.verdict == "All 7 days were well."
    assert [day.day for day in strip(healthy)] == WEEK
    assert {day.status for day in strip(healthy)} == {Status.OK}
    assert (healthy.findings, healthy.gaps) == ((), ())
    assert (healthy.job, healthy.slot) == ("weekly", "2026-W46")


def test_a_week_writes_no_values_of_days():
    assert weekly.run(context()).indicators == ()
    assert JOBS["weekly"] is weekly.run


def test_any_day_of_a_week_names_it(healthy):
    assert reported(day=WEEK[5]) == healthy
    assert weekly.slot(date(2027, 1, 3)) == "2026-W53"


def test_bad_days_are_counted_and_named(troubled):
    assert troubled.verdict == "4 of 7 days were well; Thu and Fri were critical; Tue had warnings."
    assert troubled.status is Status.CRITICAL


def test_what_was_found_on_several_days_is_one_finding_as_it_was_on_the_worst(troubled):
    found = {finding.subject: finding for finding in troubled.findings}
    assert troubled.findings[0].subject == "indicator:orders"
    orders = found["indicator:orders"]
    assert orders.status is Status.CRITICAL
    assert orders.title.startswith("Orders: 3")
    assert orders.detail.startswith("On Tue and Fri. Friday: ")
    assert (orders.team.name, orders.runbook) == ("web", "shop")
    assert len(found) == len(troubled.findings)


def test_a_row_has_the_value_of_each_day_with_its_status(troubled):
    orders = row(troubled, "indicators", "orders")
    assert [cell.text for cell in orders.cells] == ["30", "8", "30", "30", "3", "30", "30"]
    assert [cell.status for cell in orders.cells] == [
        *(Status.OK, Status.WARNING, Status.OK, Status.OK, Status.CRITICAL, Status.OK, Status.OK),
    ]
    assert table(troubled, "indicators").whole == "Mon to Sun"
    assert orders.whole == "no change"
    assert orders.remark == "target ≥ 20, warning < 10, critical < 5"


def test_an_outage_over_midnight_is_one_with_both_its_ends(troubled):
    database = row(troubled, "components", "database")
    assert database.remark == "down Thu 23:31 to Fri 00:31 (1 h)"
    assert database.cells[2].text == "100 %"
    assert database.cells[3].value < 1 and database.cells[4].value < 1
    assert database.whole == "99.4 %"


def test_an_alert_says_how_long_it_fired_on_each_day_and_how_often(troubled):
    slow = row(troubled, "alerts", "Slow")
    assert [cell.text for cell in slow.cells] == [week._NOTHING, "1 h", "1 h", *[week._NOTHING] * 4]
    assert (slow.about, slow.whole, slow.remark) == ("warning, web", "2 h", "fired once, resolved")


def test_that_nothing_fired_is_said_only_of_rules_that_were_loaded(healthy):
    assert section(healthy, "alerts").note == "No alert fired."
    unruled = reported(Shop({"prometheus_rule_group_rules": on(WEEK[2], ...)}))
    assert section(unruled, "alerts").note == "Alert rules were not known to be loaded all day on Wed."


def test_a_day_without_data_is_neither_well_nor_a_zero():
    report = reported(
        Shop({part: on(WEEK[3], ...) for part in ("orders", "stock", "paid", "tried", "up")}),
    )
    days = strip(report)
    assert days[3].status is Status.UNKNOWN
    assert (report.status, report.complete) == (Status.UNKNOWN, False)
    assert report.verdict == "6 of 7 days were well; Thu is not known in full."
    orders = row(report, "indicators", "orders")
    assert (orders.cells[3].text, orders.cells[3].value, orders.cells[3].status) == ("no data", None, Status.UNKNOWN)
    assert row(report, "components", "api").cells[3].text == "no data"
    assert row(report, "components", "api").whole == "no data"
    assert report.gaps and all(gap.reason.startswith("On Thu. ") for gap in report.gaps)


def test_a_day_on_which_the_source_failed_is_not_known_and_the_others_are():
    asking = []

    def fail(question):
        # What is there at the end of a day is the first thing that is asked of it.
        if question.query.startswith("count by (__name__)"):
            asking.append(local_day(question.at.timestamp()))
        return TimedOut("Prometheus did not answer in time") if asking[-1] == WEEK[1] else None

    work = context(Shop(fail=fail))
    work.metrics.concurrency = 1
    report = weekly.run(work).report
    assert [day.status for day in strip(report)].count(Status.OK) == 6
    assert (strip(report)[1].status, report.complete) == (Status.UNKNOWN, False)
    assert report.verdict == "6 of 7 days were well; nothing is known of Tue."
    # What no member could be told apart on is told of the member that the other days know.
    assert [item.about for item in table(report, "components").rows] == ["a", "db"]


def test_seven_silent_days_are_unknown_and_never_well():
    report = reported(Shop(fail=lambda _: Unreachable("Prometheus cannot be reached: Connection refused")))
    assert (report.status, report.complete) == (Status.UNKNOWN, False)
    assert report.verdict == "Nothing is known of any of the 7 days: Prometheus could not be asked."
    assert {day.status for day in strip(report)} == {Status.UNKNOWN}
    cells = [cell for part in ("indicators", "components") for item in table(report, part).rows for cell in item.cells]
    assert {(cell.text, cell.value, cell.status) for cell in cells} == {("no data", None, Status.UNKNOWN)}
    (finding,) = report.findings
    assert finding.detail.startswith("On each of the 7 days. ")
    assert {fact.value for fact in report.tally} >= {"0 of 7", "0 of 2"}
    assert "OK" not in {item["status"] for item in data.document(report)["sections"][0]["blocks"][0]["days"]}


def test_a_gap_is_told_although_another_day_had_worse_of_the_same():
    def orders(day, _):
        return {WEEK[0]: 3.0, WEEK[1]: ...}.get(day)

    report = reported(Shop({"orders": orders}))
    assert report.complete is False
    assert report.gaps


def test_a_week_that_goes_on_is_so_far_and_names_what_is_to_come():
    now = datetime(2026, 11, 12, 14, 0, tzinfo=ZONE)
    report = reported(now=now)
    assert report.over is False
    assert report.verdict == "All 4 days so far were well."
    assert [day.over for day in strip(report)] == [True, True, True, False]
    assert section(report, "days").note == "Still to come: Fri, Sat and Sun."
    assert table(report, "indicators").days == tuple(WEEK[:4])
    # Half a day is not held against a whole one.
    assert table(report, "indicators").whole == "Mon to Wed"
    assert report.window.end == now


def test_a_day_that_has_just_begun_is_still_to_come():
    report = reported(now=datetime(2026, 11, 12, 0, 59, tzinfo=ZONE))
    assert len(strip(report)) == 3
    assert section(report, "days").note.startswith("Still to come: Thu, ")
    assert report.over is False


def test_a_week_that_has_not_begun_makes_no_sense():
    with pytest.raises(UsageError, match="2026-W46 has not begun") as caught:
        reported(now=datetime(2026, 11, 8, 23, 0, tzinfo=ZONE))
    assert "--week last" in caught.value.advice


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 10, 21), 169), (date(2026, 3, 25), 167)])
def test_a_week_in_which_the_clocks_change_has_its_own_length(day, hours):
    report = reported(day=day)
    assert report.window.seconds == hours * 3600
    assert (report.status, report.verdict) == (Status.OK, "All 7 days were well.")
    assert len(strip(report)) == 7


def test_what_a_database_says_of_itself_now_is_no_part_of_a_week():
    report = reported(postgresql=FakePostgres(Unreachable("PostgreSQL cannot be reached")))
    assert (report.status, report.findings) == (Status.OK, ())
    assert "postgresql" not in {part.id for part in report.sections}


def test_a_sentry_is_not_asked_for_a_week():
    tracker = FakeSentry()
    reported(sentry=tracker)
    assert tracker.asked == []


def test_each_query_is_given_once_and_its_day_is_named(troubled):
    subjects = [item.subject for item in troubled.evidence]
    assert len(subjects) == len(set(subjects)) == 7
    assert troubled.evidence_window == Window.day(WEEK[6], ZONE)
    said = text.render(troubled).decode()
    assert "How each number of Sunday 15 November 2026 came about" in said
    assert "The report of each other day has its own." in " ".join(said.split())


def test_text_page_and_mail_have_the_days_and_every_row(troubled):
    report = hygiene.cleaned(troubled)
    page, words = html.render(report).decode(), text.render(report).decode()
    letter = mail.letter(report, {}, "/reports").html
    for said in ("Orders", "down Thu 23:31 to Fri 00:31", "Slow", "On Tue and Fri."):
        assert said in page.replace("\u00a0", " "), said
        assert said in words, said
    assert words.index("THE DAYS") < words.index("WHAT NEEDS A PERSON") < words.index("INDICATORS")
    assert page.index("The days</h2>") < page.index("What needs a person</h2>")
    assert max(map(len, words[: words.index("APPENDIX")].splitlines())) <= text.WIDTH
    assert "C 3" in words and "W 8" in words and "Before a value: C CRITICAL, W WARNING." in words
    assert page.count('<span class="unseen">CRITICAL </span>') >= 1
    assert "Monday 9 November 2026 to Sunday 15 November 2026" in words
    assert all(finding.title in letter for finding in report.findings)
    assert "Fri 13" in letter
    assert len(letter.encode()) < mail.LARGEST


def test_what_is_not_known_is_marked_in_every_format():
    report = hygiene.cleaned(reported(Shop({"orders": on(WEEK[3], ...)})))
    page, words = html.render(report).decode(), text.render(report).decode()
    assert '<span class="unseen">UNKNOWN </span><span class="none">no data</span>' in page
    assert "U no" in words
    cells = row(report, "indicators", "orders").cells
    assert cells[3].reason
    assert json.loads(data.render(report))["sections"][1]["blocks"][0]["rows"][0]["cells"][3]["value"] is None


@pytest.mark.parametrize("name", ["healthy", "troubled"])
def test_json_is_valid_against_its_schema(name, request, pytestconfig):
    schema = json.loads((pytestconfig.rootpath / "docs" / "report.schema.json").read_text())
    document = json.loads(data.render(request.getfixturevalue(name)))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(document)
    kinds = [block["kind"] for part in document["sections"] for block in part["blocks"]]
    assert kinds[:3] == ["days", "week", "week"]


def test_a_calm_week_says_so_and_not_of_today(healthy):
    assert "Nothing in these days." in text.render(healthy).decode()
    assert "Nothing in these days." in html.render(healthy).decode()


def test_the_same_week_gives_the_same_bytes(healthy):
    assert data.render(reported()) == data.render(healthy)


def test_a_weak_value_is_not_compared():
    report = reported(Shop({"orders": lambda day, time: ... if day == WEEK[0] and time % 7200 else None}))
    assert row(report, "indicators", "orders").whole == "not known"
    assert row(report, "indicators", "orders").cells[0].status is Status.UNKNOWN


def test_the_source_of_alerts_that_failed_on_a_day_is_named():
    def fail(question):
        failed = question.query == alerts.FIRING and question.step == alerts.STEP
        return TimedOut("too slow") if failed and local_day(question.at.timestamp()) == WEEK[2] else None

    report = reported(Shop(fail=fail))
    assert section(report, "alerts").note == "What fired on Wed is not known: too slow."

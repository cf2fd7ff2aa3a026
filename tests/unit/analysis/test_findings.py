"""One cause, one finding: through the daily job, on a source that says what each test plants."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opsjobs import promql
from opsjobs.analysis import alerts, components
from opsjobs.errors import AccessDenied, QueryRejected, TimedOut, Unreachable, UsageError
from opsjobs.http import Deadline
from opsjobs.jobs import Context, daily
from opsjobs.model import Answer, Quality, Sample, Series, Status
from tests.fakes import FakeMetrics
from tests.unit.shop import DAY, PROFILE, answer, days, grid, system

NOW = datetime(2026, 11, 19, 8, 0, tzinfo=UTC)


def up(window, step, spans=(), **labels):
    """A member over a window, with what `spans` of minutes of the day say instead of 1."""
    begin = days().window.start.timestamp()

    def value(time):
        minute = round((time - begin) / 60) - 1
        return next((state for start, end, state in spans if start <= minute < end), 1.0)

    points = [(time, value(time)) for time in grid(window, step)]
    samples = tuple(Sample(time, state) for time, state in points if state is not ...)
    return Series(labels=labels, samples=samples)


class Shop:
    """A source for the shop: healthy but for what a test changes."""

    def __init__(self, **planted):
        self.api = planted.get("api", [("a", ())])
        self.database = planted.get("database", [("db", ())])
        self.values = {"orders": 30.0, "stock": 5.0, "paid": 98.0, "tried": 100.0, **planted.get("values", {})}
        self.absent = set(planted.get("absent", ()))
        self.errors = planted.get("errors", {})
        self.warnings = planted.get("warnings", ())
        self.rules = planted.get("rules", 12.0)
        self.alerts = planted.get("alerts", {})
        """Spans in minutes of the day by name; those before it are negative."""

    def answer(self, question):
        for part, error in self.errors.items():
            if part in question.query:
                return error
        reply = self._reply(question)
        return replace(reply, warnings=self.warnings)

    def _reply(self, question):
        query = question.query
        if query.startswith("count by (__name__)"):
            present = set(self.values) | {"up", "db_up"}
            return Answer(
                series=tuple(
                    Series(labels={"__name__": name}, samples=(Sample(0, 1.0),))
                    for name in sorted(present - self.absent)
                )
            )
        if query.startswith("max(timestamp("):
            last = days().window.start.timestamp() + 14 * 3600
            return Answer(series=(Series(samples=(Sample(last, last),)),))
        members = self.api if "up{" in query else self.database if "db_up" in query else None
        if members is not None:
            window, step = question.window, question.step
            if window is None:
                return Answer(
                    series=tuple(Series(labels={"instance": name}, samples=(Sample(0, 168.0),)) for name, _ in members)
                )
            series = tuple(up(window, step, spans, instance=name) for name, spans in members if spans != "gone")
            return Answer(series=series[:1] if query.startswith("min(") else series)
        if query == alerts.FIRING:
            return self._fired(question)
        if query == alerts.RULES:
            return answer(lambda _: self.rules, question.window, question.step) if self.rules else Answer()
        if "label_replace" in query:
            parts = (("numerator", "paid"), ("denominator", "tried"))
            replies = [(part, self._values(name, question)) for part, name in parts]
            return Answer(
                series=tuple(
                    replace(series, labels={"part": part}) for part, reply in replies for series in reply.series
                )
            )
        return self._values(query, question)

    def _fired(self, question):
        begin = days().window.start.timestamp()
        found = []
        for name, spans in self.alerts.items():
            during = [
                Sample(time, 1.0)
                for time in grid(question.window, question.step)
                if any(begin + start * 60 < time <= begin + end * 60 for start, end in spans)
            ]
            if during:
                labels = {"alertname": name, "severity": "warning", "team": "web"}
                found.append(Series(labels=labels, samples=tuple(during)))
        return Answer(series=tuple(found))

    def _values(self, name, question):
        if name in self.absent:
            return Answer()
        return answer(lambda _: self.values[name], question.window, question.step)


def report(shop=None, canned=None, day=DAY, now=NOW, text=None, past=None, **databases):
    metrics = FakeMetrics(canned=canned or shop.answer)
    context = Context(
        name="shop",
        system=system(text) if text else system(),
        metrics=metrics,
        day=day,
        now=now,
        deadline=Deadline(10),
        grafana="http://grafana.example.com",
        runbooks="https://wiki.example.com/runbooks",
        past=past or {},
        **databases,
    )
    return daily.run(context)


def told(shop=None, **known):
    return [(finding.subject, finding.status, finding.explains) for finding in report(shop, **known).report.findings]


def test_a_healthy_day_needs_nobody():
    result = report(Shop()).report
    assert (result.status, result.complete, result.findings, result.gaps) == (Status.OK, True, (), ())
    assert result.verdict == "All 4 indicators with limits kept to them, and all 2 components were up."


def test_a_missed_target_is_said_but_needs_nobody():
    result = report(Shop(values={"orders": 15.0})).report
    assert result.findings == ()
    assert result.verdict.endswith("off target: Orders (15).")


def test_a_value_beyond_its_limit_is_told_with_the_limit_the_day_before_and_links():
    (finding,) = report(Shop(values={"orders": 4.0})).report.findings
    assert (finding.subject, finding.status) == ("indicator:orders", Status.CRITICAL)
    assert finding.title == "Orders: 4, below 5"
    assert finding.detail == "The day before it was 4."
    assert finding.dashboard == "http://grafana.example.com/d/main"
    assert finding.runbook == "https://wiki.example.com/runbooks#shop"
    assert finding.team.contact == "web@example.com"


def test_a_metric_that_vanished_is_one_finding_for_all_that_need_it():
    assert told(Shop(absent={"orders"})) == [("metric:orders", Status.UNKNOWN, ("Orders", "Orders again"))]
    (finding,) = report(Shop(absent={"orders"})).report.findings
    assert finding.detail == "No samples since 14:00 (10 h)."


def test_a_component_that_is_gone_explains_the_silence_of_its_metrics():
    shop = Shop(database=[("db", [(600, 1440, ...)])], absent={"stock", "db_up"})
    assert told(shop) == [("component:database", Status.UNKNOWN, ("Stock",))]


def test_a_component_that_is_down_explains_the_silence_of_its_metrics():
    shop = Shop(database=[("db", [(600, 1440, 0.0)])], absent={"stock"})
    assert told(shop) == [("component:database", Status.CRITICAL, ("Stock",))]


def test_an_outage_explains_the_indicator_that_declares_it():
    shop = Shop(api=[("a", [(180, 240, 0.0)])])
    assert told(shop) == [("component:api", Status.WARNING, ("Answering: 95.8 %",))]


def test_a_member_that_vanished_is_named():
    (finding,) = report(Shop(api=[("a", ()), ("b", "gone")])).report.findings
    assert (finding.subject, finding.status) == ("component:api", Status.UNKNOWN)
    assert finding.detail == "b: not seen in the window; it was there in the 7 days before."


def test_when_nothing_was_seen_for_a_while_monitoring_was_blind_once():
    hole = [(720, 880, ...)]
    (subject, status, _), *others = told(Shop(api=[("a", hole)], database=[("db", hole)]))
    assert (subject, status, others) == ("source:prometheus", Status.UNKNOWN, [])


def test_a_hole_of_one_component_is_its_own_and_not_blindness():
    subjects = [subject for subject, _, _ in told(Shop(api=[("a", [(720, 780, ...)])]))]
    assert subjects == ["component:api"]


def test_a_source_that_can_not_be_asked_is_one_finding_and_a_gap_with_what_to_do():
    error = Unreachable("Prometheus at http://x cannot be reached: Connection refused", advice="Set the url.")
    result = report(canned=lambda _: error).report
    assert (result.status, result.complete) == (Status.UNKNOWN, False)
    ((finding,), (gap,)) = (result.findings, result.gaps)
    assert finding.subject == "source:prometheus"
    assert "Connection refused" in finding.detail
    assert gap.advice == "Set the url."
    assert result.verdict == "No component and no indicator is known: Prometheus could not be asked."


def test_credentials_that_are_refused_are_one_finding_too():
    result = report(canned=lambda _: AccessDenied("refused (HTTP 401)")).report
    assert [finding.subject for finding in result.findings] == ["source:prometheus"]


def test_a_source_that_stops_answering_half_way_leaves_what_it_said_and_one_finding():
    asked = []

    def half(question):
        asked.append(question)
        return Shop().answer(question) if len(asked) <= 6 else Unreachable("gone")

    result = report(canned=half).report
    assert not result.complete
    assert [finding.subject for finding in result.findings] == ["source:prometheus"]
    assert result.findings[0].title.startswith("Prometheus failed on ")
    values = [
        row.measurement.value
        for section in result.sections
        for block in section.blocks
        for row in getattr(block, "rows", ())
        if hasattr(row, "measurement")
    ]
    assert any(value is not None for value in values)
    assert any(value is None for value in values)


def test_a_query_that_is_rejected_is_the_indicators_own_finding():
    found = told(Shop(errors={"label_replace": QueryRejected("Prometheus rejected the query (HTTP 422): too many")}))
    assert found == [("indicator:paid", Status.UNKNOWN, ())]


@pytest.mark.parametrize("part", ["__name__", "count_over_time", "orders", "up{"])
def test_whatever_query_is_refused_or_late_the_report_is_neither_well_nor_complete(part):
    for error in (QueryRejected("rejected (HTTP 422): too many samples"), TimedOut("no answer within 30 s")):
        result = report(Shop(errors={part: error})).report
        assert result.status is Status.UNKNOWN
        assert not result.complete
        assert result.findings
        assert result.gaps


def test_a_report_is_never_better_than_its_worst_finding():
    for shop in (
        Shop(),
        Shop(values={"orders": 4.0}),
        Shop(absent={"stock"}),
        Shop(warnings=("x",)),
        Shop(errors={"count_over_time": TimedOut("late")}),
    ):
        result = report(shop).report
        assert result.status is Status.worst([Status.OK, *(finding.status for finding in result.findings)])


def test_when_a_metric_was_last_seen_is_not_invented_where_it_could_not_be_asked():
    result = report(Shop(absent={"orders"}, errors={"max(timestamp(": TimedOut("no answer within 30 s")})).report
    metric = next(finding for finding in result.findings if finding.subject == "metric:orders")
    assert "could not be asked: no answer within 30 s" in metric.detail
    assert "source:prometheus" in [finding.subject for finding in result.findings]


def test_an_indicator_explains_another_that_declares_it():
    text = PROFILE.replace("summary: last, step: 1h}", "summary: last, step: 1h, explained_by: 'indicator:orders'}")
    assert told(Shop(values={"orders": 4.0, "stock": 0.0}), text=text) == [
        ("indicator:orders", Status.CRITICAL, ("Stock: 0",))
    ]
    assert told(Shop(values={"stock": 0.0}), text=text) == [("indicator:stock", Status.WARNING, ())]


def test_an_hour_beyond_a_limit_is_told_with_its_times():
    shop = Shop()
    orders = shop._values

    def values(name, question):
        if name != "orders":
            return orders(name, question)
        begin = days().window.start.timestamp() + 10 * 3600
        times = grid(question.window, question.step)
        spike = [Sample(time, 4.0 if begin < time <= begin + 7200 else 30.0) for time in times]
        return Answer(series=(Series(samples=tuple(spike)),))

    shop._values = values
    text = PROFILE.replace("target: 20, warning: 10", "for: 1h, target: 20, warning: 10")
    (finding,) = report(shop, text=text).report.findings
    assert (finding.status, finding.title) == (Status.WARNING, "Orders: beyond its limit for a while")
    assert finding.detail.startswith("Critical limit of 5 passed from 10:00 to 12:00 (2 h), 4 at worst")


def test_a_day_that_goes_on_is_compared_with_the_same_hours_and_not_remembered():
    result = report(Shop(), day=DAY.replace(day=19))
    assert not result.report.over
    assert result.indicators == ()
    assert report(Shop()).indicators != ()


def test_answers_in_part_are_one_finding_and_nothing_is_ok():
    result = report(Shop(warnings=("store b is gone",))).report
    assert [finding.subject for finding in result.findings] == ["source:prometheus"]
    assert result.findings[0].detail == "Store b is gone."
    assert result.status is Status.UNKNOWN
    assert not result.complete


def test_the_worst_comes_first_and_unknown_before_warning():
    shop = Shop(values={"orders": 8.0, "paid": 90.0}, absent={"stock"})
    assert [status for _, status, _ in told(shop)] == [Status.CRITICAL, Status.UNKNOWN, Status.WARNING]


def test_every_query_is_in_the_evidence_and_is_what_was_sent():
    metrics_asked = []
    shop = Shop()

    def canned(question):
        metrics_asked.append(question)
        return shop.answer(question)

    evidence = report(canned=canned).report.evidence
    asked = [question.query for question in metrics_asked if question.at >= days().window.start]
    assert sorted(item.query for item in evidence) == sorted(asked)
    told = {item.query: item.method for item in evidence}
    for question in metrics_asked:
        if question.at < days().window.start:
            assert f"{question.window.start:%Y-%m-%d}" in told[question.query]
    for item in evidence:
        promql.check(item.query)
    quality = {item.subject: item.quality for item in report(Shop(absent={"orders"})).report.evidence}
    assert quality["indicator:orders"] is Quality.EMPTY
    assert quality["indicator:stock"] is Quality.OK


def test_one_range_query_serves_value_trend_and_comparison():
    shop = Shop()
    asked = []

    def canned(question):
        asked.append(question)
        return shop.answer(question)

    report(canned=canned)
    others = {alerts.FIRING, alerts.RULES}
    ranges = [
        question
        for question in asked
        if question.window
        and question.step != components.STEP
        and question.query not in others
        # What earlier weekdays were is asked beside it.
        and question.at == days().window.end
    ]
    assert len(ranges) == len(list(system().indicators))


def test_the_same_day_over_the_same_data_is_the_same_report_whenever_it_is_made():
    later = NOW.replace(day=25)
    assert report(Shop()).report == report(Shop(), now=later).report


def test_a_day_that_has_not_begun_can_not_be_reported_on():
    with pytest.raises(UsageError, match="has not begun"):
        report(Shop(), day=DAY.replace(day=20))


def test_a_day_that_is_not_over_is_reported_on_up_to_now():
    result = report(Shop(), day=DAY.replace(day=19)).report
    assert result.window.end == NOW


@pytest.mark.parametrize("when", [datetime(2026, 10, 25).date(), datetime(2026, 3, 29).date()])  # noqa: DTZ001
def test_the_nights_on_which_the_clocks_change_are_days_like_others(when):
    result = report(Shop(), day=when).report
    assert (result.status, result.complete) == (Status.OK, True)

"""Each kind of check: what it finds well, bad, and unknown."""

from datetime import timedelta

import pytest

from opsjobs import checks
from opsjobs.checks import alertmanager, alerts, components, databases, grafana, indicators, jobs, prometheus, urls
from opsjobs.errors import QueryRejected, Unreachable
from opsjobs.facts import (
    AlertmanagerFacts,
    DataSource,
    GrafanaFacts,
    PrometheusFacts,
    RoutedAlert,
    RunningRule,
    ScrapeTarget,
    Visit,
)
from opsjobs.http import Deadline
from opsjobs.jobs import health
from opsjobs.model import Answer, Outcome, Passed, Run, Sample, Series, Status
from tests.unit.checks.around import NOW, Nobody, around, looked, results, shop


def series(values, step=60, end=NOW, **labels):
    """Points that end now."""
    times = [end.timestamp() - step * (len(values) - 1 - number) for number in range(len(values))]
    samples = tuple(Sample(time, value) for time, value in zip(times, values, strict=True) if value is not ...)
    return Series(labels=labels, samples=samples)


class Says:
    """A Prometheus that answers what a query contains."""

    name = "Prometheus"
    concurrency = 4

    def __init__(self, **answers):
        self.answers = answers

    def ask(self, question, deadline):
        for part, answer in self.answers.items():
            if part in question.query:
                if isinstance(answer, Exception):
                    raise answer
                return answer if isinstance(answer, Answer) else Answer(series=tuple(answer))
        return Answer()


def one(kind, where, name):
    return results(looked(kind, where))[name]


class TestComponents:
    def test_a_member_that_is_up_is_well(self):
        found = one(components, around(metrics=Says(up=[series([1] * 360, instance="a")])), "component:api")
        assert (found.status, found.text, found.value) == (Status.OK, "up", 1)

    def test_a_member_that_is_down_is_told_with_since_when(self):
        up = [series([1] * 330 + [0] * 30, instance="a"), series([1] * 360, instance="b")]
        found = one(components, around(metrics=Says(up=up)), "component:api")
        assert (found.status, found.value) == (Status.CRITICAL, 1)
        assert found.text == "a down since 12:31"
        assert found.runbook == "https://docs.example.com/shop#api-down"

    def test_one_that_was_down_and_is_up_again_is_well_and_told_as_over(self):
        up = [series([1] * 100 + [0] * 40 + [1] * 220, instance="a")]
        found = looked(components, around(metrics=Says(up=up)))
        assert results(found)["component:api"].status is Status.OK
        (over,) = [each for each in found if isinstance(each, Passed) and each.subject == "component:api"]
        assert (over.end - over.start) == timedelta(minutes=40)

    def test_an_answer_in_part_is_never_well_also_after_an_outage(self):
        up = (series([1] * 100 + [0] * 40 + [1] * 220, instance="a"),)
        found = one(components, around(metrics=Says(up=Answer(series=up, warnings=("in part",)))), "component:api")
        assert found.status is Status.UNKNOWN and "in part" in found.text

    def test_one_that_vanished_is_unknown(self):
        before = [series([1], instance="gone"), series([1], instance="a")]
        metrics = Says(count_over_time=before, up=[series([1] * 360, instance="a")])
        found = one(components, around(metrics=metrics), "component:api")
        assert found.status is Status.UNKNOWN and "gone" in found.text

    def test_one_that_is_not_seen_any_more_is_unknown_since_then(self):
        up = [series([1] * 300 + [...] * 60, instance="a")]
        found = one(components, around(metrics=Says(up=up)), "component:api")
        assert found.status is Status.UNKNOWN and found.text.startswith("a not seen since")


class TestIndicators:
    @pytest.mark.parametrize(
        ("value", "status", "text"),
        [
            (12, Status.OK, "12"),
            (10, Status.OK, "10"),
            (9, Status.WARNING, "9, below 10"),
            (5, Status.WARNING, "5, below 10"),
            (4, Status.CRITICAL, "4, below 5"),
        ],
    )
    def test_a_limit_is_violated_strictly_beyond_it(self, value, status, text):
        found = one(indicators, around(metrics=Says(stock=[series([value])])), "indicator:stock")
        assert (found.status, found.text, found.value) == (status, text, value)

    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            ([], "no data: the query returned nothing"),
            ([series([None])], "no data: division by zero"),
            ([series([20], a="1"), series([20], a="2")], "the query returned 2 series"),
            (QueryRejected("it is rejected"), "it is rejected"),
            (
                Answer(series=(series([20]),), warnings=("a store is missing",)),
                "20; the source warns: a store is missing",
            ),
        ],
    )
    def test_what_is_not_known_is_never_well(self, answer, text):
        found = one(indicators, around(metrics=Says(stock=answer)), "indicator:stock")
        assert (found.status, found.text) == (Status.UNKNOWN, text)

    def test_weak_evidence_can_prove_a_fault(self):
        weak = Answer(series=(series([1]),), warnings=("a store is missing",))
        assert one(indicators, around(metrics=Says(stock=weak)), "indicator:stock").status is Status.CRITICAL

    def test_its_silence_is_explained_by_where_it_comes_from_and_a_value_is_not(self):
        assert one(indicators, around(), "indicator:stock").cause == "component:api"
        assert one(indicators, around(metrics=Says(stock=[series([1])])), "indicator:stock").cause == ""

    def test_one_without_limits_is_not_asked(self):
        assert set(results(looked(indicators, around()))) == {"indicator:stock"}


class TestAlerts:
    def test_one_that_fires_is_told_with_since_when(self):
        firing = [series([1] * 20, alertname="Odd", severity="critical", team="web")]
        found = one(alerts, around(metrics=Says(ALERTS=firing)), "alert:Odd")
        assert (found.status, found.text, found.team.name) == (Status.CRITICAL, "fires since 12:40", "web")

    def test_one_that_ended_is_told_as_over(self):
        firing = [series([1] * 20, end=NOW - timedelta(hours=1), alertname="Odd", severity="warning")]
        (over,) = looked(alerts, around(metrics=Says(ALERTS=firing)))
        assert isinstance(over, Passed) and over.severity is Status.WARNING
        assert over.end - over.start == timedelta(minutes=20)

    def test_an_answer_in_part_is_not_known(self):
        found = one(alerts, around(metrics=Says(ALERTS=Answer(warnings=("a store is missing",)))), "alerts")
        assert found.status is Status.UNKNOWN and "a store is missing" in found.text

    def test_that_none_fires_is_not_a_result_and_not_knowing_is(self):
        assert looked(alerts, around()) == []
        assert one(alerts, around(metrics=Nobody()), "alerts").status is Status.UNKNOWN


class Facts:
    """A server that says how it is, or does not answer."""

    name = "It"

    def __init__(self, facts):
        self.told = facts

    def facts(self, deadline):
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def rule(name, **known):
    return RunningRule(**{"name": name, "query": "x", "interval": 60.0, "evaluated_at": NOW, **known})


class TestPrometheus:
    @pytest.mark.parametrize(
        ("facts", "name", "status", "said"),
        [
            (PrometheusFacts(ready=True), "ready", Status.OK, "it is ready"),
            (PrometheusFacts(missing={"ready": "HTTP 503"}), "ready", Status.CRITICAL, "HTTP 503"),
            (PrometheusFacts(ready=True, reloaded=True), "config", Status.OK, "as it was read last"),
            (PrometheusFacts(ready=True, reloaded=False, configured_at=NOW), "config", Status.CRITICAL, "of 13:00"),
            (PrometheusFacts(ready=True, corruptions=0), "storage", Status.OK, "sound"),
            (PrometheusFacts(ready=True, corruptions=2), "storage", Status.CRITICAL, "corrupt 2 times"),
            (PrometheusFacts(ready=True, rules=(rule("A"),)), "rules", Status.OK, "1 rules, none fails"),
            (PrometheusFacts(ready=True, rules=(rule("A", error="many"),)), "rules", Status.WARNING, "1 of 1 fail: A"),
            (
                PrometheusFacts(ready=True, rules=(rule("A", evaluated_at=NOW - timedelta(minutes=10)),)),
                "evaluation",
                Status.WARNING,
                "evaluated late: A",
            ),
            (
                PrometheusFacts(ready=True, targets=(ScrapeTarget(job="x", instance="y", up=True),)),
                "targets",
                Status.OK,
                "all 1 are scraped",
            ),
            (
                PrometheusFacts(ready=True, targets=(ScrapeTarget(job="x", instance="y", up=False, error="refused"),)),
                "targets",
                Status.WARNING,
                "1 of 1 cannot be scraped: x y: refused",
            ),
            (PrometheusFacts(ready=True, series=1200, largest=(("a", 800),)), "series", Status.OK, "1,200 series"),
        ],
    )
    def test_each_thing_that_it_says(self, facts, name, status, said):
        found = one(prometheus, around(monitor=Facts(facts)), f"prometheus:{name}")
        assert found.status is status and said in found.text
        assert found.advice or found.status is Status.OK or name == "targets"

    def test_one_that_cannot_be_reached_is_unknown_with_what_to_do(self):
        found = one(prometheus, around(monitor=Facts(Unreachable("refused", advice="start it"))), "source:prometheus")
        assert (found.status, found.text, found.advice) == (Status.UNKNOWN, "refused", "start it")

    def test_a_metric_that_was_there_and_is_gone_is_told_and_one_that_never_was_is_not(self):
        class Vanishing(Says):
            def ask(self, question, deadline):
                there = ("stock", "orders_total") if question.at < NOW else ("orders_total",)
                return Answer(series=tuple(series([1], __name__=name) for name in there))

        found = results(looked(prometheus, around(metrics=Vanishing())))
        assert set(found) == {"metric:stock"}
        assert found["metric:stock"].status is Status.UNKNOWN and found["metric:stock"].cause == "component:api"


class TestAlertmanager:
    def test_what_it_says(self):
        told = (
            RoutedAlert(name="A", severity="critical", since=NOW),
            RoutedAlert(name="B", severity="warning", since=NOW, held_back="silenced"),
        )
        found = results(
            looked(
                alertmanager, around(alertmanager=Facts(AlertmanagerFacts(ready=True, cluster="ready", alerts=told)))
            )
        )
        assert {each.status for each in found.values()} == {Status.OK}
        assert found["alertmanager:alerts"].text == "2 alerts: 1 told, 1 silenced"

    @pytest.mark.parametrize(
        ("facts", "name", "status"),
        [
            (AlertmanagerFacts(ready=False, alerts=()), "ready", Status.CRITICAL),
            (AlertmanagerFacts(ready=True, cluster="settling", alerts=()), "cluster", Status.WARNING),
            (AlertmanagerFacts(ready=True), "alerts", Status.UNKNOWN),
        ],
    )
    def test_what_is_not_well(self, facts, name, status):
        assert one(alertmanager, around(alertmanager=Facts(facts)), f"alertmanager:{name}").status is status

    def test_what_it_could_not_deliver_is_told_by_channel(self):
        failed = [series([3.2], integration="slack"), series([1], integration="email")]
        found = one(alertmanager, around(metrics=Says(notifications_failed=failed)), "alertmanager:notifications")
        assert (found.status, found.text) == (Status.WARNING, "could not be delivered: email 1, slack 3")
        assert looked(alertmanager, around()) == []


class TestGrafana:
    def test_what_it_says(self):
        sources = (
            DataSource(name="P", kind="prometheus", well=True),
            DataSource(name="L", kind="loki", well=False, text="refused"),
            DataSource(name="J", kind="jaeger", well=None),
        )
        found = results(
            looked(grafana, around(grafana=Facts(GrafanaFacts(version="11", database="ok", sources=sources))))
        )
        assert found["grafana:database"].status is Status.OK
        assert (found["grafana:source:L"].status, found["grafana:source:L"].text) == (Status.WARNING, "refused")
        assert found["grafana:sources"].text == "1 of 3 answer, 1 do not say"

    def test_without_its_database_it_is_critical(self):
        facts = GrafanaFacts(version="11", database="failing")
        assert one(grafana, around(grafana=Facts(facts)), "grafana:database").status is Status.CRITICAL


class Visits:
    def __init__(self, found):
        self.found = found

    def visit(self, url, deadline):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class TestAddresses:
    @pytest.mark.parametrize(
        ("visit", "status", "said"),
        [
            (Visit(code=200, seconds=0.02, body="", certificate_until=None), Status.OK, "HTTP 200 in 20 ms"),
            (Visit(code=302, seconds=0.02, body="", certificate_until=None), Status.OK, "HTTP 302"),
            (
                Visit(code=503, seconds=0.02, body="no\ndb", certificate_until=None),
                Status.CRITICAL,
                "HTTP 503 in 20 ms: no db",
            ),
            (Unreachable("refused"), Status.CRITICAL, "refused"),
        ],
    )
    def test_what_it_answers(self, visit, status, said):
        found = one(urls, around(visitor=Visits(visit)), "url:api")
        assert found.status is status and found.text.startswith(said)

    @pytest.mark.parametrize(
        ("left", "status"),
        [
            (timedelta(days=22), Status.OK),
            (timedelta(days=20), Status.WARNING),
            (timedelta(days=6), Status.CRITICAL),
            (timedelta(days=-1), Status.CRITICAL),
        ],
    )
    def test_how_long_its_certificate_is_good(self, left, status):
        visit = Visit(code=200, seconds=0.02, body="", certificate_until=NOW + left)
        assert one(urls, around(visitor=Visits(visit)), "certificate:api").status is status

    def test_nothing_is_visited_where_that_is_not_wanted(self):
        assert list(urls.checks(around())) == []


def test_a_database_that_cannot_be_asked_is_unknown():
    found = one(databases, around(postgresql=Facts(Unreachable("refused", advice="start it"))), "source:postgresql")
    assert (found.status, found.advice) == (Status.UNKNOWN, "start it")


def test_a_job_that_failed_is_told():
    run = Run(
        id="1",
        system="shop",
        job="daily",
        slot="2026-11-17",
        started_at=NOW - timedelta(hours=3),
        finished_at=NOW - timedelta(hours=3),
        host="h",
        pid=1,
        outcome=Outcome.FAILED,
        error="no room",
    )
    found = looked(jobs, around(runs=[run]))
    assert [each.status for each in found] == [Status.WARNING] and "no room" in found[0].text + found[0].title


def test_every_kind_is_asked_and_a_prometheus_that_is_gone_is_told_once():
    found = health.look(around(metrics=Nobody()), Deadline(5))
    assert [each.id for each in found.bad] == ["monitoring"]
    assert found.status is Status.UNKNOWN
    assert len(checks.declared(around(system=shop()))) >= 6

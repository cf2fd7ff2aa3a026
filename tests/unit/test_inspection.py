"""What a Prometheus has of what a profile declares, on a source that says what each test plants."""

from datetime import UTC, datetime

import pytest

from opsjobs.errors import QueryRejected, Unreachable
from opsjobs.facts import PostgresFacts
from opsjobs.http import Deadline
from opsjobs.jobs.inspection import inspect
from opsjobs.model import Answer, Sample, Series, Status
from tests.fakes import FakeMetrics, FakePostgres
from tests.unit.shop import PROFILE, system

NOW = datetime(2026, 11, 19, 8, tzinfo=UTC)
FACTS = PostgresFacts(version="15.14", at=NOW, database="shop")
TEXT = PROFILE.replace("orders: {type: gauge, component: api}", "orders: {type: gauge, component: api, labels: [shop]}")


def one(value=1.0, **labels):
    return Series(labels=labels, samples=(Sample(0, value),))


def look(planted=None, text=TEXT, stores=()):
    """`planted` has answers by what the query contains; everything else is there."""

    def canned(question):
        for part, reply in (planted or {}).items():
            if part in question.query:
                return reply
        if "label_replace" in question.query:
            return Answer(series=(one(part="numerator"), one(part="denominator")))
        return Answer(series=(one(instance="a"),))

    return inspect(system(text), FakeMetrics(canned=canned), NOW, Deadline(10), dict(stores))


def told(found):
    return [(each.subject, each.status) for each in found.remarks]


def test_where_everything_is_there_nothing_is_remarked():
    found = look()
    assert (found.remarks, found.asked, found.rules) == ((), True, 1.0)
    assert found.looked_at == {"metric": (5, 5), "component": (2, 2), "indicator": (5, 5)}


def test_a_missing_metric_is_one_remark_with_who_needs_it_and_what_is_like_it():
    names = Answer(series=(one(__name__="stock_total"), one(__name__="up")))
    found = look({"group by": names, "topk(1, stock)": Answer(), "stock": Answer()})
    (remark,) = found.remarks
    assert (remark.subject, remark.status) == ("metric:stock", Status.WARNING)
    assert remark.text == "no such metric; there is 'stock_total'; needed by indicator:stock"
    assert "correct its name" in remark.advice
    assert found.looked_at["metric"] == (4, 5) and found.looked_at["indicator"] == (4, 5)


def test_a_label_that_no_series_has_is_remarked():
    found = look({'count(orders{shop!=""})': Answer()})
    assert told(found) == [("metric:orders", Status.WARNING)]
    assert found.remarks[0].text == "no series has the label shop; there is: instance"
    assert found.labels["orders"] == ("instance",)


def test_a_component_that_is_down_is_told_with_its_member():
    found = look({'up{job="api"}': Answer(series=(one(0.0, instance="a:1"), one(1.0, instance="b:1")))})
    assert ("component:api", Status.WARNING) in told(found)
    assert next(each.text for each in found.remarks if each.subject == "component:api") == "down: a:1"


def test_a_component_that_nothing_answers_to_is_told_with_its_expression():
    assert next(each for each in look({"db_up": Answer()}).remarks if each.subject == "component:database").text == (
        "nothing answers to db_up"
    )


def test_a_query_that_returns_nothing_though_its_metrics_are_there_is_remarked():
    found = look({"label_replace": Answer()})
    assert told(found) == [("indicator:paid", Status.WARNING)]


def test_several_series_where_one_is_due_are_remarked():
    found = look({"orders": Answer(series=(one(a="1"), one(a="2")))})
    assert ("indicator:orders", Status.WARNING) in told(found)
    assert "2 series where one is due" in found.remarks[0].text


def test_a_query_that_is_rejected_is_its_own_fault():
    found = look({"label_replace": QueryRejected("bad query")})
    assert (told(found), found.asked) == ([("indicator:paid", Status.WARNING)], True)


def test_a_source_that_cannot_be_asked_is_unknown_and_never_well():
    down = Unreachable("no route", advice="Start it.")
    found = inspect(system(TEXT), FakeMetrics(canned=lambda _: down), NOW, Deadline(10))
    assert {each.status for each in found.remarks} == {Status.UNKNOWN}
    assert not found.asked and found.rules is None


@pytest.mark.parametrize("name", ["pratikoai", "iob-maiis"])
def test_alerts_that_do_not_fire_are_not_missing(name):
    from pathlib import Path

    from opsjobs import system as profiles

    asked = []

    def canned(question):
        asked.append(question.query)
        return Answer(series=(one(),))

    inspect(profiles.read(name, Path()), FakeMetrics(canned=canned), NOW, Deadline(10))
    assert not [query for query in asked if query.startswith("count by (severity) (ALERTS")]


SOLD = "{title: Sold, sql: 'SELECT count(*) FROM sold WHERE at < :end', unit: count, healthy: above}"
KEPT = f"{TEXT}      sold: {SOLD}\n"


def test_a_number_that_is_kept_in_a_database_is_asked_there():
    database = FakePostgres(FACTS, lambda _: Answer(series=(one(3.0),)))
    found = look(text=KEPT, stores={"postgresql": database})
    assert found.remarks == () and found.looked_at["indicator"] == (6, 6)


def test_a_number_that_a_database_has_not_is_remarked_with_the_day_that_was_asked():
    found = look(text=KEPT, stores={"postgresql": FakePostgres(FACTS, lambda _: Answer())})
    (remark,) = found.remarks
    assert (remark.subject, remark.status) == ("indicator:sold", Status.WARNING)
    assert remark.advice.endswith("Wednesday, 2026-11-18.")


@pytest.mark.parametrize(
    "stores",
    [{}, {"postgresql": FakePostgres(FACTS, lambda _: Unreachable("no route"))}],
    ids=["not configured", "down"],
)
def test_a_database_that_cannot_be_asked_is_unknown(stores):
    found = look(text=KEPT, stores=stores)
    assert told(found) == [("indicator:sold", Status.UNKNOWN)] and not found.asked

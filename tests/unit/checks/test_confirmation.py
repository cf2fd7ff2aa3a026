"""What is bad for the first time is looked at again before it is told."""

from datetime import timedelta

import pytest

from opsjobs.errors import TimedOut
from opsjobs.http import Deadline
from opsjobs.jobs import health
from opsjobs.model import Answer, CheckState, Status
from tests.unit.checks.around import NOW, around
from tests.unit.checks.test_kinds import series


class Changing:
    """A Prometheus whose stock is another one at each look."""

    name = "Prometheus"
    concurrency = 2

    def __init__(self, *stocks):
        self.stocks = list(stocks)

    def ask(self, question, deadline):
        if question.query == "sum(stock)":
            return Answer(series=(series([self.stocks.pop(0)]),))
        return (
            Answer(series=(series([1] * 360, instance="a", job="x"),)) if question.query.startswith("up") else Answer()
        )


def looked(*stocks, states=None, patience=9):
    waits = []

    def again():
        if len(waits) >= patience:
            return None
        waits.append(1)
        return NOW + timedelta(seconds=len(waits))

    found = health.look(around(metrics=Changing(*stocks), states=states or {}), Deadline(5), again)
    (stock,) = [each for each in found.checks if each.id == "indicator:stock"]
    return stock, len(waits), found


@pytest.mark.parametrize(
    ("stocks", "status", "waits"),
    [
        ((20,), Status.OK, 0),
        ((1, 20), Status.OK, 1),
        ((1, 1, 20), Status.OK, 2),
        ((1, 1, 1), Status.CRITICAL, 2),
        ((1, 8, 8), Status.WARNING, 2),
        ((8, 1, 1), Status.CRITICAL, 2),
    ],
)
def test_what_is_bad_in_every_look_is_told_as_the_last_one_says(stocks, status, waits):
    stock, waited, found = looked(*stocks)
    assert (stock.status, waited) == (status, waits)
    assert ("indicator:stock" in found.states) == (status is not Status.OK)


def test_a_moment_is_mentioned_where_it_is_well_again():
    stock, _, found = looked(1, 20)
    assert stock.text == "20; a moment ago: 1, below 5" and found.bad == ()


def test_what_was_bad_before_is_told_at_once():
    before = {"indicator:stock": CheckState(check="indicator:stock", status=Status.WARNING, since=NOW, looks=1)}
    stock, waited, found = looked(1, states=before)
    assert (stock.status, waited, found.states["indicator:stock"].looks) == (Status.CRITICAL, 0, 2)


def test_where_nobody_waits_the_first_look_counts():
    stock, waited, _ = looked(1, patience=0)
    assert (stock.status, waited) == (Status.CRITICAL, 0)


class Flaky:
    """A Prometheus with an alert that fires, which some looks cannot ask for."""

    name = "Prometheus"
    concurrency = 1

    def __init__(self, *known):
        self.known = list(known)

    def ask(self, question, deadline):
        if "ALERTS" not in question.query:
            return Answer()
        if not self.known.pop(0):
            raise TimedOut("it did not answer")
        return Answer(series=(series([1] * 60, alertname="Down", severity="critical"),))


@pytest.mark.parametrize("known", [(False, True, True), (True, False, False), (True, False, True)])
@pytest.mark.parametrize("before", [True, False])
def test_a_look_that_could_not_ask_for_alerts_makes_none_of_them_well(known, before):
    state = CheckState(check="alert:Down", status=Status.CRITICAL, since=NOW, looks=1)
    times = iter(NOW + timedelta(seconds=number) for number in range(1, 9))
    found = health.look(
        around(metrics=Flaky(*known), states={"alert:Down": state} if before else {}), Deadline(5), lambda: next(times)
    )
    assert found.states["alert:Down"].status is Status.CRITICAL

"""Objectives: attainment, what is left of the budget, how fast it burns, and whether it will last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsjobs.analysis import objectives
from opsjobs.analysis.objectives import DAY, HOUR, SIX_HOURS, THREE_DAYS
from opsjobs.declaration import parse
from opsjobs.errors import ConfigError, QueryRejected, Unreachable
from opsjobs.model import Answer, Quality, Sample, Series, Status
from opsjobs.system import System
from opsjobs.vocabulary import names
from opsjobs.words import outlook
from tests.unit.analysis.test_findings import Shop, report
from tests.unit.shop import PROFILE, TEAM, grid, system

MONTH = 30 * DAY
SLO = """
slos:
  orders:
    title: Orders taken
    objective: 0.99
    good: sum(increase(paid[$window]))
    total: sum(increase(tried[$window]))
    team: web
"""
TEXT = PROFILE + SLO.removeprefix("\n")


def share(value, warnings=()):
    return Answer(series=(Series(samples=(Sample(0, value),)),), warnings=warnings)


def evaluate(text=TEXT, history=None, **shares):
    """`shares` by span: month, day, hour, six, three; what is not given is as good as the month."""
    lengths = {"month": MONTH, "day": DAY, "hour": HOUR, "six": SIX_HOURS, "three": THREE_DAYS}
    given = {"month": 0.995, **shares}
    replies = {}
    for name, length in lengths.items():
        value = given.get(name, given["month"])
        replies[length] = share(value) if value is None or isinstance(value, float) else value
    spec = system(text).slos["orders"]
    return objectives.evaluate("orders", spec, replies, day=DAY, end=0.0, history=history, team=TEAM)


def test_half_the_budget_is_left_when_half_of_what_may_fail_has_failed():
    found = evaluate()
    assert (found.attainment, found.left, found.budget) == (0.995, 0.5, pytest.approx(0.01 * MONTH))
    assert found.status is Status.OK


def test_the_objective_exactly_is_kept_and_nothing_is_left():
    found = evaluate(month=0.99, hour=1.0, six=1.0, three=1.0)
    assert (found.left, found.status, outlook(found)) == (0.0, Status.OK, "used up")


def test_below_the_objective_the_budget_is_overspent():
    found = evaluate(month=0.98, hour=1.0, six=1.0, three=1.0)
    assert (found.left, found.status) == (-1.0, Status.CRITICAL)
    assert objectives.finding(found).title == "Orders taken: the error budget is used up"


@pytest.mark.parametrize(
    ("span", "at_the_limit", "beyond", "status"),
    [
        ("hour", 0.856, 0.855, Status.CRITICAL),
        ("six", 0.94, 0.939, Status.CRITICAL),
        ("three", 0.99, 0.989, Status.WARNING),
    ],
)
def test_a_burn_rate_is_told_strictly_beyond_its_limit(span, at_the_limit, beyond, status):
    good = {"month": 0.999, "hour": 1.0, "six": 1.0, "three": 1.0}
    assert evaluate(**{**good, span: at_the_limit}).status is Status.OK
    found = evaluate(**{**good, span: beyond})
    assert (found.status, objectives.finding(found).title) == (status, "Orders taken: the error budget burns too fast")


def test_the_day_on_which_the_budget_is_used_up_follows_from_the_last_three_days():
    found = evaluate(month=0.995, three=0.97)
    assert found.used_up_in == pytest.approx(0.5 * MONTH / 3)
    assert outlook(found) == "used up in 5 d at this pace"


def test_without_failures_it_lasts():
    found = evaluate(month=0.995, three=1.0)
    assert (found.lasts, found.used_up_in, outlook(found)) == (True, None, "lasts")


@pytest.mark.parametrize(
    ("reply", "quality"),
    [
        (Answer(), Quality.EMPTY),
        (share(None), Quality.NAN),
        (Unreachable("no route"), Quality.ERROR),
        (Answer(series=(Series(), Series())), Quality.ERROR),
        (share(1.2), Quality.ERROR),
        (share(-3.0), Quality.ERROR),
        (share(0.999, ("half of it is missing",)), Quality.PARTIAL),
    ],
)
def test_what_is_not_known_is_never_well(reply, quality):
    found = evaluate(month=reply, hour=1.0, six=1.0, three=1.0, day=1.0)
    assert (found.quality, found.status) == (quality, Status.UNKNOWN)


def test_a_span_that_is_not_known_leaves_the_rest_and_is_not_well():
    found = evaluate(six=Answer())
    assert (found.burns[SIX_HOURS], found.left, found.status) == (None, 0.5, Status.UNKNOWN)
    assert found.reason == "the last 6 h: the query returned nothing"


def test_a_share_that_extrapolation_made_a_little_more_than_all_is_all():
    assert evaluate(month=1.004).attainment == 1.0
    assert evaluate(month=-0.004).attainment == 0.0


class Short:
    """A past of five days."""

    def reaches(self, names, lookback, at):
        return False

    def seconds(self, names, lookback, at):
        return 5 * DAY


def test_a_window_of_which_only_five_days_are_there_is_partial_and_says_so():
    found = evaluate(history=Short())
    assert (found.quality, found.status, found.reason) == (
        Quality.PARTIAL,
        Status.UNKNOWN,
        "only 5 d of its 30 d are there",
    )


@given(st.floats(0, 1), st.floats(0.5, 0.9999))
def test_the_share_that_is_left_and_what_was_spent_make_the_whole(good, objective):
    found = evaluate(TEXT.replace("0.99", f"{objective:.6f}", 1), month=good)
    assert found.left == pytest.approx(1 - (1 - good) / (1 - round(objective, 6)), abs=1e-4)


class ShopWithObjective(Shop):
    def __init__(self, good, **planted):
        super().__init__(**planted)
        self.good = good

    def _reply(self, question):
        if "increase(paid" in question.query:
            return share(self.good) if self.good is not None else Answer()
        if question.query.startswith("count by (__name__)") and question.window:
            times = grid(question.window, question.step)
            samples = tuple(Sample(time, 1.0) for time in times)
            return Answer(
                series=tuple(Series(labels={"__name__": name}, samples=samples) for name in ("paid", "tried"))
            )
        return super()._reply(question)


@pytest.mark.parametrize(
    ("good", "findings"),
    [(1.0, []), (0.5, [("slo:orders", Status.CRITICAL)]), (None, [("slo:orders", Status.UNKNOWN)])],
)
def test_objectives_are_in_the_report_and_their_findings_with_the_others(good, findings):
    made = report(ShopWithObjective(good), text=TEXT).report
    assert [(each.subject, each.status) for each in made.findings] == findings
    asked = {each.subject: each.query for each in made.evidence if each.subject.startswith("slo:")}
    assert asked["slo:orders:2592000"] == "(sum(increase(paid[2592000s]))\n) / (sum(increase(tried[2592000s]))\n)"
    assert len(asked) == 5


def test_an_objective_that_prometheus_does_not_answer_is_not_a_second_finding():
    down = Unreachable("Prometheus cannot be reached", advice="Start it.")
    made = report(canned=lambda _: down, text=TEXT).report
    assert [each.subject for each in made.findings] == ["source:prometheus"]
    rejected = report(ShopWithObjective(1.0, errors={"increase(paid": QueryRejected("bad")}), text=TEXT).report
    assert [each.subject for each in rejected.findings] == ["slo:orders"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("objective: 0.99", "objective: 99.9"), "less than 1"),
        (("$window", "5m"), "it must say $window"),
        (("paid[$window]", "payd[$window]"), "'payd' is not declared under metrics"),
        (("team: web\n", "team: nobody\n"), "nobody"),
    ],
)
def test_an_objective_that_cannot_be_asked_is_a_fault_of_the_profile(change, why):
    text = PROFILE + SLO.removeprefix("\n").replace(*change)
    with pytest.raises(ConfigError) as caught:
        parse(text, System, context=names, name="shop.yml")
    assert why in str(caught.value)

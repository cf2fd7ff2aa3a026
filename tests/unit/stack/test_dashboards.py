"""Dashboards: each panel of the profile, with what it asks, shows and colours."""

import json

import pytest

from opsjobs import promql
from opsjobs.stack import grafana, panels
from tests.unit.stack.plans import NAMES, planned


def panel(plan, dashboard, title):
    (found,) = [each for each in grafana.dashboard(plan, dashboard)["panels"] if each["title"] == title]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_of_the_profile_is_there_and_asks_what_can_be_asked(name):
    plan = planned(name)
    for key, spec in plan.system.dashboards.items():
        made = grafana.dashboard(plan, key)
        assert [each["title"] for each in made["panels"]] == [each.title for each in spec.panels]
        assert len({each["id"] for each in made["panels"]}) == len(made["panels"])
        for each in spec.panels:
            question = panels.question(plan, each)
            assert bool(question) != bool(each.missing)
            if question:
                promql.check(question)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_panels_lie_on_one_another_and_none_beyond_the_edge(name):
    plan = planned(name)
    for key in plan.system.dashboards:
        taken = set()
        for each in grafana.dashboard(plan, key)["panels"]:
            place = each["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken and place["x"] + place["w"] <= 24
            taken |= cells


def test_a_panel_of_an_indicator_has_its_unit_limits_and_runbook():
    found = panel(planned("pratikoai"), "performance", "API response time, p95")
    defaults = found["fieldConfig"]["defaults"]
    assert (found["type"], defaults["unit"]) == ("timeseries", "s")
    assert [(step["color"], step["value"]) for step in defaults["thresholds"]["steps"]] == [
        ("green", None),
        ("red", pytest.approx(5)),
    ]
    # At its limit a value is healthy, and Grafana's colours begin at their value.
    assert defaults["thresholds"]["steps"][1]["value"] > 5
    assert found["links"][0]["url"] == "https://docs.example.com/runbooks#high-response-times"
    assert "at most" in found["description"] and "critical beyond 5 s" in found["description"]


def test_what_is_healthy_above_its_limit_is_green_there():
    defaults = panel(planned("pratikoai"), "overview", "Monthly recurring revenue")["fieldConfig"]["defaults"]
    assert defaults["thresholds"]["steps"] == [{"color": "orange", "value": None}, {"color": "green", "value": 20000}]


def test_a_panel_that_nothing_can_fill_says_why():
    found = panel(planned("pratikoai"), "performance", "Top slow queries")
    assert found["type"] == "text" and "No metric tells queries apart" in found["options"]["content"]


def test_a_panel_can_be_narrowed_to_members_and_shows_all_by_default():
    plan = planned("pratikoai")
    made = grafana.dashboard(plan, "performance")
    (chosen,) = [each for each in made["templating"]["list"] if each["name"] == "endpoint"]
    assert chosen["query"]["query"].startswith("label_values(") and chosen["allValue"] == ".*"
    found = panel(plan, "performance", "Slowest endpoints")
    assert '_bucket{endpoint=~"$endpoint"}[5m]' in found["targets"][0]["expr"]


def test_who_is_up_is_said_in_words():
    found = panel(planned("pytake"), "api", "Service status")
    (mapping,) = found["fieldConfig"]["defaults"]["mappings"]
    assert {key: value["text"] for key, value in mapping["options"].items()} == {"0": "down", "1": "up"}


def test_links_are_only_what_a_browser_can_open():
    text = json.dumps(grafana.dashboard(planned("pratikoai", runbooks="docs/runbooks/pratikoai.md"), "performance"))
    assert "docs/runbooks" not in text


@pytest.mark.parametrize(
    ("query", "narrowed"),
    [
        ("rate(a_total[$step])", 'rate(a_total{x=~"$x"}[$step])'),
        ('a{y="1"} / b', 'a{x=~"$x", y="1"} / b{x=~"$x"}'),
        ("sum by (a) (b{})", 'sum by (a) (b{x=~"$x", })'),
        ("b", 'b{x=~"$x"}'),
        ('topk(5, a{y="b"})', 'topk(5, a{x=~"$x", y="b"})'),
        ("sum by (a, c) (a) / on (a) b", 'sum by (a, c) (a{x=~"$x"}) / on (a) b{x=~"$x"}'),
    ],
)
def test_every_metric_of_a_query_is_narrowed(query, narrowed):
    assert promql.narrowed(query, "x", "$x") == narrowed
    promql.check(narrowed)

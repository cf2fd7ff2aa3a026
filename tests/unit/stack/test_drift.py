"""Drift: a rule, a route or a panel that was changed by hand is found, and nothing else."""

import copy
from dataclasses import replace

import pytest

from opsjobs import declaration
from opsjobs.errors import ConfigError
from opsjobs.stack import alertmanager, drift, grafana
from tests.unit.stack.plans import NAMES, planned


def changed(document, path, value):
    made = copy.deepcopy(document)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def routes(plan, document):
    return [(each.subject, each.text) for each in drift.of_routes(plan, declaration.written(document))]


@pytest.mark.parametrize("name", NAMES)
def test_what_runs_as_it_is_declared_does_not_differ(name):
    plan = planned(name)
    assert drift.of_rules(plan, drift._declared_rules(plan)) == []
    assert routes(plan, alertmanager.document(plan)) == []
    for key in plan.system.dashboards:
        assert drift.of_dashboard(plan, key, grafana.dashboard(plan, key)) == []


class TestRules:
    @pytest.fixture
    def plan(self):
        return planned("pratikoai")

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ({"query": "indicator:user_cost > 3"}, "the query"),
            ({"held": 600.0}, "how long it waits"),
            ({"labels": {"severity": "info"}}, "its labels"),
            ({"annotations": {}}, "what it says"),
            ({"kept": 3600.0}, "how long it goes on"),
            ({"interval": 60.0}, "the interval of its group"),
        ],
    )
    def test_a_change_is_told_with_both_sides(self, plan, change, what):
        rules = [
            replace(each, **change) if each.name == "HighUserCost" else each for each in drift._declared_rules(plan)
        ]
        (found,) = drift.of_rules(plan, rules)
        assert (found.subject, found.text) == ("rule:HighUserCost", f"{what} is not as declared")
        assert found.declared != found.running

    def test_one_that_is_gone_and_one_that_was_added_are_told(self, plan):
        rules = [each for each in drift._declared_rules(plan) if each.name != "SystemDown"]
        rules.append(replace(rules[0], name="by_hand"))
        found = {each.subject: each.text for each in drift.of_rules(plan, rules)}
        assert found == {
            "rule:SystemDown": "is declared and not loaded",
            "rule:by_hand": "a recording rule that is loaded and not declared",
        }

    def test_another_way_to_write_a_query_is_no_change(self, plan):
        rules = [replace(each, query=f"  {each.query} # by hand") for each in drift._declared_rules(plan)]
        assert drift.of_rules(plan, rules) == []

    def test_of_several_with_one_name_the_one_that_changed_is_told(self, plan):
        rules = drift._declared_rules(plan)
        last = max(number for number, each in enumerate(rules) if each.name == "NoData")
        rules[last] = replace(rules[last], held=60.0)
        (found,) = drift.of_rules(plan, rules)
        assert (found.subject, found.declared, found.running) == ("rule:NoData", "900s", "60s")


class TestRoutes:
    @pytest.fixture
    def plan(self):
        return planned("pratikoai")

    @pytest.fixture
    def document(self, plan):
        return alertmanager.document(plan)

    @pytest.mark.parametrize(
        ("path", "value", "subject"),
        [
            (("route", "group_wait"), "1m", "route"),
            (("route", "routes", 4, "matchers"), ['severity="info"'], "route"),
            (("route", "routes", 4, "mute_time_intervals"), ["business"], "route"),
            (("route", "routes", 4, "receiver"), "slack", "route"),
            (("inhibit_rules", 0, "equal"), ["system"], "inhibition"),
            (("receivers", 1, "email_configs", 0, "to"), "x@example.com", "receiver:email"),
            (("receivers", 1, "slack_configs"), [{"channel": "#x"}], "receiver:email"),
            (("time_intervals", 0, "time_intervals", 0, "location"), "UTC", "hours:business"),
            (("time_intervals", 0, "time_intervals", 0, "months"), ["january"], "hours:business"),
        ],
    )
    def test_each_change_is_told_and_nothing_else(self, plan, document, path, value, subject):
        ((found, _),) = routes(plan, changed(document, path, value))
        assert found == subject

    def test_a_receiver_that_is_gone_and_one_that_was_added_are_told(self, plan, document):
        document["receivers"][1] = {"name": "mallory", "webhook_configs": [{"url": "http://mallory.example.com"}]}
        assert routes(plan, document) == [
            ("receiver:email", "is declared and not there"),
            ("receiver:mallory", "is there and not declared"),
        ]

    def test_what_alertmanager_writes_in_another_way_is_no_change(self, plan, document):
        document["route"]["repeat_interval"] = "240m"
        assert drift._seconds("1w2d") == 9 * 86400
        document["route"]["continue"] = False
        document["inhibit_rules"][0]["source_matchers"].reverse()
        document["receivers"][1]["email_configs"][0] |= {
            "hello": "localhost",
            "html": '{{ template "opsjobs.mail" . }}',
        }
        document["global"] = {"resolve_timeout": "5m"}
        assert routes(plan, document) == []

    def test_what_a_server_hides_is_not_compared(self, plan, document):
        document["receivers"][3]["webhook_configs"][0]["url"] = "<secret>"
        assert routes(plan, document) == []

    def test_a_route_that_is_gone_is_named(self, plan, document):
        del document["route"]["routes"][4]
        ((found),) = drift.of_routes(plan, declaration.written(document))
        assert '"receiver": "email"' in found.declared and found.running == "[]"

    def test_a_secret_at_another_place_is_the_same_secret(self, document):
        assert routes(planned("pratikoai", folder="/srv/stack"), document) == []

    def test_what_is_no_yaml_is_said(self, plan):
        with pytest.raises(ConfigError, match="Alertmanager"):
            drift.of_routes(plan, "a: [")
        assert drift.of_routes(plan, "")[0].text == "Alertmanager runs on nothing"


class TestDashboards:
    @pytest.fixture
    def plan(self):
        return planned("pratikoai")

    @pytest.fixture
    def document(self, plan):
        return grafana.dashboard(plan, "overview")

    @pytest.mark.parametrize(
        ("path", "value", "where"),
        [
            (("panels", 0, "targets", 0, "expr"), "vector(1)", "/User cost per month"),
            (("panels", 0, "fieldConfig", "defaults", "unit"), "short", "/User cost per month"),
            (("panels", 0, "fieldConfig", "defaults", "thresholds", "steps", 1, "value"), 9, "/User cost per month"),
            (("panels", 0, "title"), "Cost", "/User cost per month"),
            (("panels", 0, "gridPos", "x"), 12, "/User cost per month"),
            (("panels", 0, "transformations"), [{"id": "limit"}], "/User cost per month"),
            (("panels", 0, "targets", 0, "hide"), True, "/User cost per month"),
            (("panels", 0, "fieldConfig", "overrides"), [{"matcher": {}}], "/User cost per month"),
            (("panels", 0, "fieldConfig", "defaults", "mappings"), [{"type": "value"}], "/User cost per month"),
            (("title",), "Other", ""),
            (("templating", "list", 0, "query"), "loki", ""),
        ],
    )
    def test_each_change_is_told_and_nothing_else(self, plan, document, path, value, where):
        (found,) = drift.of_dashboard(plan, "overview", changed(document, path, value))
        assert found.subject == f"dashboard:overview{where}"

    def test_a_panel_that_is_gone_and_one_that_was_added_are_told(self, plan, document):
        document["panels"][0] = {"id": 99, "title": "By hand"}
        found = [(each.subject, each.text) for each in drift.of_dashboard(plan, "overview", document)]
        assert found == [
            ("dashboard:overview/User cost per month", "the panel is declared and not there"),
            ("dashboard:overview/By hand", "the panel is there and not declared"),
        ]

    def test_what_grafana_adds_is_no_change(self, plan, document):
        document |= {"id": 7, "version": 3, "refresh": "", "schemaVersion": 41, "fiscalYearStartMonth": 0}
        document["panels"][0] |= {"pluginVersion": "11.6.1"}
        document["annotations"]["list"].insert(0, {"builtIn": 1, "name": "Annotations & Alerts"})
        # A save in the browser drops what is null.
        del document["panels"][0]["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"]
        assert drift.of_dashboard(plan, "overview", document) == []

    def test_one_that_is_not_there_is_told(self, plan):
        (found,) = drift.of_dashboard(plan, "overview", None)
        assert found.text == "is declared and not there"

"""Recording and alerting rules: what a profile says is what they say."""

import re
from types import SimpleNamespace

import pytest

from opsjobs import promql
from opsjobs.errors import ConfigError
from opsjobs.stack import alerts, burn, grafana, recording, values
from opsjobs.system.alerting import AlertSpec
from tests.unit.stack.plans import NAMES, having, planned


def rule(plan, name, **labels):
    (found,) = [each for each in alerts.rules(plan) if each.name == name and labels.items() <= each.labels.items()]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_of_the_profile_becomes_a_rule_with_all_that_people_need(name):
    plan = planned(name)
    made = {each.name for each in alerts.rules(plan)}
    assert made == {*plan.system.alerts, alerts.NO_DATA}
    for each in alerts.rules(plan):
        document = each.document
        assert {"severity", "category"} <= set(document["labels"])
        assert document["labels"]["severity"] in {"info", "warning", "critical"}
        said = document["annotations"]
        assert {"summary", "description", "runbook_url"} <= set(said)
        assert said["runbook_url"] == f"https://docs.example.com/runbooks#{each.name.lower()}"
        promql.check(document["expr"])


@pytest.mark.parametrize("name", NAMES)
def test_every_indicator_that_prometheus_knows_is_recorded_once(name):
    plan = planned(name)
    recorded = [each.record for each in recording.recorded(plan.system)]
    wanted = {f"indicator:{each.id}" for each in plan.system.indicators if each.spec.store == "prometheus"}
    assert len(recorded) == len(set(recorded)) and wanted <= set(recorded)


def test_an_alert_has_limit_and_team_from_its_indicator():
    found = rule(planned("pratikoai"), "HighUserCost").document
    assert (found["expr"], found["for"]) == ("indicator:user_cost > 2.5", "2m")
    assert found["labels"] == {
        "system": "pratikoai",
        "severity": "critical",
        "team": "finance",
        "category": "Costs",
        "component": "api",
        "indicator": "user_cost",
    }
    assert found["annotations"]["summary"] == "Cost per active user and month above €2.50"
    assert found["annotations"]["dashboard_url"] == "http://grafana.example.com/d/overview/pratikoai-system-overview"


def test_an_indicator_that_is_healthy_above_its_limit_alerts_below_it():
    assert rule(planned("pratikoai"), "LowMRRProgress").expr == "indicator:mrr < 20000"


def test_what_is_summed_up_over_a_day_is_held_against_the_limit_of_a_day():
    plan = planned("pratikoai")
    (found,) = [each for each in recording.recorded(plan.system) if each.record == "indicator:llm_cost_day"]
    assert found.query == "sum(increase(llm_cost_total_eur[86400s]))"


def test_a_ratio_is_recorded_as_one_number():
    (found,) = [
        each for each in recording.recorded(planned("pratikoai").system) if each.record == "indicator:error_rate"
    ]
    assert promql.pretty(found.query).count("/") == 1 and "label_replace" not in found.query


def test_what_reads_far_back_is_evaluated_seldom_but_before_its_last_sample_is_stale():
    intervals = {each.record: each.interval for each in recording.recorded(planned("pratikoai").system)}
    assert (intervals["indicator:user_cost"], intervals["indicator:api_p95"]) == ("4m", "1m")


def test_a_component_that_is_not_scraped_is_down_too():
    found = rule(planned("pratikoai"), "SystemDown")
    assert " ".join(found.expr.split()) == '(up{job="pratikoai"}) == 0 or absent(up{job="pratikoai"})'
    external = rule(planned("pytake"), "ExternalAPIUnreachable")
    for address in ("https://graph.facebook.com", "https://api.openai.com"):
        assert f'absent(probe_success{{instance="{address}"}})' in external.expr


def test_a_number_of_members_is_counted_and_a_comment_ends_with_its_line():
    plan = planned("portfolio")
    spec = plan.system.components["api"].model_copy(update={"up": 'up{job="a"} or up{job="b"} # both', "instances": 3})
    down = AlertSpec.model_construct(component="api", severity="critical", team="operations")
    changed = having(plan, components=plan.system.components | {"api": spec}, alerts={"Down": down})
    expr = " ".join(rule(changed, "Down").expr.split())
    assert expr.startswith('(up{job="a"} or up{job="b"}) == 0 or absent(')
    assert expr.endswith('count(up{job="a"} or up{job="b"}) < 3')


def test_an_alert_about_anything_that_is_scraped_looks_at_every_job():
    expr = rule(planned("iob-maiis"), "ServiceDown").expr
    for job in ("backend", "frontend", "postgres", "redis", "qdrant", "minio", "ollama", "nginx", "node", "cadvisor"):
        assert f'absent(up{{job="{job}"}})' in expr


def test_an_alert_about_what_only_a_database_knows_is_refused_and_its_panel_says_so():
    plan = planned("pratikoai")
    kept = having(plan, groups=plan.system.preferring("postgresql").groups)
    with pytest.raises(ConfigError, match="HighPaymentFailure"):
        alerts.rules(kept)
    made = {each["title"]: each for each in grafana.dashboard(kept, "business")["panels"]}
    assert "only the reports ask" in made["Monthly recurring revenue"]["options"]["content"]


def test_an_alert_on_an_objective_too_short_to_burn_is_refused():
    plan = planned("pratikoai")
    short = {"uptime": plan.system.slos["uptime"].model_copy(update={"window": "30m"})}
    with pytest.raises(ConfigError, match="UptimeBudget"):
        alerts.rules(having(plan, slos=plan.system.slos | short))


def test_of_one_metric_nothing_counted_yet_is_nothing_and_of_two_it_is_not_known():
    numbers = {each.id: each.spec.number for each in planned("iob-maiis").system.indicators}
    assert "or 0 * (" in numbers["error_rate"]
    errors = {each.id: each.spec.number for each in planned("pratikoai").system.indicators}["error_rate"]
    assert "or 0" not in errors


def test_a_budget_that_burns_fast_is_critical_and_one_that_burns_slowly_a_warning():
    plan = planned("pytake")
    fast = rule(plan, "AvailabilityBudget", severity="critical")
    slow = rule(plan, "AvailabilityBudget", severity="warning")
    # 2 % of 30 days' budget in an hour is 14.4 times as fast as it may burn; the Workbook's figure.
    assert "slo:availability:failed_1h > 0.0144" in fast.expr
    assert "slo:availability:failed_5m > 0.0144" in fast.expr
    assert "slo:availability:failed_3d > 0.001" in slow.expr and "failed_1h" not in slow.expr


def test_a_budget_of_which_only_a_warning_is_wanted_is_never_critical():
    assert rule(planned("pratikoai"), "UptimeBudget").labels["severity"] == "warning"


def test_a_burn_that_no_outage_could_reach_is_left_out():
    loose = SimpleNamespace(objective=0.9, window_seconds=30 * 86400)
    assert [each.long for each in burn.telling(loose)] == ["6h", "1d", "3d"]


def test_each_alert_about_a_number_has_one_that_says_that_the_number_is_missing():
    plan = planned("pratikoai")
    silent = {each.labels["silent"]: each for each in alerts.rules(plan) if each.name == alerts.NO_DATA}
    assert silent["HighUserCost"].expr == "absent(indicator:user_cost)"
    assert silent["GDPRDataExport"].expr == "absent(alert:GDPRDataExport)"
    assert silent["GDPRDataExport"].labels["component"] == "api"
    assert silent["UptimeBudget"].expr == "absent(slo:uptime:failed_5m)"
    # Two alerts about one number lack it once.
    assert "UserCostCrisis" not in silent


def test_names_that_become_one_series_are_refused():
    plan = planned("pratikoai")
    (costs, *_) = plan.system.groups.values()
    spec = costs.indicators["user_cost"]
    twins = costs.model_copy(update={"indicators": {"user-cost": spec, "user_cost": spec}})
    with pytest.raises(ConfigError, match="indicator:user_cost"):
        recording.recorded(plan.system.model_copy(update={"groups": {"costs": twins}}))


def test_braces_in_a_title_are_no_instruction():
    plan = planned("pratikoai")
    title = "{{ range }} $labels {{ .Value"
    spec = plan.system.alerts["UserCostCrisis"].model_copy(update={"title": title})
    found = rule(having(plan, alerts={"UserCostCrisis": spec}), "UserCostCrisis").document["annotations"]["summary"]
    assert re.sub(r'\{\{ "\{\{" \}\}', "{{", found).startswith(title)
    assert "{{ range" not in found


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        ("ratio", 0.0505, "5.05%"),
        ("seconds", 5.005, "5.005s"),
        ("seconds", 0.25, "250ms"),
        ("seconds", 90061, "1d 1h 1m 1s"),
        ("seconds", 3661, "1h 1m 1s"),
        ("seconds", 61, "1m 1s"),
        ("seconds", 0, "0s"),
        ("bytes", 1536, "1.5kiB"),
        ("count", 1234567, "1.235M"),
        ("count", 0, "0"),
        ("count", 0.5, "500m"),
        ("per_second", 0.101, "101m/s"),
        ("EUR", 2.5025, "2.50 EUR"),
    ],
)
def test_a_value_is_written_as_prometheus_writes_it(unit, value, said):
    assert values.filled(unit, value) == said


@pytest.mark.parametrize(
    "spec",
    [
        {"query": "up"},
        {"query": "up", "limit": 1, "severity": "info"},
        {"component": "api", "limit": 1, "severity": "info"},
        {"indicator": "x", "healthy": "below"},
        {"component": "api", "level": "warning"},
    ],
)
def test_an_alert_says_what_its_subject_does_not(spec):
    names = {"indicators": {"x"}, "components": {"api"}, "teams": set(), "metrics": {}}
    with pytest.raises(ValueError, match=r"limit|level|healthy"):
        AlertSpec.model_validate(spec, context=names)

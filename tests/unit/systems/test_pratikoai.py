"""What PratikoAI's owners say of its monitoring, held against its profile."""

from pathlib import Path

import pytest

from opsjobs import promql, system
from opsjobs.demo import simulation
from opsjobs.model import Direction

PROFILE = system.read("pratikoai", Path())
INDICATORS = {declared.id: declared.spec for declared in PROFILE.indicators}
BELOW, ABOVE = Direction.BELOW, Direction.ABOVE

TARGETS = [
    ("user_cost", BELOW, "target", 2.00),
    ("user_cost", BELOW, "critical", 2.50),
    ("mrr", ABOVE, "target", 25_000),
    ("mrr", ABOVE, "warning", 20_000),
    ("active_subscriptions", ABOVE, "target", 50),
    ("payment_success", ABOVE, "target", 0.95),
    ("payment_success", ABOVE, "critical", 0.95),
    ("api_p95", BELOW, "target", 2),
    ("api_p95", BELOW, "critical", 5),
    ("cache_hit_ratio", ABOVE, "target", 0.80),
    ("cache_hit_ratio", ABOVE, "warning", 0.70),
    ("error_rate", BELOW, "target", 0.01),
    ("error_rate", BELOW, "critical", 0.05),
    ("uptime", ABOVE, "target", 0.999),
]
# Alert, indicator, limit, severity, minutes, team.
ALERTS = [
    ("HighUserCost", "user_cost", 2.50, "critical", 2, "finance"),
    ("DailyCostSpike", "cost_spike", 0.50, "warning", 5, "finance"),
    ("HighLLMDailyCost", "llm_cost_day", 100, "warning", 10, "engineering"),
    ("UserCostCrisis", "user_cost", 5.00, "critical", 2, "finance"),
    ("HighPaymentFailure", "payment_success", 0.95, "critical", 10, "business"),
    ("LowMRRProgress", "mrr", 20_000, "warning", 30, "business"),
    ("HighChurnRate", "churn", 0.10, "warning", 60, "business"),
    ("NoNewSignups", "signups", 1, "warning", None, "marketing"),
    ("HighAPIResponseTime", "api_p95", 5, "critical", 2, "engineering"),
    ("LowCacheHitRatio", "cache_hit_ratio", 0.70, "warning", 5, "engineering"),
    ("HighDBConnections", "db_connections", 0.80, "warning", 5, "engineering"),
    ("HighErrorRate", "error_rate", 0.05, "critical", 2, "engineering"),
    ("FailedAuthentication", "failed_logins", 0.1, "critical", 1, "security"),
    ("UnusualAPIUsage", "unusual_usage", 3, "warning", 10, "security"),
]
METRICS = {
    "llm_cost_total_eur": "counter",
    "active_users": "gauge",
    "subscription_value_eur": "gauge",
    "payment_operations_total": "counter",
    "http_request_duration_seconds": "histogram",
    "cache_hits": "counter",
    "cache_misses": "counter",
    "api_errors_total": "counter",
    "user_monthly_cost_eur": "gauge",
}
# Dashboard, its path, and of each panel that its owners name what it shows.
DASHBOARDS = {
    "overview": ("/d/overview/pratikoai-system-overview", {"user_cost", "mrr", "api_p95", "error_rate", "uptime"}),
    "costs": ("/d/costs/pratikoai-cost-analysis", {"user_cost", "llm_cost_day", "llm_cost_month"}),
    "business": (
        "/d/business/pratikoai-business-metrics",
        {"mrr", "active_subscriptions", "payment_success", "signups_day", "churn", "revenue_per_user"},
    ),
    "performance": (
        "/d/performance/pratikoai-performance",
        {"api_p50", "api_p95", "api_p99", "db_query_p95", "cache_hit_ratio", "cpu", "memory", "disk"},
    ),
    "alerts": ("/d/alerts/pratikoai-alerts", {"alerts_fired", "alert_time", "critical_alerts"}),
}


@pytest.mark.parametrize(("name", "healthy", "kind", "value"), TARGETS)
def test_each_target_and_limit_is_that_of_the_owners(name, healthy, kind, value):
    assert INDICATORS[name].healthy is healthy
    assert getattr(INDICATORS[name], kind) == value


@pytest.mark.parametrize(("name", "indicator", "limit", "severity", "minutes", "team"), ALERTS)
def test_each_alert_has_its_limit_severity_duration_and_team(name, indicator, limit, severity, minutes, team):
    alert, spec = PROFILE.alerts[name], INDICATORS[indicator]
    assert alert.indicator == indicator
    level = alert.level or ("critical" if spec.critical is not None else "warning")
    assert (alert.limit if alert.limit is not None else getattr(spec, level)) == limit
    assert (alert.severity or level) == severity
    held = alert.held_seconds if alert.held_seconds is not None else spec.held_seconds
    assert held == (minutes and minutes * 60)
    assert (alert.team or spec.team) == team


def test_the_export_of_data_informs_compliance_at_once():
    export = PROFILE.alerts["GDPRDataExport"]
    assert (export.severity, export.team, export.held_for) == ("info", "compliance", None)


@pytest.mark.parametrize(("name", "kind"), METRICS.items())
def test_each_metric_is_declared_and_simulated(name, kind):
    assert PROFILE.metrics[name].type == kind
    assert name in {metric for metric, _, _ in simulation.read("pratikoai").metrics}


def test_every_metric_of_the_profile_is_simulated():
    simulated = {metric for metric, _, _ in simulation.read("pratikoai").metrics}
    assert set(PROFILE.metrics) <= simulated


@pytest.mark.parametrize(("name", "path", "shown"), [(name, *rest) for name, rest in DASHBOARDS.items()])
def test_each_dashboard_has_its_panels(name, path, shown):
    dashboard = PROFILE.dashboards[name]
    assert dashboard.path == path
    assert shown <= {panel.indicator for panel in dashboard.panels}


def test_the_breakdowns_that_dashboards_name_are_panels():
    by = {(name, panel.by) for name, dashboard in PROFILE.dashboards.items() for panel in dashboard.panels if panel.by}
    assert by >= {
        ("costs", "provider"),
        ("costs", "user"),
        ("performance", "endpoint"),
        ("alerts", "severity"),
        ("alerts", "team"),
    }


def test_objectives_are_the_promises_on_performance():
    found = {name: slo.objective for name, slo in PROFILE.slos.items()}
    assert found == {"uptime": 0.999, "response_time": 0.95, "success": 0.95}
    assert 'le=~"5|5.0"' in PROFILE.slos["response_time"].good


def test_teams_have_their_contacts_hours_and_escalation():
    teams = {name: (spec.contact, spec.escalation) for name, spec in PROFILE.teams.items() if spec.escalation}
    assert teams == {
        "business": ("business@pratikoai.com", ("CEO", "CFO")),
        "engineering": ("engineering@pratikoai.com", ("CTO", "Lead Engineer")),
        "finance": ("finance@pratikoai.com", ("CFO", "Finance Manager")),
        "security": ("security@pratikoai.com", ("CISO", "Security Lead")),
    }


def test_channels_and_routes_tell_critical_alerts_at_once_and_warnings_in_business_hours():
    channels = PROFILE.channels
    assert channels["email"].to == ("admin@pratikoai.com", "alerts@pratikoai.com")
    assert (channels["slack"].channel, channels["slack"].mention) == ("#pratikoai-alerts", "@channel")
    assert channels["webhook"].url == "http://localhost:3001/alerts"
    by_pagerduty = [route.severities for route in PROFILE.routes if "pagerduty" in route.channels]
    assert by_pagerduty == [("critical",)]
    by_mail = [route for route in PROFILE.routes if "email" in route.channels]
    mailed = {severity: route.hours for route in by_mail for severity in route.severities}
    assert mailed["critical"] is None and mailed["warning"] == "business"


def test_an_outage_of_half_an_hour_reaches_the_chief_and_a_financial_crisis_at_once():
    told = {(each.of, each.to): each.after for each in PROFILE.escalations}
    assert told["SystemDown", "CEO"] == "30m"
    assert told["UserCostCrisis", "finance@pratikoai.com"] is told["UserCostCrisis", "CEO"] is None


def test_metrics_are_kept_for_thirty_days_and_the_ports_are_those_of_the_owners():
    assert PROFILE.stack.retention == "30d"
    owners = {"prometheus": 9090, "grafana": 3000, "alertmanager": 9093}
    assert owners.items() <= PROFILE.stack.parts.items()
    assert set(PROFILE.stack.parts) - set(owners) == {"postgres-exporter", "redis-exporter", "node-exporter"}
    targets = {component.scrape.targets[0] for component in PROFILE.components.values() if component.scrape}
    assert {"localhost:8000", "localhost:9090", "localhost:3000", "localhost:9093"} <= targets


def test_what_was_wrong_in_the_owners_expressions_is_asked_as_it_was_meant():
    assert "increase(llm_cost_total_eur[30d])" in INDICATORS["user_cost"].query
    assert "sum by (le)" in INDICATORS["api_p95"].query
    for name in ("payment_success", "error_rate", "cache_hit_ratio"):
        assert INDICATORS[name].method == "ratio"
    for _, _, spec in PROFILE.indicators:
        promql.check(spec.promql)

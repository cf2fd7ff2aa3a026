"""What Portfolio's owners say of its monitoring, held against its profile."""

from pathlib import Path

import pytest

from opsjobs import system
from opsjobs.demo import simulation
from opsjobs.model import Direction

PROFILE = system.read("portfolio", Path())
INDICATORS = {declared.id: declared.spec for declared in PROFILE.indicators}
BELOW, ABOVE = Direction.BELOW, Direction.ABOVE

METRICS = {
    "api_request_duration_seconds": ("histogram", set()),
    "api_requests_total": ("counter", {"method", "endpoint", "status"}),
    "db_query_duration_seconds": ("histogram", set()),
    "db_queries_total": ("counter", {"operation"}),
    "cache_hits_total": ("counter", set()),
    "cache_misses_total": ("counter", set()),
    "llm_requests_total": ("counter", {"provider", "status"}),
    "llm_request_duration_seconds": ("histogram", {"provider"}),
    "active_db_connections": ("gauge", set()),
}
TARGETS = [
    ("api_mean", BELOW, 0.2),
    ("api_p95", BELOW, 0.5),
    ("success", ABOVE, 0.99),
    ("db_mean", BELOW, 0.1),
    ("db_p99", BELOW, 1),
    ("db_long", BELOW, 0),
    ("cache_hit_ratio", ABOVE, 0.80),
    ("gemini_time", BELOW, 5),
    ("deepseek_time", BELOW, 10),
    ("llm_errors", BELOW, 0),
    ("pool", BELOW, 0.80),
]
# Alert, indicator, severity, limit, seconds.
ALERTS = [
    ("HighLatency", "api_p95", "warning", 0.5, 300),
    ("DatabaseSlowQueries", "db_p99", "critical", 1.0, 120),
    ("LowCacheHitRate", "cache_hit_ratio", "warning", 0.7, 600),
]
DASHBOARDS = {
    "API Performance": (
        "Requests per second",
        "Response time distribution",
        "Error rate by endpoint",
        "Top slow endpoints",
        "Requests by method",
    ),
    "Database Health": (
        "Query duration by operation",
        "Queries",
        "Active connections",
        "Slow query log",
        "Index usage",
    ),
    "LLM Service": ("Provider usage", "Response time by provider", "Success rate by provider", "Fallbacks", "Cost"),
    "Cache Analytics": ("Hit rate", "Hits and misses", "Memory", "Top keys", "Evictions"),
}


@pytest.mark.parametrize(("name", "kind", "labels"), [(name, *rest) for name, rest in METRICS.items()])
def test_each_metric_is_declared_with_its_labels(name, kind, labels):
    assert PROFILE.metrics[name].type == kind
    assert labels <= set(PROFILE.metrics[name].labels)


def test_every_metric_of_the_profile_is_simulated_with_its_labels():
    simulated = {}
    for name, _, metric in simulation.read("portfolio").metrics:
        simulated.setdefault(name, set()).update(*(member.labels for member in metric.series))
    for name, spec in PROFILE.metrics.items():
        assert set(spec.labels) <= simulated[name], name


@pytest.mark.parametrize(("name", "healthy", "target"), TARGETS)
def test_each_target_is_that_of_the_owners(name, healthy, target):
    assert (INDICATORS[name].healthy, INDICATORS[name].target) == (healthy, target)


@pytest.mark.parametrize(("name", "indicator", "severity", "limit", "seconds"), ALERTS)
def test_each_alert_has_its_limit_severity_and_duration(name, indicator, severity, limit, seconds):
    alert, spec = PROFILE.alerts[name], INDICATORS[indicator]
    assert alert.indicator == indicator and getattr(spec, severity) == limit
    assert spec.critical is None or severity == "critical"
    assert (alert.held_seconds or spec.held_seconds) == seconds


@pytest.mark.parametrize(("title", "panels"), DASHBOARDS.items())
def test_each_dashboard_has_its_panels(title, panels):
    dashboard = next(each for each in PROFILE.dashboards.values() if each.title == title)
    assert tuple(panel.title for panel in dashboard.panels) == panels


def test_the_pool_has_twenty_connections():
    assert INDICATORS["pool"].query.endswith("/ 20")


def test_it_is_scraped_every_fifteen_seconds_and_kept_for_two_weeks():
    assert (PROFILE.stack.scrape_interval, PROFILE.stack.retention) == ("15s", "14d")


def test_alerts_go_to_slack_and_mail():
    assert PROFILE.channels["slack"].channel == "#alerts"
    assert PROFILE.channels["email"].to == ("alerts@example.com",)
    assert {channel for route in PROFILE.routes for channel in route.channels} == {"slack", "email"}


def test_what_was_wrong_in_the_owners_expressions_is_asked_as_it_was_meant():
    for name in ("api_p95", "db_p99"):
        assert "sum by (le) (rate(" in INDICATORS[name].query
    for name in ("api_mean", "db_mean", "cache_hit_ratio", "llm_success", "gemini_time"):
        assert INDICATORS[name].method == "ratio"

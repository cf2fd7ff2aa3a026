"""What PyTake's owners say of its monitoring, held against its profile."""

from pathlib import Path

import pytest

from opsjobs import system
from opsjobs.demo import simulation

PROFILE = system.read("pytake", Path())
INDICATORS = {declared.id: declared.spec for declared in PROFILE.indicators}

PARTS = {
    "prometheus": 9090,
    "grafana": 3000,
    "jaeger": 16686,
    "alertmanager": 9093,
    "loki": 3100,
    "promtail": 9080,
    "node-exporter": 9100,
    "redis-exporter": 9121,
    "postgres-exporter": 9187,
    "blackbox-exporter": 9115,
}
# What is tracked, and the indicators that tell it.
TRACKED = {
    "request rate by endpoint and method": {"request_rate"},
    "response time percentiles": {"response_p50", "response_p95", "response_p99"},
    "error rates by status code": {"error_rate"},
    "request and response size": {"request_size", "response_size"},
    "active conversations": {"conversations"},
    "WhatsApp success and failure": {"whatsapp_delivery", "whatsapp_messages"},
    "AI performance and tokens": {"ai_time", "ai_tokens", "ai_errors", "ai_cost"},
    "engagement": {"engagement"},
    "processor and memory": {"cpu", "memory"},
    "connection pool": {"db_pool"},
    "cache hits and misses": {"cache_hit_ratio"},
    "WebSockets": {"websockets"},
    "database queries": {"db_time"},
    "Redis latency": {"redis_time"},
}
SLOS = {"availability": 0.999, "success": 0.995, "response_time": 0.95, "whatsapp": 0.95}
CRITICAL = {
    "ServiceDown": "api",
    "HighErrorRate": "error_rate",
    "DatabaseDown": "database",
    "RedisDown": "redis",
    "ExtremeResponseTime": "response_p95",
}
WARNING = {
    "ElevatedResponseTime": "response_p95",
    "HighCPUUsage": "cpu",
    "HighMemoryUsage": "memory",
    "WhatsAppDelivery": "whatsapp_delivery",
    "AIDegraded": "ai_errors",
}
DASHBOARDS = {
    "API Overview": ("Service status", "Uptime", "Error rate", "Response time, p95"),
    "WhatsApp Metrics": ("Messages", "Delivered", "API requests", "Delivered by instance", "Failures by instance"),
    "Infrastructure": ("Processor", "Memory", "Database queries", "Cache hit ratio", "Connection pool", "Disk"),
    "AI Metrics": ("Requests by model", "Tokens", "Cost", "Answer time", "Errors"),
}


def test_the_ten_parts_of_the_stack_and_their_ports_are_those_of_the_owners():
    assert PROFILE.stack.parts == PARTS
    assert (PROFILE.stack.retention, PROFILE.stack.retention_size) == ("30d", "10GB")


@pytest.mark.parametrize("names", TRACKED.values(), ids=TRACKED)
def test_what_is_tracked_is_told(names):
    assert names <= set(INDICATORS)


def test_dependencies_outside_are_components():
    assert len(PROFILE.components["external"].instances) == 2


@pytest.mark.parametrize(("name", "objective"), SLOS.items())
def test_each_objective_is_that_of_the_owners(name, objective):
    assert PROFILE.slos[name].objective == objective


def test_the_objective_on_response_time_is_two_seconds():
    assert 'le=~"2|2.0"' in PROFILE.slos["response_time"].good
    metrics = {name: metric for name, _, metric in simulation.read("pytake").metrics}
    assert 2 in metrics["http_request_duration_seconds"].buckets


@pytest.mark.parametrize(("alerts", "severity"), [(CRITICAL, "critical"), (WARNING, "warning")])
def test_each_alert_watches_what_the_owners_say(alerts, severity):
    for name, watched in alerts.items():
        alert = PROFILE.alerts[name]
        assert watched in {alert.indicator, alert.component}
        spec = INDICATORS.get(alert.indicator or "")
        level = alert.level or ("critical" if spec is None or spec.critical is not None else "warning")
        assert (alert.severity or level) == severity, name


def test_each_objective_has_its_alert():
    assert {alert.slo for alert in PROFILE.alerts.values() if alert.slo} == set(SLOS)


def test_more_than_five_percent_of_errors_is_critical():
    assert INDICATORS["error_rate"].critical == 0.05


@pytest.mark.parametrize(("title", "panels"), DASHBOARDS.items())
def test_each_dashboard_has_its_panels(title, panels):
    dashboard = next(each for each in PROFILE.dashboards.values() if each.title == title)
    assert set(panels) <= {panel.title for panel in dashboard.panels}


def test_every_metric_of_the_profile_is_simulated_with_its_labels():
    simulated = {}
    for name, _, metric in simulation.read("pytake").metrics:
        simulated.setdefault(name, set()).update(*(member.labels for member in metric.series))
    for name, spec in PROFILE.metrics.items():
        assert set(spec.labels) <= simulated[name], name


def test_slack_mail_and_a_webhook_are_the_channels():
    assert {channel.kind for channel in PROFILE.channels.values()} == {"slack", "email", "webhook"}

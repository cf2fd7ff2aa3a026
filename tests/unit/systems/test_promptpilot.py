"""What PromptPilot's owners say of its monitoring, held against its profile."""

from pathlib import Path

import pytest

from opsjobs import system
from opsjobs.demo import simulation

PROFILE = system.read("promptpilot", Path())
INDICATORS = {declared.id: declared.spec for declared in PROFILE.indicators}

METRICS = {
    "http_requests_total": ("counter", {"method", "endpoint", "status"}),
    "http_request_duration_seconds": ("histogram", set()),
    "http_requests_in_progress": ("gauge", set()),
    "prompt_executions_total": ("counter", {"prompt_id", "status"}),
    "pipeline_executions_total": ("counter", {"status"}),
    "active_users": ("gauge", set()),
    "prompt_total": ("gauge", set()),
    "pipeline_total": ("gauge", set()),
    "process_cpu_seconds_total": ("counter", set()),
    "process_resident_memory_bytes": ("gauge", set()),
    "process_open_fds": ("gauge", set()),
}
# Alert, what it watches, limit.
ALERTS = [
    ("HighErrorRate", "error_rate", 0.05),
    ("SlowResponses", "response_p95", 1),
    ("HighCPUUsage", "cpu", 0.80),
    ("HighMemoryUsage", "memory", 0.85),
    ("HighPromptFailureRate", "prompt_failures", 0.1),
]
DASHBOARDS = {
    "System Overview": {"cpu", "memory", "disk", "request_rate", "error_rate", "uptime"},
    "HTTP Performance": {"response_p50", "response_p95", "response_p99"},
    "Prompt Analytics": {"prompt_executions", "prompt_failures", "prompt_time", "prompt_cost"},
    "Pipeline Metrics": {"pipeline_executions", "pipeline_success", "pipeline_time", "pipeline_cost"},
    "Resource Utilization": {"cpu", "memory", "disk", "disk_io", "network_in", "network_out"},
}


@pytest.mark.parametrize(("name", "kind", "labels"), [(name, *rest) for name, rest in METRICS.items()])
def test_each_metric_is_declared_with_its_labels(name, kind, labels):
    assert PROFILE.metrics[name].type == kind
    assert labels <= set(PROFILE.metrics[name].labels)


def test_every_metric_of_the_profile_is_simulated_with_its_labels():
    simulated = {}
    for name, _, metric in simulation.read("promptpilot").metrics:
        simulated.setdefault(name, set()).update(*(member.labels for member in metric.series))
    for name, spec in PROFILE.metrics.items():
        assert set(spec.labels) <= simulated[name], name


@pytest.mark.parametrize(("name", "indicator", "limit"), ALERTS)
def test_each_alert_has_its_limit(name, indicator, limit):
    assert PROFILE.alerts[name].indicator == indicator
    spec = INDICATORS[indicator]
    assert (spec.critical if spec.critical is not None else spec.warning) == limit


def test_the_custom_alert_waits_five_minutes_and_warns():
    alert = PROFILE.alerts["HighPromptFailureRate"]
    assert alert.held_seconds == 300 and INDICATORS["prompt_failures"].critical is None


def test_a_service_that_cannot_be_reached_is_an_alert():
    assert PROFILE.alerts["ServiceDown"].component == "api"


@pytest.mark.parametrize(("title", "shown"), DASHBOARDS.items())
def test_each_dashboard_has_its_panels(title, shown):
    dashboard = next(each for each in PROFILE.dashboards.values() if each.title == title)
    assert shown <= {panel.indicator for panel in dashboard.panels}


def test_requests_and_errors_are_told_apart_as_the_dashboard_says():
    assert {panel.by for panel in PROFILE.dashboards["http"].panels} >= {"endpoint", "status"}


def test_parts_ports_and_the_webhook_are_those_of_the_owners():
    assert PROFILE.stack.parts == {
        "prometheus": 9090,
        "grafana": 3001,
        "node-exporter": 9100,
        "alertmanager": 9093,
        "cadvisor": 8080,
    }
    assert PROFILE.channels["webhook"].url == "http://localhost:8000/api/v1/alerts"
    assert PROFILE.components["api"].scrape.job == "promptpilot-api"
    assert PROFILE.components["api"].url.endswith("/health")


def test_the_failure_rate_is_a_ratio_of_sums():
    assert INDICATORS["prompt_failures"].method == "ratio"

"""What the owners of IOB MAIIS say of its monitoring, held against its profile."""

from pathlib import Path

import pytest

from opsjobs import system
from opsjobs.demo import simulation
from opsjobs.model import Direction

PROFILE = system.read("iob-maiis", Path())
INDICATORS = {declared.id: declared.spec for declared in PROFILE.indicators}
BELOW, ABOVE = Direction.BELOW, Direction.ABOVE

METRICS = {
    "HTTP": (
        "http_requests_total",
        "http_request_duration_seconds",
        "http_requests_in_progress",
        "http_request_size_bytes",
        "http_response_size_bytes",
    ),
    "authentication": ("auth_attempts_total", "auth_failures_total"),
    "database": (
        "db_queries_total",
        "db_query_duration_seconds",
        "db_connections_active",
        "db_connections_idle",
        "pg_stat_database_numbackends",
        "pg_stat_database_tup_fetched",
        "pg_stat_database_conflicts",
    ),
    "cache": (
        "cache_operations_total",
        "cache_hit_ratio",
        "redis_connected_clients",
        "redis_memory_used_bytes",
        "redis_keys_total",
    ),
    "storage": (
        "storage_operations_total",
        "storage_upload_duration_seconds",
        "storage_upload_size_bytes",
        "storage_upload_errors_total",
        "minio_bucket_usage_total_bytes",
        "minio_s3_requests_total",
    ),
    "AI": (
        "llm_requests_total",
        "llm_request_duration_seconds",
        "llm_tokens_total",
        "rag_pipeline_duration_seconds",
        "rag_pipeline_errors_total",
        "vector_search_duration_seconds",
    ),
    "speech": (
        "speech_provider_requests_total",
        "speech_provider_duration_seconds",
        "speech_provider_fallback_total",
        "speech_audio_duration_seconds",
    ),
    "system": (
        "node_cpu_seconds_total",
        "node_memory_MemAvailable_bytes",
        "node_memory_MemTotal_bytes",
        "node_filesystem_avail_bytes",
        "node_filesystem_size_bytes",
        "node_network_receive_bytes_total",
        "node_network_transmit_bytes_total",
        "container_memory_usage_bytes",
        "container_cpu_usage_seconds_total",
    ),
    "business": (
        "document_processing_total",
        "file_upload_size_bytes",
        "websocket_connections_active",
        "document_ocr_errors_total",
        "processing_queue_size",
        "user_actions_total",
        "external_api_cost_dollars_total",
    ),
}
# KPI, indicator, direction, target.
KPIS = [
    ("uptime", ABOVE, 0.999),
    ("response_p95", BELOW, 0.5),
    ("error_rate", BELOW, 0.001),
    ("throughput", ABOVE, 1000),
]
# Alert, what it watches, limit, severity, minutes.
ALERTS = [
    ("ServiceDown", "any", None, "critical", 2),
    ("HighAPIErrorRate", "error_rate", 0.05, "critical", 5),
    ("DiskSpaceCritical", "disk", 0.95, "critical", 2),
    ("PostgreSQLDown", "database", None, "critical", 2),
    ("SSLCertificateExpiringCritical", "certificate", 7 * 86400, "critical", 60),
    ("HighCPUUsage", "cpu", 0.80, "warning", 5),
    ("HighMemoryUsage", "memory", 0.85, "warning", 5),
    ("SlowAPIResponseTime", "response_p95", 2, "warning", 5),
    ("SpeechProviderFallbackActive", "speech_fallback", 0.1, "warning", 10),
]
DASHBOARDS = {
    "System Overview": {"cpu", "memory", "disk", "network_in", "network_out"},
    "Application Performance": {
        "throughput",
        "response_p50",
        "response_p95",
        "response_p99",
        "error_rate",
        "in_progress",
        "apdex",
        "active_users",
    },
    "Database": {"db_rate", "db_p95", "db_active", "db_idle", "cache_hits", "db_slow", "pg_lag"},
    "AI Services": {
        "llm_rate",
        "llm_time",
        "llm_tokens",
        "rag_time",
        "embedding_time",
        "vector_time",
        "speech_time",
        "speech_fallback",
    },
    "Storage & Cache": {
        "storage_used",
        "uploads",
        "downloads",
        "upload_time",
        "redis_memory",
        "cache_hits",
        "upload_errors",
    },
    "Security": {
        "auth_failure_rate",
        "rate_limited",
        "suspicious_uploads",
        "certificate",
        "auth_failures",
        "blocked_ips",
    },
}


@pytest.mark.parametrize("names", METRICS.values(), ids=METRICS)
def test_each_metric_of_a_category_is_declared_and_used(names):
    used = {PROFILE.family(series) for spec in INDICATORS.values() for series in spec.metrics}
    breakdowns = " ".join(spec.broken_down for spec in INDICATORS.values())
    for name in names:
        assert name in PROFILE.metrics and (name in used or name in breakdowns), name


@pytest.mark.parametrize(("name", "healthy", "target"), KPIS)
def test_each_kpi_is_a_target(name, healthy, target):
    assert (INDICATORS[name].healthy, INDICATORS[name].target) == (healthy, target)


@pytest.mark.parametrize(("name", "watched", "limit", "severity", "minutes"), ALERTS)
def test_each_alert_has_its_limit_severity_and_duration(name, watched, limit, severity, minutes):
    alert = PROFILE.alerts[name]
    assert watched in {alert.indicator, alert.component}
    spec = INDICATORS.get(alert.indicator or "")
    if spec:
        assert getattr(spec, severity) == limit and (severity == "critical" or spec.critical is None)
    held = alert.held_seconds if alert.held_seconds is not None else spec.held_seconds
    assert held == minutes * 60


def test_alerts_are_routed_by_severity():
    routed = {route.severities: (route.channels, route.repeat) for route in PROFILE.routes}
    assert routed == {
        ("critical",): (("pagerduty",), "4h"),
        ("warning",): (("slack",), "4h"),
        ("info",): (("email",), "4h"),
    }
    assert PROFILE.channels["slack"].channel == "#alerts"
    assert PROFILE.channels["email"].to == ("team@example.com",)


@pytest.mark.parametrize(("title", "shown"), DASHBOARDS.items())
def test_each_dashboard_has_its_panels(title, shown):
    dashboard = next(each for each in PROFILE.dashboards.values() if each.title == title)
    assert shown <= {panel.indicator for panel in dashboard.panels}


def test_the_services_of_the_architecture_are_components():
    named = {"backend", "frontend", "database", "redis", "qdrant", "minio", "ollama", "nginx"}
    assert named <= set(PROFILE.components)


def test_the_largest_are_asked_for_as_the_owners_do():
    panels = {panel.title: panel.query for panel in PROFILE.dashboards["performance"].panels if panel.query}
    assert all(query.startswith("topk(10,") for query in panels.values()) and len(panels) == 2
    assert "container_memory_usage_bytes" in INDICATORS["memory"].broken_down
    assert "container_cpu_usage_seconds_total" in INDICATORS["cpu"].broken_down


def test_the_apdex_counts_who_tolerates_half():
    # A bound may be exposed as 2 or as 2.0.
    assert 'le="0.5"' in INDICATORS["apdex"].query and 'le=~"2|2.0"' in INDICATORS["apdex"].query


def test_every_metric_of_the_profile_is_simulated_with_its_labels():
    simulated = {}
    for name, _, metric in simulation.read("iob-maiis").metrics:
        simulated.setdefault(name, set()).update(*(member.labels for member in metric.series))
    for name, spec in PROFILE.metrics.items():
        assert set(spec.labels) <= simulated[name], name


def test_buckets_stand_at_the_limits_that_are_asked():
    metrics = {name: metric for name, _, metric in simulation.read("iob-maiis").metrics}
    assert {0.5, 2} <= set(metrics["http_request_duration_seconds"].buckets)

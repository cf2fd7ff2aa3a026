"""The parts that a stack can be made of: how each runs, in a container or as a program, and when it is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part of a stack."""

    title: str
    image: str
    """Pinned; a stack that is started again is the same stack."""
    port: int
    """Where it listens in its container."""
    ready: str
    """The path that answers with 200 once it is ready."""
    programs: tuple[str, ...] = ()
    """What it is called on the PATH: by its makers, and by Debian. Empty where it only comes as an image here."""
    more_ports: tuple[int, ...] = ()
    """Other ports that are published as they are."""
    probe: tuple[str, ...] = ("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:{port}{ready}")
    """The health check of its container; empty where the image holds nothing to check with."""
    data: str = ""
    """The folder in its container that has to outlive it."""
    of_the_host: bool = False
    """Whether it shares the network of the machine, which it watches, and so is not reached by its name."""


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "prometheus": Part(
            title="Prometheus",
            image="prom/prometheus:v2.53.5",
            port=9090,
            ready="/-/ready",
            programs=("prometheus",),
            data="/prometheus",
        ),
        "prometheus-archive": Part(
            title="Prometheus archive",
            image="prom/prometheus:v2.53.5",
            port=9090,
            ready="/-/ready",
            programs=("prometheus",),
            data="/prometheus",
        ),
        "alertmanager": Part(
            title="Alertmanager",
            image="prom/alertmanager:v0.28.1",
            port=9093,
            ready="/-/ready",
            programs=("alertmanager", "prometheus-alertmanager"),
            data="/alertmanager",
        ),
        "grafana": Part(
            title="Grafana",
            image="grafana/grafana:11.6.1",
            port=3000,
            ready="/api/health",
            data="/var/lib/grafana",
        ),
        "loki": Part(title="Loki", image="grafana/loki:2.9.14", port=3100, ready="/ready", data="/loki"),
        "promtail": Part(
            title="Promtail",
            image="grafana/promtail:2.9.14",
            port=9080,
            ready="/ready",
            # The image has no program that speaks HTTP, but its shell opens connections.
            probe=("CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/{port}"),
            data="/var/lib/promtail",
        ),
        "jaeger": Part(
            title="Jaeger",
            image="jaegertracing/all-in-one:1.67.0",
            port=16686,
            ready="/",
            # Spans by OTLP and by Jaeger's own way, and the port of its own metrics.
            more_ports=(4317, 4318, 14268, 14269),
            data="/badger",
        ),
        "node-exporter": Part(
            title="Node exporter",
            image="prom/node-exporter:v1.9.1",
            port=9100,
            ready="/",
            programs=("node_exporter", "prometheus-node-exporter"),
            of_the_host=True,
        ),
        "cadvisor": Part(title="cAdvisor", image="gcr.io/cadvisor/cadvisor:v0.49.2", port=8080, ready="/healthz"),
        "postgres-exporter": Part(
            title="PostgreSQL exporter",
            image="prometheuscommunity/postgres-exporter:v0.17.1",
            port=9187,
            ready="/",
            programs=("postgres_exporter", "prometheus-postgres-exporter"),
        ),
        "redis-exporter": Part(
            title="Redis exporter",
            # The plain image holds nothing but the exporter, and so no health check.
            image="oliver006/redis_exporter:v1.67.0-alpine",
            port=9121,
            ready="/health",
            programs=("redis_exporter", "prometheus-redis-exporter"),
        ),
        "nginx-exporter": Part(
            title="Nginx exporter",
            image="nginx/nginx-prometheus-exporter:1.4.1",
            port=9113,
            ready="/",
            programs=("nginx-prometheus-exporter", "prometheus-nginx-exporter"),
            # The image holds nothing but the exporter; Prometheus sees when it is gone.
            probe=(),
        ),
        "blackbox-exporter": Part(
            title="Blackbox exporter",
            image="prom/blackbox-exporter:v0.26.0",
            port=9115,
            ready="/-/healthy",
            programs=("blackbox_exporter", "prometheus-blackbox-exporter"),
        ),
    }
)

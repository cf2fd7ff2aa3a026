"""The compose file: every part of the stack in a container, on ports of this machine alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opsjobs.stack import secrets
from opsjobs.stack.parts import PARTS, Part
from opsjobs.stack.plan import Plan

_LOOPBACK = "127.0.0.1"


def files(plan: Plan) -> Mapping[str, Any]:
    """The compose file, by its name."""
    parts = plan.system.stack.parts
    needed = list(secrets.needed(plan))
    volumes: dict[str, Any] = {f"{name}-data": {} for name in parts if PARTS[name].data}
    return {
        "compose.yml": {
            "services": {name: _service(plan, name, port) for name, port in parts.items()},
            **({"volumes": volumes} if volumes else {}),
            **({"secrets": {each.file: {"file": f"./secrets/{each.file}"} for each in needed}} if needed else {}),
        }
    }


def _service(plan: Plan, name: str, port: int) -> dict[str, Any]:
    part = PARTS[name]
    own = _OWN[name](plan) if name in _OWN else {}
    data = [f"{name}-data:{part.data}"] if part.data else []
    published = [f"{_LOOPBACK}:{port}:{part.port}", *(f"{_LOOPBACK}:{each}:{each}" for each in part.more_ports)]
    made = {
        "image": part.image,
        "restart": "unless-stopped",
        "ports": [] if part.of_the_host else published,
        "volumes": [*own.pop("volumes", []), *data],
        # The system itself runs on this machine, outside of these containers.
        "extra_hosts": [] if part.of_the_host else ["host.docker.internal:host-gateway"],
        **own,
        **_health(part, port if part.of_the_host else part.port),
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "security_opt": ["no-new-privileges:true"],
    }
    return {key: value for key, value in made.items() if value != []}


def _health(part: Part, port: int) -> dict[str, Any]:
    if not part.probe:
        return {}
    words = [word.format(port=port, ready=part.ready) for word in part.probe]
    return {"healthcheck": {"test": words, "interval": "30s", "timeout": "5s", "retries": 3, "start_period": "30s"}}


def prometheus_flags(plan: Plan, name: str) -> list[str]:
    """What a Prometheus of the stack is told beside its configuration: how much it keeps."""
    stack = plan.system.stack
    archive = name == "prometheus-archive"
    kept = stack.recorded_retention if archive else stack.retention
    size = [f"--storage.tsdb.retention.size={stack.retention_size}"] if stack.retention_size and not archive else []
    return [f"--storage.tsdb.retention.time={kept}", *size]


def _prometheus(plan: Plan) -> dict[str, Any]:
    return {
        "command": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--web.enable-lifecycle",
            *prometheus_flags(plan, "prometheus"),
        ],
        "volumes": ["./prometheus:/etc/prometheus:ro"],
        "secrets": secrets.own(plan),
    }


def _archive(plan: Plan) -> dict[str, Any]:
    return {
        "command": [
            "--config.file=/etc/prometheus/archive.yml",
            "--storage.tsdb.path=/prometheus",
            "--web.enable-lifecycle",
            *prometheus_flags(plan, "prometheus-archive"),
        ],
        "volumes": ["./prometheus:/etc/prometheus:ro"],
        "depends_on": ["prometheus"],
    }


def _alertmanager(plan: Plan) -> dict[str, Any]:
    infrastructure = {secrets.GRAFANA, secrets.POSTGRES, secrets.REDIS, *secrets.own(plan)}
    return {
        "command": ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"],
        "volumes": ["./alertmanager:/etc/alertmanager:ro"],
        "secrets": [each.file for each in secrets.needed(plan) if each.file not in infrastructure],
    }


def _grafana(_: Plan) -> dict[str, Any]:
    return {
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD__FILE": f"/run/secrets/{secrets.GRAFANA}",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_AUTH_ANONYMOUS_ENABLED": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        "volumes": [
            "./grafana/provisioning:/etc/grafana/provisioning:ro",
            "./grafana/dashboards:/etc/grafana/dashboards:ro",
        ],
        "secrets": [secrets.GRAFANA],
        "depends_on": ["prometheus"],
    }


def _loki(_: Plan) -> dict[str, Any]:
    return {"command": ["-config.file=/etc/loki/loki.yml"], "volumes": ["./loki:/etc/loki:ro"]}


def _promtail(_: Plan) -> dict[str, Any]:
    return {
        "command": ["-config.file=/etc/promtail/promtail.yml"],
        "volumes": ["./promtail:/etc/promtail:ro", "/var/lib/docker/containers:/var/lib/docker/containers:ro"],
        "depends_on": ["loki"],
    }


def _jaeger(_: Plan) -> dict[str, Any]:
    return {
        "environment": {
            "COLLECTOR_OTLP_ENABLED": "true",
            "SPAN_STORAGE_TYPE": "badger",
            "BADGER_EPHEMERAL": "false",
            "BADGER_DIRECTORY_VALUE": "/badger/data",
            "BADGER_DIRECTORY_KEY": "/badger/key",
        },
        # The image runs as a user who may not write to a new volume.
        "user": "0",
    }


def _node(plan: Plan) -> dict[str, Any]:
    """In the network of the machine, whose interfaces it counts: reached from here, and from the other containers."""
    port = plan.port("node-exporter")
    addresses = (_LOOPBACK, "${DOCKER_HOST_ADDRESS:-172.17.0.1}")
    return {
        "command": ["--path.rootfs=/host", *(f"--web.listen-address={each}:{port}" for each in addresses)],
        "volumes": ["/:/host:ro,rslave"],
        "pid": "host",
        "network_mode": "host",
    }


def _cadvisor(_: Plan) -> dict[str, Any]:
    return {
        "volumes": [
            "/:/rootfs:ro",
            "/var/run:/var/run:ro",
            "/sys:/sys:ro",
            "/var/lib/docker/:/var/lib/docker:ro",
        ],
        "devices": ["/dev/kmsg"],
    }


def _postgres(_: Plan) -> dict[str, Any]:
    return {
        "environment": {
            "DATA_SOURCE_URI": "host.docker.internal:${POSTGRES_PORT:-5432}/${POSTGRES_DB:-postgres}"
            "?sslmode=${POSTGRES_SSLMODE:-disable}",
            "DATA_SOURCE_USER": "${POSTGRES_USER:-opsjobs}",
            "DATA_SOURCE_PASS_FILE": f"/run/secrets/{secrets.POSTGRES}",
        },
        "secrets": [secrets.POSTGRES],
    }


def _redis(_: Plan) -> dict[str, Any]:
    return {
        "environment": {
            "REDIS_ADDR": "redis://host.docker.internal:${REDIS_PORT:-6379}",
            "REDIS_PASSWORD_FILE": f"/run/secrets/{secrets.REDIS}",
        },
        "secrets": [secrets.REDIS],
    }


def _nginx(_: Plan) -> dict[str, Any]:
    return {"command": ["--nginx.scrape-uri=http://host.docker.internal:${NGINX_PORT:-80}/stub_status"]}


def _blackbox(_: Plan) -> dict[str, Any]:
    return {
        "command": ["--config.file=/etc/blackbox/blackbox.yml"],
        "volumes": ["./blackbox:/etc/blackbox:ro"],
    }


_OWN: Mapping[str, Callable[[Plan], dict[str, Any]]] = {
    "prometheus": _prometheus,
    "prometheus-archive": _archive,
    "alertmanager": _alertmanager,
    "grafana": _grafana,
    "loki": _loki,
    "promtail": _promtail,
    "jaeger": _jaeger,
    "node-exporter": _node,
    "cadvisor": _cadvisor,
    "postgres-exporter": _postgres,
    "redis-exporter": _redis,
    "nginx-exporter": _nginx,
    "blackbox-exporter": _blackbox,
}

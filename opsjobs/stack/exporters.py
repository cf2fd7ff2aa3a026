"""The configurations of the parts that watch others: what the blackbox exporter tries, which logs go to Loki."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsjobs.stack.plan import Plan
from opsjobs.vocabulary import seconds

_HOUR = 3600


def files(plan: Plan) -> Mapping[str, Any]:
    """The configurations of those parts that the stack has, by their names."""
    known = {
        "blackbox-exporter": ("blackbox/blackbox.yml", _blackbox),
        "loki": ("loki/loki.yml", _loki),
        "promtail": ("promtail/promtail.yml", _promtail),
    }
    return {name: make(plan) for part, (name, make) in known.items() if plan.port(part)}


def _blackbox(_: Plan) -> dict[str, Any]:
    """An address is up when it answers over HTTP at all: what asks without a key is rightly refused."""
    return {
        "modules": {
            "http_2xx": {
                "prober": "http",
                "timeout": "5s",
                "http": {
                    "preferred_ip_protocol": "ip4",
                    "valid_status_codes": [*range(200, 209), 301, 302, 400, 401, 403, 404],
                    "follow_redirects": True,
                },
            },
            "tcp_connect": {"prober": "tcp", "timeout": "5s"},
        }
    }


def _loki(plan: Plan) -> dict[str, Any]:
    hours = seconds(plan.system.stack.retention) // _HOUR
    return {
        "auth_enabled": False,
        "server": {"http_listen_port": 3100},
        "common": {
            "path_prefix": "/loki",
            "storage": {"filesystem": {"chunks_directory": "/loki/chunks", "rules_directory": "/loki/rules"}},
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
        },
        "schema_config": {
            "configs": [
                {
                    "from": "2024-01-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "compactor": {
            "working_directory": "/loki/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "limits_config": {"retention_period": f"{hours}h"},
        "analytics": {"reporting_enabled": False},
    }


def _promtail(plan: Plan) -> dict[str, Any]:
    return {
        "server": {"http_listen_port": 9080, "grpc_listen_port": 0},
        "positions": {"filename": "/var/lib/promtail/positions.yml"},
        "clients": [{"url": f"http://{plan.reach('loki')}/loki/api/v1/push"}],
        "scrape_configs": [
            {
                "job_name": "containers",
                "static_configs": [
                    {
                        "targets": ["localhost"],
                        "labels": {"job": "containers", "__path__": "/var/lib/docker/containers/*/*-json.log"},
                    }
                ],
                "pipeline_stages": [
                    {"docker": {}},
                    # Where the application logs JSON, its level and its trace become searchable.
                    {"json": {"expressions": {"level": "level", "trace_id": "trace_id"}}},
                    {"labels": {"level": ""}},
                ],
            }
        ],
    }

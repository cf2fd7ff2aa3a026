"""The configuration of Prometheus: what it scrapes, which rules it evaluates, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsjobs.errors import ConfigError
from opsjobs.stack import secrets, watching
from opsjobs.stack.plan import Plan
from opsjobs.system.inventory import ScrapeSpec

RULES = ("rules/recording.yml", "rules/alerts.yml")
RECORDED = '{__name__=~"(indicator|slo|alert):.+"}'
"""What the archive keeps."""


def files(plan: Plan) -> Mapping[str, Any]:
    """The configurations, by their names; that of the archive where there is one."""
    made = {"prometheus.yml": document(plan)}
    if plan.port("prometheus-archive"):
        made["archive.yml"] = _archive(plan)
    return made


def document(plan: Plan) -> dict[str, Any]:
    """The configuration of the Prometheus that scrapes."""
    every = plan.system.stack.scrape_interval
    jobs: dict[str, list[ScrapeSpec]] = {}
    for component in plan.system.components.values():
        if component.scrape:
            jobs.setdefault(component.scrape.job, []).append(component.scrape)
    return {
        "global": {
            "scrape_interval": every,
            "evaluation_interval": every,
            "external_labels": {"system": plan.name},
        },
        "rule_files": [*RULES, *([f"rules/{watching.FILE}"] if plan.own else [])],
        **({"alerting": _alerting(plan)} if plan.port("alertmanager") else {}),
        "scrape_configs": [*(_job(plan, job, specs) for job, specs in jobs.items()), *_own(plan)],
    }


def _own(plan: Plan) -> Iterator[dict[str, Any]]:
    """The job that asks opsjobs itself."""
    if plan.own is None or not plan.own.target:
        return
    letting_in: dict[str, Any] = {}
    if plan.own.token:
        letting_in = {"authorization": {"credentials_file": plan.secret(secrets.OWN_TOKEN)}}
    elif plan.own.username:
        known = {"username": plan.own.username, "password_file": plan.secret(secrets.OWN_PASSWORD)}
        letting_in = {"basic_auth": known}
    where = {**_static([plan.address(plan.own.target)]), "labels": {"instance": plan.own.target}}
    # What it tells changes with its runs.
    yield {"job_name": "opsjobs", "scrape_interval": "1m", **letting_in, "static_configs": [where]}


def _alerting(plan: Plan) -> dict[str, Any]:
    return {"alertmanagers": [{"static_configs": [_static([plan.reach("alertmanager")])]}]}


def _job(plan: Plan, job: str, specs: list[ScrapeSpec]) -> dict[str, Any]:
    first = specs[0]
    ways = {(spec.path, spec.interval, spec.targets[0] if spec.probes else "") for spec in specs}
    if len(ways) > 1:
        raise ConfigError(
            f"components: the job '{job}' is scraped in different ways",
            advice="Components of one job share path, interval and blackbox exporter: give one of them another job.",
        )
    interval = {"scrape_interval": first.interval} if first.interval else {}
    if first.probes:
        # The exporter is asked, and each address it is to ask is the member that is spoken of.
        return {
            "job_name": job,
            **interval,
            "metrics_path": first.path,
            "params": {"module": ["http_2xx"]},
            "static_configs": [{"targets": [probe for spec in specs for probe in spec.probes]}],
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": plan.address(first.targets[0])},
            ],
        }
    targets = [target for spec in specs for target in spec.targets]
    return {
        "job_name": job,
        **interval,
        "metrics_path": first.path,
        # As it is declared and as people know it, wherever it is reached.
        "static_configs": [{**_static([plan.address(target)]), "labels": {"instance": target}} for target in targets],
    }


def _archive(plan: Plan) -> dict[str, Any]:
    """A second Prometheus that asks the first for what its rules record, and keeps that for longer."""
    return {
        "global": {"scrape_interval": "1m", "evaluation_interval": "1m"},
        "scrape_configs": [
            {
                "job_name": "federate",
                "honor_labels": True,
                "metrics_path": "/federate",
                "params": {"match[]": [RECORDED]},
                "static_configs": [_static([plan.reach("prometheus")])],
            }
        ],
    }


def _static(targets: list[str]) -> dict[str, Any]:
    return {"targets": targets}

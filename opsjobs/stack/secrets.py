"""The secrets of a stack: each a file with one line, which is never rendered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from opsjobs.stack.plan import Plan

GRAFANA = "grafana-admin-password"
POSTGRES = "postgres-exporter-password"
REDIS = "redis-exporter-password"
OWN_TOKEN = "opsjobs-token"  # noqa: S105 - the name of its file
OWN_PASSWORD = "opsjobs-password"  # noqa: S105 - as above


class Secret(NamedTuple):
    """A file that has to be there, and what stands in it."""

    file: str
    holds: str


def smtp(channel: str) -> str:
    """The file with the password of a mail channel."""
    return f"{channel}-password"


def slack(channel: str) -> str:
    """The file with the address of a Slack channel's webhook."""
    return f"{channel}-webhook-url"


def webhook(channel: str) -> str:
    """The file with the token of a webhook."""
    return f"{channel}-token"


def pagerduty(channel: str) -> str:
    """The file with the routing key of PagerDuty."""
    return f"{channel}-routing-key"


def own(plan: Plan) -> list[str]:
    """The file with what lets into opsjobs itself, where anything does."""
    if plan.own is None or not plan.own.target:
        return []
    return [OWN_TOKEN] if plan.own.token else [OWN_PASSWORD] if plan.own.username else []


def needed(plan: Plan) -> Iterator[Secret]:
    """Every secret of the stack, in the order of the profile."""
    system, parts = plan.system, plan.system.stack.parts
    if "grafana" in parts:
        yield Secret(GRAFANA, "the password of Grafana's user admin")
    if "postgres-exporter" in parts:
        yield Secret(POSTGRES, "the password of the exporter's role in PostgreSQL")
    if "redis-exporter" in parts:
        there = f"redis://{plan.address('localhost:6379')}"
        yield Secret(REDIS, f'the password of Redis, as {{"{there}": "PASSWORD"}}')
    for file in own(plan):
        yield Secret(file, f"what lets into opsjobs at {plan.own.target if plan.own else ''}")
    for name, channel in system.channels.items():
        if channel.kind == "email":
            yield Secret(smtp(name), f"the password with which {channel.smarthost} lets {channel.sender} in")
        elif channel.kind == "slack":
            yield Secret(slack(name), f"the address of the incoming webhook for {channel.channel}")
        elif channel.kind == "pagerduty":
            yield Secret(pagerduty(name), "the routing key of the service, for Events API v2")
        elif channel.token:
            yield Secret(webhook(name), f"the bearer token for {channel.url}")

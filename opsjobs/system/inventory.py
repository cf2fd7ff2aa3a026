"""Who and what there is: teams, components and the metrics that they expose, and how much of them is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from opsjobs.declaration import Declared
from opsjobs.vocabulary import ComponentName, Length, Selection, Target, TeamName


class TeamSpec(Declared):
    """People who own a part of the system."""

    contact: str = ""
    """Where they are reached: a mail address."""
    hours: str = ""
    """When they are reached, in words."""
    escalation: tuple[str, ...] = ()
    """Who comes next, in order."""
    about: str = ""


class ScrapeSpec(Declared):
    """Where Prometheus finds the metrics of a component."""

    job: str
    targets: Annotated[tuple[Target, ...], Field(min_length=1)]
    """Each as host:port."""
    path: str = "/metrics"
    probes: tuple[str, ...] = ()
    """What the target, a blackbox exporter, is to ask: addresses, each a member of its own."""
    interval: Length | None = None
    """Default: that of the stack."""


class ComponentSpec(Declared):
    """A part that must be up."""

    title: str
    up: Selection
    """PromQL with one series for each member: 1 while it is up, 0 while it is down."""
    instances: Annotated[int, Field(gt=0)] | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Which members must be there: their `instance` labels, or how many. Without it, those seen in the last 7 days."""
    team: TeamName
    url: str = ""
    """Where it answers when it is well."""
    scrape: ScrapeSpec | None = None
    """Where Prometheus finds its metrics."""
    runbook: str = ""
    about: str = ""


class MetricSpec(Declared):
    """A metric family that the system exposes."""

    type: Literal["counter", "gauge", "histogram", "summary"]
    component: ComponentName
    """Where it comes from: a component that is down explains its silence."""
    labels: tuple[str, ...] = ()
    """The labels by which it is told apart, beside those of its target."""
    about: str = ""


PartName = Literal[
    "prometheus",
    "prometheus-archive",
    "alertmanager",
    "grafana",
    "loki",
    "promtail",
    "jaeger",
    "node-exporter",
    "cadvisor",
    "postgres-exporter",
    "redis-exporter",
    "nginx-exporter",
    "blackbox-exporter",
]
"""What a stack can be made of; `opsjobs/stack/parts.py` knows how each is run."""


class StackSpec(Declared):
    """What the owners say of the monitoring itself."""

    scrape_interval: Length = "15s"
    retention: Length = "15d"
    """How long Prometheus keeps samples."""
    retention_size: str = ""
    """How much it keeps at most, such as 10GB."""
    recorded_retention: Length | None = None
    """How long what the rules record is kept where that is longer; a second Prometheus keeps it."""
    parts: dict[PartName, Annotated[int, Field(gt=0, lt=65536)]] = Field(default_factory=dict)
    """The parts of the stack by name, and the port of each."""

    @model_validator(mode="after")
    def _what_is_kept_longer_has_a_keeper(self) -> StackSpec:
        if bool(self.recorded_retention) != ("prometheus-archive" in self.parts):
            raise ValueError("recorded_retention needs the part prometheus-archive, and that part needs it")
        for part, needed in (("prometheus-archive", "prometheus"), ("grafana", "prometheus"), ("promtail", "loki")):
            if part in self.parts and needed not in self.parts:
                raise ValueError(f"the part {part} needs the part {needed}")
        if len(set(self.parts.values())) < len(self.parts):
            raise ValueError("two parts are on one port")
        return self

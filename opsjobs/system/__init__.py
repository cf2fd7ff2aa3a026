"""DECLARE the system: what is monitored, what is healthy, and who owns it. One file for each system.

    inventory.py    teams, components, metrics, and the monitoring itself
    indicator.py    the numbers that say how the system does
    objective.py    service level objectives
    alerting.py     alerts, channels, routes, hours and escalations
    dashboard.py    dashboards and their panels
    cost.py         where money is spent and read, whom it serves, what it earns
    owners.py       whose a thing is, and where to read on
    families.py     metrics that many have (families.yml), for drafts

To add a key to a profile: a field of one of these, with a docstring that says what it means. To add a system: a file in
`opsjobs/systems`; docs/systems.md is the way there.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from opsjobs.declaration import Declared, did_you_mean, load
from opsjobs.errors import ConfigError
from opsjobs.system.alerting import AlertSpec, ChannelSpec, EscalationSpec, HoursSpec, RouteSpec
from opsjobs.system.cost import CostsSpec
from opsjobs.system.dashboard import DashboardSpec
from opsjobs.system.indicator import BreakdownSpec, DeclaredIndicator, Group, Indicator, Store
from opsjobs.system.inventory import ComponentSpec, MetricSpec, StackSpec, TeamSpec
from opsjobs.system.objective import SloSpec
from opsjobs.vocabulary import ChannelKey, Zone, family, names

__all__ = [
    "BreakdownSpec",
    "ComponentSpec",
    "DeclaredIndicator",
    "Indicator",
    "SloSpec",
    "Store",
    "System",
    "read",
    "shipped",
]


class System(Declared):
    """What is monitored, what is healthy, and who owns it."""

    title: str
    about: str = ""
    zone: Zone
    """The time zone in which its days begin and end."""
    runbooks: str = ""
    """The page with the runbooks, where the configuration names none; each runbook is an anchor on it."""
    max_age: Annotated[int, Field(gt=0)] = 600
    """Seconds after which the last value is stale."""
    teams: dict[str, TeamSpec]
    components: Annotated[dict[str, ComponentSpec], Field(min_length=1)]
    dashboards: dict[str, DashboardSpec] = Field(default_factory=dict)
    metrics: dict[str, MetricSpec]
    groups: Annotated[dict[str, Group], Field(min_length=1)]
    slos: dict[str, SloSpec] = Field(default_factory=dict)
    alerts: dict[str, AlertSpec] = Field(default_factory=dict)
    channels: dict[ChannelKey, ChannelSpec] = Field(default_factory=dict)
    hours: dict[str, HoursSpec] = Field(default_factory=dict)
    routes: tuple[RouteSpec, ...] = ()
    """From top to bottom; an alert goes every way that fits."""
    escalations: tuple[EscalationSpec, ...] = ()
    stack: StackSpec = StackSpec()
    costs: CostsSpec | None = None
    """What it costs, and whom that serves."""

    @property
    def indicators(self) -> Iterator[DeclaredIndicator]:
        """Every indicator in the order of the file."""
        for group in self.groups.values():
            for name, spec in group.indicators.items():
                inherited = {
                    key: getattr(group, key) for key in ("team", "dashboard", "runbook") if not getattr(spec, key)
                }
                yield DeclaredIndicator(name, group.title, spec.model_copy(update=inherited))

    def level(self, alert: str) -> str:
        """Which limit of its indicator an alert is about: the gravest, where it does not say."""
        spec = self.alerts[alert]
        watched = next((each.spec for each in self.indicators if each.id == spec.indicator), None)
        return spec.level or ("warning" if watched and watched.critical is None else "critical")

    def severity(self, alert: str) -> str:
        """How grave an alert is: as it says, else as its limit is."""
        return self.alerts[alert].severity or self.level(alert)

    def owner(self, alert: str) -> str:
        """The team of an alert: as it says, else that of what it watches."""
        spec = self.alerts[alert]
        watched: list[ComponentSpec | SloSpec | Indicator] = [
            *(component for name, component in self.components.items() if name == spec.component),
            *(slo for name, slo in self.slos.items() if name == spec.slo),
            *(each.spec for each in self.indicators if each.id == spec.indicator),
        ]
        first = next(iter(self.components.values()))
        return spec.team or next((each.team for each in watched if each.team), None) or first.team

    def preferring(self, store: Store) -> System:
        """The same system, each indicator asked of that store where it says how."""
        groups = {
            name: group.model_copy(
                update={"indicators": {key: spec.preferring(store) for key, spec in group.indicators.items()}}
            )
            for name, group in self.groups.items()
        }
        return self.model_copy(update={"groups": groups})

    def family(self, series: str) -> str | None:
        """The declared metric that a series name belongs to, or None when it is not declared."""
        return family(series, {name: spec.type for name, spec in self.metrics.items()})

    @model_validator(mode="after")
    def _names_are_unique(self) -> System:
        seen: set[str] = set()
        for group in self.groups.values():
            twice = seen & set(group.indicators)
            if twice:
                raise ValueError(f"the indicator '{min(twice)}' stands in two groups")
            seen |= set(group.indicators)
        return self

    @model_validator(mode="after")
    def _dashboards_are_apart(self) -> System:
        uids = [spec.path.split("/")[2] for spec in self.dashboards.values()]
        twice = {uid for uid in uids if uids.count(uid) > 1}
        if twice:
            raise ValueError(f"two dashboards have the uid '{min(twice)}' in their paths")
        return self

    @model_validator(mode="after")
    def _alerts_have_limits(self) -> System:
        specs = {declared.id: declared.spec for declared in self.indicators}
        for name, alert in self.alerts.items():
            spec = specs.get(alert.indicator or "")
            if spec is None or alert.limit is not None:
                continue
            level = self.level(name)
            if getattr(spec, level) is None:
                raise ValueError(f"alert '{name}': the indicator '{alert.indicator}' has no limit '{level}'")
        return self

    @model_validator(mode="after")
    def _causes_have_no_causes(self) -> System:
        specs = {declared.id: declared.spec for declared in self.indicators}
        for name, spec in specs.items():
            kind, _, cause = spec.explained_by.partition(":")
            if kind == "indicator" and specs[cause].explained_by:
                raise ValueError(f"'{name}' is explained by '{cause}', which is explained by something else itself")
        return self


def shipped() -> list[str]:
    """The names of the profiles that come with opsjobs."""
    folder = importlib.resources.files("opsjobs.systems")
    return sorted(entry.name.removesuffix(".yml") for entry in folder.iterdir() if entry.name.endswith(".yml"))


def read(profile: str, base: Path) -> System:
    """The profile of that name, or the file at that path relative to `base`. Raises `ConfigError` with every fault."""
    if profile in shipped():
        return _shipped(profile)
    if not profile.endswith((".yml", ".yaml")):
        raise ConfigError(f"no profile is called '{profile}'{did_you_mean(profile, shipped())}")
    path = base / profile
    try:
        found = path.stat()
    except OSError:
        return load(path, System, context=names)
    return _own(path, (found.st_ino, found.st_size, found.st_mtime_ns))


# Reading one takes a tenth of a second, and a thousand systems may have the same.
@cache
def _shipped(profile: str) -> System:
    resource = importlib.resources.files("opsjobs.systems") / f"{profile}.yml"
    with importlib.resources.as_file(resource) as path:
        return load(path, System, context=names, name=f"{profile}.yml")


@lru_cache(maxsize=32)
def _own(path: Path, version: tuple[int, ...]) -> System:
    """As the file is that is there now."""
    del version
    return load(path, System, context=names)

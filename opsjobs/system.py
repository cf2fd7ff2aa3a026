"""The system profile: what is monitored, what is healthy, and who owns it. One file for each system."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, FiniteFloat, ValidationInfo, model_validator

from opsjobs import promql
from opsjobs.declaration import Declared, did_you_mean, load
from opsjobs.errors import ConfigError
from opsjobs.model import Direction, Threshold

_UNITS = {"seconds", "bytes", "ratio", "count", "per_second"}
_CURRENCY_LETTERS = 3
_HOUR = 3600
# Series that Prometheus makes by itself; a profile need not declare them.
_BUILT_IN = {"up", "ALERTS", "ALERTS_FOR_STATE", "scrape_samples_scraped", "scrape_duration_seconds"}
_PARTS = ("_bucket", "_sum", "_count")


def _unit(value: str) -> str:
    if value in _UNITS or (len(value) == _CURRENCY_LETTERS and value.isascii() and value.isupper()):
        return value
    raise ValueError(f"'{value}' is not a unit; use {', '.join(sorted(_UNITS))}, or a currency code such as EUR")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"'{value}' is not a time zone; use a name such as Europe/Rome") from None
    return value


def _step(value: str) -> str:
    seconds = _seconds(value)
    if not seconds or _HOUR % seconds:
        raise ValueError(f"'{value}' does not divide an hour; use 1m, 5m, 10m, 15m, 30m or 1h")
    return value


def _seconds(value: str) -> int:
    number, unit = value[:-1], value[-1:]
    return int(number) * {"s": 1, "m": 60, "h": _HOUR}.get(unit, 0) if number.isdigit() else 0


def _held_for(value: str | None) -> str | None:
    if value is not None and not _seconds(value):
        raise ValueError(f"'{value}' is not a length of time; write 2m or 1h")
    return value


def _subject(value: str, info: ValidationInfo) -> str:
    if value:
        kind, _, name = value.partition(":")
        known = {"component": "components", "indicator": "indicators"}
        if kind not in known or not name:
            raise ValueError(f"'{value}' must be component:NAME or indicator:NAME")
        _declared(known[kind], name, info)
    return value


def _query(value: str, info: ValidationInfo) -> str:
    value = value.strip()
    promql.check(value)
    known: dict[str, str] = (info.context or {}).get("metrics", {})
    for metric in promql.metrics(value):
        if metric not in _BUILT_IN and _family(metric, known) is None:
            raise ValueError(f"'{metric}' is not declared under metrics{did_you_mean(metric, known)}")
    return value


def _without_step(value: str) -> str:
    if promql.STEP in value:
        raise ValueError(f"{promql.STEP} has no meaning here: members are looked at each minute")
    return value


def _closed(query: str) -> str:
    """What ends a query that may end with a comment, so that another can go on behind it."""
    return "\n" if "#" in query.rsplit("\n", 1)[-1] else ""


def _family(series: str, types: Mapping[str, str]) -> str | None:
    """The declared metric that a series belongs to: its own name, or that of its histogram or summary."""
    if series in types:
        return series
    stems = (series.removesuffix(part) for part in _PARTS if series.endswith(part))
    return next((stem for stem in stems if types.get(stem) in {"histogram", "summary"}), None)


def _reference(kind: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        _declared(kind, value, info)
        return value

    return AfterValidator(check)


def _declared(kind: str, name: str, info: ValidationInfo) -> None:
    known: set[str] = (info.context or {}).get(kind, set())
    if name not in known:
        raise ValueError(f"'{name}' is not declared under {kind}{did_you_mean(name, known)}")


Query = Annotated[str, AfterValidator(_query)]
Selection = Annotated[str, AfterValidator(_query), AfterValidator(_without_step)]
TeamName = Annotated[str, _reference("teams")]
ComponentName = Annotated[str, _reference("components")]
DashboardName = Annotated[str, _reference("dashboards")]
Subject = Annotated[str, AfterValidator(_subject)]


class TeamSpec(Declared):
    """People who own a part of the system."""

    contact: str = ""
    """Where they are reached: a mail address."""
    hours: str = ""
    """When they are reached, in words."""
    escalation: tuple[str, ...] = ()
    """Who comes next, in order."""
    about: str = ""


class ComponentSpec(Declared):
    """A part that must be up."""

    title: str
    up: Selection
    """PromQL with one series for each member: 1 while it is up, 0 while it is down."""
    instances: Annotated[int, Field(gt=0)] | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Which members must be there: their `instance` labels, or how many. Without it, those seen in the last 7 days."""
    team: TeamName
    url: str = ""
    runbook: str = ""


class MetricSpec(Declared):
    """A metric family that the system exposes."""

    type: Literal["counter", "gauge", "histogram", "summary"]
    component: ComponentName
    """Where it comes from: a component that is down explains its silence."""
    about: str = ""


class BreakdownSpec(Declared):
    """Who is behind the number: the members with the most, at the end of the window."""

    by: str
    """The label that names a member."""
    query: Query
    """PromQL with one series for each member; `$step` stands for the length of the day."""


class DashboardSpec(Declared):
    """A Grafana dashboard."""

    title: str
    path: str
    """Path below the address of Grafana."""


class Indicator(Declared):
    """One number that says how the system does."""

    title: str
    about: str = ""
    query: Query | None = None
    """PromQL with one series. `$step` stands for the step of the range."""
    numerator: Query | None = None
    """With `denominator` in place of `query`: the day's value is sum over sum, not a mean of ratios."""
    denominator: Query | None = None
    unit: Annotated[str, AfterValidator(_unit)]
    healthy: Direction
    """On which side of its limits a healthy value lies."""
    target: FiniteFloat | None = None
    """What is aimed at: shown, never alarmed."""
    warning: FiniteFloat | None = None
    critical: FiniteFloat | None = None
    summary: Literal["last", "mean", "max", "sum", "p95", "ratio"] = "mean"
    """How the points of the day become the value of the day."""
    step: Annotated[str, AfterValidator(_step)] = "5m"
    breakdown: BreakdownSpec | None = None
    chart: bool = False
    """Whether it is among the few that get a larger chart."""
    held_for: Annotated[str | None, AfterValidator(_held_for)] = Field(default=None, alias="for")
    """How long its points must be beyond a limit to be told, also when the day's value is not: 2m, 1h."""
    explained_by: Subject = ""
    """What explains a bad value when it is bad itself, so that one cause is told once: component:X or indicator:X."""
    team: TeamName | None = None
    dashboard: DashboardName | None = None
    runbook: str = ""

    @model_validator(mode="after")
    def _one_way_to_ask(self) -> Indicator:
        parts = (self.numerator is not None, self.denominator is not None)
        if self.query is not None and not any(parts):
            if self.summary == "ratio":
                raise ValueError("summary 'ratio' needs numerator and denominator")
            return self
        if self.query is None and all(parts):
            if "summary" in self.model_fields_set and self.summary != "ratio":
                raise ValueError("with numerator and denominator, the summary is 'ratio'")
            return self
        raise ValueError("give either query, or numerator and denominator")

    @model_validator(mode="after")
    def _limits_in_order(self) -> Indicator:
        sign = 1 if self.healthy is Direction.BELOW else -1
        limits = [limit * sign for limit in (self.target, self.warning, self.critical) if limit is not None]
        if limits != sorted(limits):
            raise ValueError(f"target, warning and critical must go from good to bad (healthy: {self.healthy.value})")
        return self

    @property
    def step_seconds(self) -> int:
        """The step in seconds."""
        return _seconds(self.step)

    @property
    def held_seconds(self) -> int | None:
        """How long beyond a limit is too long, in seconds; None where only the day's value is judged."""
        return _seconds(self.held_for) if self.held_for else None

    @property
    def method(self) -> str:
        """How the points become a value: `summary`, or `ratio` where there are two parts."""
        return "ratio" if self.query is None else self.summary

    @property
    def promql(self) -> str:
        """The one query that is sent, its step filled in; a ratio asks for both of its parts at once."""
        if self.query is not None:
            return promql.at_step(self.query, self.step_seconds)
        numerator, denominator = self.numerator or "", self.denominator or ""
        both = (
            f'label_replace({numerator}{_closed(numerator)}, "part", "numerator", "", "")'
            f' or label_replace({denominator}{_closed(denominator)}, "part", "denominator", "", "")'
        )
        return promql.at_step(both, self.step_seconds)

    @property
    def threshold(self) -> Threshold:
        """The limits as a value."""
        return Threshold(direction=self.healthy, target=self.target, warning=self.warning, critical=self.critical)


class Group(Declared):
    """Indicators that are read together. What they share is said once, here."""

    title: str
    team: TeamName
    dashboard: DashboardName | None = None
    runbook: str = ""
    indicators: Annotated[dict[str, Indicator], Field(min_length=1)]


class DeclaredIndicator(NamedTuple):
    """An indicator with its name and group; what it left to its group is filled in."""

    id: str
    group: str
    spec: Indicator


class System(Declared):
    """What is monitored, what is healthy, and who owns it."""

    title: str
    about: str = ""
    zone: Annotated[str, AfterValidator(_zone)]
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

    @property
    def indicators(self) -> Iterator[DeclaredIndicator]:
        """Every indicator in the order of the file."""
        for group in self.groups.values():
            for name, spec in group.indicators.items():
                inherited = {
                    key: getattr(group, key) for key in ("team", "dashboard", "runbook") if not getattr(spec, key)
                }
                yield DeclaredIndicator(name, group.title, spec.model_copy(update=inherited))

    def family(self, series: str) -> str | None:
        """The declared metric that a series name belongs to, or None when it is not declared."""
        return _family(series, {name: spec.type for name, spec in self.metrics.items()})

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
        resource = importlib.resources.files("opsjobs.systems") / f"{profile}.yml"
        with importlib.resources.as_file(resource) as path:
            return load(path, System, context=_names, name=f"{profile}.yml")
    if not profile.endswith((".yml", ".yaml")):
        raise ConfigError(f"no profile is called '{profile}'{did_you_mean(profile, shipped())}")
    return load(base / profile, System, context=_names)


def _names(content: Any) -> dict[str, Any]:
    """What may be referred to, taken from the raw file so that every fault is found in one pass."""

    def section(name: str) -> dict[str, Any]:
        value = content.get(name) if isinstance(content, dict) else None
        return {str(key): inner for key, inner in value.items()} if isinstance(value, dict) else {}

    types = {name: spec.get("type") if isinstance(spec, dict) else None for name, spec in section("metrics").items()}
    groups = [group.get("indicators") for group in section("groups").values() if isinstance(group, dict)]
    indicators = {str(name) for group in groups if isinstance(group, dict) for name in group}
    names = {name: set(section(name)) for name in ("teams", "components", "dashboards")}
    return {**names, "metrics": types, "indicators": indicators}

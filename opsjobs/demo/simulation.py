"""DECLARE what a living system exposes: its targets and their metrics, with levels, rhythms and noise. Values only."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from opsjobs.declaration import Declared, did_you_mean, load
from opsjobs.errors import ConfigError

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def _known(kind: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        known: set[str] = (info.context or {}).get(kind, set())
        if value and value not in known:
            raise ValueError(f"'{value}' is not declared under {kind}{did_you_mean(value, known)}")
        return value

    return AfterValidator(check)


def _ascending(bounds: tuple[float, ...]) -> tuple[float, ...]:
    if any(lower >= upper for lower, upper in pairwise(bounds)):
        raise ValueError("buckets go upwards, each bound once")
    return bounds


RhythmName = Annotated[str, _known("rhythms")]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
# Noise is cut at twice its size; beyond a half of the level it could turn a value negative.
Spread = Annotated[float, Field(ge=0, lt=0.5)]


class Rhythm(Declared):
    """How a level moves through the local day and week; the mean of a weekday stays the level."""

    night: Positive = 1
    """Level twelve hours from the peak, as a share of the peak. Above 1 the day is the quiet time."""
    peak: Annotated[float, Field(ge=0, lt=24)] = 15
    """Local hour of the peak."""
    weekend: Positive = 1
    """Saturdays and Sundays as a share of a weekday."""


class Member(Declared):
    """One set of labels, and what it has of its own."""

    labels: dict[str, str] = Field(default_factory=dict)
    weight: Positive = 1
    """Factor on the level of the metric."""
    rhythm: RhythmName = ""
    noise: Spread | None = None


class TimedMember(Member):
    """One set of labels of a histogram: durations are log-normal."""

    median: Positive
    """Median duration in seconds."""
    spread: Positive
    """Standard deviation of the logarithm: 0.5 is narrow, 1 is wide."""


class _Metric(Declared):
    about: str
    rhythm: RhythmName = ""
    growth: Annotated[float, Field(gt=-1, lt=1)] = 0
    """Share by which the level grows in a day; the level as declared is that of the day of the demonstration."""
    noise: Spread = 0
    """Size of the random walk around the level within hours, as a share of it."""
    drift: Spread = 0
    """The same from day to day."""
    series: Annotated[tuple[Member, ...], Field(min_length=1)] = (Member(),)


class Gauge(_Metric):
    """A value that goes up and down."""

    level: float
    whole: bool = False
    """Whether only whole numbers make sense."""
    from_today: bool = False
    """Whether it is a Unix time: the level is in seconds after midnight of the day of the demonstration."""


class Counter(_Metric):
    """A sum since the process began: at a rate of its own, or a share of what another metric counts."""

    level: Positive | None = None
    per: Literal["second", "minute", "hour", "day"] = "second"
    of: Annotated[str, _known("metrics")] = ""
    """A metric of the same target; series with equal values of their common labels belong together."""
    share: Share | None = None
    whole: bool = False
    events: bool = False
    """Whether it counts rare events, each at a random instant."""

    @model_validator(mode="after")
    def _one_source(self) -> Counter:
        if (self.level is None) == (self.share is None) or bool(self.of) != (self.share is not None):
            raise ValueError("give either level, or of and share")
        if self.events and self.of:
            raise ValueError("events need a level; a share of another metric cannot be events")
        return self

    @property
    def per_second(self) -> float:
        """The level as a rate per second; 0 for a share of another metric."""
        return (self.level or 0) / _SECONDS[self.per]


class Histogram(_Metric):
    """Durations of what happens at a rate."""

    level: Positive
    per: Literal["second", "minute", "hour", "day"] = "second"
    buckets: Annotated[tuple[Positive, ...], Field(min_length=1), AfterValidator(_ascending)]
    """Upper bounds in seconds; +Inf is added."""
    strain: Share = 0
    """How much slower it gets when the rate is twice its mean, as a share."""
    series: Annotated[tuple[TimedMember, ...], Field(min_length=1)]

    @property
    def per_second(self) -> float:
        """The level as a rate per second."""
        return self.level / _SECONDS[self.per]


class Target(Declared):
    """What is scraped under one job name: one component, on one instance or several."""

    component: str
    """The component of the system profile that is down when the target is."""
    instances: Annotated[tuple[str, ...], Field(min_length=1)]
    """Values of the label `instance`. Rates are shared among them; gauges have the same level on each."""
    alive: str = ""
    """A gauge that says whether the thing behind an exporter is up; without it, the target itself goes down."""
    counters: dict[str, Counter] = Field(default_factory=dict)
    gauges: dict[str, Gauge] = Field(default_factory=dict)
    histograms: dict[str, Histogram] = Field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, Counter | Gauge | Histogram]:
        """All metrics by name."""
        return {**self.counters, **self.gauges, **self.histograms}

    @model_validator(mode="after")
    def _consistent(self) -> Target:
        if self.alive and self.alive not in self.gauges:
            hint = did_you_mean(self.alive, set(self.gauges))
            raise ValueError(f"alive: '{self.alive}' is not among the gauges{hint}")
        own = {name for name, counter in self.counters.items() if not counter.of} | set(self.histograms)
        for name, counter in self.counters.items():
            if counter.of and counter.of not in own:
                raise ValueError(f"{name}: '{counter.of}' is no counter or histogram of this target with its own level")
        return self


class Alert(Declared):
    """An alert that a scenario may let fire."""

    severity: str
    team: str = ""


class Simulation(Declared):
    """A system that is alive."""

    about: str = ""
    seed: int = 0
    """Another seed is another past of the same system."""
    rhythms: dict[str, Rhythm] = Field(default_factory=dict)
    alerts: dict[str, Alert] = Field(default_factory=dict)
    targets: Annotated[dict[str, Target], Field(min_length=1)]
    """By job name."""

    @property
    def metrics(self) -> Iterator[tuple[str, Target, Counter | Gauge | Histogram]]:
        """Every metric: its name, the target it belongs to, and what it is."""
        for target in self.targets.values():
            for name, metric in target.metrics.items():
                yield name, target, metric

    @model_validator(mode="after")
    def _names_are_unique(self) -> Simulation:
        seen: set[str] = set()
        for name, _, _ in self.metrics:
            if name in seen:
                raise ValueError(f"the metric '{name}' stands twice")
            seen.add(name)
        return self


def shipped() -> list[str]:
    """The systems that come with a simulation."""
    folder = importlib.resources.files("opsjobs.demo") / "simulations"
    return sorted(entry.name.removesuffix(".yml") for entry in folder.iterdir() if entry.name.endswith(".yml"))


def read(system: str) -> Simulation:
    """The simulation of a system that ships. Raises `ConfigError` with every fault, or when there is none."""
    if system not in shipped():
        raise ConfigError(f"there is no simulation of '{system}'{did_you_mean(system, shipped())}")
    resource = importlib.resources.files("opsjobs.demo") / "simulations" / f"{system}.yml"
    with importlib.resources.as_file(resource) as path:
        return load(path, Simulation, context=names, name=f"{system}.yml")


def names(content: Any) -> dict[str, Any]:
    """What may be referred to, taken from the raw file so that every fault is found in one pass."""

    def inside(value: Any, key: str) -> dict[str, Any]:
        found = value.get(key) if isinstance(value, dict) else None
        return found if isinstance(found, dict) else {}

    metrics = {
        str(name)
        for target in inside(content, "targets").values()
        for kind in ("counters", "gauges", "histograms")
        for name in inside(target, kind)
    }
    return {"rhythms": {str(name) for name in inside(content, "rhythms")}, "metrics": metrics}

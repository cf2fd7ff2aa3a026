"""DECLARE what goes wrong: planted truths, each with what a report must say then. See docs/scenarios.md."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from opsjobs.declaration import Declared, did_you_mean, load
from opsjobs.demo.simulation import Simulation
from opsjobs.errors import ConfigError
from opsjobs.system import System

_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")
_MIDNIGHT = "24:00"


def _clock(value: Any) -> Any:
    """YAML reads 03:10 without quotes as a number of minutes."""
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    raise ValueError('give a local time in quotes, from "00:00" to "24:00"')


def _known(kind: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        known: set[str] | None = (info.context or {}).get(kind)
        if value and known is not None and value not in known:
            raise ValueError(f"'{value}' is not known{did_you_mean(value, known)}")
        return value

    return AfterValidator(check)


STATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"postgresql": ("archiving_fails", "connections_used"), "redis": ("memory_full", "snapshot_fails")}
)
"""The states into which a real database server can be brought."""

_LIMITED = {
    "postgresql": ("connecting", "connections", "transaction", "blocked", "cache", "age", "archiver"),
    "redis": ("memory", "bgsave", "aof", "rejected"),
}
"""What of a database has a limit, by the ids of a report's rows."""

Clock = Annotated[str, BeforeValidator(_clock)]
Day = Annotated[int, Field(ge=-35, le=35)]


class Effect(Declared):
    """What is done to the simulation. Exactly one thing to one metric, one component, one alert or one database."""

    metric: Annotated[str, _known("metrics")] = ""
    labels: dict[str, str] = Field(default_factory=dict)
    """With `metric`: only series that have these labels, whatever else they have."""
    component: Annotated[str, _known("components")] = ""
    instance: str = ""
    """With `component`: only this member of it."""
    alert: Annotated[str, _known("alerts")] = ""
    """This alert fires."""
    database: Annotated[str, _known("databases")] = ""
    """The real server that stands beside the simulation."""
    state: str = ""
    """With `database`: one of its `STATES`, now and as long as the server lives."""
    multiply: Annotated[float, Field(ge=0)] | None = None
    """Factor on the rate of a counter, the value of a gauge, the durations of a histogram."""
    add: float | None = None
    """Added to the same: per second, in the unit of the gauge, in seconds."""
    set: float | None = None
    """Put in place of the same."""
    vanish: bool = False
    """The series are not exposed; a member of a component is gone altogether."""
    down: bool = False
    """The component does not answer: its `up` is 0, its metrics are missing, and nothing happens in it."""

    @model_validator(mode="after")
    def _one_thing(self, info: ValidationInfo) -> Effect:
        changes = {
            "multiply": self.multiply,
            "add": self.add,
            "set": self.set,
            "vanish": self.vanish,
            "down": self.down,
            "state": self.state or None,
        }
        done = [name for name, value in changes.items() if value is not None and value is not False]
        wanted = {
            "metric": ["multiply", "add", "set", "vanish"],
            "component": ["down", "vanish"] if self.instance else ["down"],
            "alert": [],
            "database": ["state"],
        }
        subjects = [name for name in wanted if getattr(self, name)]
        if len(subjects) != 1:
            raise ValueError("name one of metric, component, alert and database")
        subject = subjects[0]
        if (self.labels and subject != "metric") or (self.instance and subject != "component"):
            raise ValueError("labels go with a metric, instance goes with a component")
        if len(done) != bool(wanted[subject]) or not set(done) <= set(wanted[subject]):
            choices = " or ".join(wanted[subject])
            raise ValueError(f"with {subject}, give {choices}" if choices else f"{subject} stands alone")
        if self.database and self.state not in STATES.get(self.database, ()):
            known = " or ".join(STATES.get(self.database, ()))
            raise ValueError(f"'{self.state}' is no state of {self.database}: give {known}")
        if info.context and not self._reaches(info.context["simulation"]):
            raise ValueError("this matches no series of the simulation")
        return self

    def _reaches(self, simulation: Simulation) -> bool:
        if self.instance:
            return any(
                target.component == self.component and self.instance in target.instances
                for target in simulation.targets.values()
            )
        members = [member for name, _, metric in simulation.metrics if name == self.metric for member in metric.series]
        return not members or any(self.labels.items() <= member.labels.items() for member in members)


class Truth(Declared):
    """One thing that is the case, and what a report must say about it."""

    what: str
    """The truth as a sentence."""
    effect: Effect
    day: Day | None = None
    """Relative to the day of the demonstration: -1 is yesterday."""
    days: tuple[Day, Day] | None = None
    """Instead of `day`: the first and the last day of one span without a break."""
    since: Annotated[Clock, Field(alias="from")] = "00:00"
    """Local time on the first day."""
    until: Clock = _MIDNIGHT
    """Local time on the last day."""
    expect: tuple[Annotated[str, _known("subjects")], ...] = ()
    """Subjects of the findings that a report must have because of this."""
    says: tuple[str, ...] = ()
    """Texts that those findings must contain."""

    @model_validator(mode="after")
    def _a_span(self) -> Truth:
        if self.effect.database:
            if self.model_fields_set & {"day", "days", "since", "until"}:
                raise ValueError("a database is in its state now: give no day, days, from or until")
            return self
        if (self.day is None) == (self.days is None):
            raise ValueError("give either day or days")
        if (self.first, self.since) >= (self.last, self.until):
            raise ValueError("the span ends before it begins")
        return self

    @property
    def first(self) -> int:
        """The day on which it begins."""
        return self.days[0] if self.days else self.day or 0

    @property
    def last(self) -> int:
        """The day on which it ends."""
        return self.days[1] if self.days else self.day or 0


@dataclass(frozen=True, slots=True)
class Planted:
    """An effect with its span in Unix seconds; a sample is in it when `start < time <= end`, as in a `Window`."""

    effect: Effect
    start: float
    end: float


class Scenario(Declared):
    """A story with a known truth."""

    title: str
    about: str = ""
    truths: tuple[Truth, ...]

    def planted(self, today: date, zone: tzinfo) -> tuple[Planted, ...]:
        """The effects with the instants that their local times are on that day."""
        return tuple(
            Planted(
                truth.effect,
                _instant(today + timedelta(days=truth.first), truth.since, zone),
                _instant(today + timedelta(days=truth.last), truth.until, zone),
            )
            for truth in self.truths
            if not truth.effect.database
        )

    @property
    def states(self) -> tuple[tuple[str, str], ...]:
        """The databases that are to be brought into a state, with it."""
        return tuple((truth.effect.database, truth.effect.state) for truth in self.truths if truth.effect.database)

    def having(self, databases: Collection[str]) -> Scenario:
        """The scenario without what cannot be planted, since only these databases live."""
        truths = tuple(each for each in self.truths if not each.effect.database or each.effect.database in databases)
        return self.model_copy(update={"truths": truths})


def _instant(day: date, clock: str, zone: tzinfo) -> float:
    """Unix time; of a local time that comes twice the first, of one that is skipped what the clock would have shown."""
    if clock == _MIDNIGHT:
        day, clock = day + timedelta(days=1), "00:00"
    hour, minute = clock.split(":")
    return datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=zone).timestamp()


def shipped(system: str) -> list[str]:
    """The scenarios that come with a simulation."""
    folder = importlib.resources.files("opsjobs.demo") / "scenarios" / system
    if not folder.is_dir():
        return []
    return sorted(entry.name.removesuffix(".yml") for entry in folder.iterdir() if entry.name.endswith(".yml"))


def read(scenario: str, name: str, simulation: Simulation, system: System) -> Scenario:
    """The scenario of that name for the system called `name`, or the file at that path.

    Raises `ConfigError` with every fault: also metrics, labels, components and subjects that do not exist.
    """

    def context(_: Any) -> dict[str, Any]:
        return {
            "simulation": simulation,
            "metrics": {metric for metric, _, _ in simulation.metrics},
            "components": {target.component for target in simulation.targets.values()},
            "alerts": set(simulation.alerts),
            "databases": set(STATES),
            "subjects": _subjects(system),
        }

    if scenario in shipped(name):
        resource = importlib.resources.files("opsjobs.demo") / "scenarios" / name / f"{scenario}.yml"
        with importlib.resources.as_file(resource) as path:
            return load(path, Scenario, context=context, name=f"{scenario}.yml")
    if not scenario.endswith((".yml", ".yaml")):
        raise ConfigError(f"no scenario of {name} is called '{scenario}'{did_you_mean(scenario, shipped(name))}")
    return load(Path(scenario), Scenario, context=context)


def _subjects(system: System) -> set[str]:
    """What a finding can be about."""
    return {
        *(f"indicator:{indicator.id}" for indicator in system.indicators),
        *(f"component:{component}" for component in system.components),
        *(f"metric:{metric}" for metric in system.metrics),
        *(f"source:{source}" for source in ("prometheus", *STATES)),
        *(f"{database}:{row}" for database, rows in _LIMITED.items() for row in rows),
    }

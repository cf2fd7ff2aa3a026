"""An alerting rule as a value, and the kinds of things that one can watch: its unit tests are made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsjobs.model import Direction
from opsjobs.stack import values


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One recorded series against a limit."""

    series: str
    limit: float
    healthy: Direction
    unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """The members of a component, which all have to be there and up."""

    up: str
    there: tuple[str, ...]
    """Selections of which each has to have a member."""
    count: int | None
    """How many there have to be at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """The recorded failures of an objective, in pairs of windows each with its limit."""

    pairs: Sequence[tuple[str, str, float]]
    """Series of the long window, of the short one, and the share beyond which both have to be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Absence:
    """A recorded series that has no samples."""

    series: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """Series of opsjobs' own."""

    well: Mapping[str, float]
    """Samples with which nothing is wrong."""
    ill: Mapping[str, float]
    """Samples with which the rule fires at once; none where it is their absence that it tells."""
    labels: Mapping[str, str]
    """Of what fires then, beside those of the rule."""
    found: str
    """What stands in its texts then."""


Watch = Limit | Members | Budget | Absence | Metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertRule:
    """One alerting rule."""

    name: str
    group: str
    watch: Watch
    expr: str
    held: str
    """How long until it fires; empty for at once."""
    labels: Mapping[str, str]
    said: Mapping[str, str]
    """Its annotations, with `values.HERE` for what is only known when it fires."""
    found: str = ""
    """What Prometheus is to put there, as an instruction of its templates."""

    @property
    def document(self) -> dict[str, Any]:
        """It as Prometheus reads it."""
        held = {"for": self.held} if self.held else {}
        said = {key: values.plain(text).replace(values.HERE, self.found) for key, text in self.said.items()}
        return {"alert": self.name, "expr": self.expr, **held, "labels": dict(self.labels), "annotations": said}

"""Everything that was found out about a system, as one value for those who draw conclusions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from opsjobs.errors import SourceError
from opsjobs.model import ComponentResult, Finding, IndicatorResult, SloResult, Window
from opsjobs.system import Indicator, System

LastSeen = datetime | SourceError | None
"""When a metric that is missing was last seen: None when not in the range that was read, an error when nobody knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """Everything that was found out about a system over one window."""

    system: System
    window: Window
    zone: tzinfo
    components: tuple[ComponentResult, ...]
    indicators: tuple[IndicatorResult, ...]
    last_seen: Mapping[str, LastSeen]
    """Series names that had no samples at the end of the window."""
    failures: tuple[SourceError, ...]
    """Errors of the source of metrics, but for indicators that it rejected: those are the query's own fault."""
    warnings: tuple[str, ...]
    """What the source said of answers that may be incomplete."""
    asked: int
    """How many questions the source was asked."""
    runbooks: Mapping[str, str]
    """Links to the runbooks of components, by the component's name."""
    slos: tuple[SloResult, ...] = ()
    others: Mapping[str, Finding] = field(default_factory=dict)
    """What databases and jobs say of themselves that needs a person, by subject; `source:NAME` did not say all."""

    @property
    def silent(self) -> bool:
        """Whether the source answered nothing at all."""
        return len(self.failures) == self.asked

    def spec(self, indicator: str) -> Indicator:
        """What the profile says of an indicator."""
        return next(declared.spec for declared in self.system.indicators if declared.id == indicator)

    def missing(self, indicator: str) -> tuple[str, ...]:
        """The series of an indicator's query that had no samples at the end of the window."""
        return tuple(name for name in self.spec(indicator).metrics if name in self.last_seen)

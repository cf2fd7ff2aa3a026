"""What a job is handed, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from opsjobs.http import Deadline
from opsjobs.model import IndicatorResult
from opsjobs.report.document import Report
from opsjobs.sources import KeyValueStore, Metrics, RelationalDatabase
from opsjobs.system import System


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What a job works on: everything is handed in, so that the same context makes the same result."""

    name: str
    """What the system is called in the configuration."""
    system: System
    metrics: Metrics
    day: date
    """The local day that the report is about."""
    now: datetime
    deadline: Deadline
    grafana: str = ""
    """The address of Grafana, without a slash at its end; empty when it is not known."""
    runbooks: str = ""
    """The page with the runbooks; empty when it is not known."""
    postgresql: RelationalDatabase | None = None
    redis: KeyValueStore | None = None
    past: Mapping[str, Mapping[date, float]] = field(default_factory=dict)
    """Values of earlier days by indicator and local day, each of a whole day and of the quality ok.

    The source of metrics is asked for those same weekdays of the last four weeks that are not among them.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a job found."""

    report: Report
    indicators: tuple[IndicatorResult, ...] = ()
    """Day values to remember."""

"""What a job is handed, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from opsjobs.analysis.growth import Memory
from opsjobs.analysis.prices import Expenses
from opsjobs.daybook import Daybook
from opsjobs.http import Deadline
from opsjobs.jobs.drift import Running
from opsjobs.model import Delivery, Expected, IndicatorResult, Run, ServerValue, Slot, StatedForecast
from opsjobs.objects import BackedUp
from opsjobs.recommendation import Realised, Recommendation
from opsjobs.report.document import Report
from opsjobs.sources import Dashboards, ErrorTracker, KeyValueStore, Metrics, RelationalDatabase, Rules
from opsjobs.system import System
from opsjobs.system.owners import Owners


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
    sentry: ErrorTracker | None = None
    rules: Rules | None = None
    """The rules that the source of metrics has loaded."""
    dashboards: Dashboards | None = None
    running: Running | None = None
    """What runs, to be compared with what is declared; None where nobody wants that."""
    past: Mapping[str, Mapping[date, float]] = field(default_factory=dict)
    """Values of earlier days by indicator and local day, each of a whole day and of the quality ok.

    The source of metrics is asked for those same weekdays of the last four weeks that are not among them.
    """
    places: Mapping[str, str] = field(default_factory=dict)
    """Where the databases are, by `postgresql` and `redis`: one that is elsewhere is another one."""
    memory: Memory = field(default_factory=Memory)
    """What databases said on earlier days, and the forecasts that were stated."""
    expenses: Expenses = field(default_factory=Expenses)
    """What the configuration says of money."""
    advised: Mapping[str, Recommendation] = field(default_factory=dict)
    """What was advised about its money, by name, and what somebody decided."""
    saved: Mapping[str, Mapping[date, Decimal]] = field(default_factory=dict)
    """What that saved, by name and by the Monday of the week."""
    user: Callable[[str], str] = field(default=lambda _: "a user")
    """How a report calls a user of the system; by default it names nobody."""
    spent: Daybook = field(default_factory=Daybook)
    """What earlier reports read of money."""
    alias: Callable[[str], str] = field(default=lambda _: "a user")
    """The pseudonym of a user."""
    backups: Callable[[], Sequence[BackedUp]] | None = None
    """How the backups of each Grafana are; None where there is none."""
    runs: Sequence[Run] = ()
    """The newest runs of the system's jobs."""
    undelivered: Sequence[Delivery] = ()
    """Messages of the system that nobody has got."""
    slots: Sequence[Slot] = ()
    """What became of the slots of its schedule."""
    expected: Sequence[Expected] = ()
    """What its schedule should have run by the end of the day."""

    @property
    def owners(self) -> Owners:
        """Whose what is, and where to read on about it."""
        return Owners(self.system, self.grafana, self.runbooks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a job found."""

    report: Report
    indicators: tuple[IndicatorResult, ...] = ()
    """Day values to remember."""
    numbers: tuple[ServerValue, ...] = ()
    """What databases said, to remember."""
    forecasts: tuple[StatedForecast, ...] = ()
    """What was stated of the time to come, to be held against what comes."""
    advised: tuple[Recommendation, ...] = ()
    """What is advised about money and what was, to remember."""
    realised: tuple[Realised, ...] = ()
    """What that saved, to remember."""
    spent: Daybook | None = None
    """What was read of money, to remember; None of a job that reads none."""

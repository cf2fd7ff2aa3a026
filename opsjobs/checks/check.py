"""What a check is made of, and what it finds around itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from opsjobs.analysis.growth import Memory
from opsjobs.errors import SourceError
from opsjobs.http import Deadline
from opsjobs.model import Answer, CheckResult, CheckState, Delivery, Expected, Passed, Run, Slot, Team
from opsjobs.objects import BackedUp
from opsjobs.sources import (
    Dashboards,
    KeyValueStore,
    Metrics,
    Monitor,
    Question,
    RelationalDatabase,
    Routes,
    Visitor,
)
from opsjobs.system import System
from opsjobs.system.owners import Owners

Reply = Answer | SourceError
Found = CheckResult | Passed


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """What there is to check, and by whom it can be asked."""

    system: System
    owners: Owners
    zone: tzinfo
    now: datetime
    since: datetime
    """When it was looked at last: what happened after that is told, also when it is over."""
    metrics: Metrics
    monitor: Monitor | None = None
    """The same Prometheus, where it says how it is."""
    alertmanager: Routes | None = None
    grafana: Dashboards | None = None
    visitor: Visitor | None = None
    """By whom the addresses of components are visited; None where they are not reached from here."""
    postgresql: RelationalDatabase | None = None
    redis: KeyValueStore | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    """Where the databases are, by `postgresql` and `redis`: one that is elsewhere is another one."""
    memory: Memory = field(default_factory=Memory)
    """What daily reports remember of databases."""
    states: Mapping[str, CheckState] = field(default_factory=dict)
    """What was bad when it was looked at last, by check."""
    backups: Callable[[], Sequence[BackedUp]] | None = None
    """How the backups of each Grafana are; None where there is none."""
    runs: Sequence[Run] = ()
    undelivered: Sequence[Delivery] = ()
    slots: Sequence[Slot] = ()
    """What became of the slots of the schedule."""
    expected: Sequence[Expected] = ()
    """What the schedule should have run by now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inquiry:
    """A check that asks Prometheus. `judge` gets the replies in the order of the questions."""

    questions: tuple[Question, ...]
    judge: Callable[[Sequence[Reply]], Iterable[Found]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A check that asks something else. `ask` keeps to its deadline, and may raise `SourceError`."""

    id: str
    title: str
    ask: Callable[[Deadline], Iterable[Found]]
    seconds: float
    team: Team
    runbook: str = ""
    cause: str = ""
    """The check that explains why it cannot be asked."""


Check = Inquiry | Probe

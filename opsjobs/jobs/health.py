"""The health check: how everything is at this moment, what was bad meanwhile, and what one cause explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from opsjobs import checks
from opsjobs.checks import causes, states
from opsjobs.checks.check import Around
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, CheckState, Passed, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What was found out about a system at a moment."""

    at: datetime
    since: datetime
    """What happened after this is told, also when it is over."""
    checks: tuple[CheckResult, ...]
    """Every check, as it was found."""
    told: tuple[CheckResult, ...]
    """One for each cause, the worst first; what is well stands at the end."""
    states: Mapping[str, CheckState]
    """Since when each is bad that is, by check; also those that stand for others."""
    passed: tuple[Passed, ...]
    """What was bad for a while and is well again, the newest first."""

    @property
    def status(self) -> Status:
        """The worst of all checks."""
        return Status.worst(each.status for each in self.checks)

    @property
    def bad(self) -> tuple[CheckResult, ...]:
        """What needs a person, the worst first."""
        return tuple(each for each in self.told if each.status is not Status.OK)


def look(around: Around, deadline: Deadline) -> Health:
    """Ask everything at once, and judge it."""
    found = checks.look(around, checks.declared(around), deadline)
    results = tuple(each for each in found if isinstance(each, CheckResult))
    passed = sorted((each for each in found if isinstance(each, Passed)), key=lambda each: each.end, reverse=True)
    _, runbook = around.owners.of_server("prometheus")
    told = causes.rolled_up(results, around.owners.monitoring, runbook)
    return Health(
        at=around.now,
        since=around.since,
        checks=results,
        told=told,
        states=states.carried_on(around.states, {each.id: each for each in (*results, *told)}.values(), around.now),
        passed=tuple(passed),
    )

"""The health check: how everything is at this moment, what was bad meanwhile, and what one cause explains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from opsjobs import checks
from opsjobs.checks import causes, states
from opsjobs.checks.check import Around, Found
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, CheckState, Passed, Status

CONFIRMATIONS = 2
_SECONDS = 30
"""For each of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What was found out about a system at a moment."""

    at: datetime
    since: datetime
    """What happened after this is told, also when it is over."""
    checks: tuple[CheckResult, ...]
    """Every check, as it was found."""
    causes: Mapping[str, str]
    """By which other check each is told that is not told by itself."""
    told: tuple[CheckResult, ...]
    """One for each cause, the worst first; what is well stands at the end."""
    states: Mapping[str, CheckState]
    """How each has been that is bad or was lately, by check; also those that stand for others."""
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


def look(around: Around, deadline: Deadline, again: Callable[[], datetime | None] = lambda: None) -> Health:
    """Ask everything at once, and judge it.

    What was not bad at the look before, or is not any more, is looked at again, up to `CONFIRMATIONS` times: `again`
    waits a little and says what time it is then, or that nobody waits. What is as it was by then was a moment's matter.
    """
    found = checks.look(around, checks.declared(around), deadline)
    for _ in range(CONFIRMATIONS):
        fresh = {each.id for each in _results(found) if _changed(each, around.states.get(each.id))}
        at = again() if fresh else None
        if at is None:
            break
        later = replace(around, now=at)
        # With a time of its own: what the first look has used up must not turn what is bad into what is unknown.
        found = list(_confirmed(found, checks.look(later, checks.declared(later), Deadline(_SECONDS)), fresh))
    results = _results(found)
    passed = sorted((each for each in found if isinstance(each, Passed)), key=lambda each: each.end, reverse=True)
    _, runbook = around.owners.of_server("prometheus")
    told, explained = causes.rolled_up(results, around.owners.monitoring, runbook)
    return Health(
        at=around.now,
        since=around.since,
        checks=results,
        causes=explained,
        told=told,
        states=states.carried_on(around.states, [*results, *told], around.now, states.definitions(around.system)),
        passed=tuple(passed),
    )


def _changed(result: CheckResult, before: CheckState | None) -> bool:
    """Whether it is bad and was not, or the other way round."""
    return (result.status is not Status.OK) != bool(before and before.bad)


def _results(found: Iterable[Found]) -> tuple[CheckResult, ...]:
    return tuple(each for each in found if isinstance(each, CheckResult))


def _confirmed(found: Iterable[Found], later: Iterable[Found], fresh: set[str]) -> Iterator[Found]:
    """What was found, and of what has changed what a later look says."""
    found, later = list(found), _results(later)
    by_id = {each.id: each for each in later}
    unknown_then, unknown_now = (states.hidden_by(look) for look in (_results(found), later))
    seen = {each.id for each in _results(found)}
    # What the first look could not list, the later one does.
    yield from (each for each in later if each.id not in seen and states.may_be_hidden(each.id, unknown_then))
    for each in found:
        if not isinstance(each, CheckResult) or each.id not in fresh:
            yield each
        elif each.id not in by_id and states.may_be_hidden(each.id, unknown_now):
            # Not seen this time is not well.
            yield each
        elif each.id in by_id:
            now = by_id[each.id]
            if now.status is Status.UNKNOWN:
                # That it cannot be measured now does not undo what was measured.
                yield each
                continue
            moment = now.status is Status.OK and each.status is not Status.OK
            yield replace(now, text=f"{now.text}; a moment ago: {each.text}") if moment else now

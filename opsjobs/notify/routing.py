"""Who is told: the receivers of a system, and which checks each takes at which time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from opsjobs.model import CheckResult
from opsjobs.system import System
from opsjobs.system.alerting import HoursSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way by which checks reach a receiver."""

    severities: frozenset[str]
    teams: frozenset[str] = frozenset()
    """Only those of these teams; none means all."""
    hours: HoursSpec | None = None
    """Only in these hours; what comes up outside them is told when they have begun."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Receiver:
    """Somebody who is told, by one channel."""

    channel: str
    recipient: str
    ways: tuple[Way, ...]
    zone: tzinfo
    """In which its hours are."""
    by_incident: bool = False
    """Whether each incident is told by a message of its own."""
    all_that_goes_on: bool = False
    """Whether it has to hear at each look of all that goes on."""
    reminded: bool = True
    """Whether it is told again after a while of what goes on."""

    @property
    def key(self) -> str:
        """By which the ledger knows it."""
        return f"{self.channel}:{self.recipient}"

    def takes(self, check: CheckResult, at: datetime) -> bool:
        """Whether it is told of a bad check at that time."""
        return any(way.hours is None or way.hours.include(at.astimezone(self.zone)) for way in self._ways(check))

    def concerned(self, check: CheckResult) -> bool:
        """Whether it is told of a bad check at any time."""
        return any(self._ways(check))

    def _ways(self, check: CheckResult) -> Iterator[Way]:
        severity = check.severity
        for way in self.ways:
            if severity in way.severities and (not way.teams or check.team.name in way.teams):
                yield way


def ways(system: System, channel: str, severities: Sequence[str]) -> tuple[Way, ...]:
    """The ways of the profile that lead to a channel; where none does, one for these severities."""
    found = tuple(
        Way(
            severities=frozenset(route.severities),
            teams=frozenset(route.teams),
            hours=system.hours[route.hours] if route.hours else None,
        )
        for route in system.routes
        if channel in route.channels
    )
    return found or (Way(severities=frozenset(severities)),)


def contacts(system: System, found: Sequence[Way], everything: Sequence[str]) -> Mapping[str, tuple[Way, ...]]:
    """Whom a mail channel writes to: those who get everything, and each team's contact about what is the team's."""
    reached = dict.fromkeys(everything, tuple(found))
    for name, team in system.teams.items():
        if "@" not in team.contact or team.contact in everything:
            continue
        own = tuple(
            Way(severities=way.severities, teams=frozenset({name}), hours=way.hours)
            for way in found
            if not way.teams or name in way.teams
        )
        reached[team.contact] = (*reached.get(team.contact, ()), *own)
    return {address: leading for address, leading in reached.items() if leading}

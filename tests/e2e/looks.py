"""Health checks at many moments of a day that a simulation lived through."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from opsjobs.checks.check import Around
from opsjobs.http import Deadline
from opsjobs.jobs import health
from opsjobs.model import Status
from opsjobs.system.owners import Owners

EVERY = 2
"""Hours between two looks."""


@dataclass
class Looks:
    """What was seen in all of them, by the identity of the check."""

    told: set
    """Told by themselves, or as what is over."""
    bad: set
    """Not well, also what another explains."""
    most: int
    """How many were told at once, at most."""


def look(profile, metrics, at):
    around = Around(
        system=profile,
        owners=Owners(profile),
        zone=ZoneInfo(profile.zone),
        now=at,
        since=at - timedelta(hours=6),
        metrics=metrics,
        monitor=metrics,
    )
    return health.look(around, Deadline(60))


def looks(profile, metrics):
    """Yesterday, and now."""
    zone, now = ZoneInfo(profile.zone), datetime.now(UTC)
    today = now.astimezone(zone).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=zone)
    moments = [midnight - timedelta(hours=hours) for hours in range(0, 24, EVERY)]
    found = Looks(told=set(), bad=set(), most=0)
    for at in [*moments, now]:
        seen = look(profile, metrics, at)
        found.told |= {check.id for check in seen.bad} | {each.subject for each in seen.passed}
        found.bad |= {check.id for check in seen.checks if check.status is not Status.OK}
        found.most = max(found.most, len(seen.bad))
    return found

"""What a Sentry is asked for a day, how that is judged, and how it can be asked again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opsjobs.analysis import sentry
from opsjobs.analysis.databases import DatabaseResult
from opsjobs.analysis.trust import Days
from opsjobs.errors import SourceError
from opsjobs.facts import SentryFacts
from opsjobs.jobs.context import Context
from opsjobs.model import Evidence, Quality, Team

_METHODS = {
    "day": ("Errors", "the hours of the day, added up by what became of them"),
    "day_before": ("Errors of the day before", "as above"),
    "week_before": ("Errors of the same weekday a week before", "as above"),
    "issues": ("New issues", "every page; those first seen in the day"),
    "regressed": ("Issues that came back", "every page; their state is that of now"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracked:
    """The errors of a day, and how each number came about."""

    result: DatabaseResult
    evidence: tuple[Evidence, ...] = ()


def track(context: Context, days: Days, *, team: Team, runbook: str) -> Tracked | None:
    """What the Sentry that is configured says of the day, or the gap that it leaves."""
    source = context.sentry
    if source is None:
        return None
    found: SentryFacts | SourceError
    try:
        found = source.facts(
            days.window, day_before=days.day_before, week_before=days.week_before, deadline=context.deadline
        )
    except SourceError as error:
        found = error
    return Tracked(
        result=sentry.evaluate(found, days.window, days.zone, team=team, runbook=runbook),
        evidence=tuple(_evidence(source.name, found)) if isinstance(found, SentryFacts) else (),
    )


def _evidence(source: str, facts: SentryFacts) -> Iterator[Evidence]:
    for asked in facts.asked:
        title, method = _METHODS[asked.part]
        missing = facts.missing.get(asked.part, "")
        yield Evidence(
            subject=f"sentry:{asked.part}",
            title=f"{source}: {title[:1].lower()}{title[1:]}",
            source=source,
            query=asked.request,
            method=method,
            quality=Quality.ERROR if missing else Quality.OK,
            start=asked.start,
            end=asked.end,
            reason=missing,
        )

"""The errors of a day as a Sentry counted them, judged: news is told, and what nobody could see is a warning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from types import MappingProxyType

from opsjobs.analysis.databases import NOBODY, DatabaseResult, DatabaseRow, down, judged, unknown
from opsjobs.errors import SourceError
from opsjobs.facts import ErrorCounts, Issue, SentryFacts
from opsjobs.model import Status, Team, Window
from opsjobs.words import NO_DATA, change, clock, quantity

_TITLE = "Sentry"
_TOLD = 5
"""How many new issues have a row of their own."""
_NAMED = 3
_SILENT = "Sentry does not say"
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "rate_limited": "Raise the quota or the limit of the key, or stop what sends so much: see the project's stats.",
        "fatal": "Look at them in Sentry first: fatal is what ended a process.",
        "unknown": "See that the token has org:read, project:read and event:read (docs/sentry.md), and how Sentry is.",
    }
)


def evaluate(
    facts: SentryFacts | SourceError, window: Window, zone: tzinfo, *, team: Team = NOBODY, runbook: str = ""
) -> DatabaseResult:
    """A day's errors, judged; or the gap that the error leaves."""
    if isinstance(facts, SourceError):
        return down("sentry", _TITLE, facts, team, runbook)
    rows = (*_counted(facts, window, zone), *_issues(facts), _regressed(facts))
    return judged("sentry", _TITLE, rows, None, advice=_ADVICE, team=team, runbook=runbook)


def _counted(facts: SentryFacts, window: Window, zone: tzinfo) -> Iterator[DatabaseRow]:
    """How many errors there were, what became of them, and how that compares."""
    if facts.day is None:
        reason = facts.missing.get("day", _SILENT)
        yield unknown("errors", "Errors", reason)
        yield unknown("rate_limited", "Errors over the limit", reason)
    else:
        yield DatabaseRow(
            id="errors",
            title="Errors",
            value=quantity(facts.day.accepted, "count"),
            reason="; ".join(_remarks(facts, facts.day, window, zone)),
            number=facts.day.accepted,
            unit="count",
        )
        yield _rate_limited(facts.day)
        yield _total("filtered", "Errors filtered out", facts.day.filtered, "by the project's own filters")
        if facts.day.others:
            reason = "invalid, abuse, or discarded by who sent them"
            yield _total("others", "Errors not taken otherwise", facts.day.others, reason)
    for name, title, counts in (
        ("day_before", "Errors of the day before", facts.day_before),
        ("week_before", "Errors of the same weekday a week before", facts.week_before),
    ):
        if counts is None:
            yield unknown(name, title, facts.missing.get(name, _SILENT))


def _remarks(facts: SentryFacts, day: ErrorCounts, window: Window, zone: tzinfo) -> Iterator[str]:
    """How the day compares, and over which hours, where these are not those of the report."""
    for before, when in ((facts.day_before, "the day before"), (facts.week_before, "a week before")):
        if before is not None:
            moved = change(day.accepted, before.accepted, "count")
            yield f"{when} {quantity(before.accepted, 'count')} ({moved})"
    if (facts.start, facts.end) != (window.start, window.end):
        yield f"counted from {clock(facts.start, zone, window.start)} to {clock(facts.end, zone, window.start)}"


def _rate_limited(day: ErrorCounts) -> DatabaseRow:
    return DatabaseRow(
        id="rate_limited",
        title="Errors over the limit",
        value=quantity(day.rate_limited, "count"),
        status=Status.WARNING if day.rate_limited else Status.OK,
        reason="they were dropped, and nobody saw what they were" if day.rate_limited else "",
        number=day.rate_limited,
        unit="count",
    )


def _total(name: str, title: str, count: int, reason: str) -> DatabaseRow:
    value = quantity(count, "count")
    return DatabaseRow(id=name, title=title, value=value, reason=reason if count else "", number=count, unit="count")


def _issues(facts: SentryFacts) -> Iterator[DatabaseRow]:
    """What was new: how much, whether any of it was fatal, and the most frequent."""
    if facts.issues is None:
        reason = facts.missing.get("issues", _SILENT)
        yield unknown("new", "New issues", reason)
        yield unknown("fatal", "New fatal issues", reason)
        return
    yield DatabaseRow(
        id="new",
        title="New issues",
        value=_many(len(facts.issues), more=facts.more_issues),
        reason=_still_open(facts.issues),
        number=None if facts.more_issues else len(facts.issues),
        unit="count",
    )
    yield _fatal(facts, facts.issues)
    for number, issue in enumerate(facts.issues[:_TOLD], start=1):
        yield _issue(f"issue:{number}", issue)


def _many(count: int, *, more: bool) -> str:
    return f"more than {quantity(count, 'count')}" if more else quantity(count, "count")


def _still_open(issues: tuple[Issue, ...]) -> str:
    known = [issue.unresolved for issue in issues if issue.unresolved is not None]
    return f"{sum(known):,} of them unresolved as of now" if known else ""


def _fatal(facts: SentryFacts, issues: tuple[Issue, ...]) -> DatabaseRow:
    fatal = [issue for issue in issues if issue.level == "fatal"]
    if facts.more_issues and not fatal:
        return unknown("fatal", "New fatal issues", f"only the {len(issues):,} most frequent were looked at")
    named = [f"{issue.title} ({issue.link})" if issue.link else issue.title for issue in fatal[:_NAMED]]
    if len(fatal) > _NAMED:
        named.append(f"and {len(fatal) - _NAMED:,} more")
    return DatabaseRow(
        id="fatal",
        title="New fatal issues",
        value=quantity(len(fatal), "count"),
        status=Status.WARNING if fatal else Status.OK,
        reason="; ".join(named),
        number=None if facts.more_issues else len(fatal),
        unit="count",
    )


def _issue(name: str, issue: Issue) -> DatabaseRow:
    parts = (_counts_of(issue.count, "time"), _counts_of(issue.users, "user"))
    return DatabaseRow(
        id=name,
        title=f"New: {issue.title or '(without a title)'}",
        value=", ".join(filter(None, parts)) or NO_DATA,
        reason=", ".join(filter(None, (issue.level, issue.culprit, issue.link))),
        number=issue.count,
        unit="count",
    )


def _counts_of(count: int | None, noun: str) -> str:
    if count is None:
        return ""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _regressed(facts: SentryFacts) -> DatabaseRow:
    title = "Issues that came back"
    if facts.regressed is None:
        # It is of now rather than of the day, and an older Sentry does not know the word.
        return unknown("regressed", title, facts.missing.get("regressed", _SILENT), optional=True)
    return DatabaseRow(
        id="regressed",
        title=title,
        value=_many(facts.regressed, more=facts.more_regressed),
        reason="they were resolved, and were seen again in the day" if facts.regressed else "",
        number=None if facts.more_regressed else facts.regressed,
        unit="count",
    )

"""The errors of a day and their issues, by Sentry's web API: sentry.io, or one of your own.

Sentry counts by hours of UTC, so a window is asked in whole hours, and only hours of the window are added up, however
the server rounds what it is asked. Addresses of further pages are never followed: only their cursor is taken over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import orjson

from opsjobs.errors import (
    AccessDenied,
    BadAnswer,
    NotFound,
    Overloaded,
    QueryRejected,
    SourceError,
    TimedOut,
    Unreachable,
)
from opsjobs.facts import Asked, ErrorCounts, Issue, SentryFacts
from opsjobs.http import Connection, Deadline, Http
from opsjobs.model import Window

Value = TypeVar("Value")

_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
_PAGE = 100
_PAGES = 10
"""How many pages of issues are read; beyond them there are more than anybody reads."""
_SHOWN = 300
_READ = 10_000
_FIELD = "sum(quantity)"
_NEXT = re.compile(r'<[^>]*>\s*;[^,<]*rel="next"[^,<]*')
_CURSOR = re.compile(r'cursor="([^"]{1,200})"')


class Sentry:
    """An `ErrorTracker` over HTTP, for one project."""

    def __init__(self, connection: Connection, organization: str, project: str) -> None:
        self._http = Http(connection)
        self.name = connection.name
        self._organization = organization
        self._project = project

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def facts(self, day: Window, *, day_before: Window, week_before: Window, deadline: Deadline) -> SentryFacts:
        """What it says of a day. Raises `SourceError` when it says nothing at all."""
        inquiry = _Inquiry(self._http, self._organization, deadline.within(self._http.connection.timeout))
        try:
            project = inquiry.project(self._project)
        except SourceError as error:
            raise self._advised(error) from None
        days = {"day": day, "day_before": day_before, "week_before": week_before}
        counts = {name: inquiry.part(name, partial(inquiry.counts, name, project, days[name])) for name in days}
        fresh = f"firstSeen:>={_iso(day.start)} firstSeen:<{_iso(day.end)}"
        issues = inquiry.part("issues", partial(inquiry.issues, "issues", project, day, fresh))
        again = "is:unresolved is:regressed"
        regressed = inquiry.part("regressed", partial(inquiry.issues, "regressed", project, day, again))
        if inquiry.errors and not inquiry.answered:
            raise self._advised(inquiry.errors[0])
        return SentryFacts(
            start=_hour(day.start),
            end=_hour(day.end),
            **counts,
            issues=issues.rows if issues else None,
            more_issues=issues.more if issues else False,
            regressed=len(regressed.rows) if regressed else None,
            more_regressed=regressed.more if regressed else False,
            asked=tuple(inquiry.asked),
            missing=inquiry.missing,
        )

    def _advised(self, error: SourceError) -> SourceError:
        """The error with what to do about it here: a Sentry lets in by a token and has no recording rules."""
        key = self._http.connection.key
        if isinstance(error, AccessDenied):
            error.advice = f"Set {key}.token_file to a token with org:read, project:read and event:read."
        elif isinstance(error, NotFound):
            error.advice = (
                f"Set {key}.organization and {key}.project to the slugs of Sentry's pages; the token's owner "
                "has to see the project."
            )
        elif isinstance(error, TimedOut):
            error.advice = f"Raise {key}.timeout, or see whether Sentry is well."
        elif isinstance(error, Overloaded):
            error.advice = f"Run it again later: Sentry limits how often it is asked. Or raise {key}.timeout."
        elif isinstance(error, QueryRejected):
            error.advice = "Bring a Sentry of your own up to date: it does not know the query."
        elif isinstance(error, BadAnswer) and not error.advice:
            error.advice = f"Is a login page or a proxy before it? {key}.url is the address below which /api/0 is."
        return error


@dataclass(frozen=True, kw_only=True, slots=True)
class _Listed:
    """Issues, and whether there are more."""

    rows: tuple[Issue, ...]
    more: bool


@dataclass
class _Inquiry:
    """What is asked of a Sentry for one day, and what came of it."""

    http: Http
    organization: str
    deadline: Deadline
    asked: list[Asked] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    errors: list[SourceError] = field(default_factory=list)
    answered: int = 0

    def part(self, name: str, ask: Callable[[], Value]) -> Value | None:
        """What it gives; where it fails, the reason is kept and the others go on."""
        try:
            if self.errors and isinstance(self.errors[-1], Unreachable | TimedOut):
                # It will not be there for the next one either.
                raise self.errors[-1]
            value = ask()
        except SourceError as error:
            self.errors.append(error)
            self.missing[name] = str(error)
            return None
        self.answered += 1
        return value

    def project(self, slug: str) -> str:
        """The id of a project, which is how the other questions name it."""
        path = f"/api/0/projects/{self.organization}/{slug}/"
        found = self._parsed(self.http.get(path, {}, deadline=self.deadline).body, _project_id)
        if not found.isdecimal():
            raise self._no_answer("the project has no id")
        return found

    def counts(self, part: str, project: str, window: Window) -> ErrorCounts:
        """The errors of the window's hours by what became of them."""
        start, end = _hour(window.start), _hour(window.end)
        query = {
            "project": project,
            "category": "error",
            "groupBy": "outcome",
            "field": _FIELD,
            "interval": "1h",
            "start": _iso(start),
            # The end is meant as inclusive, and would bring one more hour.
            "end": _iso(end - _SECOND),
        }
        path = f"/api/0/organizations/{self.organization}/stats_v2/"
        self._note(part, path, query, Window(start=start, end=end))
        body = self.http.get(path, query, deadline=self.deadline).body
        return self._parsed(body, lambda content: _counts(content, start, end))

    def issues(self, part: str, project: str, window: Window, search: str) -> _Listed:
        """The issues that a search finds among those seen in the window, the most frequent first."""
        query = {
            "project": project,
            "query": search,
            "start": _iso(window.start),
            "end": _iso(window.end),
            "sort": "freq",
            "limit": str(_PAGE),
        }
        path = f"/api/0/organizations/{self.organization}/issues/"
        self._note(part, path, query, window)
        found: dict[str, Issue] = {}
        cursors: set[str] = set()
        for _ in range(_PAGES):
            page = self.http.get(path, query, deadline=self.deadline)
            # Issues move between pages while they are read.
            found |= self._parsed(page.body, lambda content: dict(map(_issue, content)))
            cursor = _next(page.link)
            if not cursor:
                return _Listed(rows=_ordered(found), more=False)
            if cursor in cursors:
                raise self._no_answer("its pages go round in a circle")
            cursors.add(cursor)
            query["cursor"] = cursor
        return _Listed(rows=_ordered(found), more=True)

    def _note(self, part: str, path: str, query: Mapping[str, str], window: Window) -> None:
        address = f"{self.http.connection.url}{path}?{urlencode(query)}"
        self.asked.append(Asked(part=part, request=f"GET {address}", start=window.start, end=window.end))

    def _parsed(self, body: bytes, read: Callable[[Any], Value]) -> Value:
        try:
            return read(orjson.loads(body))
        except orjson.JSONDecodeError:
            raise self._no_answer(repr(body[:_READ].decode("utf-8", "replace").strip())) from None
        except _UnusableError as error:
            raise self._no_answer(str(error)) from None
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            said = body[:_READ].decode("utf-8", "replace").strip()
            raise self._no_answer(f"{type(error).__name__} in {said!r}") from None

    def _no_answer(self, reason: str) -> BadAnswer:
        said = self.http.redact(reason)[:_SHOWN]
        return BadAnswer(f"{self.http.connection.name} sent something that is no answer of its API: {said}")


class _UnusableError(ValueError):
    """Why an answer cannot be used."""


def _hour(moment: datetime) -> datetime:
    """The hour of UTC that a moment is in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _project_id(content: Any) -> str:
    return str(content["id"])


def _counts(content: Any, start: datetime, end: datetime) -> ErrorCounts:
    hours = [_moment(text) for text in content["intervals"]]
    wanted = [start + number * _HOUR for number in range(round((end - start) / _HOUR))]
    if set(wanted) - set(hours):
        raise _UnusableError(f"it covers {len(set(wanted) & set(hours))} of {len(wanted)} hours")
    sums: dict[str, int] = {}
    for group in content["groups"]:
        series = group["series"][_FIELD]
        if len(series) != len(hours):
            raise _UnusableError("a series is not as long as its hours")
        outcome = str(group["by"]["outcome"])
        counted = (_count(number) for hour, number in zip(hours, series, strict=True) if start <= hour < end)
        sums[outcome] = sums.get(outcome, 0) + sum(counted)
    named = {name: sums.pop(name, 0) for name in ("accepted", "filtered", "rate_limited")}
    return ErrorCounts(**named, others=sum(sums.values()))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _count(number: Any) -> int:
    """A count, which Sentry writes as a number here and as a text there."""
    if isinstance(number, bool) or not isinstance(number, int | float | str):
        raise _UnusableError(f"{type(number).__name__} where a count is due")
    count = int(number)
    if count < 0:
        raise _UnusableError("a count below 0")
    return count


def _issue(content: Any) -> tuple[str, Issue]:
    status = content.get("status")
    link = str(content.get("permalink") or "")
    return str(content["id"]), Issue(
        title=str(content["title"]),
        culprit=str(content.get("culprit") or ""),
        level=str(content.get("level") or ""),
        count=_known(content.get("count")),
        users=_known(content.get("userCount")),
        link=link if link.startswith(("https://", "http://")) else "",
        unresolved=None if status is None else status == "unresolved",
    )


def _known(number: Any) -> int | None:
    return None if number is None else _count(number)


def _ordered(found: Mapping[str, Issue]) -> tuple[Issue, ...]:
    """The most frequent first; in the same order whenever the same is found."""

    def rank(item: tuple[str, Issue]) -> tuple[int, int, str, str]:
        name, issue = item
        return (-(issue.count or 0), -(issue.users or 0), issue.title, name)

    return tuple(issue for _, issue in sorted(found.items(), key=rank))


def _next(link: str) -> str:
    """The cursor of the next page; empty where there is none. A cursor is given also for a page without results."""
    return next(_cursors(link), "")


def _cursors(link: str) -> Iterator[str]:
    for part in _NEXT.findall(link):
        cursor = _CURSOR.search(part)
        if 'results="true"' in part and cursor:
            yield cursor[1]

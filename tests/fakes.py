"""Fakes implement the protocol of the real thing and pass the same contract suite (tests/contract)."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from opsjobs.errors import QueryRejected, SourceError, TimedOut
from opsjobs.facts import ErrorCounts, Issue, PostgresFacts, RedisFacts, SentryFacts, UsageFacts
from opsjobs.http import Deadline
from opsjobs.model import Answer, Sample, Series, Window
from opsjobs.sources import Question, UsageQuestion

_LOOKBACK = 300
_NAME = re.compile(r"[A-Za-z_:][\w:]*")


class FakeMetrics:
    """Answers selectors by name from samples in memory; any other query from `canned`, or not at all."""

    name = "Prometheus"
    concurrency = 4

    def __init__(
        self,
        series: Mapping[str, Sequence[tuple[float, float]]] | None = None,
        canned: Callable[[Question], Answer | SourceError | None] = lambda _: None,
    ) -> None:
        self.series = series or {}
        self.canned = canned
        self.asked: list[Question] = []

    def ask(self, question: Question, deadline: Deadline) -> Answer:
        """The answer that Prometheus would give to a plain selector; canned answers come first."""
        self.asked.append(question)
        answer = self.canned(question)
        if isinstance(answer, SourceError):
            raise answer
        if answer is not None:
            return answer
        if not _NAME.fullmatch(question.query):
            raise QueryRejected(f"Prometheus rejected the query (HTTP 400): {question.query}")
        if question.query not in self.series:
            return Answer()
        times = [question.at.timestamp()]
        if question.window is not None:
            start, end = question.window.start.timestamp(), question.window.end.timestamp()
            times = [start + question.step * number for number in range(1, int((end - start) // question.step) + 1)]
        samples = tuple(sample for time in times if (sample := self._at(question.query, time)) is not None)
        return Answer(series=(Series(labels={"__name__": question.query}, samples=samples),) if samples else ())

    def _at(self, name: str, time: float) -> Sample | None:
        recent = [value for at, value in self.series[name] if time - _LOOKBACK < at <= time]
        if not recent:
            return None
        finite = recent[-1] == recent[-1] and abs(recent[-1]) != float("inf")
        return Sample(time, recent[-1] if finite else None)


_NOTHING = Decimal(0)
NO_USAGE = UsageFacts(
    rows=0,
    week_rows=0,
    earlier_rows=0,
    without_amount=0,
    negative=0,
    no_number=0,
    month=_NOTHING,
    week=_NOTHING,
    before=_NOTHING,
    nameless=_NOTHING,
    nameless_week=_NOTHING,
    nameless_before=_NOTHING,
    users=0,
    week_users=0,
    p50=None,
    p90=None,
    p99=None,
    most=None,
    top=(),
    heavy=(),
    beyond=(),
    plans=None,
    features=None,
)
"""What a database says of users who used nothing."""


class FakePostgres:
    """A PostgreSQL that says what it was given, or fails as it was told to."""

    name = "PostgreSQL"

    def __init__(
        self,
        answer: PostgresFacts | SourceError,
        canned: Callable[[Question], Answer | SourceError] = lambda _: Answer(),
        used: UsageFacts | SourceError = NO_USAGE,
    ) -> None:
        self.answer = answer
        self.canned = canned
        self.used = used
        self.asked: list[Question] = []

    def figures(self, questions: Sequence[Question], deadline: Deadline) -> list[Answer | SourceError]:
        """What is canned for each, as far as there is time and somebody to ask."""
        late = TimedOut("PostgreSQL did not answer in time", advice="Raise its timeout.")
        self.asked += questions
        if isinstance(self.answer, SourceError):
            return [self.answer] * len(questions)
        return [self.canned(question) if deadline.left else late for question in questions]

    def usage(self, question: UsageQuestion, deadline: Deadline) -> UsageFacts:
        """What it was given, when there is time and somebody to ask."""
        if not deadline.left:
            raise TimedOut("PostgreSQL did not answer in time", advice="Raise its timeout.")
        for said in (self.answer, self.used):
            if isinstance(said, SourceError):
                raise said
        return self.used

    def facts(self, deadline: Deadline) -> PostgresFacts:
        """What it was given, when there is time."""
        if not deadline.left:
            raise TimedOut("PostgreSQL did not answer in time", advice="Raise its timeout.")
        if isinstance(self.answer, SourceError):
            raise self.answer
        return self.answer


class FakeRedis:
    """A Redis that says what it was given, or fails as it was told to."""

    name = "Redis"

    def __init__(
        self,
        answer: RedisFacts | SourceError,
        canned: Callable[[Question], Answer | SourceError] = lambda _: Answer(),
    ) -> None:
        self.answer = answer
        self.canned = canned
        self.asked: list[Question] = []

    def figures(self, questions: Sequence[Question], deadline: Deadline) -> list[Answer | SourceError]:
        """What is canned for each, as far as there is time and somebody to ask."""
        late = TimedOut("Redis did not answer in time", advice="Raise its timeout.")
        self.asked += questions
        if isinstance(self.answer, SourceError):
            return [self.answer] * len(questions)
        return [self.canned(question) if deadline.left else late for question in questions]

    def facts(self, deadline: Deadline) -> RedisFacts:
        """What it was given, when there is time."""
        if not deadline.left:
            raise TimedOut("Redis did not answer in time", advice="Raise its timeout.")
        if isinstance(self.answer, SourceError):
            raise self.answer
        return self.answer


class FakeSentry:
    """A Sentry that counts what it was given, or fails as it was told to.

    `hours` has the errors of each hour by what became of them, `issues` when each was first seen, and whether it came
    back.
    """

    name = "Sentry"

    def __init__(
        self,
        hours: Mapping[datetime, Mapping[str, int]] | None = None,
        issues: Sequence[tuple[datetime, Issue, bool]] = (),
        fails: SourceError | None = None,
    ) -> None:
        self.hours = hours or {}
        self.issues = issues
        self.fails = fails
        self.asked: list[Window] = []

    def facts(self, day: Window, *, day_before: Window, week_before: Window, deadline: Deadline) -> SentryFacts:
        """What it was given, when there is time."""
        self.asked.append(day)
        if self.fails:
            raise self.fails
        if not deadline.left:
            raise TimedOut("Sentry did not answer in time", advice="Raise its timeout.")
        fresh = [issue for first_seen, issue, _ in self.issues if day.start <= first_seen < day.end]
        return SentryFacts(
            start=_hour(day.start),
            end=_hour(day.end),
            day=self._counts(day),
            day_before=self._counts(day_before),
            week_before=self._counts(week_before),
            issues=tuple(sorted(fresh, key=lambda issue: (-(issue.count or 0), -(issue.users or 0), issue.title))),
            regressed=sum(again for _, _, again in self.issues),
        )

    def _counts(self, window: Window) -> ErrorCounts:
        sums: dict[str, int] = {}
        for hour, counts in self.hours.items():
            if _hour(window.start) <= hour < _hour(window.end):
                sums = {name: sums.get(name, 0) + counts.get(name, 0) for name in {*sums, *counts}}
        named = {name: sums.pop(name, 0) for name in ("accepted", "filtered", "rate_limited")}
        return ErrorCounts(**named, others=sum(sums.values()))


def _hour(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    return moment - timedelta(minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond)

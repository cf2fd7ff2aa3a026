"""ACQUIRE: ask a system, return values of the model or raise a `SourceError` that a person can act on.

    prometheus.py   the Prometheus HTTP API, as Thanos, Mimir and VictoriaMetrics speak it too
    tsdb.py         the part of its admin API that makes snapshots
    state.py        what a Prometheus says of itself, its rules and targets among it
    postgres.py     what a PostgreSQL says of itself, and the figures that are kept in it, in read-only sessions
    catalog.py      the statements by which it is asked of itself
    usage.py        the statement by which it adds up what users cost
    redis.py        what a Redis says of itself, and the figures that are kept in it
    alertmanager.py the configuration that an Alertmanager runs on
    grafana/        what a Grafana says of itself, and everything that it keeps
    web.py          an address, visited as a browser would
    sentry.py       the errors of a day and their issues, by Sentry's web API
    grant.sql       the role with which PostgreSQL is asked: it may look, and no more

A source implements a protocol of this file; a fake implements it too, and both pass the same suite in
`tests/contract/`. To add a source: a file here, its protocol below, its connection in `opsjobs.servers`.
"""

from __future__ import annotations

import math
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from opsjobs import threads
from opsjobs.errors import SourceError, TimedOut, Unreachable
from opsjobs.facts import (
    AlertmanagerFacts,
    GrafanaFacts,
    PostgresFacts,
    PrometheusFacts,
    RedisFacts,
    RunningRule,
    SentryFacts,
    UsageFacts,
    Visit,
)
from opsjobs.http import Deadline
from opsjobs.model import Answer, Sample, Series, Window
from opsjobs.objects import Copy, Edit, Listed, Server
from opsjobs.threads import Pool

Value = TypeVar("Value")

_GIVE_UP = 3
_MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What a thread must not keep to itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A query at an instant or, with `window` and `step`, on the grid start + step, ..., end of a window.

    A grid point speaks of the step that ends there, so that windows touch without sharing a point.
    """

    query: str
    at: datetime
    window: Window | None = None
    step: int = 0
    """Seconds; 0 for an instant."""


class Metrics(Protocol):
    """Something that answers PromQL."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def concurrency(self) -> int:
        """How many questions it is asked at once."""

    def ask(self, question: Question, deadline: Deadline) -> Answer:
        """The answer to one question. Raises `SourceError`."""


def ask_all(metrics: Metrics, questions: Sequence[Question], deadline: Deadline) -> list[Answer | SourceError]:
    """The answers in the order of the questions; one that fails leaves its error in its place.

    A source that several questions in a row could not reach is not asked again: the rest get the same error at once.
    """
    unreachable: list[SourceError] = []

    def ask(question: Question) -> Answer | SourceError:
        if len(unreachable) >= _GIVE_UP:
            return unreachable[-1]
        try:
            answer = metrics.ask(question, deadline)
        except Unreachable as error:
            unreachable.append(error)
            return error
        except SourceError as error:
            return error
        unreachable.clear()
        return answer

    pool = Pool(max_workers=metrics.concurrency)
    try:
        return list(pool.map(ask, questions))
    finally:
        # Whoever interrupts does not wait for answers that are still to come.
        pool.shutdown(wait=False, cancel_futures=True)


class Figures(Protocol):
    """Something that keeps numbers of days, and gives them when it is asked in its own language."""

    @property
    def name(self) -> str:
        """What people call it."""

    def figures(self, questions: Sequence[Question], deadline: Deadline) -> list[Answer | SourceError]:
        """The answers in the order of the questions, one sample at the end of each window; none where there is no data.

        A question that fails leaves its error in its place, and so do those for which there was no time.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageQuestion:
    """SQL for rows of what users cost, asked of three spans of whole local days, one behind the other."""

    sql: str
    earlier: Window
    middle: Window
    week: Window
    rate: Decimal = Decimal(1)
    """How much of the system's currency one of the amounts' is."""
    limits: tuple[Decimal, ...] = ()
    """Of a user and month, in the system's currency."""


class RelationalDatabase(Figures, Protocol):
    """A PostgreSQL that tells how it is, and what is in it."""

    def usage(self, question: UsageQuestion, deadline: Deadline) -> UsageFacts:
        """What users cost, added up where it is kept. Raises `SourceError`, which repeats nothing that is kept."""

    def facts(self, deadline: Deadline) -> PostgresFacts:
        """What it says of itself. Raises `SourceError`."""


class KeyValueStore(Figures, Protocol):
    """A Redis that tells how it is, and what is in it."""

    def facts(self, deadline: Deadline) -> RedisFacts:
        """What it says of itself. Raises `SourceError`."""


class ErrorTracker(Protocol):
    """Something that gathers the errors of an application."""

    @property
    def name(self) -> str:
        """What people call it."""

    def facts(self, day: Window, *, day_before: Window, week_before: Window, deadline: Deadline) -> SentryFacts:
        """The errors of the day, and how many there were on two others. Raises `SourceError`."""


class Rules(Protocol):
    """Something that evaluates rules."""

    @property
    def name(self) -> str:
        """What people call it."""

    def rules(self, deadline: Deadline) -> tuple[RunningRule, ...]:
        """Every rule that it has loaded. Raises `SourceError`."""


class Monitor(Rules, Protocol):
    """Something that evaluates rules and says how it is."""

    def facts(self, deadline: Deadline) -> PrometheusFacts:
        """What it says of itself. Raises `SourceError` when it cannot be reached."""


class Routes(Protocol):
    """Something that tells people of alerts, and says how it is."""

    @property
    def name(self) -> str:
        """What people call it."""

    def configuration(self, deadline: Deadline) -> str:
        """The configuration that it runs on, as YAML, its secrets hidden. Raises `SourceError`."""

    def facts(self, deadline: Deadline) -> AlertmanagerFacts:
        """What it says of itself. Raises `SourceError` when it cannot be reached."""


class Dashboards(Protocol):
    """Something that shows dashboards, and says how it is."""

    @property
    def name(self) -> str:
        """What people call it."""

    def dashboard(self, uid: str, deadline: Deadline) -> Mapping[str, Any] | None:
        """The dashboard of that uid as it is shown; None where there is none. Raises `SourceError`."""

    def texts(self, deadline: Deadline) -> Iterator[str]:
        """Everything in which it may name a metric, as JSON. Raises `SourceError` where a part cannot be read."""

    def facts(self, deadline: Deadline) -> GrafanaFacts:
        """What it says of itself. Raises `SourceError` when it cannot be reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """The Prometheus that a snapshot is of; empty is what it does not say."""

    url: str
    version: str
    retention: str
    """After which time, or from which size on, it removes old data, in its own words: 15d, 60d or 10GiB."""
    folder: str
    """Its data folder, as it calls it."""


class Snapshots(Protocol):
    """Something that puts a copy of all its data into a folder beside it."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def origin(self) -> Origin:
        """Who answers. Raises `SourceError`."""

    def snapshot(self, *, head: bool) -> str:
        """Make one, with what is in memory or without; the name of its folder. Raises `SourceError`."""


class Objects(Protocol):
    """A Grafana whose objects can be listed, read, written and removed."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def concurrency(self) -> int:
        """How many objects may be read at once."""

    @property
    def server(self) -> Server:
        """Who answers. Raises `SourceError`."""

    def listing(self, kind: str) -> Iterator[Listed]:
        """Every object of a kind that may be seen. Raises `NotOffered` where it has no such kind, `SourceError`."""

    def read(self, found: Listed) -> Copy:
        """An object as it is now, without secrets. Raises `SourceError`."""

    @property
    def unique_titles(self) -> bool:
        """Whether two dashboards of one folder cannot have the same title: one would be saved over the other."""

    def fit(self, wanted: Copy) -> None:
        """Raises `NotOffered` where an object of its kind cannot be made here, whatever is there."""

    def write(self, wanted: Copy, live: Copy | None) -> None:
        """Make an object, or save it over the one that is there. Raises `SourceError`."""

    def remove(self, found: Listed) -> None:
        """Remove an object. Raises `SourceError`."""

    def history(self, uid: str) -> list[Edit]:
        """The saved versions of a dashboard, the newest first. Raises `SourceError`."""


class Visitor(Protocol):
    """Something that visits addresses."""

    def visit(self, url: str, deadline: Deadline) -> Visit:
        """What it answers. Raises `SourceError` when there is no answer."""


def unconfigured(store: str) -> SourceError:
    """Why a store is not asked of which nobody said where it is."""
    return Unreachable(f"it is not configured where {store} is", advice="Say in opsjobs.yml where it is.")


def figure(value: object, at: datetime, **labels: str) -> Series:
    """A series of one sample from what a driver gave. Raises `ValueError` when it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"it gave {type(value).__name__} where a number is due")  # noqa: TRY004 - of a value, not of code
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    return Series(labels=labels, samples=(Sample(at.timestamp(), number if math.isfinite(number) else None),))


def each_in_time(
    questions: Sequence[Question],
    answers: Callable[[Sequence[Question]], Iterator[Answer | SourceError]],
    deadline: Deadline,
    *,
    late: TimedOut,
    give_up: Callable[[], None],
) -> list[Answer | SourceError]:
    """The answers that came in time, and for the others why they did not."""
    found: list[Answer | SourceError] = []
    try:
        in_time(lambda: found.extend(answers(questions)), deadline, late=late, give_up=give_up)
    except SourceError as error:
        # What came before the source failed is as good as ever; the thread may still be at work.
        found = [*found, *[error] * len(questions)][: len(questions)]
    return found


def in_time(work: Callable[[], Value], deadline: Deadline, *, late: TimedOut, give_up: Callable[[], None]) -> Value:
    """What the work gives, or `late` at the deadline, whatever a driver waits for: a name server, a server that hangs.

    `give_up` is called from another thread than the work's, to end what it waits for. The work may raise `SourceError`.
    """
    outcome: queue.SimpleQueue[tuple[Value] | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcome.put((work(),))
        except (SourceError, *_MISTAKES) as error:
            outcome.put(error)

    threads.start(attempt, "opsjobs-database")
    try:
        result = outcome.get(timeout=max(deadline.left, 0.001))
    except queue.Empty:
        give_up()
        raise late from None
    if isinstance(result, tuple):
        return result[0]
    raise result from None

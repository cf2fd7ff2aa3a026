"""The values that travel along the spine: frozen, standard library only.

Units are base units (seconds, bytes, ratio, count, per_second, or a currency code such as EUR); times are aware; what
is not known is `None` together with a `Quality` and a reason in words, never a zero and never NaN.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

NO_LABELS: Mapping[str, str] = MappingProxyType({})


class Status(enum.Enum):
    """How a thing is. The value is the exit code of the Nagios plugin convention; the rank is what `worst` goes by."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3

    @property
    def rank(self) -> int:
        """Order of badness: UNKNOWN is worse than WARNING, because nobody can say that it is not CRITICAL."""
        return {Status.OK: 0, Status.WARNING: 1, Status.UNKNOWN: 2, Status.CRITICAL: 3}[self]

    @staticmethod
    def worst(statuses: Iterable[Status]) -> Status:
        """The worst of some statuses; of none at all, UNKNOWN, because nothing was looked at."""
        return max(statuses, key=lambda status: status.rank, default=Status.UNKNOWN)


class Quality(enum.Enum):
    """How good the evidence for a value is. Only `OK` may support the status OK."""

    OK = "ok"
    EMPTY = "empty"
    STALE = "stale"
    NAN = "nan"
    PARTIAL = "partial"
    ERROR = "error"

    @property
    def word(self) -> str:
        """For people, to whom a NaN is no word."""
        return "no number" if self is Quality.NAN else self.value


class Direction(enum.Enum):
    """On which side of its limits a healthy value lies."""

    BELOW = "below"
    ABOVE = "above"


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A span of time, aware. A sample belongs to it when `start < time <= end`: it tells of the step before it."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs aware times")
        if self.seconds <= 0:
            raise ValueError("a window ends after it starts")

    @classmethod
    def day(cls, day: date, zone: tzinfo) -> Window:
        """The local calendar day: 23, 24 or 25 hours long."""
        following = day + timedelta(days=1)
        return cls(
            start=datetime(day.year, day.month, day.day, tzinfo=zone),
            end=datetime(following.year, following.month, following.day, tzinfo=zone),
        )

    @property
    def seconds(self) -> float:
        """Length in real seconds; wall-clock subtraction would be wrong on the nights the clocks change."""
        return self.end.timestamp() - self.start.timestamp()

    def holds(self, timestamp: float) -> bool:
        """Whether a sample taken at this Unix time belongs to the window."""
        return self.start.timestamp() < timestamp <= self.end.timestamp()


class Sample(NamedTuple):
    """One point: Unix time in seconds and a finite value, or None where the source sent NaN or an infinity."""

    time: float
    value: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Samples in order of time, with the labels they share."""

    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    samples: tuple[Sample, ...] = ()

    def within(self, window: Window) -> tuple[Sample, ...]:
        """The samples that belong to the window."""
        first, last = (
            bisect_right(self.samples, at.timestamp(), key=attrgetter("time")) for at in (window.start, window.end)
        )
        return self.samples[first:last]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a source said to one query. Any `warnings` mean that the answer may be incomplete."""

    series: tuple[Series, ...] = ()
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One value in base units, or None with the reason why there is none."""

    value: float | None
    unit: str
    at: datetime | None = None
    quality: Quality = Quality.OK
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """Limits as data. A limit is violated strictly beyond it, so that a value on the limit is still within."""

    direction: Direction
    target: float | None = None
    warning: float | None = None
    critical: float | None = None

    def beyond(self, value: float, limit: float | None) -> bool:
        """Whether the value lies on the wrong side of the limit; no limit is never violated."""
        if limit is None:
            return False
        return value > limit if self.direction is Direction.BELOW else value < limit

    def evaluate(self, measurement: Measurement) -> Status:
        """The status of a measurement: weak evidence can prove a fault but never health."""
        if measurement.value is None:
            return Status.UNKNOWN
        if self.beyond(measurement.value, self.critical):
            return Status.CRITICAL
        if self.beyond(measurement.value, self.warning):
            return Status.WARNING
        return Status.OK if measurement.quality is Quality.OK else Status.UNKNOWN

    def meets_target(self, value: float) -> bool | None:
        """Whether the value meets the target; None without one. Targets inform, warning and critical alarm."""
        return None if self.target is None else not self.beyond(value, self.target)


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """Who owns a thing, and how to reach them."""

    name: str
    contact: str = ""
    hours: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """One row of a breakdown: which member, how much, in the unit of its indicator."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """A span in which a member was down, or in which nothing is known of it."""

    start: datetime
    end: datetime
    known: bool
    """True: it was measured and down. False: it was not measured."""
    ended: bool
    """False when it lasts to the end of the window."""

    @property
    def seconds(self) -> float:
        """Length in real seconds."""
        return self.end.timestamp() - self.start.timestamp()


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """A span in which the points of an indicator were beyond a limit for long enough to matter."""

    start: datetime
    end: datetime
    status: Status
    """Of the limit that was passed: WARNING or CRITICAL."""
    worst: float
    """The value farthest beyond it, in base units."""
    ended: bool
    """False when it lasts to the end of the window."""

    @property
    def seconds(self) -> float:
        """Length in real seconds."""
        return self.end.timestamp() - self.start.timestamp()


@dataclass(frozen=True, kw_only=True, slots=True)
class IndicatorResult:
    """One indicator over one window."""

    id: str
    title: str
    group: str
    unit: str
    summary: str
    threshold: Threshold
    measurement: Measurement
    status: Status
    coverage: float
    """Share of the window's steps that have a value, 0 to 1."""
    attainment: float | None = None
    """Share of those steps that met the target, 0 to 1; None without a target or without values."""
    day_before: float | None = None
    week_before: float | None = None
    series: Series = field(default_factory=Series)
    """The whole range that was read, from seven days before the window to its end."""
    holes: tuple[Outage, ...] = ()
    """Spans of the window, longer than a value may be old, in which there are no points."""
    episodes: tuple[Episode, ...] = ()
    breakdown: tuple[Share, ...] = ()
    breakdown_by: str = ""
    chart: bool = False
    team: Team = field(default_factory=lambda: Team(name=""))
    description: str = ""
    dashboard: str = ""
    runbook: str = ""
    store: str = "prometheus"
    """Where it comes from: `prometheus`, `postgresql` or `redis`."""

    @property
    def judged(self) -> bool:
        """Whether there is a limit that could ask for a person; without one, OK says only that there is data."""
        return self.threshold.warning is not None or self.threshold.critical is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class SloResult:
    """One objective at the end of a window."""

    id: str
    title: str
    objective: float
    """The share that must be good, 0 to 1."""
    window: float
    """Seconds over which it is kept."""
    attainment: float | None
    """The share that was good in them; None where nobody knows."""
    left: float | None
    """Share of the error budget that is left: 1 untouched, 0 used up, below 0 overspent."""
    burns: Mapping[int, float | None]
    """Burn rates by the length of their span in seconds: 1 uses the budget up in one window."""
    day: float
    """Seconds of the day that is reported on."""
    day_burn: float | None
    """Its burn rate."""
    lasts: bool | None
    """Whether the budget lasts a whole window at the pace of the last three days; None where nobody knows."""
    used_up_in: float | None
    """Seconds until it is used up at that pace, 0 where it is; None where it lasts or nobody knows."""
    status: Status
    quality: Quality = Quality.OK
    reason: str = ""
    team: Team = field(default_factory=lambda: Team(name=""))
    description: str = ""
    dashboard: str = ""
    runbook: str = ""

    @property
    def budget(self) -> float:
        """The error budget in seconds: how long everything may fail in a window."""
        return (1 - self.objective) * self.window


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentResult:
    """One member of a component (an instance) over one window."""

    id: str
    title: str
    member: str
    status: Status
    availability: float | None
    """Share of the measured time in which it was up, 0 to 1; None when nothing was measured."""
    coverage: float
    outages: tuple[Outage, ...] = ()
    reason: str = ""
    team: Team = field(default_factory=lambda: Team(name=""))
    runbook: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that needs a person. One cause is one finding; what it explains is listed in it."""

    subject: str
    """Stable identity: `indicator:ID`, `component:ID`, `metric:NAME` or `source:NAME`."""
    status: Status
    title: str
    detail: str
    explains: tuple[str, ...] = ()
    """Titles of what else is wrong because of this."""
    advice: str = ""
    """What to do about it, where more can be said than the runbook does."""
    team: Team = field(default_factory=lambda: Team(name=""))
    dashboard: str = ""
    runbook: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """How one thing is at a moment."""

    id: str
    """Stable identity: `component:ID`, `indicator:ID`, `postgresql:connections`, ..."""
    title: str
    status: Status
    text: str
    """What was found, in words that name the value and the limit."""
    value: float | None = None
    unit: str = ""
    warning: float | None = None
    critical: float | None = None
    """The limits in the unit of the value, where there are any."""
    healthy: Direction = Direction.BELOW
    """On which side of them a healthy value lies."""
    cause: str = ""
    """The check that explains this one when it is bad itself."""
    explains: tuple[str, ...] = ()
    """Titles of what else is bad because of this."""
    advice: str = ""
    team: Team = field(default_factory=lambda: Team(name=""))
    dashboard: str = ""
    runbook: str = ""

    @property
    def severity(self) -> str:
        """How urgent it is: what is not known as a warning; that nearly nothing is known, as critical."""
        return "critical" if self.status is Status.CRITICAL or self.id == BLIND else "warning"


BLIND = "monitoring"
"""The check that stands for all when most are unknown at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a receiver was told last of a check, and not yet that it is over."""

    status: Status
    at: datetime
    since: datetime
    """Since when it is bad, as the receiver knows it."""
    incident: str
    """Under which name the receiver knows it; what is told of it together for the first time shares one."""
    flapping: bool = False
    run: str = ""
    """The run that told it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckState:
    """How a check that is bad, or was lately, has been over the looks at it."""

    check: str
    title: str = ""
    status: Status
    since: datetime
    """When it was first seen to be bad, or to be well again."""
    looks: int
    """How often in a row it was."""
    trail: str = ""
    """A letter for each of the last looks, the newest last: `!` for bad and `.` for well."""
    flapping: bool = False
    """Whether it comes and goes too often for each time to be told."""
    team: str = ""
    """Whose it is, by name."""
    definition: str = ""
    """A digest of what it is held against: with another one it is another check."""
    told: Mapping[str, Told] = field(default_factory=dict)
    """By receiver."""
    listed: bool = True
    """Whether anything was found of it at the last look; not remembered."""

    @property
    def bad(self) -> bool:
        """Whether it was not well when it was looked at last."""
        return self.status is not Status.OK


@dataclass(frozen=True, kw_only=True, slots=True)
class Acknowledgement:
    """Somebody knows of a check that is bad, and wants to hear no more of it for a while."""

    check: str
    status: Status
    """How bad it was then; what is worse is told all the same."""
    at: datetime
    until: datetime
    by: str
    reason: str

    def holds(self, state: CheckState, at: datetime) -> bool:
        """Whether it is still about what goes on: not over since then, no worse, and not for longer than was said."""
        return self.at >= state.since and at < self.until and state.status.rank <= self.status.rank


class Change(enum.Enum):
    """What is new of a check, for somebody who is told."""

    NEW = "new"
    WORSE = "worse"
    CHANGED = "changed"
    STILL = "still"
    FLAPPING = "flapping"
    EASED = "eased"
    """Still bad, and not bad enough any more for this receiver."""
    ENDED = "ended"

    @property
    def over(self) -> bool:
        """Whether the receiver has no more to do with it."""
        return self in {Change.EASED, Change.ENDED}


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """Something new of a check."""

    change: Change
    check: CheckResult
    """As it is now."""
    before: Status
    """What the receiver knew; OK for what is new to it."""
    since: datetime
    """Since when it is bad, or was."""
    incident: str
    words: str
    """What is new, in words: `was WARNING`, `well again after 6 h`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What one receiver is told of a system at one look: all of it together."""

    system: str
    title: str
    zone: tzinfo
    at: datetime
    incident: str = ""
    """Of a receiver that keeps incidents apart: which one this is about."""
    flips: tuple[Flip, ...]
    """The worst first, what is over at the end."""
    going_on: tuple[Flip, ...] = ()
    """What the receiver knows of and is not over, the news among it."""

    @property
    def status(self) -> Status:
        """The worst of what goes on for the receiver, and of what has only eased."""
        eased = (flip for flip in self.flips if flip.change is Change.EASED)
        return Status.worst([Status.OK, *(flip.check.status for flip in (*self.going_on, *eased))])

    @property
    def news(self) -> Status:
        """The worst of what is new; what is over is well."""
        new = (flip.check.status for flip in self.flips if flip.change is not Change.ENDED)
        return Status.worst([Status.OK, *new])


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """Something that was bad for a while and is well again."""

    subject: str
    title: str
    start: datetime
    end: datetime
    severity: Status = Status.CRITICAL


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A named hole in a report: what is missing, why, and what to do about it."""

    source: str
    reason: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """How a number came about, so that it can be re-run by hand."""

    subject: str
    title: str
    source: str
    query: str
    method: str
    quality: Quality
    start: datetime | None
    """Start of the range that was asked for; None for an instant query."""
    end: datetime
    step: float | None = None
    """Seconds; None for an instant query."""
    sample_at: datetime | None = None
    coverage: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """Something that goes with a letter: a picture that its page shows, or a file."""

    name: str
    """The file's name; a picture's content id."""
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """What is said to people, before it is put into the form of a channel."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    pictures: tuple[Attachment, ...] = ()
    files: tuple[Attachment, ...] = ()
    where: str = ""
    """Where the files are kept, for those who get the letter without them."""
    notice: Notice | None = field(default=None, repr=False)
    """What it says piece by piece, where it is about checks."""


class DeliveryState(enum.Enum):
    """How far a delivery is."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Form(enum.Enum):
    """In which of its forms a message is sent."""

    FULL = "full"
    LIGHT = "light"
    """Without its files."""
    INSTEAD = "instead"
    """By another channel, which says what could not be delivered and to whom."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One message for one receiver, written down before it is sent and sent with the same bytes however often."""

    id: str
    """The message's own id, made of system, job, slot and receiver: the same for every attempt."""
    run_id: str
    system: str
    job: str
    slot: str
    channel: str
    recipient: str
    created_at: datetime
    due_at: datetime
    """When it is to be sent, or sent again."""
    state: DeliveryState = DeliveryState.PENDING
    light: bool = False
    """Whether it goes without its files, because they were too large."""
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A delivery with its bytes."""

    delivery: Delivery
    forms: Mapping[Form, bytes] = field(repr=False)


class Outcome(enum.Enum):
    """How a run ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"


WHOLE = ("backup", "drill", "snapshot")
"""Jobs that did their work only when nothing of it is missing; of the others also a part is worth having."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A file that a run made."""

    path: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One execution of a job for one system and slot."""

    id: str
    system: str
    job: str
    slot: str
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome = Outcome.RUNNING
    status: Status | None = None
    host: str = ""
    pid: int = 0
    error: str = ""
    artifacts: tuple[Artifact, ...] = ()
    due_at: datetime | None = None
    """The instant of its schedule that it is for; None of one that somebody asked for."""


class SlotState(enum.Enum):
    """How far a slot is."""

    WAITING = "waiting"
    """Nobody is at it: it is queued, or who was at it was told to stop."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    MISSED = "missed"
    """Nobody was there in time."""
    SKIPPED = "skipped"
    """It was left out for a reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """An instant at which a job of a system is to run, and what became of it."""

    system: str
    job: str
    due_at: datetime
    state: SlotState
    attempt: int = 0
    """How many runs have begun for it."""
    run_id: str = ""
    """The last of them."""
    at: datetime
    """When it got into that state."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a schedule has of a job at a moment: a run of its last slot, which should have ended by now."""

    job: str
    due_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerValue:
    """A number that a database server said of itself on the day when it was asked."""

    server: str
    """`postgresql` or `redis`."""
    database: str
    """Where it is and what it is called: numbers of another one are not compared with it."""
    item: str
    day: date
    value: float
    unit: str

    @property
    def subject(self) -> str:
        """What it is a number of, the same on each day."""
        return server_subject(self.server, self.database, self.item)


def server_subject(server: str, database: str, item: str) -> str:
    """What a number of a database server is a number of."""
    return f"{server}:{database}:{item}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """A line that goes on from a value, by `slope` each day, probably by no less than `low` and no more than `high`."""

    value: float
    low: float
    slope: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedForecast:
    """A forecast that a report stated, kept to be held against what came."""

    subject: str
    day: date
    """The day that its value is of."""
    trend: Trend

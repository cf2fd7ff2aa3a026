"""What a server says of itself at one moment, and a Sentry of a day: frozen, standard library only.

Sizes are in bytes, lengths of time in seconds, shares between 0 and 1. What was not said is `None`, never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningRule:
    """A rule that a Prometheus has loaded."""

    name: str
    """Of its alert, or of the series that it records."""
    query: str
    interval: float
    """Seconds between two evaluations."""
    held: float = 0.0
    """Seconds until it fires."""
    kept: float = 0.0
    """Seconds for which it goes on when its query has no answer any more."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    alerts: bool = True
    """Whether it alerts, or records."""
    error: str = ""
    """Why its last evaluation failed."""
    evaluated_at: datetime | None = None
    """None where it was not evaluated yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScrapeTarget:
    """Something that a Prometheus scrapes."""

    job: str
    instance: str
    up: bool | None
    """None where it was not scraped yet."""
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrometheusFacts:
    """What a Prometheus says of itself. None is what it did not say, with the reason under its name in `missing`."""

    ready: bool | None = None
    reloaded: bool | None = None
    """Whether the configuration that it read last was good."""
    configured_at: datetime | None = None
    """When it read one that was."""
    corruptions: int | None = None
    """How often its storage was found corrupt since it began."""
    retention: str = ""
    series: int | None = None
    """How many are in memory."""
    largest: tuple[tuple[str, int], ...] = ()
    """The metrics with the most series, largest first."""
    rules: tuple[RunningRule, ...] | None = None
    targets: tuple[ScrapeTarget, ...] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutedAlert:
    """An alert that an Alertmanager holds."""

    name: str
    severity: str
    since: datetime | None
    held_back: str = ""
    """By what nobody is told: `silenced` or `inhibited`; empty where people are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertmanagerFacts:
    """What an Alertmanager says of itself."""

    ready: bool | None = None
    cluster: str = ""
    """`ready`, `settling` or `disabled`; empty where it did not say."""
    peers: int = 0
    alerts: tuple[RoutedAlert, ...] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSource:
    """What a Grafana asks for its panels."""

    name: str
    kind: str
    well: bool | None
    """None where Grafana does not say."""
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GrafanaFacts:
    """What a Grafana says of itself."""

    version: str
    database: str
    """`ok`, or what is wrong with its own database."""
    sources: tuple[DataSource, ...] | None = None
    """None where it lets nobody see them."""
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What an address answered to one GET."""

    code: int
    seconds: float
    body: str
    """The beginning of it."""
    certificate_until: datetime | None
    """Until when its certificate is good; None without TLS."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its indexes and what is stored beside it, in bytes."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Connections:
    """Client connections against those that a role without privileges may open."""

    used: int
    usable: int
    """max_connections without what is reserved for superusers and for roles that may use reserved connections."""
    by_state: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Transactions:
    """Transactions that are open, those of opsjobs itself left out. Ages are in seconds."""

    longest: float | None
    """None without an open transaction."""
    longest_pid: int | None
    idle: int
    """How many wait for their client in the middle of a transaction."""
    longest_idle: float | None
    """For how long the client of one of them has been silent; None without any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocked:
    """A session that waits for a lock, and who holds it. What it runs is not told."""

    pid: int
    by: tuple[int, ...]
    """Process ids; 0 stands for a prepared transaction."""
    waits_for: str
    seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cache:
    """Blocks of the database since its statistics were reset: found in shared buffers, or not."""

    hit: int
    read: int
    """From the operating system, which may have had them in its own cache."""
    since: datetime | None
    """None where the statistics were never reset."""

    @property
    def ratio(self) -> float | None:
        """Share that was found, 0 to 1: hit / (hit + read); None when nothing was asked for."""
        asked = self.hit + self.read
        return self.hit / asked if asked else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A statement of the database, without its constants, since pg_stat_statements was reset. Times are in seconds."""

    id: str
    text: str
    """Empty unless the configuration asks for texts."""
    calls: int
    total: float
    mean: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Replica:
    """Who receives this server's log. None where the server does not know."""

    name: str
    state: str
    seconds: float | None
    size: int | None
    """Bytes of the log that it has not replayed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """A replication slot and the bytes of the log that are kept for it; None where none are reserved."""

    name: str
    active: bool
    retained: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Replication:
    """The part that a server has in replication."""

    standby: bool
    streaming: bool
    """On a standby: whether it is connected to the server that it follows."""
    behind: float | None
    """On a standby: seconds since the last transaction that it replayed, 0 when it has replayed all it was sent."""
    replicas: tuple[Replica, ...] = ()
    slots: tuple[Slot, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TransactionAge:
    """How many transactions ago the oldest row that is not frozen may have been written, in the oldest database."""

    database: str
    age: int
    freeze_at: int
    """autovacuum_freeze_max_age: from here on vacuum is forced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Archiver:
    """How the archiving of the log goes."""

    on: bool
    archived: int
    failed: int
    last_archived: datetime | None
    last_failed: datetime | None

    @property
    def failing(self) -> bool:
        """Whether it failed after it last succeeded."""
        return self.last_failed is not None and (self.last_archived is None or self.last_failed > self.last_archived)


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresFacts:
    """What a PostgreSQL said of itself at one moment. A part is None where `missing` has the reason by its name."""

    version: str
    at: datetime
    """By the server's own clock."""
    database: str
    privileges: tuple[str, ...] = ()
    """What the role may do beyond looking; not empty only where the configuration allows it."""
    connecting: float | None = None
    """Seconds from the first packet until it had let opsjobs in."""
    size: int | None = None
    """Bytes of the database that is asked."""
    tables: tuple[Table, ...] | None = None
    """The largest ten."""
    connections: Connections | None = None
    transactions: Transactions | None = None
    blocked: tuple[Blocked, ...] | None = None
    cache: Cache | None = None
    statements: tuple[Statement, ...] | None = None
    """The five that took the most time in all."""
    replication: Replication | None = None
    transaction_age: TransactionAge | None = None
    archiver: Archiver | None = None
    missing: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisReplica:
    """Who follows this server."""

    name: str
    state: str
    lag: float | None
    """Seconds since it last acknowledged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisFacts:
    """What a Redis said of itself at one moment. Whatever it did not say is None; totals are since it started."""

    version: str = ""
    at: datetime | None = None
    """By the server's own clock."""
    encrypted: bool = False
    uptime: float | None = None
    """Seconds."""
    loading: bool | None = None
    """Whether it still reads its data from the disk, and can neither be used nor judged."""
    memory: int | None = None
    """Bytes in use, of which `memory_uncounted` do not count against the limit."""
    memory_uncounted: int = 0
    memory_limit: int | None = None
    """Bytes; 0 means that there is no limit."""
    policy: str = ""
    """What happens at the limit: `noeviction` refuses writes."""
    evicted: int | None = None
    expired: int | None = None
    hits: int | None = None
    misses: int | None = None
    clients: int | None = None
    clients_limit: int | None = None
    rejected: int | None = None
    """Connections that were refused because there were too many."""
    keys: int | None = None
    slow: int | None = None
    """Entries of the slow log."""
    slow_at: datetime | None = None
    """When the newest of them was logged, by the server's own clock."""
    slow_seconds: float | None = None
    """How long that command took. Which it was is not kept: its arguments may hold secrets."""
    bgsave_ok: bool | None = None
    """How the last save of a snapshot ended."""
    bgsave_age: float | None = None
    """Seconds since the last one that ended well, or since the start where there was none."""
    changes: int | None = None
    """Writes since then."""
    aof: bool | None = None
    """Whether each write is logged."""
    aof_ok: bool | None = None
    """How the last write to that log, and its last rewriting, ended."""
    role: str = ""
    """`master` or `slave`."""
    link_up: bool | None = None
    """On a replica: whether it is connected to the server that it follows."""
    link_down: float | None = None
    """On a replica: seconds for which it has not been."""
    link_silent: float | None = None
    """On a replica: seconds since it last heard of that server."""
    replicas: tuple[RedisReplica, ...] = ()
    missing: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    """Why a part could not be asked, by its name."""

    @property
    def memory_ratio(self) -> float | None:
        """Share of the limit that is in use, as Redis itself counts before it evicts; None without a limit."""
        if self.memory is None or not self.memory_limit:
            return None
        return max(0, self.memory - self.memory_uncounted) / self.memory_limit

    @property
    def hit_ratio(self) -> float | None:
        """Share of the reads that found their key: hits / (hits + misses); None when nothing was read."""
        if self.hits is None or self.misses is None:
            return None
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorCounts:
    """The errors that were sent in some hours, by what became of them."""

    accepted: int
    filtered: int = 0
    """Kept out by the project's filters."""
    rate_limited: int = 0
    """Dropped because there were too many: by a quota, a limit of the key, or against spikes."""
    others: int = 0
    """Dropped otherwise: invalid, abuse, or discarded by who sent them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """Errors that Sentry holds to be the same one. Counts are of the day."""

    title: str
    culprit: str = ""
    """Where in the code it came from."""
    level: str = ""
    """`fatal`, `error`, `warning`, `info` or `debug`."""
    count: int | None = None
    users: int | None = None
    link: str = ""
    unresolved: bool | None = None
    """As it is now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request, without what lets it in, so that it can be sent again by hand."""

    part: str
    request: str
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SentryFacts:
    """What a Sentry says of the errors of a day. A part is None where `missing` has the reason by its name."""

    start: datetime
    end: datetime
    """Whole hours of UTC, which is how Sentry counts: `start` belongs to them, `end` does not."""
    day: ErrorCounts | None = None
    day_before: ErrorCounts | None = None
    week_before: ErrorCounts | None = None
    issues: tuple[Issue, ...] | None = None
    """Those that were first seen in the day, the most frequent first."""
    more_issues: bool = False
    """Whether there are more than were listed."""
    regressed: int | None = None
    """Issues that are resolved no more because they came up again, seen in the day; as they are now."""
    more_regressed: bool = False
    asked: tuple[Asked, ...] = ()
    missing: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class UserCost:
    """What one user cost in the three spans of `UsageFacts`."""

    user: str = field(repr=False)
    """As the database has it: no log and no traceback is to show it."""
    month: Decimal
    week: Decimal
    before: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupCost:
    """What a plan or a feature cost in the month; the shares of users are None where it has none."""

    name: str | None
    """None for what has no name."""
    users: int
    amount: Decimal
    p50: Decimal | None = None
    p90: Decimal | None = None
    p99: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """The costliest plans or features, and what there is beyond them."""

    shown: tuple[GroupCost, ...] = ()
    more: int = 0
    more_amount: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beyond:
    """The users who cost more than a limit in the month: how many, what they cost, what of it is above the limit."""

    limit: Decimal
    users: int
    amount: Decimal
    above: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageFacts:
    """What users cost: in a month, in the week at its end, and in the month that ended when that week began.

    Amounts are to a millionth. A user is who has a name; what has none is `nameless`.
    """

    rows: int
    """Of the month."""
    week_rows: int
    earlier_rows: int
    """Of the month that ended when the week began."""
    without_amount: int
    negative: int
    no_number: int
    """Rows of all spans that are in no sum: NULL, below zero, and NaN, infinite or too large to be money."""
    month: Decimal
    week: Decimal
    before: Decimal
    """Of all users and of what has none."""
    nameless: Decimal
    """Of the month."""
    nameless_week: Decimal
    nameless_before: Decimal
    users: int
    """In the month."""
    week_users: int
    p50: Decimal | None
    p90: Decimal | None
    p99: Decimal | None
    most: Decimal | None
    """What a user cost in the month: of all shares the smallest amount that this share of them does not exceed."""
    top: tuple[UserCost, ...]
    """The costliest ten of the month."""
    heavy: tuple[UserCost, ...]
    """Who cost a tenth of the week or more."""
    beyond: tuple[Beyond, ...]
    plans: Groups | None
    """None where the statement says nothing of them."""
    features: Groups | None
    warnings: tuple[str, ...] = ()

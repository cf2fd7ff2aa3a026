"""What PostgreSQL and Redis say of themselves, judged: rows for people, and a finding for each thing that is wrong.

Limits are violated strictly beyond them. What a server did not say is UNKNOWN, never well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from opsjobs.errors import SourceError
from opsjobs.facts import (
    Archiver,
    Blocked,
    Cache,
    Connections,
    PostgresFacts,
    RedisFacts,
    RedisReplica,
    Replica,
    Replication,
    Slot,
    Statement,
    Table,
    TransactionAge,
    Transactions,
)
from opsjobs.model import Finding, Gap, Status, Team
from opsjobs.words import NO_DATA, limit, percent, quantity, span

CONNECTIONS_WARNING, CONNECTIONS_CRITICAL = 0.80, 0.95
"""Shares of the connections that are usable."""
TRANSACTION_WARNING, TRANSACTION_CRITICAL = 15 * 60, 60 * 60
"""Seconds. An open transaction keeps vacuum from removing what was deleted since, and holds its locks."""
BLOCKED_WARNING = 60
"""Seconds of waiting for a lock."""
CACHE_WARNING = 0.90
"""Share of blocks found in shared buffers, below which they are too small or a table is read whole too often."""
CACHE_BLOCKS = 10_000
"""Blocks of 8 KiB that were read; with no more than these the ratio says how new the statistics are."""
FREEZE_WARNING = 1.5
"""Times autovacuum_freeze_max_age, 75 % of its double: vacuum is forced at once that age, and did not get through.

PostgreSQL documentation, "Preventing Transaction ID Wraparound Failures".
"""
AGE_CRITICAL = 0.75 * 2**31
"""Transactions. Ids are reused after 2^31; vacuum gives up all restraint at 1.6 billion (vacuum_failsafe_age)."""
LAG_WARNING = 60
"""Seconds by which a replica is behind."""
SEGMENT = 16 << 20
"""Bytes of one file of the log. Behind by more, a short delay is not believed: where replay has stopped, the last one
that was measured is told on and on."""
MEMORY_LIMIT = 0.90
"""Share of maxmemory; beyond it CRITICAL with the policy noeviction, which refuses writes at the limit."""

Part = TypeVar("Part")

_SHOWN = 3
_NOBODY = Team(name="")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseRow:
    """One thing that a server says of itself, in words, and how it is."""

    id: str
    title: str
    value: str
    status: Status = Status.OK
    """OK where there is no limit says only that there is data."""
    reason: str = ""
    number: float | None = None
    """The value in its base unit, for what remembers or compares; None where it is no number or not known."""
    unit: str = ""
    optional: bool = False
    """Whether nobody has to act on it when it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseResult:
    """One server at the moment when it was asked."""

    id: str
    """`postgresql` or `redis`."""
    title: str
    rows: tuple[DatabaseRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    """The worst first."""
    gap: Gap | None = None
    """Why there are no rows."""
    at: datetime | None = None
    """When it was asked, by its own clock."""


def postgresql(facts: PostgresFacts | SourceError, *, team: Team = _NOBODY, runbook: str = "") -> DatabaseResult:
    """A PostgreSQL, judged; or the gap that its error leaves."""
    if isinstance(facts, SourceError):
        return _down("postgresql", "PostgreSQL", facts, team, runbook)
    return _judged("postgresql", "PostgreSQL", tuple(_postgresql(facts)), facts.at, team=team, runbook=runbook)


def redis(facts: RedisFacts | SourceError, *, team: Team = _NOBODY, runbook: str = "") -> DatabaseResult:
    """A Redis, judged; or the gap that its error leaves."""
    if isinstance(facts, SourceError):
        return _down("redis", "Redis", facts, team, runbook)
    rows = tuple(_redis(facts))
    if facts.loading:
        rows = tuple(_while_loading(row) for row in rows)
    return _judged("redis", "Redis", rows, facts.at, team=team, runbook=runbook)


def _down(name: str, title: str, error: SourceError, team: Team, runbook: str) -> DatabaseResult:
    finding = Finding(
        subject=f"source:{name}",
        status=Status.UNKNOWN,
        title=f"{title} could not be asked",
        detail=f"{str(error).rstrip('.')}.",
        advice=error.advice,
        team=team,
        runbook=runbook,
    )
    gap = Gap(source=title, reason=str(error), advice=error.advice)
    return DatabaseResult(id=name, title=title, findings=(finding,), gap=gap)


def _judged(
    name: str, title: str, rows: tuple[DatabaseRow, ...], at: datetime | None, *, team: Team, runbook: str
) -> DatabaseResult:
    bad = [row for row in rows if row.status in {Status.WARNING, Status.CRITICAL}]
    findings = [
        Finding(
            subject=f"{name}:{row.id}",
            status=row.status,
            title=f"{title}: {row.title[:1].lower()}{row.title[1:]}: {row.value}",
            detail=f"{row.reason[:1].upper()}{row.reason[1:]}." if row.reason else "",
            advice=_ADVICE.get(f"{name}:{row.id.partition(':')[0]}", ""),
            team=team,
            runbook=runbook,
        )
        for row in bad
    ]
    unknown = [row for row in rows if row.status is Status.UNKNOWN and not row.optional]
    if unknown:
        reasons = "; ".join(dict.fromkeys(row.reason for row in unknown))
        loading = _LOADING in reasons
        findings.append(
            Finding(
                subject=f"source:{name}",
                status=Status.UNKNOWN,
                title=f"{title} is still loading" if loading else f"{title} did not tell everything",
                detail=f"{reasons[:1].upper()}{reasons[1:]}.",
                explains=() if loading else tuple(row.title for row in unknown),
                advice=_ADVICE[f"{name}:unknown"],
                team=team,
                runbook=runbook,
            )
        )
    ordered = tuple(sorted(findings, key=lambda finding: -finding.status.rank))
    return DatabaseResult(id=name, title=title, rows=rows, findings=ordered, at=at)


_ADVICE = {
    "postgresql:connections": "Close what is idle, or put a pooler before it; each connection has a process.",
    "postgresql:transaction": "See who it is by its pid in pg_stat_activity; pg_terminate_backend(pid) ends it.",
    "postgresql:blocked": "See what the blocking pids do in pg_stat_activity; ending them frees the others.",
    "postgresql:cache": "See which statements read most, then whether shared_buffers is too small.",
    "postgresql:age": "VACUUM that database, and see what keeps autovacuum: long transactions, slots, its workers.",
    "postgresql:archiver": "See archive_command in the server's log; meanwhile the log fills the disk.",
    "postgresql:replica": "See the replica's log, its disk, and long queries on it.",
    "postgresql:standby": "See the log of this standby, and whether it reaches the server that it follows.",
    "postgresql:unknown": "See that the role has pg_monitor (docs/databases.md).",
    "redis:memory": "Raise maxmemory, let keys expire, or choose a policy that evicts.",
    "redis:bgsave": "See the server's log, the rights to its folder, and the disk's and the memory's free space.",
    "redis:aof": "See the server's log and the free space of its disk.",
    "redis:link": "See the replica's log, and whether it reaches its master.",
    "redis:rejected": "Raise maxclients, or look for clients that do not close; CONFIG RESETSTAT begins a new count.",
    "redis:replica": "See the replica's log and its network.",
    "redis:unknown": "See that the user has +info, +slowlog|len and +config|get (docs/databases.md).",
}


def _above(value: float, warning: float, critical: float | None = None) -> tuple[Status, float]:
    """How bad it is to be above a limit, and the limit that was passed or that comes next."""
    if critical is not None and value > critical:
        return Status.CRITICAL, critical
    return (Status.WARNING if value > warning else Status.OK), warning


def _unknown(name: str, title: str, reason: str, *, optional: bool = False) -> DatabaseRow:
    return DatabaseRow(
        id=name, title=title, value=NO_DATA, status=Status.UNKNOWN, reason=f"{title}: {reason}", optional=optional
    )


# PostgreSQL


def _postgresql(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    yield DatabaseRow(id="version", title="Version", value=facts.version)
    if facts.privileges:
        allowed = f"allowed although it may do more than look: {', '.join(facts.privileges)}"
        yield DatabaseRow(id="role", title="Role of opsjobs", value="not restricted", reason=allowed)
    for part, title, rows in _POSTGRESQL:
        if part in facts.missing or getattr(facts, part) is None:
            reason = facts.missing.get(part, "the server did not say")
            yield _unknown(part, title, reason, optional=part == "statements")
        else:
            yield from rows(facts)


def _connections(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = _present(facts.connections, Connections)
    states = ", ".join(f"{count} {state}" for state, count in sorted(found.by_state.items(), key=lambda item: -item[1]))
    if found.usable <= 0:
        yield _unknown("connections", "Connections", "the server has none that are usable")
        return
    share = found.used / found.usable
    status, passed = _above(share, CONNECTIONS_WARNING, CONNECTIONS_CRITICAL)
    yield DatabaseRow(
        id="connections",
        title="Connections",
        value=f"{found.used} of {found.usable} usable ({quantity(share, 'ratio', (passed,))})",
        status=status,
        reason=f"above {limit(passed, 'ratio')}: {states}" if status is not Status.OK else states,
        number=found.used,
        unit="count",
    )


def _transactions(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = _present(facts.transactions, Transactions)
    longest = found.longest
    status, passed = _above(longest or 0.0, TRANSACTION_WARNING, TRANSACTION_CRITICAL)
    yield DatabaseRow(
        id="transaction",
        title="Longest transaction",
        value="none is open" if longest is None else span(longest),
        status=status,
        reason=_beyond(status, passed, f"pid {found.longest_pid}" if found.longest_pid else ""),
        number=longest,
        unit="seconds",
    )
    silent = "" if found.longest_idle is None else f", one for {span(found.longest_idle)}"
    yield DatabaseRow(
        id="idle", title="Idle in transaction", value=f"{found.idle}{silent}", number=found.idle, unit="count"
    )


def _beyond(status: Status, passed: float, who: str) -> str:
    """Why a length of time is too long."""
    parts = [who] if who else []
    return ", ".join([*parts, f"longer than {span(passed)}"] if status is not Status.OK else parts)


def _blocked(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = facts.blocked or ()
    longest = max((each.seconds for each in found if each.seconds is not None), default=None)
    status, passed = _above(longest or 0.0, BLOCKED_WARNING)
    if status is Status.OK and any(each.seconds is None for each in found):
        status = Status.UNKNOWN
    said = "; ".join(_waiting(each) for each in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    yield DatabaseRow(
        id="blocked",
        title="Blocked sessions",
        value="none" if not found else f"{len(found)}, the longest for {_for(longest)}",
        status=status,
        reason=_beyond(status, passed, said + more) if status is not Status.UNKNOWN else f"Blocked sessions: {said}",
        number=len(found),
        unit="count",
    )


def _waiting(session: Blocked) -> str:
    who = ", ".join("a prepared transaction" if pid == 0 else f"pid {pid}" for pid in session.by) or "nobody any more"
    return f"pid {session.pid} waits for {session.waits_for} behind {who} for {_for(session.seconds)}"


def _for(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else span(seconds)


def _replication(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = _present(facts.replication, Replication)
    if found.standby:
        yield _standby(found)
    else:
        value = f"primary, {len(found.replicas)} replicas" if len(found.replicas) != 1 else "primary, 1 replica"
        yield DatabaseRow(id="replication", title="Replication", value=value)
    yield from (_replica(each) for each in found.replicas)
    yield from (_slot(each) for each in found.slots)


def _standby(found: Replication) -> DatabaseRow:
    reason = "" if found.streaming else "not connected to the server that it follows"
    if found.behind is None:
        return _unknown("standby", "Standby", reason or "it has not replayed a transaction yet")
    status, _ = _above(found.behind, LAG_WARNING)
    value = f"{span(found.behind)} behind"
    return DatabaseRow(
        id="standby", title="Standby", value=value, status=status, reason=reason, number=found.behind, unit="seconds"
    )


def _replica(found: Replica) -> DatabaseRow:
    name, title = f"replica:{found.name}", f"Replica {found.name}"
    size = "" if found.size is None else f" ({quantity(found.size, 'bytes')} of the log)"
    stalled = found.size is not None and found.size > SEGMENT and (found.seconds or 0.0) <= LAG_WARNING
    if stalled or (found.seconds is None and found.size is None):
        return _unknown(name, title, f"how long it is behind is not known{size}; it is '{found.state}'")
    status, passed = _above(found.seconds or 0.0, LAG_WARNING)
    return DatabaseRow(
        id=name,
        title=title,
        value=f"{_for(found.seconds)} behind{size}",
        status=status,
        reason=_beyond(status, passed, found.state),
        number=found.seconds,
        unit="seconds",
    )


def _slot(found: Slot) -> DatabaseRow:
    kept = "nothing" if found.retained is None else quantity(found.retained, "bytes")
    return DatabaseRow(
        id=f"slot:{found.name}",
        title=f"Slot {found.name}",
        value=f"{kept} kept",
        reason="" if found.active else "nobody reads it",
        number=found.retained,
        unit="bytes",
    )


def _transaction_age(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = _present(facts.transaction_age, TransactionAge)
    status, passed = _above(found.age, min(FREEZE_WARNING * found.freeze_at, AGE_CRITICAL), AGE_CRITICAL)
    share = quantity(found.age / 2**31, "ratio")
    yield DatabaseRow(
        id="age",
        title="Transaction age",
        value=f"{quantity(found.age, 'count')} ({share} of what there is)",
        status=status,
        reason=f"database {found.database}, above {passed:,.0f}" if status is not Status.OK else "",
        number=found.age,
        unit="count",
    )


def _archiver(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = _present(facts.archiver, Archiver)
    times = quantity(found.failed, "count")
    ago = "" if found.last_archived is None else f"{span((facts.at - found.last_archived).total_seconds())} ago"
    row = DatabaseRow(id="archiver", title="Archiving", value="off", number=found.failed, unit="count")
    if not found.on:
        yield row
    elif found.failing:
        reason = f"{times} failures in all, none succeeded since" if ago else f"{times} failures and no success"
        yield replace(row, value=f"failing, last success {ago or 'never'}", status=Status.CRITICAL, reason=reason)
    elif not ago:
        yield _unknown("archiver", "Archiving", "it is on, and nothing was archived yet")
    else:
        yield replace(row, value=f"last success {ago}", reason=f"{times} failures in all" if found.failed else "")


def _cache(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = _present(facts.cache, Cache)
    since = "" if found.since is None else f"since {span((facts.at - found.since).total_seconds())} ago"
    ratio = found.ratio
    row = DatabaseRow(id="cache", title="Cache hits", value="nothing was read", reason=since, unit="ratio")
    if ratio is None:
        yield row
        return
    low = ratio < CACHE_WARNING
    few = "too few blocks were read to judge" if low and found.read <= CACHE_BLOCKS else ""
    below = f"below {limit(CACHE_WARNING, 'ratio')}" if low and not few else ""
    yield replace(
        row,
        value=quantity(ratio, "ratio", (CACHE_WARNING,)),
        number=ratio,
        status=Status.WARNING if below else Status.OK,
        reason=", ".join(part for part in (below, few, since) if part),
    )


def _size(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    value = quantity(facts.size, "bytes")
    yield DatabaseRow(id="size", title=f"Size of {facts.database}", value=value, number=facts.size, unit="bytes")


def _tables(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    yield from (_table(each) for each in facts.tables or ())


def _table(found: Table) -> DatabaseRow:
    value = quantity(found.size, "bytes")
    return DatabaseRow(
        id=f"table:{found.name}", title=f"Table {found.name}", value=value, number=found.size, unit="bytes"
    )


def _statements(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    yield from (_statement(each) for each in facts.statements or ())


def _statement(found: Statement) -> DatabaseRow:
    calls = "once" if found.calls == 1 else f"{quantity(found.calls, 'count')} times"
    return DatabaseRow(
        id=f"statement:{found.id}",
        title=f"Statement {found.id}",
        value=f"{quantity(found.total, 'seconds')} in all, {quantity(found.mean, 'seconds')} on average, {calls}",
        reason=found.text,
        number=found.total,
        unit="seconds",
    )


_POSTGRESQL: Sequence[tuple[str, str, Callable[[PostgresFacts], Iterator[DatabaseRow]]]] = (
    ("connections", "Connections", _connections),
    ("transactions", "Transactions", _transactions),
    ("blocked", "Blocked sessions", _blocked),
    ("replication", "Replication", _replication),
    ("transaction_age", "Transaction age", _transaction_age),
    ("archiver", "Archiving", _archiver),
    ("cache", "Cache hits", _cache),
    ("size", "Size", _size),
    ("tables", "Largest tables", _tables),
    ("statements", "Slowest statements", _statements),
)
"""Each part of the facts, its title where it is not there, and what becomes of it where it is."""


def _present(part: object, kind: type[Part]) -> Part:
    """A part that the caller has seen to be there."""
    if not isinstance(part, kind):
        raise TypeError(f"no {kind.__name__}")
    return part


# Redis

_LOADING = "it is still loading its data"
_SILENT = "INFO does not say"
_HEALTHY_ROLES: Mapping[str, str] = MappingProxyType({"master": "master", "slave": "replica"})


def _while_loading(row: DatabaseRow) -> DatabaseRow:
    """Nothing is well of a server that cannot be used yet; what is wrong stays so."""
    return replace(row, status=Status.UNKNOWN, reason=_LOADING) if row.status is Status.OK else row


def _redis(facts: RedisFacts) -> Iterator[DatabaseRow]:
    yield DatabaseRow(
        id="version",
        title="Version",
        value=facts.version or "not told",
        reason="" if facts.encrypted else "asked without TLS",
    )
    yield _loading(facts)
    yield _uptime(facts)
    yield _memory(facts)
    yield _policy(facts)
    yield _total("evicted", "Evicted keys", facts.evicted, "to stay within the limit" if facts.evicted else "")
    yield _total("expired", "Expired keys", facts.expired)
    yield _hits(facts)
    yield _total("keys", "Keys", facts.keys)
    yield _clients(facts)
    yield _rejected(facts)
    yield _bgsave(facts)
    yield _aof(facts)
    yield from _roles(facts)
    if facts.slow is None:
        yield _unknown("slow", "Slow log", facts.missing.get("slow", _SILENT), optional=True)
    else:
        yield _total("slow", "Slow log", facts.slow, "entries, of as many as are kept")


def _loading(facts: RedisFacts) -> DatabaseRow:
    if facts.loading is None:
        return _unknown("loading", "Ready", _SILENT)
    return DatabaseRow(id="loading", title="Ready", value="loading" if facts.loading else "yes")


def _uptime(facts: RedisFacts) -> DatabaseRow:
    if facts.uptime is None:
        return _unknown("uptime", "Up for", _SILENT)
    return DatabaseRow(
        id="uptime",
        title="Up for",
        value=span(facts.uptime),
        reason="what totals count from, unless they were reset",
        number=facts.uptime,
        unit="seconds",
    )


def _memory(facts: RedisFacts) -> DatabaseRow:
    if facts.memory is None:
        return _unknown("memory", "Memory", _SILENT)
    if facts.memory_limit is None:
        return _unknown("memory", "Memory", f"its limit is not known: {facts.missing.get('memory_limit', _SILENT)}")
    used = quantity(facts.memory, "bytes")
    row = DatabaseRow(id="memory", title="Memory", value=f"{used}, no limit", number=facts.memory, unit="bytes")
    ratio = facts.memory_ratio
    if ratio is None:
        return row
    value = f"{used} of {quantity(facts.memory_limit, 'bytes')} ({quantity(ratio, 'ratio', (MEMORY_LIMIT,))})"
    if ratio <= MEMORY_LIMIT:
        return replace(row, value=value)
    refuses = facts.policy == "noeviction"
    return replace(
        row,
        value=value,
        status=Status.CRITICAL if refuses else Status.WARNING,
        reason=f"above {limit(MEMORY_LIMIT, 'ratio')}"
        + (", and at the limit writes are refused (noeviction)" if refuses else ", and at the limit keys are evicted"),
    )


def _policy(facts: RedisFacts) -> DatabaseRow:
    if not facts.policy:
        return _unknown("policy", "At the limit", facts.missing.get("memory_limit", _SILENT))
    return DatabaseRow(id="policy", title="At the limit", value=facts.policy)


def _total(name: str, title: str, count: int | None, reason: str = "") -> DatabaseRow:
    if count is None:
        return _unknown(name, title, _SILENT)
    value = quantity(count, "count")
    return DatabaseRow(id=name, title=title, value=value, reason=reason, number=count, unit="count")


def _hits(facts: RedisFacts) -> DatabaseRow:
    if facts.hits is None or facts.misses is None:
        return _unknown("hits", "Keys found", _SILENT)
    ratio = facts.hit_ratio
    value = "nothing was read" if ratio is None else percent(ratio)
    reason = f"{facts.hits:,} found, {facts.misses:,} not"
    return DatabaseRow(id="hits", title="Keys found", value=value, reason=reason, number=ratio, unit="ratio")


def _clients(facts: RedisFacts) -> DatabaseRow:
    row = _total("clients", "Clients", facts.clients)
    return replace(row, value=f"{row.value} of {facts.clients_limit:,}") if facts.clients_limit and row.unit else row


def _rejected(facts: RedisFacts) -> DatabaseRow:
    row = _total("rejected", "Rejected clients", facts.rejected)
    if not facts.rejected:
        return row
    return replace(row, status=Status.WARNING, reason="there were too many at once, since it started or was reset")


def _bgsave(facts: RedisFacts) -> DatabaseRow:
    if facts.bgsave_ok is None:
        return _unknown("bgsave", "Last snapshot", _SILENT)
    age = "" if facts.bgsave_age is None else f"{span(facts.bgsave_age)} ago"
    changes = "" if facts.changes is None else f"{facts.changes:,} changes since"
    row = DatabaseRow(id="bgsave", title="Last snapshot", value="well", number=facts.bgsave_age, unit="seconds")
    if not facts.bgsave_ok:
        reason = ", ".join(part for part in (f"the last that went well, or the start: {age}" if age else "", changes))
        return replace(row, value="failed", status=Status.CRITICAL, reason=reason.strip(", "))
    return replace(row, value=f"well, {age}" if age else "well", reason=changes)


def _aof(facts: RedisFacts) -> DatabaseRow:
    if facts.aof is None or (facts.aof and facts.aof_ok is None):
        return _unknown("aof", "Log of writes (AOF)", _SILENT)
    row = DatabaseRow(id="aof", title="Log of writes (AOF)", value="on" if facts.aof else "off")
    if facts.aof and not facts.aof_ok:
        return replace(row, value="failing", status=Status.CRITICAL, reason="the last write or rewriting of it failed")
    return row


def _roles(facts: RedisFacts) -> Iterator[DatabaseRow]:
    if facts.role not in _HEALTHY_ROLES:
        yield _unknown("role", "Role", _SILENT if not facts.role else f"it is '{facts.role}'")
        return
    yield DatabaseRow(id="role", title="Role", value=_HEALTHY_ROLES[facts.role])
    if facts.role == "slave":
        yield _link(facts)
    yield from (_redis_replica(each) for each in facts.replicas)


def _link(facts: RedisFacts) -> DatabaseRow:
    if facts.link_up is None:
        return _unknown("link", "Link to its master", _SILENT)
    row = DatabaseRow(id="link", title="Link to its master", value="up", unit="seconds")
    if not facts.link_up:
        reason = "" if facts.link_down is None else f"for {span(facts.link_down)}"
        return replace(row, value="down", status=Status.CRITICAL, reason=reason, number=facts.link_down)
    heard = "" if facts.link_silent is None else f"last heard of {span(facts.link_silent)} ago"
    return replace(row, reason=heard, number=facts.link_silent)


def _redis_replica(found: RedisReplica) -> DatabaseRow:
    name, title = f"replica:{found.name}", f"Replica {found.name}"
    if found.lag is None:
        return _unknown(name, title, f"when it last answered is not known; it is '{found.state}'")
    status, passed = _above(found.lag, LAG_WARNING)
    return DatabaseRow(
        id=name,
        title=title,
        value=f"last answered {span(found.lag)} ago",
        status=status,
        reason=_beyond(status, passed, found.state),
        number=found.lag,
        unit="seconds",
    )

"""What a Redis says of itself, judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from opsjobs.analysis.databases import (
    LAG_WARNING,
    LOADING,
    NOBODY,
    DatabaseResult,
    DatabaseRow,
    above,
    beyond,
    down,
    judged,
    unknown,
)
from opsjobs.errors import SourceError
from opsjobs.facts import RedisFacts, RedisReplica
from opsjobs.model import Status, Team
from opsjobs.words import limit, percent, quantity, span

MEMORY_LIMIT = 0.90
"""Share of maxmemory; beyond it CRITICAL with the policy noeviction, which refuses writes at the limit."""
_SILENT = "INFO does not say"
_HEALTHY_ROLES: Mapping[str, str] = MappingProxyType({"master": "master", "slave": "replica"})
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "memory": "Raise maxmemory, let keys expire, or choose a policy that evicts.",
        "bgsave": "See the server's log, the rights to its folder, and the disk's and the memory's free space.",
        "aof": "See the server's log and the free space of its disk.",
        "link": "See the replica's log, and whether it reaches its master.",
        "rejected": "Raise maxclients, or look for clients that do not close; CONFIG RESETSTAT begins a new count.",
        "replica": "See the replica's log and its network.",
        "unknown": "See that the user has +info, +slowlog|len and +config|get (docs/databases.md).",
    }
)


def evaluate(facts: RedisFacts | SourceError, *, team: Team = NOBODY, runbook: str = "") -> DatabaseResult:
    """A Redis, judged; or the gap that its error leaves."""
    if isinstance(facts, SourceError):
        return down("redis", "Redis", facts, team, runbook)
    rows = tuple(_rows(facts))
    if facts.loading:
        rows = tuple(_while_loading(row) for row in rows)
    return judged("redis", "Redis", rows, facts.at, advice=_ADVICE, team=team, runbook=runbook)


def _while_loading(row: DatabaseRow) -> DatabaseRow:
    """Nothing is well of a server that cannot be used yet; what is wrong stays so."""
    return replace(row, status=Status.UNKNOWN, reason=LOADING) if row.status is Status.OK else row


def _rows(facts: RedisFacts) -> Iterator[DatabaseRow]:
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
    yield replace(_total("keys", "Keys", facts.keys), grows=True)
    yield _clients(facts)
    yield _rejected(facts)
    yield _bgsave(facts)
    yield _aof(facts)
    yield from _roles(facts)
    yield _slow(facts)


def _loading(facts: RedisFacts) -> DatabaseRow:
    if facts.loading is None:
        return unknown("loading", "Ready", _SILENT)
    return DatabaseRow(id="loading", title="Ready", value="loading" if facts.loading else "yes")


def _uptime(facts: RedisFacts) -> DatabaseRow:
    if facts.uptime is None:
        return unknown("uptime", "Up for", _SILENT)
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
        return unknown("memory", "Memory", _SILENT)
    if facts.memory_limit is None:
        return unknown("memory", "Memory", f"its limit is not known: {facts.missing.get('memory_limit', _SILENT)}")
    used = quantity(facts.memory, "bytes")
    row = DatabaseRow(
        id="memory", title="Memory", value=f"{used}, no limit", number=facts.memory, unit="bytes", grows=True
    )
    ratio = facts.memory_ratio
    if ratio is None:
        return row
    row = replace(row, full_at=facts.memory_limit + facts.memory_uncounted)
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
        return unknown("policy", "At the limit", facts.missing.get("memory_limit", _SILENT))
    return DatabaseRow(id="policy", title="At the limit", value=facts.policy)


def _total(name: str, title: str, count: int | None, reason: str = "") -> DatabaseRow:
    if count is None:
        return unknown(name, title, _SILENT)
    value = quantity(count, "count")
    return DatabaseRow(id=name, title=title, value=value, reason=reason, number=count, unit="count")


def _hits(facts: RedisFacts) -> DatabaseRow:
    if facts.hits is None or facts.misses is None:
        return unknown("hits", "Keys found", _SILENT)
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


def _slow(facts: RedisFacts) -> DatabaseRow:
    if facts.slow is None:
        return unknown("slow", "Slow log", facts.missing.get("slow", _SILENT), optional=True)
    said = ["entries, of as many as are kept"]
    if facts.slow_seconds is not None:
        said.append(f"the newest took {quantity(facts.slow_seconds, 'seconds')}")
    if facts.slow_at is not None and facts.at is not None:
        said.append(f"{span(max(0.0, (facts.at - facts.slow_at).total_seconds()))} ago")
    return _total("slow", "Slow log", facts.slow, ", ".join(said))


def _bgsave(facts: RedisFacts) -> DatabaseRow:
    if facts.bgsave_ok is None:
        return unknown("bgsave", "Last snapshot", _SILENT)
    age = "" if facts.bgsave_age is None else f"{span(facts.bgsave_age)} ago"
    changes = "" if facts.changes is None else f"{facts.changes:,} changes since"
    row = DatabaseRow(id="bgsave", title="Last snapshot", value="well", number=facts.bgsave_age, unit="seconds")
    if not facts.bgsave_ok:
        reason = ", ".join(part for part in (f"the last that went well, or the start: {age}" if age else "", changes))
        return replace(row, value="failed", status=Status.CRITICAL, reason=reason.strip(", "))
    return replace(row, value=f"well, {age}" if age else "well", reason=changes)


def _aof(facts: RedisFacts) -> DatabaseRow:
    if facts.aof is None or (facts.aof and facts.aof_ok is None):
        return unknown("aof", "Log of writes (AOF)", _SILENT)
    row = DatabaseRow(id="aof", title="Log of writes (AOF)", value="on" if facts.aof else "off")
    if facts.aof and not facts.aof_ok:
        return replace(row, value="failing", status=Status.CRITICAL, reason="the last write or rewriting of it failed")
    return row


def _roles(facts: RedisFacts) -> Iterator[DatabaseRow]:
    if facts.role not in _HEALTHY_ROLES:
        yield unknown("role", "Role", _SILENT if not facts.role else f"it is '{facts.role}'")
        return
    yield DatabaseRow(id="role", title="Role", value=_HEALTHY_ROLES[facts.role])
    if facts.role == "slave":
        yield _link(facts)
    yield from (_replica(each) for each in facts.replicas)


def _link(facts: RedisFacts) -> DatabaseRow:
    if facts.link_up is None:
        return unknown("link", "Link to its master", _SILENT)
    row = DatabaseRow(id="link", title="Link to its master", value="up", unit="seconds")
    if not facts.link_up:
        reason = "" if facts.link_down is None else f"for {span(facts.link_down)}"
        return replace(row, value="down", status=Status.CRITICAL, reason=reason, number=facts.link_down)
    heard = "" if facts.link_silent is None else f"last heard of {span(facts.link_silent)} ago"
    return replace(row, reason=heard, number=facts.link_silent)


def _replica(found: RedisReplica) -> DatabaseRow:
    name, title = f"replica:{found.name}", f"Replica {found.name}"
    if found.lag is None:
        return unknown(name, title, f"when it last answered is not known; it is '{found.state}'")
    status, passed = above(found.lag, LAG_WARNING)
    return DatabaseRow(
        id=name,
        title=title,
        value=f"last answered {span(found.lag)} ago",
        status=status,
        reason=beyond(status, passed, found.state),
        number=found.lag,
        unit="seconds",
    )

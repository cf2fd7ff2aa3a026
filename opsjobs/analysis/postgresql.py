"""What a PostgreSQL says of itself, judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from opsjobs.analysis.databases import (
    LAG_WARNING,
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
from opsjobs.facts import (
    Archiver,
    Blocked,
    Cache,
    Connections,
    PostgresFacts,
    Replica,
    Replication,
    Slot,
    Statement,
    Table,
    TransactionAge,
    Transactions,
)
from opsjobs.model import Status, Team
from opsjobs.words import limit, quantity, span

CONNECTING_WARNING = 1.0
"""Seconds. Whoever has no pool waits for as long before each first answer."""
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
SEGMENT = 16 << 20
"""Bytes of one file of the log. Behind by more, a short delay is not believed: where replay has stopped, the last one
that was measured is told on and on."""

Part = TypeVar("Part")

_SHOWN = 3
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "connecting": "See its load, how many connect anew, and the network; a pooler spares most of it.",
        "connections": "Close what is idle, or put a pooler before it; each connection has a process.",
        "transaction": "See who it is by its pid in pg_stat_activity; pg_terminate_backend(pid) ends it.",
        "blocked": "See what the blocking pids do in pg_stat_activity; ending them frees the others.",
        "cache": "See which statements read most, then whether shared_buffers is too small.",
        "age": "VACUUM that database, and see what keeps autovacuum: long transactions, slots, its workers.",
        "archiver": "See archive_command in the server's log; meanwhile the log fills the disk.",
        "replica": "See the replica's log, its disk, and long queries on it.",
        "standby": "See the log of this standby, and whether it reaches the server that it follows.",
        "unknown": "See that the role has pg_monitor (docs/databases.md).",
    }
)


def evaluate(facts: PostgresFacts | SourceError, *, team: Team = NOBODY, runbook: str = "") -> DatabaseResult:
    """A PostgreSQL, judged; or the gap that its error leaves."""
    if isinstance(facts, SourceError):
        return down("postgresql", "PostgreSQL", facts, team, runbook)
    rows = tuple(_rows(facts))
    result = judged("postgresql", "PostgreSQL", rows, facts.at, advice=_ADVICE, team=team, runbook=runbook)
    return replace(result, database=facts.database)


def _rows(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    yield DatabaseRow(id="version", title="Version", value=facts.version)
    if facts.privileges:
        allowed = f"allowed although it may do more than look: {', '.join(facts.privileges)}"
        yield DatabaseRow(id="role", title="Role of opsjobs", value="not restricted", reason=allowed)
    for part, title, rows in _PARTS:
        if part in facts.missing or getattr(facts, part) is None:
            reason = facts.missing.get(part, "the server did not say")
            yield unknown(part, title, reason, optional=part == "statements")
        else:
            yield from rows(facts)


def _connecting(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = _present(facts.connecting, float)
    status, passed = above(found, CONNECTING_WARNING)
    yield DatabaseRow(
        id="connecting",
        title="Time to connect",
        value=quantity(found, "seconds", (passed,)),
        status=status,
        reason=f"above {limit(passed, 'seconds')}" if status is not Status.OK else "",
        number=found,
        unit="seconds",
    )


def _connections(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = _present(facts.connections, Connections)
    states = ", ".join(f"{count} {state}" for state, count in sorted(found.by_state.items(), key=lambda item: -item[1]))
    if found.usable <= 0:
        yield unknown("connections", "Connections", "the server has none that are usable")
        return
    share = found.used / found.usable
    status, passed = above(share, CONNECTIONS_WARNING, CONNECTIONS_CRITICAL)
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
    status, passed = above(longest or 0.0, TRANSACTION_WARNING, TRANSACTION_CRITICAL)
    yield DatabaseRow(
        id="transaction",
        title="Longest transaction",
        value="none is open" if longest is None else span(longest),
        status=status,
        reason=beyond(status, passed, f"pid {found.longest_pid}" if found.longest_pid else ""),
        number=longest,
        unit="seconds",
    )
    silent = "" if found.longest_idle is None else f", one for {span(found.longest_idle)}"
    yield DatabaseRow(
        id="idle", title="Idle in transaction", value=f"{found.idle}{silent}", number=found.idle, unit="count"
    )


def _blocked(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    found = facts.blocked or ()
    longest = max((each.seconds for each in found if each.seconds is not None), default=None)
    status, passed = above(longest or 0.0, BLOCKED_WARNING)
    if status is Status.OK and any(each.seconds is None for each in found):
        status = Status.UNKNOWN
    said = "; ".join(_waiting(each) for each in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    yield DatabaseRow(
        id="blocked",
        title="Blocked sessions",
        value="none" if not found else f"{len(found)}, the longest for {_for(longest)}",
        status=status,
        reason=beyond(status, passed, said + more) if status is not Status.UNKNOWN else f"Blocked sessions: {said}",
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
        return unknown("standby", "Standby", reason or "it has not replayed a transaction yet")
    status, _ = above(found.behind, LAG_WARNING)
    value = f"{span(found.behind)} behind"
    return DatabaseRow(
        id="standby", title="Standby", value=value, status=status, reason=reason, number=found.behind, unit="seconds"
    )


def _replica(found: Replica) -> DatabaseRow:
    name, title = f"replica:{found.name}", f"Replica {found.name}"
    size = "" if found.size is None else f" ({quantity(found.size, 'bytes')} of the log)"
    stalled = found.size is not None and found.size > SEGMENT and (found.seconds or 0.0) <= LAG_WARNING
    if stalled or (found.seconds is None and found.size is None):
        return unknown(name, title, f"how long it is behind is not known{size}; it is '{found.state}'")
    status, passed = above(found.seconds or 0.0, LAG_WARNING)
    return DatabaseRow(
        id=name,
        title=title,
        value=f"{_for(found.seconds)} behind{size}",
        status=status,
        reason=beyond(status, passed, found.state),
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
    status, passed = above(found.age, min(FREEZE_WARNING * found.freeze_at, AGE_CRITICAL), AGE_CRITICAL)
    share = quantity(found.age / 2**31, "ratio")
    yield DatabaseRow(
        id="age",
        title="Transaction age",
        value=f"{quantity(found.age, 'count')} ({share} of what there is)",
        status=status,
        reason=f"database {found.database}, above {passed:,.0f}" if status is not Status.OK else "",
        number=found.age,
        unit="count",
        full_at=2.0**31,
        end="used up",
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
        yield unknown("archiver", "Archiving", "it is on, and nothing was archived yet")
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
    title = f"Size of {facts.database}"
    yield DatabaseRow(id="size", title=title, value=value, number=facts.size, unit="bytes", grows=True)


def _tables(facts: PostgresFacts) -> Iterator[DatabaseRow]:
    yield from (_table(each) for each in facts.tables or ())


def _table(found: Table) -> DatabaseRow:
    value = quantity(found.size, "bytes")
    return DatabaseRow(
        id=f"table:{found.name}", title=f"Table {found.name}", value=value, number=found.size, unit="bytes", grows=True
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


_PARTS: Sequence[tuple[str, str, Callable[[PostgresFacts], Iterator[DatabaseRow]]]] = (
    ("connecting", "Time to connect", _connecting),
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

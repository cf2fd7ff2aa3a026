"""What a PostgreSQL says of itself: one read-only session, one statement at a time, each with limits of its own.

Version 13 and later. Ask the server itself: a pooler neither takes the session's limits nor is what is asked about.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from opsjobs.config import PostgresConnection
from opsjobs.errors import AccessDenied, BadAnswer, Overloaded, SourceError, TimedOut, Unreachable
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
from opsjobs.http import Deadline
from opsjobs.log import Redactor
from opsjobs.sources import in_time

Row = dict[str, Any]
Session = psycopg.Connection[Row]

_LEAST_CONNECT_SECONDS = 2
"""What libpq makes of less."""
_MOST_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 5.0
_LOCK_SECONDS = 1.0
_SHOWN = 300
_TEXT = 200
_DATA_STATEMENT = re.compile(r"\s*(select|insert|update|delete|merge|with|values)\b", re.IGNORECASE)
"""Only these are kept without their constants: `ALTER ROLE ... PASSWORD` is kept as it was written."""

# What the role may do beyond looking, itself or by a role that it may become. A superuser is a member of every role.
PRIVILEGES: LiteralString = """
SELECT r.rolname::text AS name, r.rolsuper AS "SUPERUSER", r.rolcreaterole AS "CREATEROLE",
       r.rolcreatedb AS "CREATEDB", r.rolreplication AS "REPLICATION", r.rolbypassrls AS "BYPASSRLS",
       r.rolname = session_user AS own
  FROM pg_catalog.pg_roles AS r
 WHERE (pg_has_role(session_user, r.oid, 'MEMBER') OR pg_has_role(current_user, r.oid, 'MEMBER'))
   AND (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
        OR r.rolname::text = ANY(%(powerful)s::text[]))
 ORDER BY r.rolname <> session_user, r.rolname
"""
_ATTRIBUTES = ("CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")
_POWERFUL = (
    "pg_checkpoint",
    "pg_create_subscription",
    "pg_execute_server_program",
    "pg_maintain",
    "pg_read_server_files",
    "pg_signal_backend",
    "pg_write_all_data",
    "pg_write_server_files",
)

# Who answers, when, and whether this role sees the sessions of others: without that their columns are NULL, not absent.
IDENTITY: LiteralString = """
SELECT current_setting('server_version') AS version, clock_timestamp() AS at, current_database()::text AS database,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all
"""

# Bytes of the database that is asked, with all that belongs to it. Takes no lock.
SIZE: LiteralString = "SELECT pg_database_size(current_database()) AS size"

# The largest tables with indexes and TOAST. Waits for tables that are locked exclusively, up to the lock timeout.
TABLES: LiteralString = """
SELECT name, size
  FROM (SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS size
          FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
           AND n.nspname NOT LIKE 'pg\\_t%%') AS sized
 WHERE size IS NOT NULL
 ORDER BY size DESC, name LIMIT %(most)s
"""
_TABLES = 10

# Client connections by state, each state with what is usable; reserved_connections is new in version 16.
CONNECTIONS: LiteralString = """
SELECT coalesce(a.state, 'starting') AS state, count(a.pid)::int AS sessions,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int AS usable
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_type = 'client backend'
 GROUP BY a.state, usable
"""

# The oldest open transaction of a client, and those whose client is silent in the middle of one.
TRANSACTIONS: LiteralString = """
SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
       state LIKE 'idle in transaction%%' AS idle,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS silent
  FROM pg_catalog.pg_stat_activity
 WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
 ORDER BY xact_start
"""

# Sessions that wait for a heavyweight lock and who holds it. `waitstart` is new in version 14, and through JSON it may
# be absent; before, the wait is at most as long as the statement.
BLOCKED: LiteralString = """
SELECT a.pid, pg_blocking_pids(a.pid)::int[] AS by, coalesce(a.wait_event, 'lock') AS waits_for,
       extract(epoch FROM clock_timestamp()
         - coalesce(min((to_jsonb(l) ->> 'waitstart')::timestamptz), a.query_start))::float8 AS seconds
  FROM pg_catalog.pg_stat_activity AS a
  LEFT JOIN pg_catalog.pg_locks AS l ON l.pid = a.pid AND NOT l.granted
 WHERE a.wait_event_type = 'Lock'
 GROUP BY a.pid, a.wait_event, a.query_start
 ORDER BY seconds DESC NULLS LAST LIMIT 20
"""

# Blocks found in shared buffers, and those that were not.
CACHE: LiteralString = """
SELECT blks_hit AS hit, blks_read AS read, stats_reset AS since
  FROM pg_catalog.pg_stat_database WHERE datname = current_database()
"""

# In which schema pg_stat_statements is, if it is.
STATEMENTS_HOME: LiteralString = """
SELECT n.nspname::text AS home
  FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'
"""

# The statements of this database that took the most time; one that several roles run is one. Times are milliseconds.
STATEMENTS: LiteralString = """
SELECT queryid::text AS id, CASE WHEN %(texts)s::bool THEN min(query) ELSE '' END AS text, sum(calls)::bigint AS calls,
       sum(total_exec_time)::float8 / 1000 AS total,
       (sum(total_exec_time) / nullif(sum(calls), 0))::float8 / 1000 AS mean
  FROM {home}.pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AND queryid IS NOT NULL
 GROUP BY queryid ORDER BY total DESC LIMIT %(most)s
"""
_STATEMENTS = 5

# Whether this is a standby, and how far behind. A standby that is not connected has always replayed all it was sent.
STANDBY: LiteralString = """
SELECT pg_is_in_recovery() AS standby, w.streaming,
       CASE WHEN NOT pg_is_in_recovery() THEN NULL
            WHEN w.streaming AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 END AS behind
  FROM (SELECT count(*) FILTER (WHERE status = 'streaming') > 0 AS streaming
          FROM pg_catalog.pg_stat_wal_receiver) AS w
"""

# Who receives the log. A replica that has replayed all for a while has no lag in time: NULL means 0 then.
REPLICAS: LiteralString = """
SELECT name, state, CASE WHEN seconds IS NULL AND size = 0 THEN 0 ELSE seconds END AS seconds, size
  FROM (SELECT coalesce(nullif(application_name, ''), pid::text) AS name, coalesce(state, '') AS state,
               extract(epoch FROM replay_lag)::float8 AS seconds,
               pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                                    ELSE pg_current_wal_lsn() END, replay_lsn)::bigint AS size
          FROM pg_catalog.pg_stat_replication) AS r
 ORDER BY name
"""

# Slots and what is kept for them, which is how a replica that is gone fills a disk.
SLOTS: LiteralString = """
SELECT slot_name::text AS name, active,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                            ELSE pg_current_wal_lsn() END, restart_lsn)::bigint AS retained
  FROM pg_catalog.pg_replication_slots ORDER BY slot_name
"""

# The database whose oldest row was frozen longest ago: transaction ids are reused after 2^31.
TRANSACTION_AGE: LiteralString = """
SELECT datname::text AS database, age(datfrozenxid) AS age,
       current_setting('autovacuum_freeze_max_age')::int AS freeze_at
  FROM pg_catalog.pg_database ORDER BY age(datfrozenxid) DESC LIMIT 1
"""

# How the archiving of the log goes.
ARCHIVER: LiteralString = """
SELECT current_setting('archive_mode') <> 'off' AS on, archived_count AS archived, failed_count AS failed,
       last_archived_time AS last_archived, last_failed_time AS last_failed
  FROM pg_catalog.pg_stat_archiver
"""

QUERIES: Mapping[str, LiteralString] = MappingProxyType(
    {
        "privileges": PRIVILEGES,
        "identity": IDENTITY,
        "size": SIZE,
        "tables": TABLES,
        "connections": CONNECTIONS,
        "transactions": TRANSACTIONS,
        "blocked": BLOCKED,
        "cache": CACHE,
        "statements_home": STATEMENTS_HOME,
        "statements": STATEMENTS,
        "standby": STANDBY,
        "replicas": REPLICAS,
        "slots": SLOTS,
        "transaction_age": TRANSACTION_AGE,
        "archiver": ARCHIVER,
    }
)
"""Everything that is ever sent, by name."""

_HIDDEN = "the role may not see other sessions: GRANT pg_monitor TO it"
_NEED_ALL = frozenset({"connections", "transactions", "blocked", "replication"})


class Postgres:
    """A `RelationalDatabase`. Each call of `facts` has a session of its own."""

    def __init__(self, connection: PostgresConnection) -> None:
        self.connection = connection
        self.name = connection.name
        self._redact = Redactor([connection.password]).redact
        self._session: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_up()

    def facts(self, deadline: Deadline) -> PostgresFacts:
        """What the server says of itself. Raises `SourceError`, also when the role may do more than look."""
        deadline = deadline.within(self.connection.timeout)
        return in_time(lambda: self._facts(deadline), deadline, late=self._timed_out(), give_up=self._give_up)

    def _facts(self, deadline: Deadline) -> PostgresFacts:
        try:
            with self._connected(deadline) as session:
                self._session = session
                try:
                    return self._collected(_Asker(session), deadline)
                finally:
                    self._session = None
        except psycopg.Error as error:
            raise self._translated(error) from None
        except (LookupError, TypeError, ValueError, AttributeError, _MissingError) as error:
            raise self._no_postgresql(self._said(f"{type(error).__name__}: {error}")) from None

    def _connected(self, deadline: Deadline) -> Session:
        seconds = deadline.left
        if not seconds:
            raise self._timed_out()
        known = self.connection
        limits = {
            "default_transaction_read_only": "on",
            "statement_timeout": _milliseconds(min(_STATEMENT_SECONDS, seconds)),
            "lock_timeout": _milliseconds(min(_LOCK_SECONDS, seconds)),
            "idle_in_transaction_session_timeout": _milliseconds(seconds),
            # Names without a schema mean the server's own, whatever lies in the schemas of others.
            "search_path": "pg_catalog",
        }
        # Keywords and no DSN: what is wrong with a DSN is told by repeating it. Nothing is left to the environment.
        return psycopg.Connection[Row].connect(
            host=known.host,
            hostaddr="",
            port=known.port,
            dbname=known.dbname,
            user=known.user,
            password=known.password,
            passfile=f"{os.devnull}/none",
            sslmode=known.sslmode,
            sslrootcert=_authorities(known),
            gssencmode="disable",
            connect_timeout=max(_LEAST_CONNECT_SECONDS, int(min(_MOST_CONNECT_SECONDS, seconds))),
            tcp_user_timeout=_milliseconds(seconds),
            application_name="opsjobs",
            client_encoding="utf8",
            options=" ".join(f"-c {name}={value}" for name, value in limits.items()),
            autocommit=True,
            prepare_threshold=None,
            row_factory=dict_row,
        )

    def _collected(self, ask: _Asker, deadline: Deadline) -> PostgresFacts:
        privileges = _privileges(ask)
        if privileges and not self.connection.allow_superuser:
            raise self._too_mighty(privileges)
        identity = ask.one(IDENTITY)
        parts: dict[str, Callable[[_Asker], Any]] = {
            **_PARTS,
            "statements": lambda ask: _statements(ask, texts=self.connection.show_queries),
        }
        found: dict[str, Any] = {}
        missing: dict[str, str] = {}
        for part, read in parts.items():
            if part in _NEED_ALL and not identity["sees_all"]:
                missing[part] = _HIDDEN
            elif not deadline.left:
                raise self._timed_out()
            else:
                try:
                    found[part] = read(ask)
                except _MissingError as error:
                    missing[part] = str(error)
                except UnicodeDecodeError:
                    missing[part] = "it has a name or a text that is not UTF-8"
                except psycopg.Error as error:
                    if ask.session.closed:
                        raise
                    missing[part] = self._reason(error)
        return PostgresFacts(
            version=str(identity["version"]).partition(" ")[0],
            at=identity["at"].astimezone(UTC),
            database=identity["database"],
            privileges=privileges,
            missing=missing,
            **found,
        )

    def _give_up(self) -> None:
        """End what another thread waits for. Its driver then closes the connection itself."""
        session = self._session
        if session is None:
            return
        try:
            with socket.socket(fileno=os.dup(session.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        except (OSError, psycopg.Error):
            return

    @property
    def _who(self) -> str:
        return f"{self.name} at {self.connection.host}:{self.connection.port}"

    def _timed_out(self) -> TimedOut:
        return TimedOut(
            f"{self._who} did not answer in time, within {self.connection.timeout:g} s at most",
            advice=f"Check what it is busy with, or raise {self.connection.key}.timeout.",
        )

    def _too_mighty(self, privileges: tuple[str, ...]) -> SourceError:
        return SourceError(
            f"{self._who}: the role '{self.connection.user}' may do more than look: {', '.join(privileges)}",
            advice=f"Make the role of grant.sql (docs/databases.md), or set {self.connection.key}.allow_superuser.",
        )

    def _no_postgresql(self, reason: str) -> BadAnswer:
        return BadAnswer(
            f"{self._who} did not answer as a PostgreSQL does: {reason}",
            advice=f"Does {self.connection.key}.host lead to the server itself, version 13 or later?",
        )

    def _reason(self, error: psycopg.Error) -> str:
        """What a server said of one statement: its own first line, for what is behind it repeats the statement."""
        if isinstance(error, psycopg.errors.QueryCanceled):
            return f"it took longer than {_STATEMENT_SECONDS:g} s"
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return f"a lock was not free within {_LOCK_SECONDS:g} s"
        said = error.diag.message_primary or str(error)
        return self._said(said) or type(error).__name__

    def _said(self, text: str) -> str:
        """What is new in a text of libpq, which names the host again and offers advice of its own."""
        lines = [line.strip() for line in self._redact(text).splitlines() if line.strip()]
        # The last attempt: a name may have several addresses.
        line = next((line for line in reversed(lines) if "failed: " in line), lines[-1] if lines else "")
        return line.rpartition("failed: ")[2].removeprefix("FATAL:").strip()[:_SHOWN]

    def _translated(self, error: psycopg.Error) -> SourceError:
        """What the driver raised, in words. A connection that fails has no code, so its text has to do."""
        text, key = self._redact(str(error)), self.connection.key
        said = self._said(text)
        if isinstance(error, psycopg.errors.ConnectionTimeout):
            return self._timed_out()
        if isinstance(error, psycopg.errors.QueryCanceled | psycopg.errors.LockNotAvailable):
            return TimedOut(f"{self._who}: {self._reason(error)}", advice="Check what it is busy with.")
        if isinstance(error, psycopg.InternalError | psycopg.ProgrammingError | psycopg.DataError):
            return self._no_postgresql(self._reason(error))
        for words, kind, advice in _REFUSALS:
            if any(word in text for word in words):
                return kind(f"{self._who}: {said}", advice=advice.format(key=key))
        return Unreachable(
            f"{self._who} cannot be reached: {said}",
            advice=f"Check that it runs, and set {key}.host and {key}.port in opsjobs.yml.",
        )


_CERTIFICATE = (
    "certificate",
    "does not support SSL",
    "SSL error",
)
_REFUSALS: tuple[tuple[tuple[str, ...], type[SourceError], str], ...] = (
    (_CERTIFICATE, SourceError, "Set {key}.ca_file to the authority that signed it, or correct {key}.host."),
    (
        ("too many clients", "remaining connection slots", "too many connections"),
        Overloaded,
        "Close connections that nobody uses, or raise max_connections of the server.",
    ),
    (("starting up", "shutting down", "not accepting connections"), Overloaded, "Ask again when it is up."),
    (
        ("authentication", "no password supplied", "pg_hba.conf", "not permitted to log in"),
        AccessDenied,
        "Set {key}.user and {key}.password_file, and see that pg_hba.conf lets them in.",
    ),
    (
        ("does not exist", "permission denied for database"),
        AccessDenied,
        "Set {key}.dbname and {key}.user; docs/databases.md makes the role.",
    ),
    (("unsupported startup parameter",), BadAnswer, "Set {key}.host to the server itself, not to its pooler."),
)


class _MissingError(Exception):
    """Why a part is not there."""


class _Asker:
    """One statement at a time, with bound parameters."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def rows(self, query: LiteralString | sql.Composed, **parameters: Any) -> list[Row]:
        # Binary results make it the extended protocol, which takes one statement and no more.
        return self.session.execute(query, parameters, binary=True).fetchall()

    def one(self, query: LiteralString) -> Row:
        for row in self.rows(query):
            return row
        raise _MissingError("the server said nothing of it")


def _privileges(ask: _Asker) -> tuple[str, ...]:
    rows = ask.rows(PRIVILEGES, powerful=list(_POWERFUL))
    if any(row["own"] and row["SUPERUSER"] for row in rows):
        # Who may do everything needs no list.
        return ("SUPERUSER",)
    return tuple(_privilege(row) for row in rows)


def _privilege(row: Row) -> str:
    said = ", ".join(name for name in ("SUPERUSER", *_ATTRIBUTES) if row[name])
    if row["own"]:
        return said
    return f"member of {row['name']} ({said})" if said else f"member of {row['name']}"


def _size(ask: _Asker) -> int:
    return int(ask.one(SIZE)["size"])


def _tables(ask: _Asker) -> tuple[Table, ...]:
    return tuple(Table(row["name"], row["size"]) for row in ask.rows(TABLES, most=_TABLES))


def _connections(ask: _Asker) -> Connections:
    rows = ask.rows(CONNECTIONS)
    if not rows:
        raise _MissingError("the server named no session, not even this one")
    by_state = {row["state"]: row["sessions"] for row in rows}
    return Connections(used=sum(by_state.values()), usable=rows[0]["usable"], by_state=MappingProxyType(by_state))


def _transactions(ask: _Asker) -> Transactions:
    rows = ask.rows(TRANSACTIONS)
    silent = [row["silent"] for row in rows if row["idle"]]
    return Transactions(
        longest=max(0.0, rows[0]["seconds"]) if rows else None,
        longest_pid=rows[0]["pid"] if rows else None,
        idle=len(silent),
        longest_idle=max((seconds for seconds in silent if seconds is not None), default=None),
    )


def _blocked(ask: _Asker) -> tuple[Blocked, ...]:
    return tuple(
        Blocked(
            pid=row["pid"],
            by=tuple(dict.fromkeys(row["by"] or ())),
            waits_for=row["waits_for"],
            seconds=None if row["seconds"] is None else max(0.0, row["seconds"]),
        )
        for row in ask.rows(BLOCKED)
    )


def _cache(ask: _Asker) -> Cache:
    row = ask.one(CACHE)
    return Cache(hit=row["hit"], read=row["read"], since=_utc(row["since"]))


def _statements(ask: _Asker, *, texts: bool) -> tuple[Statement, ...]:
    homes = ask.rows(STATEMENTS_HOME)
    if not homes:
        raise _MissingError("the extension pg_stat_statements is not installed in this database")
    query = sql.SQL(STATEMENTS).format(home=sql.Identifier(homes[0]["home"]))
    return tuple(
        Statement(
            id=row["id"],
            text=_text(row["text"]),
            calls=row["calls"],
            total=row["total"],
            mean=row["mean"] or 0.0,
        )
        for row in ask.rows(query, texts=texts, most=_STATEMENTS)
    )


def _text(query: str) -> str:
    return " ".join(query.split())[:_TEXT] if _DATA_STATEMENT.match(query) else ""


def _replication(ask: _Asker) -> Replication:
    row = ask.one(STANDBY)
    return Replication(
        standby=row["standby"],
        streaming=row["streaming"],
        behind=row["behind"],
        replicas=tuple(Replica(**each) for each in ask.rows(REPLICAS)),
        slots=tuple(Slot(**each) for each in ask.rows(SLOTS)),
    )


def _transaction_age(ask: _Asker) -> TransactionAge:
    return TransactionAge(**ask.one(TRANSACTION_AGE))


def _archiver(ask: _Asker) -> Archiver:
    row = ask.one(ARCHIVER)
    times = {name: _utc(row[name]) for name in ("last_archived", "last_failed")}
    return Archiver(on=row["on"], archived=row["archived"], failed=row["failed"], **times)


_PARTS: Mapping[str, Callable[[_Asker], Any]] = MappingProxyType(
    {
        "connections": _connections,
        "transactions": _transactions,
        "blocked": _blocked,
        "replication": _replication,
        "transaction_age": _transaction_age,
        "archiver": _archiver,
        "cache": _cache,
        "size": _size,
        "tables": _tables,
    }
)
"""In this order: what is most worth knowing first."""


def _utc(time: datetime | None) -> datetime | None:
    return time.astimezone(UTC) if time else None


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _authorities(known: PostgresConnection) -> str:
    """Whose signature is believed: the file that is configured, else those that the system knows.

    Nothing where nothing is to be verified: a file makes `require` mean `verify-ca`.
    """
    if known.ca_file or not known.sslmode.startswith("verify"):
        return known.ca_file
    return ssl.get_default_verify_paths().cafile or "system"

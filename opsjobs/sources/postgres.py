"""What a PostgreSQL says of itself and what is in it: one statement at a time, each with limits of its own.

Version 13 and later. Ask the server itself: a pooler neither takes the session's limits nor is what is asked about.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row, tuple_row

from opsjobs import statements
from opsjobs.config import PostgresConnection
from opsjobs.errors import AccessDenied, BadAnswer, Overloaded, QueryRejected, SourceError, TimedOut, Unreachable
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
    UsageFacts,
)
from opsjobs.http import Deadline
from opsjobs.log import Redactor
from opsjobs.model import Answer
from opsjobs.sources import Question, UsageQuestion, catalog, each_in_time, figure, in_time, usage

Row = dict[str, Any]
Session = psycopg.Connection[Row]

_LEAST_CONNECT_SECONDS = 2
"""What libpq makes of less."""
_MOST_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 5.0
_USAGE_SECONDS = 30.0
"""For all the rows of a month; the role of grant.sql has as long."""
_LOCK_SECONDS = 1.0
_SHOWN = 300
_TEXT = 200
_MOST_ROWS = 500
_NEVER = datetime.min.replace(tzinfo=UTC)
_STATEMENT_ADVICE = "Correct the statement in the profile; the appendix shows it as it was asked."
_OF_STATEMENTS = frozenset({"0A", "25", "42"})
"""Classes of errors that speak of names in a statement and of what it may do, and not of what is in its rows."""
_DATA_STATEMENT = re.compile(r"\s*(select|insert|update|delete|merge|with|values)\b", re.IGNORECASE)
"""Only these are kept without their constants: `ALTER ROLE ... PASSWORD` is kept as it was written."""

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

    def figures(self, questions: Sequence[Question], deadline: Deadline) -> list[Answer | SourceError]:
        """The numbers that statements give for the windows they are asked of, in the order of the questions.

        A row is a series: its last column is the value, the others are labels by their names. NULL is no data.
        """
        deadline = deadline.within(self.connection.timeout)
        return each_in_time(
            questions,
            lambda questions: self._figures(questions, deadline),
            deadline,
            late=self._timed_out(),
            give_up=self._give_up,
        )

    def usage(self, question: UsageQuestion, deadline: Deadline) -> UsageFacts:
        """What users cost, added up there. Raises `SourceError`, which repeats nothing that is kept."""
        deadline = deadline.within(self.connection.timeout)
        return in_time(lambda: self._usage(question, deadline), deadline, late=self._timed_out(), give_up=self._give_up)

    def _usage(self, question: UsageQuestion, deadline: Deadline) -> UsageFacts:
        try:
            with self._connected(deadline, search_path=None, seconds=_USAGE_SECONDS) as session:
                self._session = session
                try:
                    ask = _Asker(session)
                    self._may_look(ask)
                    written_until = _written_until(ask)
                    try:
                        found = self._added_up(session, question)
                    except psycopg.Error as error:
                        if session.closed:
                            raise
                        raise self._refused_usage(error) from None
                finally:
                    self._session = None
        except psycopg.Error as error:
            raise self._translated(error) from None
        except UnicodeDecodeError:
            raise QueryRejected(f"{self._who}: a name in it is not UTF-8", advice=_STATEMENT_ADVICE) from None
        except (LookupError, TypeError, ValueError, AttributeError, _MissingError) as error:
            raise self._no_postgresql(type(error).__name__) from None
        late = written_until is not None and written_until < question.week.end
        return replace(found, warnings=(_behind(written_until),)) if written_until and late else found

    def _added_up(self, session: Session, question: UsageQuestion) -> UsageFacts:
        cursor = session.cursor(row_factory=tuple_row)
        # The text is the operator's own profile; what varies is bound.
        cursor.execute(usage.columns(question.sql), statements.parameters(question.week))
        columns = [(column.name, column.type_code) for column in cursor.description or ()]
        if fault := usage.fault(columns):
            advice = "Give the columns user and amount, perhaps plan and feature, in costs.usage.sql; docs/costs.md."
            raise QueryRejected(f"{self._who}: {fault}", advice=advice)
        names = {name for name, _ in columns}
        rows = cursor.execute(usage.statement(question, names), usage.parameters(question), binary=True).fetchall()
        return usage.facts(rows, names)

    def _refused_usage(self, error: psycopg.Error) -> SourceError:
        """As `_refused`, without what a server repeats of rows: that may be a user."""
        if isinstance(error, psycopg.errors.QueryCanceled):
            advice = "Give its table an index by day, keep a view of each day, or raise the `timeout` of postgresql."
            return TimedOut(f"{self._who}: the costs of users took longer than there was time", advice=advice)
        if (error.sqlstate or "")[:2] in _OF_STATEMENTS or isinstance(error, psycopg.errors.LockNotAvailable):
            return self._refused(error)
        code = type(error).__name__
        return QueryRejected(f"{self._who} stopped at a row of it: {code} ({error.sqlstate})", advice=_STATEMENT_ADVICE)

    def _figures(self, questions: Sequence[Question], deadline: Deadline) -> Iterator[Answer | SourceError]:
        try:
            # The tables of others are where the role finds them.
            with self._connected(deadline, search_path=None) as session:
                self._session = session
                try:
                    ask = _Asker(session)
                    self._may_look(ask)
                    written_until = _written_until(ask)
                    for question in questions:
                        if not deadline.left:
                            raise self._timed_out()
                        yield self._figure(session, question, written_until)
                finally:
                    self._session = None
        except psycopg.Error as error:
            raise self._translated(error) from None
        except (LookupError, TypeError, AttributeError, _MissingError) as error:
            raise self._no_postgresql(self._said(f"{type(error).__name__}: {error}")) from None

    def _figure(self, session: Session, question: Question, written_until: datetime | None) -> Answer | SourceError:
        window = question.window
        if window is None:
            raise TypeError("a figure is of a window")
        known = {**statements.parameters(window), "most": _MOST_ROWS + 1}
        try:
            cursor = session.cursor(row_factory=tuple_row)
            rows = cursor.execute(statements.bound(question.query), known).fetchall()
            labels = [column.name for column in cursor.description or ()][:-1]
            series = tuple(
                figure(value, window.end, **dict(zip(labels, map(_label, names), strict=True)))
                for *names, value in rows[:_MOST_ROWS]
                if value is not None
            )
        except psycopg.Error as error:
            if session.closed:
                raise
            return self._refused(error)
        except (TypeError, ValueError) as error:
            said = "it has a text that is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            return QueryRejected(f"{self._who}: {said}", advice=_STATEMENT_ADVICE)
        if len(rows) > _MOST_ROWS:
            return QueryRejected(f"{self._who}: it gave more than {_MOST_ROWS} rows", advice=_STATEMENT_ADVICE)
        warnings = () if written_until is None or written_until >= window.end else (_behind(written_until),)
        return Answer(series=series, warnings=warnings)

    def _refused(self, error: psycopg.Error) -> SourceError:
        """What the server said to one statement."""
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            advice = f"GRANT SELECT on what it reads TO {self.connection.user}; docs/databases.md shows it."
            return AccessDenied(f"{self._who}: {self._reason(error)}", advice=advice)
        if isinstance(error, psycopg.errors.QueryCanceled | psycopg.errors.LockNotAvailable):
            return TimedOut(f"{self._who}: {self._reason(error)}", advice="Give it an index, or a view that is kept.")
        return QueryRejected(f"{self._who} rejected it: {self._reason(error)}", advice=_STATEMENT_ADVICE)

    def _facts(self, deadline: Deadline) -> PostgresFacts:
        began = time.monotonic()
        try:
            with self._connected(deadline) as session:
                connecting = time.monotonic() - began
                self._session = session
                try:
                    return replace(self._collected(_Asker(session), deadline), connecting=connecting)
                finally:
                    self._session = None
        except psycopg.Error as error:
            raise self._translated(error) from None
        except (LookupError, TypeError, ValueError, AttributeError, _MissingError) as error:
            raise self._no_postgresql(self._said(f"{type(error).__name__}: {error}")) from None

    def _connected(
        self, deadline: Deadline, search_path: str | None = "pg_catalog", seconds: float = _STATEMENT_SECONDS
    ) -> Session:
        left = deadline.left
        if not left:
            raise self._timed_out()
        known = self.connection
        limits: dict[str, object] = {
            "default_transaction_read_only": "on",
            "statement_timeout": _milliseconds(min(seconds, left)),
            "lock_timeout": _milliseconds(min(_LOCK_SECONDS, left)),
            "idle_in_transaction_session_timeout": _milliseconds(left),
        }
        if search_path:
            # Names without a schema mean the server's own, whatever lies in the schemas of others.
            limits["search_path"] = search_path
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
            connect_timeout=max(_LEAST_CONNECT_SECONDS, int(min(_MOST_CONNECT_SECONDS, left))),
            tcp_user_timeout=_milliseconds(left),
            application_name="opsjobs",
            client_encoding="utf8",
            options=" ".join(f"-c {name}={value}" for name, value in limits.items()),
            autocommit=True,
            prepare_threshold=None,
            row_factory=dict_row,
        )

    def _collected(self, ask: _Asker, deadline: Deadline) -> PostgresFacts:
        privileges = self._may_look(ask)
        identity = ask.one(catalog.IDENTITY)
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

    def _may_look(self, ask: _Asker) -> tuple[str, ...]:
        """What the role may do beyond looking, where the configuration allows that."""
        privileges = _privileges(ask)
        if privileges and not self.connection.allow_superuser:
            raise self._too_mighty(privileges)
        return privileges

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


def _written_until(ask: _Asker) -> datetime | None:
    """On a standby, until when what was written has arrived; None on a server that is written to itself."""
    row = ask.one(catalog.STANDBY)
    if not row["standby"]:
        return None
    behind = row["behind"]
    return ask.one(catalog.IDENTITY)["at"] - timedelta(seconds=behind) if behind is not None else _NEVER


def _behind(written_until: datetime) -> str:
    if written_until == _NEVER:
        return "the standby does not say until when it has what was written"
    return f"the standby has only what was written until {written_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _label(value: object) -> str:
    return "" if value is None else str(value)[:_TEXT]


def _privileges(ask: _Asker) -> tuple[str, ...]:
    rows = ask.rows(catalog.PRIVILEGES, powerful=list(catalog.POWERFUL))
    if any(row["own"] and row["SUPERUSER"] for row in rows):
        # Who may do everything needs no list.
        return ("SUPERUSER",)
    return tuple(_privilege(row) for row in rows)


def _privilege(row: Row) -> str:
    said = ", ".join(name for name in ("SUPERUSER", *catalog.ATTRIBUTES) if row[name])
    if row["own"]:
        return said
    return f"member of {row['name']} ({said})" if said else f"member of {row['name']}"


def _size(ask: _Asker) -> int:
    return int(ask.one(catalog.SIZE)["size"])


def _tables(ask: _Asker) -> tuple[Table, ...]:
    return tuple(Table(row["name"], row["size"]) for row in ask.rows(catalog.TABLES, most=catalog.LARGEST))


def _connections(ask: _Asker) -> Connections:
    rows = ask.rows(catalog.CONNECTIONS)
    if not rows:
        raise _MissingError("the server named no session, not even this one")
    by_state = {row["state"]: row["sessions"] for row in rows}
    return Connections(used=sum(by_state.values()), usable=rows[0]["usable"], by_state=MappingProxyType(by_state))


def _transactions(ask: _Asker) -> Transactions:
    rows = ask.rows(catalog.TRANSACTIONS)
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
        for row in ask.rows(catalog.BLOCKED)
    )


def _cache(ask: _Asker) -> Cache:
    row = ask.one(catalog.CACHE)
    return Cache(hit=row["hit"], read=row["read"], since=_utc(row["since"]))


def _statements(ask: _Asker, *, texts: bool) -> tuple[Statement, ...]:
    homes = ask.rows(catalog.STATEMENTS_HOME)
    if not homes:
        raise _MissingError("the extension pg_stat_statements is not installed in this database")
    query = sql.SQL(catalog.STATEMENTS).format(home=sql.Identifier(homes[0]["home"]))
    return tuple(
        Statement(
            id=row["id"],
            text=_text(row["text"]),
            calls=row["calls"],
            total=row["total"],
            mean=row["mean"] or 0.0,
        )
        for row in ask.rows(query, texts=texts, most=catalog.SLOWEST)
    )


def _text(query: str) -> str:
    return " ".join(query.split())[:_TEXT] if _DATA_STATEMENT.match(query) else ""


def _replication(ask: _Asker) -> Replication:
    row = ask.one(catalog.STANDBY)
    return Replication(
        standby=row["standby"],
        streaming=row["streaming"],
        behind=row["behind"],
        replicas=tuple(Replica(**each) for each in ask.rows(catalog.REPLICAS)),
        slots=tuple(Slot(**each) for each in ask.rows(catalog.SLOTS)),
    )


def _transaction_age(ask: _Asker) -> TransactionAge:
    return TransactionAge(**ask.one(catalog.TRANSACTION_AGE))


def _archiver(ask: _Asker) -> Archiver:
    row = ask.one(catalog.ARCHIVER)
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

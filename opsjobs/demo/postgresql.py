"""A real PostgreSQL as a child of this process, with PratikoAI's books, and the state that a scenario wants it in."""

from __future__ import annotations

import importlib.resources
import os
import secrets
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGINT
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Self

import psycopg
from psycopg import sql

from opsjobs.demo.access import Access, write_private
from opsjobs.demo.books import Books
from opsjobs.demo.child import Child, nobody, reaches, run
from opsjobs.demo.programs import Programs
from opsjobs.errors import DemoError

DATABASE = "pratikoai"
READER = "opsjobs"

_SUPERUSER = "postgres"
_INITDB_TIMEOUT = 120
_STATE_TIMEOUT = 20
_CONNECT_SECONDS = 5
_SETTINGS = (
    "fsync=off",
    # Files of the folder, which go with it whatever happens.
    "dynamic_shared_memory_type=mmap",
    # Reached over loopback alone.
    "unix_socket_directories=",
    "max_connections=30",
    "max_wal_size=256MB",
    # An unpacked one comes without the compiler.
    "jit=off",
    "log_min_messages=fatal",
)
_STATEMENTS = "pg_stat_statements"
# What the application asks all day.
_WORK = (
    "SELECT plan, price_eur FROM subscriptions WHERE user_id = %s AND cancelled_at IS NULL",
    "SELECT count(*) FROM payments WHERE user_id = %s AND status = 'failed'",
    "SELECT sum(cost_eur) FROM usage_costs WHERE user_id = %s AND day > current_date - 30",
)
_USERS_AT_WORK = 200
_HELD = 0.86
"""Share of the usable connections that is taken: above 80 %, and with those of a report not above 95 %."""
_TABLES = """
CREATE TABLE users (id text PRIMARY KEY, created_at timestamptz NOT NULL);
CREATE TABLE subscriptions (
    id bigint PRIMARY KEY, user_id text NOT NULL, plan text NOT NULL, price_eur numeric(10, 2) NOT NULL,
    started_at timestamptz NOT NULL, cancelled_at timestamptz
);
CREATE TABLE payments (
    id bigint PRIMARY KEY, user_id text NOT NULL, amount_eur numeric(10, 2) NOT NULL, status text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE usage_costs (
    user_id text NOT NULL, day date NOT NULL, cost_eur numeric(14, 6) NOT NULL, PRIMARY KEY (user_id, day)
);
"""
_USABLE = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
"""
_GRANT = "GRANT SELECT ON users, subscriptions, payments, usage_costs TO opsjobs"
_COLUMNS = {
    "users": ("id", "created_at"),
    "subscriptions": ("id", "user_id", "plan", "price_eur", "started_at", "cancelled_at"),
    "payments": ("id", "user_id", "amount_eur", "status", "created_at"),
    "usage_costs": ("user_id", "day", "cost_eur"),
}


class PostgreSQL:
    """One server with a superuser of its own; root does not run it, nobody does.

    Its files are in a folder of their own where this is root, else in `folder`. `states` are those of
    `scenario.STATES`: enter, `fill`, then `bring_about`.
    """

    def __init__(self, programs: Programs, folder: Path, *, states: Collection[str] = ()) -> None:
        self._programs = programs
        self._folder = folder
        self._states = tuple(states)
        self._password = secrets.token_urlsafe()
        self._reader_password = secrets.token_urlsafe()
        self._stack = ExitStack()

    _child: Child

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._set_up(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self._child.port

    def fill(self, books: Books) -> Access:
        """Make the database, its tables and the role of opsjobs; return how that is let in. Raises `DemoError`."""
        try:
            with self._connected("postgres") as session:
                session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            with self._connected(DATABASE) as session:
                session.execute(_TABLES)
                for table, rows in _rows(books).items():
                    _copy(session, table, rows)
                session.execute(_granting())
                role = sql.SQL("ALTER ROLE {} PASSWORD {}")
                session.execute(role.format(sql.Identifier(READER), sql.Literal(self._reader_password)))
                session.execute(_GRANT)
                session.execute("ANALYZE")
                if self._counts_statements:
                    session.execute(f"CREATE EXTENSION {_STATEMENTS}")
                    _work(session, books)
        except psycopg.Error as error:
            raise DemoError(f"PostgreSQL could not be filled: {_said(error)}") from error
        return Access.kept(
            self._folder / "postgresql.password",
            self._reader_password,
            port=self.port,
            user=READER,
            database=DATABASE,
        )

    def bring_about(self) -> None:
        """Bring it into its states, for as long as it lives. Raises `DemoError`."""
        try:
            if "archiving_fails" in self._states:
                self._let_archiving_fail()
            if "connections_used" in self._states:
                self._use_connections()
        except psycopg.Error as error:
            raise DemoError(f"PostgreSQL could not be brought into its state: {_said(error)}") from error

    def _let_archiving_fail(self) -> None:
        """A file of the log is due, and `archive_command` fails with it."""
        with self._connected(DATABASE) as session:
            # Without a record since the last file nothing would be due.
            session.execute("SELECT pg_create_restore_point('demo')")
            session.execute("SELECT pg_switch_wal()")

            def failed() -> bool:
                found = session.execute("SELECT failed_count > 0 FROM pg_stat_archiver").fetchone()
                return bool(found and found[0])

            if not self._child.until(failed, _STATE_TIMEOUT):
                raise DemoError(f"PostgreSQL did not try to archive within {_STATE_TIMEOUT} s")

    def _use_connections(self) -> None:
        """Connections that are open and do nothing."""
        with self._connected(DATABASE) as session:
            found = session.execute(_USABLE).fetchone()
        for _ in range(int((found[0] if found else 0) * _HELD)):
            self._stack.enter_context(self._connected(DATABASE))

    def _set_up(self, stack: ExitStack) -> None:
        owner = nobody()
        home = self._home(stack)
        data, first = home / "data", home / "password"
        write_private(first, self._password)
        if owner:
            for path in (home, first):
                os.chown(path, *owner)
        words = ["-D", str(data), "-U", _SUPERUSER, "-A", "scram-sha-256", f"--pwfile={first}"]
        run(
            [self._programs.path("initdb"), *words, "-E", "UTF8", "--locale=C", "--no-sync"],
            timeout=_INITDB_TIMEOUT,
            cwd=home,
            owner=owner,
            environment=self._programs.environment,
        )
        first.unlink()
        preloaded = (f"shared_preload_libraries={_STATEMENTS}",) if self._counts_statements else ()
        archiving = ("archive_mode=on", "archive_command=false") if "archiving_fails" in self._states else ()
        settings = [word for setting in (*_SETTINGS, *preloaded, *archiving) for word in ("-c", setting)]
        self._child = Child(
            "PostgreSQL",
            self._folder / "postgresql.log",
            # At once, whoever is still connected.
            stop=SIGINT,
            owner=owner,
            environment=self._programs.environment,
        )
        stack.callback(self._child.stop)
        postgres = [self._programs.path("postgres"), "-D", str(data), "-h", "127.0.0.1", *settings]
        self._child.start(lambda port: [*postgres, "-p", str(port)], self._ready)

    @property
    def _counts_statements(self) -> bool:
        """Whether the library for it came with the server."""
        programs = Path(os.path.realpath(self._programs.path("postgres"))).parent
        return (programs.parent / "lib" / f"{_STATEMENTS}.so").is_file()

    def _home(self, stack: ExitStack) -> Path:
        """A folder of its own, into which the user that runs it can come."""
        owner = nobody()
        if owner is None:
            home = self._folder / "postgresql"
            home.mkdir(mode=0o700)
            return home
        places = [place for place in map(Path, (gettempdir(), "/tmp", "/var/tmp")) if _usable(owner, place)]  # noqa: S108 - a folder with a random name is made in it
        if not places:
            raise DemoError("the user 'nobody' can come into no folder for temporary files")
        # A process of it may still be closing a file when it is killed.
        made = TemporaryDirectory(prefix="opsjobs-demo-", dir=places[0], ignore_cleanup_errors=True)
        return Path(stack.enter_context(made))

    def _ready(self) -> bool:
        """Whether it is ready, and it is this one: another would not know the password."""
        with suppress(psycopg.Error):
            self._connected("postgres").close()
            return True
        return False

    def _connected(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=_SUPERUSER,
            password=self._password,
            sslmode="disable",
            connect_timeout=_CONNECT_SECONDS,
            autocommit=True,
        )


def _rows(books: Books) -> dict[str, Iterable[tuple[object, ...]]]:
    return {
        "users": ((each.id, each.created_at) for each in books.users),
        "subscriptions": (
            (each.id, each.user_id, each.plan, each.price_eur, each.started_at, each.cancelled_at)
            for each in books.subscriptions
        ),
        "payments": ((each.id, each.user_id, each.amount_eur, each.status, each.created_at) for each in books.payments),
        "usage_costs": ((each.user_id, each.day, each.cost_eur) for each in books.usage),
    }


def _copy(session: psycopg.Connection[tuple[Any, ...]], table: str, rows: Iterable[Sequence[object]]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS[table]))
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with session.cursor() as cursor, cursor.copy(command) as copy:
        for row in rows:
            copy.write_row(row)


def _work(session: psycopg.Connection[tuple[Any, ...]], books: Books) -> None:
    """Ask what the application asks, and forget how the tables were filled."""
    session.execute(f"SELECT {_STATEMENTS}_reset()")
    for user in books.users[:_USERS_AT_WORK]:
        for statement in _WORK:
            session.execute(statement, (user.id,))


def _granting() -> bytes:
    """What docs/databases.md has an administrator run."""
    return (importlib.resources.files("opsjobs.sources") / "grant.sql").read_bytes()


def _usable(owner: tuple[int, int], place: Path) -> bool:
    return place.is_dir() and reaches(owner, place)


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split())

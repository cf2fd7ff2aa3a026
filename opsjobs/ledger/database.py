"""Where the ledger is: a SQLite file (WAL) or a PostgreSQL, opened, brought to this version, its errors in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from opsjobs.errors import LedgerError

VERSION = "0008"
"""The newest migration; a test holds it to the newest file."""
_ADVICE = "Check storage.root (or OPSJOBS_HOME) and storage.ledger, free space, and who may write there."


class Database:
    """A database of a SQLAlchemy URL. Methods raise `LedgerError` in words."""

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
        except (ArgumentError, ValueError):
            raise LedgerError(
                "storage.ledger is not a database URL", advice="Write postgresql://user@host/name or sqlite:///path."
            ) from None
        if self._url.drivername in {"postgresql", "postgres"}:
            self._url = self._url.set(drivername="postgresql+psycopg")
        if self._url.drivername not in {"sqlite", "postgresql+psycopg"}:
            raise LedgerError(
                f"a ledger cannot be kept in {self._url.drivername}", advice="Use PostgreSQL or a SQLite file."
            )
        self._engine: Engine | None = None

    @property
    def shared(self) -> bool:
        """Whether several hosts can use it."""
        return self._url.get_backend_name() != "sqlite"

    @property
    def conninfo(self) -> str:
        """How psycopg reaches it, with the password. Raises `LedgerError` where it is no PostgreSQL."""
        if not self.shared:
            raise LedgerError(
                "workers share a ledger in PostgreSQL, and this one is a file",
                advice="Set storage.ledger to postgresql://user@host/name, or use `opsjobs schedule run`.",
            )
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def engine(self) -> Engine:
        """What gives connections once it is open."""
        if self._engine is None:
            raise LedgerError("The ledger is not open.")
        return self._engine

    def open(self) -> None:
        """Connect, and bring the tables to this version."""
        with self.translated():
            if not self.shared and self._url.database:
                _prepare_file(Path(self._url.database))
            # A server that was started again in between is no reason to fail.
            self._engine = sa.create_engine(self._url, connect_args=self._connect_args(), pool_pre_ping=self.shared)
            if not self.shared:
                sa.event.listen(self._engine, "connect", _prepare_sqlite)
            with self._engine.connect() as connection:
                known = sa.inspect(connection).has_table("alembic_version")
                version = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) if known else None
            if version is not None and version > VERSION:
                raise LedgerError(
                    f"the ledger {self} was written by a newer opsjobs",
                    advice="Install that version again, or use another ledger (storage.ledger, storage.root).",
                )
            if version != VERSION:
                _migrate(self._engine)

    def close(self) -> None:
        """Give the connections back."""
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, which is written when the block ends."""
        with self.translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Say what fails in the block in our words."""
        try:
            yield
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0] if error.orig else "no reason given"
            raise LedgerError(f"the ledger {self} cannot be used: {reason}", advice=_ADVICE) from None
        except OSError as error:
            raise LedgerError(f"the ledger {self} cannot be used: {error.strerror}", advice=_ADVICE) from None
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger {self} cannot be used: {error}") from None

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def _connect_args(self) -> dict[str, Any]:
        if not self.shared:
            return {"timeout": 30}
        # A server that is gone without a word is noticed within a minute.
        return {
            "connect_timeout": 10,
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 4,
            "tcp_user_timeout": 30_000,
        }


def _prepare_file(path: Path) -> None:
    """It holds messages that are still to be sent: nobody but its owner reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # One that is there is not opened: to close it would take away the locks that this process has on it by SQLite, and
    # with them what it writes from then on (sqlite.org/howtocorrupt.html, 2.2).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Let readers and one writer work at once; a power cut may lose the last transaction but never the file."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(engine: Engine) -> None:
    """Run the missing migrations in one transaction that admits only one process."""
    from alembic import command  # noqa: PLC0415 - slow to import and rarely needed
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", "opsjobs:ledger/migrations")
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('opsjobs.ledger'))"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()

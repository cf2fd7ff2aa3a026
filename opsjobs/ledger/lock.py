"""One run of a job at a time: a lock that is released when its holder dies.

On one host it is a lock of a file, which the system releases. Where several hosts share a ledger in PostgreSQL, it is
also one of the server's session, which ends when the holder dies, or does not say a word for a minute: so whoever was
stopped and goes on later has lost it.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from opsjobs import threads
from opsjobs.errors import LedgerError, SlotTaken

_PAUSE = 0.1
_SILENCE, _WORD = 60, 15
"""Seconds after which a silent holder has lost the lock, and between its words."""
_IDLE_TIMEOUT = (14,)
"""The version of PostgreSQL since which a session that says nothing can be ended."""
_LOG = logging.getLogger(__name__)


@contextmanager
def waited(hold: Callable[[], AbstractContextManager[None]], seconds: float) -> Iterator[bool]:
    """Hold a lock while the block runs, once its holder has let go; whether that was within the seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            with hold():
                yield True
                return
        except SlotTaken:
            if time.monotonic() >= until:
                break
            time.sleep(_PAUSE)
    yield False


@contextmanager
def held(folder: Path, system: str, job: str) -> Iterator[None]:
    """Hold the lock of a system's job on this host. Raises `SlotTaken` at once when somebody else does."""
    path = folder / f"{system}.{job}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise LedgerError(
            f"{path}: cannot be written: {error.strerror}",
            advice="Set OPSJOBS_HOME or storage.root to a folder of yours.",
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(system, job) from None
        yield


@contextmanager
def shared(engine: Engine, system: str, job: str) -> Iterator[None]:
    """Hold it among all hosts that share a PostgreSQL. Raises `SlotTaken` at once when somebody else does."""
    key = sa.func.hashtextextended(f"opsjobs:{system}:{job}", 0)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if (connection.dialect.server_version_info or ()) >= _IDLE_TIMEOUT:
            connection.execute(sa.text(f"SET idle_session_timeout = '{_SILENCE}s'"))
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
            raise _taken(system, job)
        over = threading.Event()
        speaker = threads.start(partial(_speak, connection, over, f"{job} for {system}"), "opsjobs-lock")
        try:
            yield
        finally:
            over.set()
            speaker.join()
            # The session ends, and the lock with it.
            connection.invalidate()


def _speak(connection: Connection, over: threading.Event, what: str) -> None:
    while not over.wait(_WORD):
        try:
            connection.scalar(sa.select(1))
        except SQLAlchemyError as error:
            # What is done from now on is refused where it would be seen: `Ledger.still`.
            _LOG.warning("the lock of %s was lost: %s", what, str(error).splitlines()[0])
            return


def _taken(system: str, job: str) -> SlotTaken:
    return SlotTaken(
        f"another run of {job} for {system} is under way",
        advice=f"`opsjobs runs list --system {system}` shows it; try again when it has ended.",
    )

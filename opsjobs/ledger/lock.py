"""One run of a job at a time on one host: a file lock that the system releases when its holder dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsjobs.errors import LedgerError, SlotTaken

_PAUSE = 0.1


@contextmanager
def waited(folder: Path, system: str, what: str, seconds: float) -> Iterator[bool]:
    """Hold a lock of a system while the block runs, once its holder has let go; whether that was within the seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            with held(folder, system, what):
                yield True
                return
        except SlotTaken:
            if time.monotonic() >= until:
                break
            time.sleep(_PAUSE)
    yield False


@contextmanager
def held(folder: Path, system: str, job: str) -> Iterator[None]:
    """Hold the lock of a system's job while the block runs. Raises `SlotTaken` at once when somebody else does."""
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
            raise SlotTaken(
                f"another run of {job} for {system} is under way",
                advice=f"`opsjobs runs list --system {system}` shows it; try again when it has ended.",
            ) from None
        yield

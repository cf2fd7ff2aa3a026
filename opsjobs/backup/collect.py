"""A backup is made: everything listed, read by several at once, kept, listed again, read back, and only then published.

Whatever is missed makes it incomplete; a good backup is never replaced by one that is worse.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Entry, Failure, Manifest, Purpose, Verdict
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import NotFound, NotOffered, SourceError, TimedOut, Unreachable
from opsjobs.objects import KINDS, TRIAL, Listed, many
from opsjobs.sources import Objects

_WAITING = 4
"""How many objects wait for each of those who read: what is listed is not held in memory twice."""
_GIVE_UP = 16
"""After how many in a row that could not be reached the rest is not tried."""
TOLERANCE = 0.1
"""Which share of the objects of a kind may be gone since the last good backup; one always may."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many are done."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be backed up, and how the backup is called."""

    system: str
    target: str
    made_by: str
    clock: Callable[[], datetime]
    left_out: tuple[str, ...] = ()
    fewer: bool = False
    """Whether somebody knows that there is much less than the last time."""
    progress: Progress = field(default=lambda *_: None)


def back_up(source: Objects, shelf: Shelf, order: Order) -> Manifest:
    """Back up everything, and say what it is worth; only for whoever holds the lock of the shelf.

    Raises `SourceError` when nothing could be asked, `BackupError` when nothing could be kept.
    """
    started, server = order.clock(), source.server
    shelf.store.tidy()
    before = shelf.latest()
    with _Reading(source, shelf, order.progress) as reading:
        for kind in KINDS:
            if kind not in order.left_out:
                reading.collect(kind)
        for kind in tuple(reading.listed):
            reading.again(kind)
    entries = tuple(sorted(reading.entries.values(), key=lambda each: each.key))
    failures = [*reading.failures.values(), *_homeless(entries, reading)]
    failures += shelf.verify(entries, _ticking(order.progress, "reading back", len(entries)))
    shrunk = [] if order.fewer or before is None else list(_shrunk(before, entries, order.left_out))
    made = Manifest(
        id=_free(manifests.stamp(started), shelf.names()),
        system=order.system,
        target=order.target,
        purpose=Purpose.BACKUP,
        server=server,
        made_by=order.made_by,
        started_at=started,
        finished_at=order.clock(),
        verdict=_verdict(entries, failures, shrunk),
        counts=manifests.counted(reading.listed, entries, failures),
        absent=reading.absent,
        left_out=order.left_out,
        entries=entries,
        failures=tuple(failures),
        missing=tuple(shrunk),
        notes=tuple(reading.notes),
    )
    shelf.publish(made)
    return made


class _Reading:
    """What was listed and read so far."""

    def __init__(self, source: Objects, shelf: Shelf, progress: Progress) -> None:
        self._source, self._shelf, self._progress = source, shelf, progress
        self._pool = ThreadPoolExecutor(source.concurrency, thread_name_prefix="opsjobs-backup")
        self._room = threading.Semaphore(source.concurrency * (_WAITING + 1))
        self._lock = threading.Lock()
        self._unreached = 0
        self.listed: dict[str, int] = {}
        self.entries: dict[tuple[str, str], Entry] = {}
        self.failures: dict[tuple[str, str], Failure] = {}
        self.absent: dict[str, str] = {}
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Whoever interrupts does not wait for what is still to be read.
        self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def collect(self, kind: str) -> None:
        """Read every object of a kind."""
        try:
            found = self._wanted(kind)
        except NotOffered as error:
            self.absent[kind] = error.message
            return
        self._read(found, KINDS[kind])

    def _wanted(self, kind: str) -> list[Listed]:
        found: list[Listed] = []
        self.listed[kind] = 0
        try:
            found.extend(_lasting(self._source, kind))
        except NotOffered:
            del self.listed[kind]
            raise
        except SourceError as error:
            # What was listed before is read all the same.
            self._failed(Listed(kind=kind, uid="", title=""), f"cannot be listed: {error.message}")
        self.listed[kind] = len({each.uid for each in found})
        return found

    def again(self, kind: str) -> None:
        """List a kind once more: what came meanwhile is read, and what went is no failure."""
        try:
            found = list(_lasting(self._source, kind))
        except SourceError as error:
            self._failed(Listed(kind=kind, uid="", title=""), f"cannot be listed again: {error.message}")
            return
        known = {uid for each, uid in (*self.entries, *self.failures) if each == kind}
        new = [each for each in found if each.uid not in known]
        gone = known - {each.uid for each in found} - {""}
        for uid in gone:
            failure = self.failures.pop((kind, uid), None)
            title = failure.title if failure else self.entries[kind, uid].title
            self.notes.append(f"{kind} {title} ({uid}) was removed while the backup was made")
        self.listed[kind] += len(new) - sum((kind, uid) not in self.entries for uid in gone)
        self.notes += [f"{kind} {each.title} ({each.uid}) came while the backup was made" for each in new]
        self._read(new, KINDS[kind])

    def _read(self, found: Sequence[Listed], what: str) -> None:
        tick = _ticking(self._progress, what, len(found))
        waiting = []
        for each in found:
            self._room.acquire()
            future = self._pool.submit(self._one, each)
            future.add_done_callback(lambda _: self._room.release())
            future.add_done_callback(lambda _: tick())
            waiting.append(future)
        for done in waiting:
            # What is no fault of the source ends the backup.
            done.result()

    def _one(self, found: Listed) -> None:
        if self._unreached >= _GIVE_UP:
            self._failed(found, "not tried: so many before it could not be reached")
            return
        try:
            entry = self._shelf.keep(self._source.read(found))
        except (Unreachable, TimedOut) as error:
            with self._lock:
                self._unreached += 1
            self._failed(found, error.message)
        except SourceError as error:
            self._failed(found, "it is listed, but not there" if isinstance(error, NotFound) else error.message)
        else:
            with self._lock:
                self._unreached = 0
                self.entries[found.kind, found.uid] = entry

    def _failed(self, found: Listed, reason: str) -> None:
        failure = Failure(kind=found.kind, uid=found.uid, title=found.title, reason=reason)
        with self._lock:
            self.failures[found.kind, found.uid] = failure


def _lasting(source: Objects, kind: str) -> Iterator[Listed]:
    """What is listed, without what a drill that was killed left."""
    return (each for each in source.listing(kind) if not each.uid.startswith(TRIAL))


def _ticking(progress: Progress, what: str, total: int) -> Callable[[], None]:
    """Something to be called for each that is done, by several at once."""
    done = iter(range(1, total + 1))
    lock = threading.Lock()
    progress(what, 0, total)

    def tick() -> None:
        with lock:
            progress(what, next(done, total), total)

    return tick


def _homeless(entries: Sequence[Entry], reading: _Reading) -> Iterator[Failure]:
    """What is in a folder that nobody listed: it could not be put back where it was."""
    if "folder" not in reading.listed:
        return
    folders = {each.uid for each in entries if each.kind == "folder"} | {""}
    for each in entries:
        if each.folder not in folders:
            reason = f"it was kept, but its folder {each.folder} is not among those that may be seen"
            yield Failure(kind=each.kind, uid=each.uid, title=each.title, reason=reason)


def _shrunk(before: Manifest, entries: Sequence[Entry], left_out: Sequence[str]) -> Iterator[str]:
    """Kinds of which there is much less than in the last good backup: who lost rights sees less, or nothing."""
    then, now = (Counter(each.kind for each in found) for found in (before.entries, entries))
    for kind, count in then.items():
        gone = count - now[kind]
        if kind not in left_out and (not now[kind] or gone > max(1, TOLERANCE * count)):
            yield f"{many(kind, now[kind])} where the backup of {before.id} has {count}"


def _verdict(entries: Sequence[Entry], failures: Sequence[Failure], shrunk: Sequence[str]) -> Verdict:
    if not entries:
        return Verdict.EMPTY
    if shrunk:
        return Verdict.SHRUNK
    return Verdict.INCOMPLETE if failures else Verdict.COMPLETE


def _free(name: str, taken: Sequence[str]) -> str:
    """The name of a backup that there is not yet: there may be several within a second."""
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(each for each in names if each not in taken)

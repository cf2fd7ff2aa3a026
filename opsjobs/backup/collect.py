"""A backup is made: everything listed, read by several at once, kept, listed again, read back, and only then published.

Whatever is missed makes it incomplete; a good backup is never replaced by one that is worse.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Entry, Failure, Manifest, Purpose, Verdict
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import NotFound, NotOffered, Overloaded, SourceError, TimedOut, Unreachable
from opsjobs.objects import KINDS, Listed, Server, is_trial, many
from opsjobs.sources import Objects
from opsjobs.threads import Pool

_WAITING = 4
"""How many objects wait for each of those who read: what is listed is not held in memory twice."""
_GIVE_UP = 16
"""After how many in a row that could not be reached the rest is not tried."""
_FEW = 3
"""Of fewer objects all may be gone."""
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
    before: Manifest | None = None
    """What it is held against; None for the newest complete backup of the shelf."""
    progress: Progress = field(default=lambda *_: None)
    still: Callable[[], None] = field(default=lambda: None)
    """Raises where somebody else has taken the work over; asked before the backup is there."""


def back_up(source: Objects, shelf: Shelf, order: Order) -> Manifest:
    """Back up everything, and say what it is worth; only for whoever holds the lock of the shelf.

    Raises `SourceError` when nothing could be asked, `BackupError` when nothing could be kept.
    """
    started, server = order.clock(), source.server
    shelf.store.tidy()
    before = order.before or shelf.latest()
    with _Reading(source, shelf, order.progress) as reading:
        for kind in KINDS:
            if kind not in order.left_out:
                reading.collect(kind)
        for kind in tuple(reading.listed):
            reading.again(kind)
        reading.healed(_ticking(order.progress, "reading back", len(reading.entries)))
    entries = tuple(sorted(reading.entries.values(), key=lambda each: each.key))
    failures = [*reading.failures.values(), *_homeless(entries, reading)]
    shrunk = [] if order.fewer or before is None else list(_shrunk(before, server, reading, order.left_out))
    seen = any(kind == "dashboard" for kind, _ in (*reading.entries, *reading.failures))
    # That there are none may have been accepted before.
    accepted = order.fewer or (before is not None and not before.of("dashboard"))
    empty = not seen and "dashboard" not in order.left_out and not (accepted and reading.entries)
    made = Manifest(
        id=shelf.free(manifests.stamp(started)),
        system=order.system,
        target=order.target,
        purpose=Purpose.BACKUP,
        server=server,
        made_by=order.made_by,
        started_at=started,
        finished_at=order.clock(),
        verdict=_verdict(failures, shrunk, empty=empty),
        counts=manifests.counted(reading.listed, entries, failures),
        absent=reading.absent,
        left_out=order.left_out,
        entries=entries,
        failures=tuple(failures),
        missing=tuple(shrunk),
        notes=tuple(reading.notes),
    )
    order.still()
    shelf.publish(made)
    return made


class _Reading:
    """What was listed and read so far."""

    def __init__(self, source: Objects, shelf: Shelf, progress: Progress) -> None:
        self._source, self._shelf, self._progress = source, shelf, progress
        self._pool = Pool(source.concurrency, thread_name_prefix="opsjobs-backup")
        self._room = threading.Semaphore(source.concurrency * (_WAITING + 1))
        self._lock = threading.Lock()
        self._unreached = 0
        self._found: dict[tuple[str, str], Listed] = {}
        self._gone: set[tuple[str, str]] = set()
        self._late: set[tuple[str, str]] = set()
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
            found.extend(self._all(kind))
        except NotOffered:
            del self.listed[kind]
            raise
        except SourceError as error:
            # What was listed before is read all the same.
            self._unlisted(kind, error)
        self.listed[kind] = len(found)
        names = Counter(each.uid for each in found)
        for each in found:
            if names[each.uid] > 1:
                # Nobody could say which of them is restored.
                self._failed(each, f"{names[each.uid]} have this name")
        self._found |= {(each.kind, each.uid): each for each in found}
        return [each for each in found if names[each.uid] == 1]

    def again(self, kind: str) -> None:
        """List a kind once more: what came meanwhile is read, and what went is no failure."""
        try:
            found = list(self._all(kind))
        except SourceError as error:
            self._unlisted(kind, error)
            return
        known = {uid for each, uid in (*self.entries, *self.failures) if each == kind}
        new = [each for each in found if each.uid not in known]
        gone = known - {each.uid for each in found} - {""}
        for uid in sorted(gone):
            if (kind, uid) in self._gone and (kind, uid) in self.failures:
                del self.failures[kind, uid]
                # It was not there any more when it was read, either.
                self.listed[kind] -= 1
            title = self._found[kind, uid].title
            self.notes.append(f"{kind} {title} ({uid}) was removed while the backup was made")
        if len(gone) > max(1, TOLERANCE * len(known)):
            reason = f"{len(gone)} of {len(known)} were not listed any more at the end: rights may have been lost"
            self._failed(Listed(kind=kind, uid="", title=""), reason)
        self.listed[kind] += len(new)
        self._found |= {(each.kind, each.uid): each for each in new}
        self.notes += [f"{kind} {each.title} ({each.uid}) came while the backup was made" for each in new]
        # What could not be reached, or had no time, may be able to answer now.
        late = [self._found[key] for key in self.failures if key in self._late and key[0] == kind]
        if self._unreached >= _GIVE_UP:
            late = []
        self._read([*new, *late], KINDS[kind])

    def _unlisted(self, kind: str, error: SourceError) -> None:
        if isinstance(error, Unreachable | TimedOut):
            # Each listing is tried several times by itself.
            self._unreached += _GIVE_UP // 2
        self._failed(Listed(kind=kind, uid="", title=""), f"cannot be listed: {error.message}")

    def _all(self, kind: str) -> Iterator[Listed]:
        """What is listed, without what a drill that was killed left."""
        if self._unreached >= _GIVE_UP:
            raise Unreachable("not tried: so many before it could not be reached")
        return (each for each in self._source.listing(kind) if not is_trial(kind, each.uid, each.folder))

    def healed(self, tick: Callable[[], None]) -> None:
        """Read every file back; what is damaged is read and written anew while it can be."""
        damaged = self._shelf.verify(list(self.entries.values()), tick)
        for each in damaged:
            key = (each.kind, each.uid)
            try:
                self.entries[key] = self._shelf.keep(self._source.read(self._found[key]), anew=True)
            except SourceError:
                self.failures[key] = each
        for each in self._shelf.verify([self.entries[each.kind, each.uid] for each in damaged]):
            self.failures[each.kind, each.uid] = each

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
                self._late.add((found.kind, found.uid))
            self._failed(found, error.message)
        except NotFound:
            self._gone.add((found.kind, found.uid))
            self._failed(found, "it is listed, but not there")
        except SourceError as error:
            if isinstance(error, Overloaded):
                self._late.add((found.kind, found.uid))
            self._failed(found, error.message)
        else:
            with self._lock:
                self._unreached = 0
                self.entries[found.kind, found.uid] = entry
                self.failures.pop((found.kind, found.uid), None)

    def _failed(self, found: Listed, reason: str) -> None:
        failure = Failure(kind=found.kind, uid=found.uid, title=found.title, reason=reason)
        with self._lock:
            self.failures[found.kind, found.uid] = failure


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


def _shrunk(before: Manifest, server: Server, reading: _Reading, left_out: Sequence[str]) -> Iterator[str]:
    """What of the last good backup is gone: who lost rights sees less, or nothing; another server has other objects.

    What is there and could not be read is a failure, and not gone.
    """
    then = before.server
    if (server.organisation, server.url) != (then.organisation, then.url):
        place = f"{then.organisation_name} (organisation {then.organisation}) of {then.url}"
        yield f"the backup of {before.id} is of another Grafana: {place}"
    there = {*reading.entries, *reading.failures}
    for kind in before.counts:
        old = before.of(kind)
        gone = sum((kind, uid) not in there for uid in old)
        left = len(old) - gone
        none = not left and (kind == "dashboard" or len(old) >= _FEW)
        unlisted = (kind, "") in reading.failures
        if kind not in left_out and not unlisted and gone and (none or gone > max(1, TOLERANCE * len(old))):
            yield f"{many(kind, left)} where the backup of {before.id} has {len(old)}"


def _verdict(failures: Sequence[Failure], shrunk: Sequence[str], *, empty: bool) -> Verdict:
    if empty:
        return Verdict.EMPTY
    if shrunk:
        return Verdict.SHRUNK
    return Verdict.INCOMPLETE if failures else Verdict.COMPLETE

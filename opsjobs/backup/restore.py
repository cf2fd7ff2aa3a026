"""A plan is carried out: what it overwrites is backed up first, and each object is read back and compared.

It can be begun again at any time: what is there already is left alone, so that a restore that was cut off goes on where
it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opsjobs.backup import manifest as manifests
from opsjobs.backup import plan as plans
from opsjobs.backup.manifest import Entry, Manifest, Purpose, Verdict
from opsjobs.backup.plan import Action, Aim, Step
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import BackupError, NotOffered, OpsjobsError, SourceError, TimedOut, Unreachable
from opsjobs.objects import KINDS, Copy, Listed, one
from opsjobs.sources import Objects
from opsjobs.threads import Pool

_TOGETHER = {"dashboard", "library-panel"}
"""Kinds that are written by several at once: of the others one may need the one before."""
_GIVE_UP = 3
_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What became of a step that was to change something."""

    step: Step
    error: str = ""
    """Why it was not done; empty where it was done and reads back as it was kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """By whom and for what a backup is made."""

    system: str
    target: str
    made_by: str
    clock: Callable[[], datetime]


def save(source: Objects, shelf: Shelf, steps: Sequence[Step], by: Signature) -> Manifest | None:
    """Back up what the steps would overwrite or remove; None where that is nothing.

    Raises `SourceError` and `BackupError`: what cannot be kept must not be overwritten.
    """
    started = by.clock()
    touched = [step for step in steps if step.action.writes and step.live]
    if not touched:
        return None

    def kept(step: Step) -> Entry:
        now = source.read(_live(step))
        if step.seen and plans.fingerprint(now) != step.seen:
            raise BackupError(
                f"{one(step.kind)} {step.title} ({step.uid}) was changed since the plan was made",
                advice="Run the restore again, and read its new plan.",
            )
        return shelf.keep(now)

    with Pool(source.concurrency) as pool:
        entries = list(pool.map(kept, touched))
    damaged = shelf.verify(entries)
    if damaged:
        raise BackupError(f"what would be overwritten cannot be kept: {damaged[0]}", advice="Nothing was changed.")
    listed = {kind: sum(each.kind == kind for each in entries) for kind in KINDS}
    saved = Manifest(
        id=shelf.free(f"{manifests.stamp(started)}-before"),
        system=by.system,
        target=by.target,
        purpose=Purpose.BEFORE_RESTORE,
        server=source.server,
        made_by=by.made_by,
        started_at=started,
        finished_at=by.clock(),
        verdict=Verdict.COMPLETE,
        counts=manifests.counted({kind: count for kind, count in listed.items() if count}, entries, ()),
        entries=tuple(sorted(entries, key=lambda each: each.key)),
    )
    shelf.publish(saved)
    return saved


def apply(
    source: Objects, aim: Aim, steps: Sequence[Step], progress: Callable[[str, int, int], None] = lambda *_: None
) -> list[Done]:
    """Do what the steps say, and say of each whether it was done; nothing is raised for one that was not."""
    writer = _Writer(source, aim)
    done: list[Done] = []
    todo = [step for step in steps if step.action.writes]
    # What is removed goes in the order of the plan, which ends with it.
    parts = [[step for step in todo if step.kind == kind and step.action is not Action.REMOVE] for kind in KINDS]
    parts.append([step for step in todo if step.action is Action.REMOVE])
    for part in filter(None, parts):
        together = part[0].kind in _TOGETHER and part[0].action is not Action.REMOVE
        with Pool(source.concurrency if together else 1) as pool:
            for each in pool.map(writer.write, part):
                done.append(each)
                progress("writing", len(done), len(todo))
        done[-len(part) :] = writer.checked(done[-len(part) :])
    return done


class _Writer:
    def __init__(self, source: Objects, aim: Aim) -> None:
        self._source, self._aim = source, aim
        self._lock = threading.Lock()
        self._unreached = 0

    def write(self, step: Step) -> Done:
        """Do what a step says."""
        if self._unreached >= _GIVE_UP:
            return Done(step=step, error="not tried: Grafana could not be reached before")
        try:
            self._write(step)
        except (Unreachable, TimedOut) as error:
            with self._lock:
                self._unreached += 1
            return Done(step=step, error=error.message)
        except OpsjobsError as error:
            said = error.said if isinstance(error, SourceError) else ""
            return Done(step=step, error=said or error.message)
        self._unreached = 0
        return Done(step=step)

    def _write(self, step: Step) -> None:
        if step.action is Action.REMOVE:
            if plans.fingerprint(self._source.read(_live(step))) != step.seen:
                raise BackupError("it was changed since the plan was made: run the restore again")
            self._empty(step)
            self._source.remove(_live(step))
            return
        now = self._source.read(step.live) if step.live else None
        if now and plans.fingerprint(now) != step.seen:
            raise BackupError("it was changed since the plan was made: run the restore again")
        self._source.write(self.wanted(step), now)

    def _empty(self, step: Step) -> None:
        """Raises `BackupError` for a folder with something in it: Grafana would remove that, too."""
        for kind in plans.IN_FOLDERS if step.kind == "folder" else ():
            try:
                inside = next((each for each in self._source.listing(kind) if each.folder == step.uid), None)
            except NotOffered:
                continue
            if inside:
                raise BackupError(f"it is not empty: {one(kind)} {inside.title or inside.uid} is in it")

    def wanted(self, step: Step) -> Copy:
        """What the step would have be there."""
        if step.wish is None:
            raise BackupError("nothing is wanted of it")
        return plans.granted(step.wish, self._aim)

    def checked(self, done: Sequence[Done]) -> list[Done]:
        """The same, once what was done has been read back."""
        kinds = {each.step.kind for each in done if not each.error}
        there: dict[str, dict[str, Listed]] = {}
        for kind in kinds:
            try:
                there[kind] = {each.uid: each for each in self._source.listing(kind)}
            except SourceError as error:
                return [replace(each, error=each.error or f"cannot be read back: {error.message}") for each in done]
        with Pool(self._source.concurrency) as pool:
            return list(pool.map(lambda each: each if each.error else self._check(each, there[each.step.kind]), done))

    def _check(self, done: Done, there: dict[str, Listed]) -> Done:
        step = done.step
        found = there.get(step.uid)
        if step.action is Action.REMOVE:
            return replace(done, error="it is still there") if found else done
        if found is None:
            return replace(done, error="Grafana took it, and it is not there")
        try:
            differences = plans.told(self._source.read(found), self.wanted(step))
        except OpsjobsError as error:
            return replace(done, error=f"cannot be read back: {error.message}")
        if not differences:
            return done
        more = f" and {len(differences) - _NAMED} more" if len(differences) > _NAMED else ""
        said = "; ".join(map(str, differences[:_NAMED]))
        return replace(done, error=f"it reads back otherwise: {said}{more}")


def _live(step: Step) -> Listed:
    if step.live is None:
        raise BackupError(f"{step.kind} {step.uid} is not there")
    return step.live

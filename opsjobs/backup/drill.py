"""The newest backup is restored for trial: into folders of its own, read back, compared and removed again.

Dashboards and library panels are made under other uids, so that nothing that people use is touched. Alert rules are
not made: they would fire. Of those, of data sources and of the rest the files are read and hashed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from opsjobs.backup import compare
from opsjobs.backup import manifest as manifests
from opsjobs.backup.manifest import Entry, Failure, Manifest
from opsjobs.backup.shelf import Shelf
from opsjobs.errors import BackupError, NotOffered, OpsjobsError, SourceError
from opsjobs.objects import TRIAL, Copy, Listed, is_trial
from opsjobs.sources import Objects
from opsjobs.threads import Pool

_KINDS = ("library-panel", "dashboard")
_DRILLS = "drills.json"
_NAMED = 3
_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """How a restore for trial went."""

    backup: str
    at: datetime
    restored: int
    """How many objects were made, read back and found as they were kept."""
    read: int
    """How many files were read and hashed."""
    failures: tuple[Failure, ...]
    left: tuple[str, ...] = ()
    """What could not be removed afterwards."""

    @property
    def held(self) -> bool:
        """Whether everything came back."""
        return not self.failures


@dataclass(frozen=True, kw_only=True, slots=True)
class Drills:
    """How drills went so far."""

    held_at: datetime | None = None
    """When everything last came back."""
    lost: str = ""
    """What did not come back at the last one; empty where all did, or where there was none."""


def run(
    source: Objects,
    shelf: Shelf,
    backup: Manifest,
    at: datetime,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Proof:
    """Restore a backup for trial, and write down how that went.

    Raises `SourceError` when Grafana cannot be reached or makes no folders, `BackupError` when it cannot be written.
    """
    source.server  # noqa: B018 - asked first, so that one that cannot be reached is told once
    if not any(each.kind in _KINDS for each in backup.entries):
        raise BackupError(f"{backup.id} holds nothing that can be restored for trial", advice="See what it holds.")
    # Of a drill that was killed.
    _clear(source)
    damaged = shelf.verify(backup.entries)
    bad = {each.kind + each.uid for each in damaged}
    trials = [each for each in backup.entries if each.kind in _KINDS and each.kind + each.uid not in bad]
    places = dict(_places(trials))
    failures = list(damaged)
    try:
        for number in range(1 + max(places.values(), default=0)):
            source.write(_folder(number, backup), None)
        done = 0
        with Pool(source.concurrency) as pool:
            for kind in _KINDS:
                part = [each for each in trials if each.kind == kind]
                for failure in pool.map(lambda each: _tried(source, shelf, each, places[each.key]), part):
                    done += 1
                    progress("restoring for trial", done, len(trials))
                    if failure:
                        failures.append(failure)
    finally:
        left = _clear(source)
    restored = len(trials) - (len(failures) - len(damaged))
    proof = Proof(
        backup=backup.id,
        at=at,
        restored=restored,
        read=len(backup.entries) - len(damaged),
        failures=tuple(failures),
        left=tuple(left),
    )
    _write_down(shelf, proof)
    return proof


def history(shelf: Shelf) -> Drills:
    """How drills went. Raises `BackupError` when that cannot be read."""
    if shelf.store.size(_DRILLS) is None:
        return Drills()
    try:
        said = orjson.loads(shelf.store.get(_DRILLS))
        held = said["held_at"]
        return Drills(held_at=datetime.fromisoformat(held) if held else None, lost=str(said["lost"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(
            f"{shelf.store.place}: {_DRILLS} cannot be read: {error}", advice="The next drill writes it anew."
        ) from None


def _write_down(shelf: Shelf, proof: Proof) -> None:
    try:
        before = history(shelf)
    except BackupError:
        before = Drills()
    held = proof.at if proof.held else before.held_at
    more = f" and {len(proof.failures) - 1} more" if len(proof.failures) > 1 else ""
    lost = f"{proof.failures[0]}{more}" if proof.failures else ""
    said = {"held_at": held.isoformat() if held else None, "lost": lost, "at": proof.at.isoformat()}
    shelf.store.put(_DRILLS, manifests.encoded(said))
    shelf.store.settle([_DRILLS])


def _places(entries: Sequence[Entry]) -> Iterator[tuple[tuple[str, str], int]]:
    """In which folder each is tried: two of the same title do not get along in one."""
    seen: Counter[tuple[str, str]] = Counter()
    for each in entries:
        # Old versions take titles for the same that have one name in addresses.
        title = (each.kind, _SIGNS.sub("", each.title.lower().replace("&", "and").replace("@", "at")))
        yield each.key, seen[title]
        seen[title] += 1


def _folder(number: int, backup: Manifest) -> Copy:
    uid, title = f"{TRIAL}{number}", f"opsjobs: restore drill of {backup.id}" + (f" ({number})" if number else "")
    return Copy(kind="folder", uid=uid, title=title, content={"uid": uid, "title": title})


def _tried(source: Objects, shelf: Shelf, entry: Entry, number: int) -> Failure | None:
    try:
        wanted = _trial(shelf.copy(entry), number)
        source.write(wanted, None)
        back = source.read(Listed(kind=wanted.kind, uid=wanted.uid, title=wanted.title, folder=wanted.folder))
        differences = compare.differences(entry.kind, wanted.content, back.content)
        reason = "; ".join(map(str, differences[:_NAMED]))
    except NotOffered as error:
        reason = error.message
    except SourceError as error:
        reason = error.said or error.message
    except OpsjobsError as error:
        reason = error.message
    return Failure(kind=entry.kind, uid=entry.uid, title=entry.title, reason=reason) if reason else None


def _trial(copy: Copy, number: int) -> Copy:
    """The same under another uid, in a folder of the drill."""
    # Within the 40 letters that Grafana takes.
    uid = TRIAL + manifests.digest(f"{copy.kind}/{copy.uid}".encode("utf-8", "replace"))[:24]
    content: dict[str, Any] = _silent(copy.content)
    if "apiVersion" in content:
        content["metadata"] = {**content["metadata"], "name": uid}
    else:
        content["uid"] = uid
    return replace(copy, uid=uid, folder=f"{TRIAL}{number}", content=content)


def _silent(model: Any) -> Any:
    """The same without the alerts that old versions keep in panels: they would fire."""
    if not isinstance(model, Mapping):
        return model
    kept = {name: value for name, value in model.items() if name != "alert"}
    for name in ("panels", "rows"):
        if isinstance(kept.get(name), list):
            kept[name] = [_silent(each) for each in kept[name]]
    return kept


def _clear(source: Objects) -> list[str]:
    """Remove everything that a drill made; what is still there afterwards."""
    for kind in ("dashboard", "library-panel", "folder"):
        for each in _made(source, kind):
            try:
                source.remove(each)
            except SourceError:
                # What is still there is listed below.
                continue
    return [f"{kind} {each.title}" for kind in ("folder", *_KINDS) for each in _made(source, kind)]


def _made(source: Objects, kind: str) -> list[Listed]:
    try:
        return [each for each in source.listing(kind) if is_trial(kind, each.uid, each.folder)]
    except NotOffered:
        return []

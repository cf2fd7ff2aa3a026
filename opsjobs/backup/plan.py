"""What a restore would do: for each object whether it is made, overwritten or left, and why not. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from opsjobs.backup import compare, references
from opsjobs.backup import manifest as manifests
from opsjobs.errors import BackupError, NotOffered, SourceError
from opsjobs.objects import KINDS, Copy, Listed
from opsjobs.sources import Objects
from opsjobs.threads import Pool

_KEPT_ANYWAY = {
    "data-source": "nobody could bring its secrets back",
    "policy": "a Grafana always has them",
}
"""Kinds that are never removed, and why."""
IN_FOLDERS = ("folder", "library-panel", "dashboard", "rule-group")
"""Kinds of which objects are in folders, and go when their folder is removed."""
_UNIQUE = ("folder", "library-panel", "dashboard")
"""Kinds whose titles some versions want once in a folder."""


class Action(Enum):
    """What becomes of an object."""

    CREATE = "create"
    OVERWRITE = "overwrite"
    UNCHANGED = "unchanged"
    REMOVE = "remove"
    CONFLICT = "conflict"
    """Something else is in its way."""
    PROVISIONED = "provisioned"
    """A file of the server says how it is: it cannot be saved."""
    MISSING = "missing data source"
    IMPOSSIBLE = "impossible"
    """This Grafana does not have such objects, or could not be asked."""

    @property
    def writes(self) -> bool:
        """Whether something is changed."""
        return self in {Action.CREATE, Action.OVERWRITE, Action.REMOVE}

    @property
    def blocked(self) -> bool:
        """Whether it is wanted and cannot be done."""
        return self in {Action.CONFLICT, Action.PROVISIONED, Action.MISSING, Action.IMPOSSIBLE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """An object that is to be as it was; its content is read when it is needed."""

    kind: str
    uid: str
    title: str
    folder: str
    load: Callable[[], Copy] = field(repr=False)
    """Raises `BackupError`."""
    dependency: bool = False
    """Whether it is only needed by another one: where there is one of its uid, that is left as it is."""
    secrets: tuple[str, ...] = ()
    anywhere: bool = False
    """Whether nothing says in which folder it belongs: where it is there, it stays in its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What becomes of one object."""

    action: Action
    kind: str
    uid: str
    title: str
    folder: str
    reason: str = ""
    differences: tuple[compare.Difference, ...] = ()
    """Of what would be overwritten to what was kept."""
    wish: Wish | None = field(default=None, repr=False)
    live: Listed | None = field(default=None, repr=False)
    seen: str = ""
    """The hash of what is there: what was changed after the plan is not overwritten."""
    secrets: tuple[str, ...] = ()
    """What a person has to enter again once it is made."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What is wanted of a restore."""

    wishes: Sequence[Wish]
    sources: Mapping[str, str] = field(default_factory=dict)
    """Uids of data sources here, by the uid or name that they have in what is restored."""
    dangling: frozenset[str] = frozenset()
    """Data sources that were missing where it was kept, too."""
    prune: frozenset[str] = frozenset()
    """Kinds of which what is there and not wanted is removed; none where nothing is."""
    within: str = ""
    """The uid of a folder: only what is in it, and in those in it, is removed; empty for everything."""


def make(source: Objects, aim: Aim, progress: Callable[[str, int, int], None] = lambda *_: None) -> list[Step]:
    """What each wish comes to, in the order in which it is done. Raises `SourceError` when nothing can be asked."""
    source.server  # noqa: B018 - asked first, so that one that cannot be reached is told once
    survey = _Survey(source, aim)
    steps: list[Step] = []
    with Pool(source.concurrency) as pool:
        for kind in KINDS:
            wishes = [each for each in aim.wishes if each.kind == kind]
            if kind == "folder":
                wishes = _parents_first(wishes)
            for number, step in enumerate(pool.map(survey.step, wishes), 1):
                progress(KINDS[kind], number, len(wishes))
                steps.append(step)
        if aim.prune:
            steps += pool.map(survey.removal, _unwanted(survey, aim))
    return steps


def _parents_first(folders: list[Wish]) -> list[Wish]:
    homes = {each.uid: each for each in folders}
    return sorted(folders, key=lambda each: len(list(_above(each.uid, homes))))


class _Survey:
    """What is there now."""

    def __init__(self, source: Objects, aim: Aim) -> None:
        self._source, self._aim = source, aim
        self._there: dict[str, dict[str, Listed] | SourceError] = {}
        for kind in {each.kind for each in aim.wishes} | {"folder", "data-source"} | (aim.prune and set(IN_FOLDERS)):
            self._there[kind] = self._listed(kind)
        self._titled = {
            (each.kind, each.folder, each.title.lower()): each for kind in _UNIQUE for each in self.there(kind).values()
        }
        # What is in the way of a folder or a data source is in the way of what needs it.
        self._folders = {"", *self.there("folder")}
        for each in _parents_first([each for each in aim.wishes if each.kind == "folder"]):
            if each.uid in self._folders or (each.folder in self._folders and not self._in_the_way(each)):
                self._folders.add(each.uid)
        self._sources = self._known_sources()

    def _listed(self, kind: str) -> dict[str, Listed] | SourceError:
        try:
            return {each.uid: each for each in self._source.listing(kind)}
        except SourceError as error:
            return error

    def _known_sources(self) -> set[str] | None:
        """Uids and names of data sources that are there or will be; None where nobody says."""
        found = self._there["data-source"]
        if isinstance(found, SourceError):
            return None
        names = {name for each in found.values() for name in (each.uid, each.title)}
        wished = [each for each in self._aim.wishes if each.kind == "data-source"]
        made = [each for each in wished if each.uid in found or not self._in_the_way(each)]
        return names | {name for each in made for name in (each.uid, each.title)}

    def there(self, kind: str) -> Mapping[str, Listed]:
        """What there is of a kind, by uid."""
        found = self._there.get(kind)
        return {} if found is None or isinstance(found, SourceError) else found

    def step(self, wish: Wish) -> Step:
        """What a wish comes to."""
        found = self._there[wish.kind]
        if isinstance(found, SourceError):
            return _step(Action.IMPOSSIBLE, wish, found.said or found.message)
        live = found.get(wish.uid)
        if live and wish.anywhere:
            wish = replace(wish, folder=live.folder)
        if live and wish.dependency:
            return _step(Action.UNCHANGED, wish, "it is there, and only needed", live=live)
        try:
            wanted = granted(wish, self._aim)
            self._source.fit(wanted)
        except (BackupError, NotOffered) as error:
            return _step(Action.IMPOSSIBLE, wish, error.message, live=live)
        blocked = self._blocked(wish, wanted, live)
        if blocked:
            return _step(*blocked, live=live)
        if live is None:
            return replace(_step(Action.CREATE, wish), secrets=wish.secrets)
        return self._over(wish, wanted, live)

    def _blocked(self, wish: Wish, wanted: Copy, live: Listed | None) -> tuple[Action, Wish, str] | None:
        """Why nothing can be written, whatever it would change."""
        if wish.folder not in self._folders:
            return Action.CONFLICT, wish, f"its folder {wish.folder} is neither there nor restored"
        missing = self._missing(wanted)
        if missing:
            reason = f"asks {', '.join(sorted(missing))}: map with --datasource {min(missing)}=UID"
            return Action.MISSING, wish, reason
        other = None if live else self._in_the_way(wish)
        return (Action.CONFLICT, wish, f"one with the uid {other.uid} has its title") if other else None

    def _over(self, wish: Wish, wanted: Copy, live: Listed) -> Step:
        try:
            now = self._source.read(live)
        except SourceError as error:
            return _step(Action.IMPOSSIBLE, wish, error.message, live=live)
        differences = told(now, wanted)
        if not differences:
            return _step(Action.UNCHANGED, wish, live=live)
        if now.provisioned:
            return _step(Action.PROVISIONED, wish, "a file of the server says how it is", live=live)
        step = _step(Action.OVERWRITE, wish, live=live)
        return replace(step, differences=differences, seen=fingerprint(now))

    def _missing(self, wanted: Copy) -> set[str]:
        if self._sources is None or wanted.kind == "data-source":
            return set()
        return references.sources(wanted.content) - self._sources - self._aim.dangling

    def _in_the_way(self, wish: Wish) -> Listed | None:
        """What has its title at its place, under another uid: versions before 11.3 would save over that one."""
        if wish.kind == "data-source":
            return next((each for each in self.there(wish.kind).values() if each.title == wish.title), None)
        if wish.kind != "library-panel" and not self._source.unique_titles:
            return None
        return self._titled.get((wish.kind, wish.folder, wish.title.lower()))

    def removal(self, found: Listed) -> Step:
        """What becomes of something that is not wanted."""
        step = Step(
            action=Action.REMOVE, kind=found.kind, uid=found.uid, title=found.title, folder=found.folder, live=found
        )
        if found.kind == "folder":
            kept = [KINDS[kind] for kind in IN_FOLDERS if kind not in self._aim.prune and self.holds(kind, found.uid)]
            if kept:
                reason = f"it holds {', '.join(kept)}, of which the backup knows nothing"
                return replace(step, action=Action.CONFLICT, reason=reason)
        try:
            now = self._source.read(found)
        except SourceError as error:
            return replace(step, action=Action.IMPOSSIBLE, reason=error.message)
        if now.provisioned:
            return replace(step, action=Action.PROVISIONED, reason="a file of the server says how it is")
        return replace(step, title=now.title, seen=fingerprint(now))

    def holds(self, kind: str, folder: str) -> bool:
        """Whether something of a kind may be in a folder: what cannot be listed may."""
        found = self._there.get(kind)
        if isinstance(found, SourceError):
            return not isinstance(found, NotOffered)
        return any(each.folder == folder for each in (found or {}).values())


def _unwanted(survey: _Survey, aim: Aim) -> list[Listed]:
    """What is there and not wanted, in the opposite order: what is in a folder before the folder."""
    wanted = {(each.kind, each.uid) for each in aim.wishes}
    folders = survey.there("folder")
    within = {uid for uid in folders if aim.within in set(_over(uid, folders))} | {aim.within} if aim.within else None
    found: list[Listed] = []
    for kind in reversed([kind for kind in KINDS if kind in aim.prune and kind not in _KEPT_ANYWAY]):
        there = [
            each
            for each in survey.there(kind).values()
            if (kind, each.uid) not in wanted and (within is None or each.folder in within)
        ]
        found += sorted(there, key=lambda each: -len(list(_over(each.uid, folders)))) if kind == "folder" else there
    return found


def _over(uid: str, folders: Mapping[str, Listed]) -> Iterator[str]:
    """A folder that is there, and those that it is in."""
    seen: set[str] = set()
    while uid in folders and uid not in seen:
        seen.add(uid)
        yield uid
        uid = folders[uid].folder


def _step(action: Action, wish: Wish, reason: str = "", live: Listed | None = None) -> Step:
    return Step(
        action=action,
        kind=wish.kind,
        uid=wish.uid,
        title=wish.title,
        folder=wish.folder,
        reason=reason,
        wish=wish,
        live=live,
    )


def told(now: Copy, wanted: Copy) -> tuple[compare.Difference, ...]:
    """What restoring would change, its place among it."""
    found = compare.differences(wanted.kind, _without_secrets(now), _without_secrets(wanted))
    if now.folder == wanted.folder or wanted.kind == "folder":
        return found
    moved = compare.Difference(subject="", what="folder", before=now.folder or "none", after=wanted.folder or "none")
    return (moved, *found)


def _without_secrets(copy: Copy) -> Mapping[str, Any]:
    """What a restore can bring back: which secrets are set is for a person to mend."""
    return {name: value for name, value in copy.content.items() if name != "secureJsonFields"}


def fingerprint(copy: Copy) -> str:
    """What an object means, and where it is, as a hash."""
    return manifests.digest(manifests.encoded([copy.folder, compare.canonical(copy.kind, copy.content)]))


def granted(wish: Wish, aim: Aim) -> Copy:
    """What is to be there: in its folder, and asking the data sources of this server. Raises `BackupError`."""
    copy = wish.load()
    content = copy.content if copy.kind == "data-source" else references.remapped(copy.content, aim.sources)
    return replace(copy, content=content, folder=wish.folder)


def chosen(wishes: Iterable[Wish], *, uids: Sequence[str], folder: str) -> list[Wish]:
    """Those of the uids, or of a folder and those in it, with what they need: folders, and library panels.

    What is only needed is marked so.
    """
    known = list(wishes)
    homes = {each.uid: each for each in known if each.kind == "folder"}
    within = _below(folder, homes) if folder else set()
    picked = {
        (each.kind, each.uid)
        for each in known
        if each.uid in uids or (folder and (each.folder in within or (each.kind == "folder" and each.uid in within)))
    }
    needed: set[tuple[str, str]] = set()
    for each in known:
        if (each.kind, each.uid) in picked:
            needed |= {("folder", uid) for uid in _above(each.folder, homes)}
            if each.kind == "dashboard":
                needed |= {("library-panel", uid) for uid in _panels(each)}
    panels = {each.uid: each for each in known if each.kind == "library-panel"}
    for kind, uid in sorted(needed):
        if kind == "library-panel" and uid in panels:
            needed |= {("folder", home) for home in _above(panels[uid].folder, homes)}
    return [
        replace(each, dependency=(each.kind, each.uid) not in picked)
        for each in known
        if (each.kind, each.uid) in picked | needed
    ]


def _panels(wish: Wish) -> set[str]:
    """The library panels that a dashboard shows; none of one that is damaged, which its own step tells."""
    try:
        return references.panels(wish.load().content)
    except BackupError:
        return set()


def _above(uid: str, homes: Mapping[str, Wish]) -> Iterator[str]:
    """A folder and those that it is in."""
    seen: set[str] = set()
    while uid in homes and uid not in seen:
        seen.add(uid)
        yield uid
        uid = homes[uid].folder


def _below(uid: str, homes: Mapping[str, Wish]) -> set[str]:
    """A folder and those in it."""
    return {each for each in homes if uid in set(_above(each, homes))}

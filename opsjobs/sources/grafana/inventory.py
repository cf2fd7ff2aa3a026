"""Everything that a Grafana keeps, kind by kind: to be listed, read, written and removed.

To add a kind of object: its name in `opsjobs.objects.KINDS`, a file with these four, a row in `_WAYS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from opsjobs.errors import BadAnswer, SourceError
from opsjobs.http import Connection
from opsjobs.objects import Copy, Edit, Listed, Server
from opsjobs.sources.grafana import alerting, dashboards, datasources, folders, library, playlists
from opsjobs.sources.grafana.api import Api

_SHAPES = (KeyError, TypeError, AttributeError, ValueError, IndexError, StopIteration)
"""What reading an answer of an unknown shape raises."""


@dataclass(frozen=True, slots=True)
class _Ways:
    listed: Callable[[Api], Iterator[Listed]]
    read: Callable[[Api, Listed], Copy]
    write: Callable[[Api, Copy, Copy | None], None]
    remove: Callable[[Api, Listed], None]


_WAYS = {
    "folder": _Ways(folders.listed, folders.read, folders.write, folders.remove),
    "data-source": _Ways(datasources.listed, datasources.read, datasources.write, datasources.remove),
    "library-panel": _Ways(library.listed, library.read, library.write, library.remove),
    "dashboard": _Ways(dashboards.listed, dashboards.read, dashboards.write, dashboards.remove),
    "contact-point": _Ways(alerting.contacts, alerting.read_contact, alerting.write_contact, alerting.remove_contact),
    "template": _Ways(alerting.templates, alerting.read_listed, alerting.write_template, alerting.remove_template),
    "mute-timing": _Ways(alerting.timings, alerting.read_listed, alerting.write_timing, alerting.remove_timing),
    "policy": _Ways(alerting.policies, alerting.read_listed, alerting.write_policies, alerting.remove_policies),
    "rule-group": _Ways(alerting.groups, alerting.read_group, alerting.write_group, alerting.remove_group),
    "playlist": _Ways(playlists.listed, playlists.read, playlists.write, playlists.remove),
}


_FITS = {"dashboard": dashboards.fit, "library-panel": library.fit}
"""Kinds that not every server that has them takes as they were."""
_TITLES_REPEAT = (11, 3)


class Inventory:
    """An `Objects` source over HTTP. Safe to use from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._api = Api(connection, connection.timeout)
        self.name = connection.name
        self.concurrency = connection.concurrency

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    @property
    def server(self) -> Server:
        """Who answers. Raises `SourceError`."""
        try:
            return self._api.server
        except _SHAPES:
            raise self._api.unknown("/api/health") from None

    def listing(self, kind: str) -> Iterator[Listed]:
        """Every object of a kind that whoever asks may see. Raises `NotOffered` where there are none, `SourceError`."""
        try:
            yield from _WAYS[kind].listed(self._api)
        except _SHAPES:
            raise self._strange(f"the list of {kind}s") from None

    def read(self, found: Listed) -> Copy:
        """An object as it is now, without secrets. Raises `SourceError`."""
        try:
            return _WAYS[found.kind].read(self._api, found)
        except _SHAPES:
            raise self._strange(f"{found.kind} {found.uid}") from None

    @property
    def unique_titles(self) -> bool:
        """Whether two dashboards of one folder cannot have the same title: one would be saved over the other."""
        return not self._api.has(*_TITLES_REPEAT)

    def fit(self, wanted: Copy) -> None:
        """Raises `NotOffered` where an object of its kind cannot be made here."""
        check = _FITS.get(wanted.kind)
        if check:
            try:
                check(self._api, wanted)
            except _SHAPES:
                raise self._strange(f"{wanted.kind} {wanted.uid}") from None

    def write(self, wanted: Copy, live: Copy | None) -> None:
        """Make an object, or save it over the one that is there. Raises `SourceError`."""
        try:
            _WAYS[wanted.kind].write(self._api, wanted, live)
        except _SHAPES:
            raise self._strange(f"{wanted.kind} {wanted.uid}") from None

    def remove(self, found: Listed) -> None:
        """Remove an object. Raises `SourceError`."""
        try:
            _WAYS[found.kind].remove(self._api, found)
        except _SHAPES:
            raise self._strange(f"{found.kind} {found.uid}") from None

    def history(self, uid: str) -> list[Edit]:
        """The saved versions of a dashboard, the newest first. Raises `SourceError`."""
        try:
            return dashboards.history(self._api, uid)
        except _SHAPES:
            raise self._strange(f"the versions of {uid}") from None

    def _strange(self, what: str) -> SourceError:
        return BadAnswer(f"{self.name} gives {what} in a form that is not known")

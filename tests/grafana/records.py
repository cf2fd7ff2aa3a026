"""What the double remembers: identities, folders, dashboards with their history, and organisations around them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.grafana.wire import slugify


@dataclass
class Alerting:
    """What the provisioning API of alerting keeps."""

    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    intervals: dict[tuple[str, str], int] = field(default_factory=dict)
    points: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, Any] | None = None
    timings: dict[str, dict[str, Any]] = field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Identity:
    """Who asks: a user with a password, or a token, which belongs to one organisation."""

    login: str
    roles: dict[int, str]
    password: str | None = None
    server_admin: bool = False
    sees: frozenset[str] | None = None
    """The folders whose content it may view, "" being the General one; all where it is None."""
    number: int = 0

    def role_in(self, org: int) -> str | None:
        """Its role in an organisation; a Grafana admin is an Admin everywhere."""
        return "Admin" if self.server_admin else self.roles.get(org)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder; `parent` is the uid of the one that it lies in, "" at the root."""

    id: int
    uid: str
    title: str
    parent: str
    version: int
    created: str
    updated: str
    created_by: str
    updated_by: str

    @property
    def slug(self) -> str:
        return slugify(self.title)


@dataclass(frozen=True, slots=True)
class Saved:
    """A version of a dashboard in its history."""

    id: int
    version: int
    parent: int
    created: str
    created_by: Identity | None
    message: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard as it is stored. `data` is its classic model as JSON, ready to be sent.

    `stored` is the version of the API that it was written with; where that is a v2, `spec` is the truth and `data` what
    is left of it in the classic form.
    """

    id: int
    uid: str
    title: str
    slug: str
    folder: str
    version: int
    data: bytes
    tags: tuple[str, ...]
    created: str
    updated: str
    created_by: str
    updated_by: str
    provisioned: str | None = None
    stored: str = "v0alpha1"
    spec: bytes = b""
    resource_version: int = 0
    history: tuple[Saved, ...] = field(default=(), repr=False)


class Organisation:
    """An organisation and all that is in it."""

    def __init__(self, number: int, name: str) -> None:
        self.id = number
        self.name = name
        self._listing: tuple[int, list[Folder | Dashboard]] = (-1, [])
        self.clear()

    def clear(self) -> None:
        """Takes everything out of it."""
        self.folders: dict[str, Folder] = {}
        self.dashboards: dict[str, Dashboard] = {}
        self.panels: dict[str, dict[str, Any]] = {}
        self.playlists: dict[str, dict[str, Any]] = {}
        self.sources: dict[int, dict[str, Any]] = {}
        self.alerting = Alerting()

    def path(self, folder: str) -> Iterable[str]:
        """A folder and those that it lies in, from the inside out."""
        while folder:
            yield folder
            folder = self.folders[folder].parent if folder in self.folders else ""

    def children(self, folder: str) -> list[Folder]:
        """The folders that lie directly in one."""
        return [each for each in self.folders.values() if each.parent == folder]

    def folder_by_id(self, number: int) -> Folder | None:
        """The folder of a numeric id."""
        return next((each for each in self.folders.values() if each.id == number), None)

    def dashboard_by_id(self, number: int) -> Dashboard | None:
        """The dashboard of a numeric id."""
        return next((each for each in self.dashboards.values() if each.id == number), None)

    def listing(self, generation: int, by_title: bool) -> list[Folder | Dashboard]:
        """Folders and dashboards in the order of the database's answer to a search."""
        if self._listing[0] != generation:
            both = [*self.folders.values(), *self.dashboards.values()]
            both.sort(key=lambda each: (each.title if by_title else "", each.id))
            self._listing = (generation, both)
        return self._listing[1]

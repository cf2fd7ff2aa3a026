"""What a Grafana keeps: its dashboards, and the other objects without which they cannot be brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "folder": "folders",
        "data-source": "data sources",
        "library-panel": "library panels",
        "dashboard": "dashboards",
        "contact-point": "contact points",
        "template": "message templates",
        "mute-timing": "mute timings",
        "policy": "notification policies",
        "rule-group": "groups of alert rules",
        "playlist": "playlists",
    }
)
"""Every kind of object and what people call many of it, in the order in which they are restored."""

_ONE = {"rule-group": "group of alert rules", "policy": "tree of notification policies", "template": "message template"}
TRIAL = "opsjobs-drill-"
"""With which the uids of everything begin that is restored for trial, and removed again."""


def is_trial(kind: str, uid: str, folder: str) -> bool:
    """Whether something was made to be removed again: a folder of a drill, or what a drill made in one."""
    home = uid if kind == "folder" else folder
    return uid.startswith(TRIAL) and home.startswith(TRIAL) and home.removeprefix(TRIAL).isdigit()


def one(kind: str) -> str:
    """What people call an object of a kind."""
    return _ONE.get(kind, kind.replace("-", " "))


def many(kind: str, count: int) -> str:
    """So many objects of a kind, in words."""
    return f"{count or 'no'} {one(kind) if count == 1 else KINDS[kind]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A Grafana and the organisation in which it is asked."""

    url: str
    version: str
    """Empty where it hides it."""
    organisation: int
    organisation_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """An object of which is known that it is there."""

    kind: str
    uid: str
    title: str
    folder: str = ""
    """The uid of the folder that it is in; empty where it is in none."""
    content: Mapping[str, Any] | None = field(default=None, repr=False)
    """Where the list is all that there is to read."""
    id: int = 0
    """The number that this Grafana gave it, where nothing else finds it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """An object as it was read, without secrets."""

    kind: str
    uid: str
    title: str
    content: Mapping[str, Any] = field(repr=False)
    folder: str = ""
    api: str = ""
    """By which version of which API it was read."""
    version: str = ""
    """As its Grafana counts."""
    updated: str = ""
    updated_by: str = ""
    secrets: tuple[str, ...] = ()
    """What it has of secrets, which nobody can read: a person enters them again where it is made anew."""
    provisioned: bool = False
    """Whether it comes from a file of the server, and cannot be saved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One saved version of a dashboard."""

    version: str
    at: str
    by: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BackedUp:
    """How the backups of one Grafana are."""

    target: str
    max_age: float
    """Seconds after which the newest complete one is too old."""
    error: str = ""
    """Why nothing can be said; empty where it can."""
    complete_at: datetime | None = None
    """When the newest complete one was begun."""
    held: str = ""
    """What is in that one, in words."""
    since: datetime | None = None
    """When the oldest one was begun."""
    newest_at: datetime | None = None
    worth: str = ""
    """What is wrong with the newest one; empty where it is complete."""
    proven_at: datetime | None = None
    """When one was last restored for trial, and held."""
    drill: str = ""
    """What did not come back when that was tried last; empty where all did, or where it was never tried."""
    changes: tuple[str, ...] = ()
    """What is different since the backup of the day before, an object each."""
    changed_since: datetime | None = None
    """When that one was begun; None where there is none to compare with."""

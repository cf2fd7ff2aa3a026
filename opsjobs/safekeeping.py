"""What opsjobs.yml declares of backups: which there are, where they are kept, and how long."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from opsjobs.declaration import Declared, did_you_mean
from opsjobs.objects import KINDS
from opsjobs.vocabulary import Length

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _place(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password or parts.query:
        raise ValueError("credentials do not belong into an address: the store's own variables and files say them")
    return value


def _other(value: str) -> str:
    if value == "grafana" or not _NAME.fullmatch(value):
        raise ValueError("another Grafana has a name of its own: small letters, digits, - and _ only, 63 at most")
    return value


def _kind(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}{did_you_mean(value, set(KINDS))}")
    return value


Place = Annotated[str, AfterValidator(_place)]
# It becomes a folder.
OtherName = Annotated[str, AfterValidator(_other)]


class Keeping(Declared):
    """How many backups stay: the newest complete one of each of so many days, weeks and months."""

    daily: Annotated[int, Field(ge=1, le=3660)] = 14
    weekly: Annotated[int, Field(ge=0, le=520)] = 8
    monthly: Annotated[int, Field(ge=0, le=120)] = 12


class Backups(Declared):
    """How what a Grafana keeps is backed up."""

    leave_out: tuple[Annotated[str, AfterValidator(_kind)], ...] = ()
    """Kinds of objects that are not backed up, for example because the token may not read them."""
    max_age: Length = "2d"
    """Health checks warn when the last complete backup is older; three times that is critical."""
    keep: Keeping = Keeping()

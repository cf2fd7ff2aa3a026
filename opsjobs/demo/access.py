"""How opsjobs is let into a database of the stage."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_OWN_FILE = 0o600


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Where a database is, and who may look at it."""

    host: str = "127.0.0.1"
    port: int
    user: str
    password: str = field(repr=False)
    password_file: Path
    """The password again, readable by this user alone."""
    database: str = ""
    """Empty for Redis."""

    @classmethod
    def kept(cls, file: Path, password: str, *, port: int, user: str, database: str = "") -> Self:
        """An access whose password is written to a file that does not exist yet."""
        write_private(file, password)
        return cls(port=port, user=user, password=password, password_file=file, database=database)


def write_private(file: Path, text: str) -> None:
    """Write a new file that this user alone can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWN_FILE), "w", encoding="utf-8") as opened:
        opened.write(text)

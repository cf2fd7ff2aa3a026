"""The admin API of a Prometheus, as far as it makes snapshots of its data. What deletes series is never called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import orjson

from opsjobs.errors import BadAnswer, NotFound, NotOffered, SourceError, TimedOut, Unreachable
from opsjobs.http import Connection, Deadline, Http
from opsjobs.sources import Origin

_SECONDS = 600.0
"""For a snapshot: Prometheus writes what it has in memory to its disk first."""
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
_NOT_ALLOWED = 405
_MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError)


class Tsdb:
    """A `Snapshots` source over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._patience = connection.timeout
        self._http = Http(replace(connection, timeout=max(connection.timeout, _SECONDS)))
        self.name = connection.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def origin(self) -> Origin:
        """Who answers. Raises `SourceError` when it cannot be reached; what it hides is empty."""
        deadline = Deadline(self._patience)
        return Origin(
            url=self._http.connection.url,
            version=self._said("/api/v1/status/buildinfo", "version", deadline),
            retention=self._said("/api/v1/status/runtimeinfo", "storageRetention", deadline),
            folder=self._said("/api/v1/status/flags", "storage.tsdb.path", deadline),
        )

    def snapshot(self, *, head: bool) -> str:
        """Have a snapshot made, once; the name of its folder. Raises `NotOffered` where it may not, `SourceError`."""
        path = f"/api/v1/admin/tsdb/snapshot?skip_head={'false' if head else 'true'}"
        try:
            body = self._http.hand(path, b"", {}, deadline=Deadline(self._http.connection.timeout))
        except TimedOut:
            raise TimedOut(
                f"{self._who} was not done with its snapshot after {self._http.connection.timeout:g} s",
                advice="It may still be at it. What it makes lies in snapshots/ of its data folder, and holds disk "
                "space there until somebody removes it.",
            ) from None
        except SourceError as error:
            raise self._refused(error) from None
        try:
            name = _data(body)["name"]
            # It becomes the name of a folder that is read and removed.
            if not _NAME.fullmatch(name):
                raise ValueError(name)
        except _MISSHAPEN:
            raise BadAnswer(f"{self._who} did not say how its snapshot is called") from None
        return str(name)

    def _refused(self, error: SourceError) -> SourceError:
        if "admin apis disabled" in error.said.lower():
            return NotOffered(
                f"{self._who} makes no snapshots: its admin API is off",
                advice="Start Prometheus with --web.enable-admin-api. Whoever reaches it can then also delete series "
                "and needs no password for that: only where nobody else reaches it, or behind a proxy that asks.",
            )
        if isinstance(error, NotFound) or error.code == _NOT_ALLOWED:
            return NotOffered(
                f"{self._who} has no snapshots: it answered HTTP {error.code}",
                advice="Prometheus itself has them. Thanos, Mimir and VictoriaMetrics have ways of their own.",
            )
        return error

    def _said(self, path: str, key: str, deadline: Deadline) -> str:
        try:
            return str(_data(self._http.get(path, {}, deadline=deadline).body).get(key) or "")
        except (Unreachable, TimedOut):
            raise
        except (SourceError, *_MISSHAPEN):
            return ""

    @property
    def _who(self) -> str:
        return f"{self.name} at {self._http.connection.url}"


def _data(body: bytes) -> Mapping[str, Any]:
    found = orjson.loads(body)["data"]
    if not isinstance(found, dict):
        raise TypeError("data")
    return found

"""The Alertmanager HTTP API, version 2."""

from __future__ import annotations

from typing import Self

import orjson

from opsjobs.errors import BadAnswer
from opsjobs.http import Connection, Deadline, Http


class Alertmanager:
    """A `Routes` source over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._http = Http(connection)
        self.name = connection.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def configuration(self, deadline: Deadline) -> str:
        """The configuration that it runs on, as YAML, its secrets hidden. Raises `SourceError`."""
        body = self._http.get("/api/v2/status", {}, deadline=deadline).body
        try:
            return str(orjson.loads(body)["config"]["original"])
        except (ValueError, KeyError, TypeError):
            raise BadAnswer(
                f"{self.name} at {self._http.connection.url} did not say what it is configured with",
                advice=f"Set {self._http.connection.key}.url to the address below which /api/v2/status is.",
            ) from None

"""The Grafana HTTP API, as far as dashboards are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

import orjson

from opsjobs.errors import BadAnswer, NotFound
from opsjobs.http import Connection, Deadline, Http


class Grafana:
    """A `Dashboards` source over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._http = Http(connection)
        self.name = connection.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def dashboard(self, uid: str, deadline: Deadline) -> Mapping[str, Any] | None:
        """The dashboard of that uid as it is shown; None where there is none. Raises `SourceError`."""
        try:
            body = self._http.get(f"/api/dashboards/uid/{quote(uid, safe='')}", {}, deadline=deadline).body
        except NotFound:
            if not self._is_grafana(deadline):
                raise
            return None
        try:
            found = orjson.loads(body)["dashboard"]
        except (ValueError, KeyError, TypeError):
            found = None
        if not isinstance(found, dict):
            raise BadAnswer(
                f"{self.name} at {self._http.connection.url} sent something else than a dashboard",
                advice=f"Set {self._http.connection.key}.url to the address below which /api/health is.",
            )
        return found

    def _is_grafana(self, deadline: Deadline) -> bool:
        """Whether what knows no such dashboard is a Grafana: any server says of an address that it knows nothing."""
        try:
            return "database" in orjson.loads(self._http.get("/api/health", {}, deadline=deadline).body)
        except (NotFound, ValueError, TypeError):
            return False

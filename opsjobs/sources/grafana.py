"""The Grafana HTTP API, as far as dashboards are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

import orjson

from opsjobs.errors import AccessDenied, BadAnswer, NotFound, QueryRejected, SourceError
from opsjobs.facts import DataSource, GrafanaFacts
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

    def facts(self, deadline: Deadline) -> GrafanaFacts:
        """What it says of itself. Raises `SourceError` when it cannot be reached, or is no Grafana."""
        missing: dict[str, str] = {}
        try:
            health = orjson.loads(self._http.get("/api/health", {}, deadline=deadline).body)
            version, database = str(health["version"]), str(health["database"])
        except (ValueError, KeyError, TypeError):
            raise BadAnswer(
                f"{self.name} at {self._http.connection.url} did not say how it is",
                advice=f"Set {self._http.connection.key}.url to the address below which /api/health is.",
            ) from None
        sources = None
        try:
            listed = orjson.loads(self._http.get("/api/datasources", {}, deadline=deadline).body)
            sources = tuple(self._source(each, deadline) for each in listed)
        except SourceError as error:
            missing["sources"] = error.message
        except (ValueError, KeyError, TypeError, AttributeError):
            missing["sources"] = f"{self.name} lists its data sources in a form that is not known"
        return GrafanaFacts(version=version, database=database, sources=sources, missing=missing)

    def _source(self, source: Mapping[str, Any], deadline: Deadline) -> DataSource:
        """A data source, and whether it answers Grafana: before version 9 nobody says so."""
        name, kind = str(source["name"]), str(source["type"])
        if not source.get("uid"):
            return DataSource(name=name, kind=kind, well=None)
        path = f"/api/datasources/uid/{quote(str(source['uid']), safe='')}/health"
        try:
            said = orjson.loads(self._http.get(path, {}, deadline=deadline).body)
            return DataSource(name=name, kind=kind, well=said["status"] == "OK", text=str(said.get("message") or ""))
        except (NotFound, AccessDenied):
            return DataSource(name=name, kind=kind, well=None)
        except QueryRejected as error:
            # Grafana says with 400 that the data source does not answer.
            return DataSource(name=name, kind=kind, well=False, text=error.message)

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

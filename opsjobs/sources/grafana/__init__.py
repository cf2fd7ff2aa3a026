"""The Grafana HTTP API, as far as dashboards are looked at."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
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

    def texts(self, deadline: Deadline) -> Iterator[str]:
        """Everything in which it may name a metric, as JSON: dashboards, library panels, alert rules.

        Raises `SourceError` where a part of it cannot be read. What the token may not see is not among it.
        """
        try:
            yield from self._texts(deadline)
        except (KeyError, TypeError):
            raise BadAnswer(
                f"{self.name} at {self._http.connection.url} lists its dashboards in a form that is not known",
                advice=f"Set {self._http.connection.key}.url to the address below which /api/health is.",
            ) from None

    def _texts(self, deadline: Deadline) -> Iterator[str]:
        for found in self._pages("/api/search", {"type": "dash-db", "limit": "1000"}, deadline):
            for each in found:
                yield orjson.dumps(self.dashboard(str(each["uid"]), deadline)).decode()
        for found in self._pages("/api/library-elements", {"perPage": "100"}, deadline):
            yield orjson.dumps(found).decode()
        yield orjson.dumps(self._json("/api/v1/provisioning/alert-rules", {}, deadline)).decode()

    def _pages(self, path: str, query: Mapping[str, str], deadline: Deadline) -> Iterator[list[Any]]:
        """Page after page, up to one that is empty: versions differ in how much they put on one.

        One that repeats is the end, too: before 6.2 every page is the first.
        """
        before: list[Any] = []
        for number in itertools.count(1):
            found = self._json(path, {**query, "page": str(number)}, deadline)
            page = found["result"]["elements"] if isinstance(found, dict) else found
            if not isinstance(page, list):
                raise TypeError("no list")
            if not page or page == before:
                return
            before = page
            yield page

    def _json(self, path: str, query: Mapping[str, str], deadline: Deadline) -> Any:
        """What an address answers; an empty list where this version does not have it."""
        try:
            return orjson.loads(self._http.get(path, query, deadline=deadline).body)
        except NotFound:
            if path == "/api/search" or not self._is_grafana(deadline):
                raise
            return []
        except ValueError:
            raise BadAnswer(
                f"{self.name} at {self._http.connection.url} answered {path} with something else than JSON",
                advice=f"Set {self._http.connection.key}.url to the address below which /api/health is.",
            ) from None

    def _is_grafana(self, deadline: Deadline) -> bool:
        """Whether what knows no such dashboard is a Grafana: any server says of an address that it knows nothing."""
        try:
            return "database" in orjson.loads(self._http.get("/api/health", {}, deadline=deadline).body)
        except (NotFound, ValueError, TypeError):
            return False

"""The Alertmanager HTTP API, version 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import orjson

from opsjobs.errors import BadAnswer, SourceError, Unreachable
from opsjobs.facts import AlertmanagerFacts, RoutedAlert
from opsjobs.http import Connection, Deadline, Http
from opsjobs.sources.state import moment


class Alertmanager:
    """A `Routes` source over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._http = Http(connection)
        self.name = connection.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def facts(self, deadline: Deadline) -> AlertmanagerFacts:
        """What it says of itself. Raises `SourceError` when it cannot be reached."""
        missing: dict[str, str] = {}
        try:
            ready = bool(self._http.get("/-/ready", {}, deadline=deadline))
        except Unreachable:
            raise
        except SourceError as error:
            ready, missing["ready"] = False, error.message
        cluster: dict[str, Any] = {}
        alerts: tuple[RoutedAlert, ...] | None = None
        try:
            cluster = dict(orjson.loads(self._http.get("/api/v2/status", {}, deadline=deadline).body)["cluster"])
            found = orjson.loads(self._http.get("/api/v2/alerts", {}, deadline=deadline).body)
            alerts = tuple(map(_alert, found))
        except SourceError as error:
            missing["alerts"] = error.message
        except (ValueError, KeyError, TypeError, AttributeError):
            missing["alerts"] = f"{self.name} says it in a form that is not known"
        return AlertmanagerFacts(
            ready=ready,
            cluster=str(cluster.get("status") or ""),
            peers=len(cluster.get("peers") or ()),
            alerts=alerts,
            missing=missing,
        )

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


def _alert(alert: Mapping[str, Any]) -> RoutedAlert:
    labels, status = alert["labels"], alert["status"]
    held_back = "silenced" if status.get("silencedBy") else "inhibited" if status.get("inhibitedBy") else ""
    return RoutedAlert(
        name=str(labels.get("alertname", "")),
        severity=str(labels.get("severity", "")),
        since=moment(alert.get("startsAt")),
        held_back=held_back,
    )

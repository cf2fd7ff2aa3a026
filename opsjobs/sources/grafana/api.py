"""How a Grafana is asked: JSON or words, page after page, and what a version has."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from opsjobs.errors import BadAnswer, NotFound, NotOffered, SourceError
from opsjobs.http import Connection, Deadline, Http
from opsjobs.objects import Server

_VERSION = re.compile(r"(\d+)\.(\d+)")
_PAGES = 100_000
_PATIENCE = 300.0
"""Seconds for which it is waited where a server says that there were too many requests."""
Found = TypeVar("Found")
Query = Mapping[str, str | int]
_NOTHING: Mapping[str, str] = MappingProxyType({})


def segment(text: str) -> str:
    """A text as one part of an address, whatever is in it. Raises `BadAnswer` for one that cannot be."""
    if set(text) <= {"."}:
        # On its way it would be taken for the folder itself, or for the one above it.
        raise BadAnswer(f"nothing can be asked by the name '{text}'", advice="Give it another name in Grafana.")
    return quote(text, safe="")


class Api:
    """The HTTP API of one organisation of a Grafana."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._http = Http(connection)
        self._seconds = seconds
        self.connection = connection
        self.name = connection.name
        self._server: Server | None = None
        self._known: dict[str, Any] = {}

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    @property
    def server(self) -> Server:
        """Who answers, asked once. Raises `SourceError` when it cannot be reached, or is no Grafana."""
        if self._server is None:
            health, organisation = self.get("/api/health"), self.get("/api/org")
            if not isinstance(health, dict) or "database" not in health or not isinstance(organisation, dict):
                raise self.unknown("/api/health")
            wanted = self.connection.organisation
            if wanted and organisation.get("id") != wanted:
                raise BadAnswer(
                    f"{self.name} answers for organisation {organisation.get('id')} where {wanted} was asked for",
                    advice=f"See that the user is a member of it: {self.connection.key}.organisations.",
                )
            self._server = Server(
                url=self.connection.url,
                version=str(health.get("version") or ""),
                organisation=int(organisation.get("id") or 0),
                organisation_name=str(organisation.get("name") or ""),
            )
        return self._server

    def once(self, what: str, ask: Callable[[], Found]) -> Found:
        """What asking gave the first time."""
        if what not in self._known:
            self._known[what] = ask()
        found: Found = self._known[what]
        return found

    def remembered(self, what: str, otherwise: str) -> str:
        """What was remembered of this server."""
        return str(self._known.get(what, otherwise))

    def remember(self, what: str, found: str) -> None:
        """Remember something of this server while it is asked."""
        self._known[what] = found

    def has(self, major: int, minor: int = 0) -> bool:
        """Whether it is that version or a newer one; one that hides its version is taken for new."""
        found = _VERSION.match(self.server.version)
        return found is None or (int(found[1]), int(found[2])) >= (major, minor)

    @property
    def hides_version(self) -> bool:
        """Whether nobody knows which version it is."""
        return _VERSION.match(self.server.version) is None

    def need(self, what: str, major: int, minor: int = 0) -> None:
        """Raises `NotOffered` where the version is older than what is asked of it."""
        if not self.has(major, minor):
            raise NotOffered(f"{self.name} {self.server.version} has no {what}: they came with {major}.{minor}")

    def get(self, path: str, query: Query = _NOTHING, headers: Mapping[str, str] = _NOTHING) -> Any:
        """What an address answers. Raises `SourceError`, also where that is no JSON."""
        fields = {name: str(value) for name, value in query.items()}
        page = self._http.get(path, fields, headers=headers, deadline=Deadline(self._seconds + _PATIENCE))
        try:
            return orjson.loads(page.body)
        except ValueError:
            raise self.unknown(path) from None

    def offered(self, what: str, path: str, query: Query = _NOTHING) -> Any:
        """As `get`; raises `NotOffered` where the server knows no such address."""
        try:
            return self.get(path, query)
        except NotFound as error:
            raise NotOffered(f"{self.name} {self.server.version} does not offer {what}: {error.said}") from None

    def pages(self, path: str, query: Query, what: str = "") -> Iterator[list[Any]]:
        """Page after page, up to one that is empty: versions differ in how much they put on one.

        One that repeats is the end, too: some versions give the first for every number.
        """
        before: list[Any] = []
        for number in range(1, _PAGES):
            numbered = {**query, "page": number}
            found = self.offered(what, path, numbered) if what else self.get(path, numbered)
            page = found.get("result", {}).get("elements") if isinstance(found, dict) else found
            if not isinstance(page, list):
                raise self.unknown(path)
            if not page or page == before:
                return
            before = page
            yield page

    def continued(self, path: str, limit: int, headers: Mapping[str, str]) -> Iterator[list[Any]]:
        """Page after page of an API that says where it goes on."""
        fields: dict[str, str | int] = {"limit": limit}
        seen: set[str] = set()
        for _ in itertools.count():
            found = self.get(path, fields, headers)
            items = found.get("items") if isinstance(found, dict) else None
            if not isinstance(items, list):
                raise self.unknown(path)
            yield items
            token = str((found.get("metadata") or {}).get("continue") or "")
            if not token:
                return
            if token in seen:
                raise BadAnswer(f"{self.name} lists {path} without an end")
            seen.add(token)
            fields["continue"] = token

    def send(self, method: str, path: str, document: object = None, headers: Mapping[str, str] = _NOTHING) -> Any:
        """Change something; what it answers, None where that is no JSON. Raises `SourceError`."""
        body = b"" if document is None else orjson.dumps(document)
        answer = self._http.change(method, path, body, headers, deadline=Deadline(self._seconds + _PATIENCE))
        try:
            return orjson.loads(answer)
        except ValueError:
            return None

    def unknown(self, path: str) -> SourceError:
        """What to say of an answer that is not one."""
        return BadAnswer(
            f"{self.name} at {self.connection.url} answered {path} in a form that is not known",
            advice=f"Set {self.connection.key}.url to the address below which /api/health is.",
        )

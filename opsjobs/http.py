"""The one door to HTTP: verified TLS, a wall-clock deadline for each call, retries only where they help, no leaks.

Redirects are not followed and the environment is not trusted: either would hand credentials to another host, and a
netrc file would replace a bearer token.
"""

from __future__ import annotations

import itertools
import logging
import queue
import random
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode, urlsplit

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter

from opsjobs import threads
from opsjobs.errors import (
    AccessDenied,
    BadAnswer,
    NotFound,
    Overloaded,
    QueryRejected,
    SourceError,
    TimedOut,
    Unreachable,
)
from opsjobs.log import Redactor

_LOG = logging.getLogger(__name__)
_ATTEMPTS = 3
_BACKOFF = 0.3
_CHUNK = 1 << 16
_LARGEST_BODY = 128 << 20
_CONNECT_SECONDS = 5.0
_SHOWN = 300
_READ = 10_000
_TRANSIENT = {429, 502, 503, 504}
_REDIRECTS, _CLIENT_ERRORS, _NOT_FOUND, _TOO_MANY = 300, 400, 404, 429
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_TAGS = re.compile(r"<(script|style|title)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_SAID = ("error", "message", "detail")
"""Where the JSON of a refusing server has its words."""


class Deadline:
    """A point on the monotonic clock by which something must be done."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._at - time.monotonic())

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and one in so many seconds."""
        return Deadline(min(seconds, self.left))


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where a server is and how to be let in. Secrets are absent from its repr."""

    name: str
    """What people call the server, for error texts."""
    key: str
    """Where it stands in the configuration, for advice."""
    url: str
    auth: tuple[str, str] | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    timeout: float = 30.0
    """Seconds for one call, its retries among them."""
    concurrency: int = 4
    organisation: int = 0
    """Of a Grafana, in which a user with a password works; 0 for the one that is theirs."""

    @property
    def authorization(self) -> str:
        """The header that lets us in, its text as UTF-8."""
        if self.token:
            return f"Bearer {self.token}"
        return f"Basic {b64encode(':'.join(self.auth).encode()).decode()}" if self.auth else ""

    @property
    def secrets(self) -> list[str]:
        """What must be in nothing that is said."""
        password = self.auth[1] if self.auth else ""
        return [self.token, password, self.authorization.partition(" ")[2], *self.headers.values()]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The body of a successful answer, and what its Link header says of the pages around it."""

    body: bytes
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What is sent: fields go into the address of a GET, and into the body of a POST."""

    method: str
    path: str
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """In place of fields."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Http:
    """Kept connections to one server. Safe to use from several threads; `close` when done.

    `redact` takes out of the server's words what the connection does not know to be a secret, before they are cut.
    """

    def __init__(self, connection: Connection, redact: Callable[[str], str] = str) -> None:
        self.connection = connection
        self._base = connection.url.rstrip("/")
        own = Redactor(connection.secrets).redact
        self.redact: Callable[[str], str] = lambda text: redact(own(text))
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Accept": "application/json", "User-Agent": "opsjobs", **connection.headers})
        if connection.organisation:
            self._session.headers["X-Grafana-Org-Id"] = str(connection.organisation)
        if connection.authorization:
            self._session.headers["Authorization"] = connection.authorization
        self._session.verify = connection.ca_file or True
        if connection.cert_file:
            self._session.cert = (connection.cert_file, connection.key_file or connection.cert_file)
        # Beside the questions, somebody may ask how the server itself is.
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connection.concurrency + 1, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        # What a session does for each request anew costs more than a small answer itself: it is done once.
        prepared = self._session.prepare_request(requests.Request("GET", self._base))
        self._headers = dict(prepared.headers)
        self._path = urlsplit(str(prepared.url)).path.strip("/")
        pool = adapter.get_connection_with_tls_context(prepared, self._session.verify, cert=self._session.cert)
        self._pool = cast("urllib3.HTTPConnectionPool", pool)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def post(self, path: str, form: Mapping[str, str], *, deadline: Deadline) -> bytes:
        """The body of a successful answer to a form. Raises the `SourceError` that says what went wrong."""
        return self._sent(_Request(method="POST", path=path, fields=form), deadline).body

    def get(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None, *, deadline: Deadline
    ) -> Page:
        """A successful answer to a query. Raises the `SourceError` that says what went wrong."""
        return self._sent(_Request(method="GET", path=path, fields=query, headers=headers or {}), deadline)

    def hand(self, path: str, body: bytes, headers: Mapping[str, str], *, deadline: Deadline) -> bytes:
        """The body of a successful answer to a document, in one attempt: what it does must not be done twice.

        Raises the `SourceError` that says what went wrong.
        """
        request = _Request(method="POST", path=path, body=body, headers=headers)
        return self._once(request, deadline.within(self.connection.timeout)).body

    def change(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, deadline: Deadline
    ) -> bytes:
        """The body of a successful answer to what changes something: tried again only where it was told to come later.

        Raises the `SourceError` that says what went wrong.
        """
        known = {"Content-Type": "application/json", **(headers or {})}
        return self._sent(_Request(method=method, path=path, body=body, headers=known), deadline, attempts=1).body

    def _sent(self, request: _Request, deadline: Deadline, attempts: int = _ATTEMPTS) -> Page:
        whole, deadline = deadline, deadline.within(self.connection.timeout)
        earlier: SourceError | None = None
        for attempt in itertools.count(1):
            try:
                return self._once(request, deadline)
            except TimedOut as error:
                # Why it was tried again says more than that there was no time left for it.
                raise earlier or error from None
            except (Unreachable, Overloaded) as error:
                earlier = error
                # Full jitter, so that many callers do not come back at the same moment.
                jitter = random.uniform(0, _BACKOFF * 2 ** min(attempt, _ATTEMPTS))  # noqa: S311 - no secret depends on it
                pause = getattr(error, "retry_after", 0.0) + jitter
                if error.code == _TOO_MANY and pause < whole.left:
                    # Nothing was done, and there is an answer for whoever waits: that is no part of the call.
                    time.sleep(pause)
                    deadline = whole.within(self.connection.timeout)
                    continue
                if attempt >= attempts or pause >= deadline.left:
                    raise
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, request: _Request, deadline: Deadline) -> Page:
        """One attempt, left at the deadline: a server that drips resets each time-out of a socket with every byte."""
        outcome: queue.SimpleQueue[Page | Exception] = queue.SimpleQueue()

        def attempt() -> None:
            try:
                outcome.put(self._attempt(request, deadline))
            except (SourceError, requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                outcome.put(error)

        threads.start(attempt, "opsjobs-http")
        try:
            result = outcome.get(timeout=max(deadline.left, 0.001))
        except queue.Empty:
            raise self._timed_out() from None
        if isinstance(result, Page):
            return result
        raise self._translated(result) from None

    def _attempt(self, request: _Request, deadline: Deadline) -> Page:
        seconds, began = max(deadline.left, 0.001), time.monotonic()
        fields = urlencode(request.fields)
        query = f"?{fields}" if request.method == "GET" and fields else ""
        form = {} if request.method == "GET" or request.body is not None else _FORM
        response = self._pool.urlopen(
            request.method,
            self._target(request.path) + query,
            body=None if request.method == "GET" else (fields if request.body is None else request.body),
            headers={**self._headers, **form, **request.headers},
            timeout=urllib3.Timeout(connect=min(_CONNECT_SECONDS, seconds), read=seconds),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            body = b"".join(self._chunks(response, deadline))
        except BaseException:
            # What is left of it must not become the next answer.
            response.close()
            raise
        response.release_conn()
        _LOG.debug(
            "%s %s%s: %s in %.3f s",
            request.method,
            f"{urlsplit(self._base).scheme}://{urlsplit(self._base).netloc}",
            # What is asked stands behind it, and may be long.
            self.redact(self._target(request.path).partition("?")[0]),
            response.status,
            time.monotonic() - began,
        )
        if response.status < _REDIRECTS:
            return Page(body=body, link=response.headers.get("Link", ""))
        raise self._refusal(response, body)

    def _target(self, path: str) -> str:
        """A path below the server's own; what begins with two slashes would be another server."""
        return f"/{self._path}{path}" if self._path else f"/{path.lstrip('/')}"

    def _chunks(self, response: urllib3.BaseHTTPResponse, deadline: Deadline) -> Iterator[bytes]:
        """The body as it comes, within its largest size."""
        size = 0
        while chunk := response.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > _LARGEST_BODY:
                raise BadAnswer(
                    f"{self._who} sent more than {_LARGEST_BODY >> 20} MB", advice="Aggregate in the query."
                )
            if not deadline.left:
                # Nobody waits for the rest.
                raise self._timed_out()
            yield chunk

    def _translated(self, error: Exception) -> SourceError:
        """What a library raised, in words."""
        if isinstance(error, SourceError):
            return error
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            # By name a kind of time-out, and none: nobody is there.
            return self._unreachable(self._reason(error))
        if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
            return self._unreachable(f"no connection within {_CONNECT_SECONDS:g} s")
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return self._timed_out()
        if isinstance(error, urllib3.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            return SourceError(
                f"{self._who}: its TLS certificate was not accepted: {self._reason(error)}",
                advice=f"Set {self.connection.key}.ca_file to the authority that signed it, or correct its url.",
            )
        return self._unreachable(self._reason(error))

    @property
    def _who(self) -> str:
        return f"{self.connection.name} at {self.connection.url}"

    def _timed_out(self) -> TimedOut:
        return TimedOut(
            f"{self._who} did not answer within {self.connection.timeout:g} s",
            advice=f"Raise {self.connection.key}.timeout, or make the query cheaper with a recording rule.",
        )

    def _unreachable(self, reason: str) -> Unreachable:
        return Unreachable(
            f"{self._who} cannot be reached: {reason}",
            advice=f"Check that it runs, and set {self.connection.key}.url in opsjobs.yml.",
        )

    def _reason(self, error: BaseException) -> str:
        """The innermost cause, in the words of the system: the outer ones repeat URLs and object addresses."""
        seen: set[int] = set()
        while id(error) not in seen:
            seen.add(id(error))
            inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
            inner = inner or next((item for item in error.args if isinstance(item, BaseException)), None)
            if not isinstance(inner, BaseException):
                break
            error = inner
        text = getattr(error, "strerror", None) or str(error).rsplit(": ", 1)[-1] or type(error).__name__
        return self.redact(text)[:_SHOWN]

    def _refusal(self, response: urllib3.BaseHTTPResponse, body: bytes) -> SourceError:
        said = self.redact(_words(body, self.redact))[:_SHOWN]
        refusal = self._refused(response, said)
        refusal.code, refusal.said = response.status, said
        return refusal

    def _refused(self, response: urllib3.BaseHTTPResponse, said: str) -> SourceError:
        code = response.status
        if code in {401, 403}:
            return AccessDenied(
                f"{self._who} refused the credentials (HTTP {code})",
                advice=f"Set username and password_file, token_file or headers below {self.connection.key}.",
            )
        if code in _TRANSIENT:
            overloaded = Overloaded(f"{self._who} cannot answer now (HTTP {code}): {said}")
            # A date is not waited for: the clocks of two machines differ.
            seconds = response.headers.get("Retry-After", "")
            overloaded.retry_after = float(seconds) if seconds.isascii() and seconds.isdigit() else 0.0
            return overloaded
        if "Location" in response.headers and code < _CLIENT_ERRORS:
            target = self.redact(response.headers.get("Location", ""))[:_SHOWN]
            return BadAnswer(
                f"{self._who} redirects to {target}",
                advice=f"Set {self.connection.key}.url to the address that answers; redirects would leak credentials.",
            )
        if code in {400, 422}:
            return QueryRejected(f"{self._who} rejected the query (HTTP {code}): {said}")
        refused = NotFound if code == _NOT_FOUND else BadAnswer
        return refused(f"{self._who} answered HTTP {code}: {said}")


def _words(body: bytes, redact: Callable[[str], str]) -> str:
    """What a refusing server says: the message of its JSON, else the text of its body."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Of a page only what a person would read of it; before that secrets, which may look like tags.
        return " ".join(_TAGS.sub(" ", redact(body[:_READ].decode("utf-8", "replace"))).split())
    said = next(filter(None, map(content.get, _SAID)), None) if isinstance(content, dict) else None
    return str(said or content)

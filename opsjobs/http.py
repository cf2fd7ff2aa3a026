"""The one door to HTTP: verified TLS, a wall-clock deadline for each call, retries only where they help, no leaks.

Redirects are not followed and the environment is not trusted: either would hand credentials to another host, and a
netrc file would replace a bearer token.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter

from opsjobs.errors import (
    AccessDenied,
    BadAnswer,
    Overloaded,
    QueryRejected,
    SourceError,
    TimedOut,
    Unreachable,
)
from opsjobs.log import Redactor

_ATTEMPTS = 3
_BACKOFF = 0.3
_CHUNK = 1 << 16
_LARGEST_BODY = 512 << 20
_SHOWN = 300
_TRANSIENT = {429, 502, 503, 504}


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


class Http:
    """Kept connections to one server. Safe to use from several threads; `close` when done."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._base = connection.url.rstrip("/")
        secrets = [connection.token, *connection.headers.values()]
        if connection.auth:
            secrets += [connection.auth[1], requests.auth._basic_auth_str(*connection.auth).removeprefix("Basic ")]  # noqa: SLF001 - the encoding that is sent
        self._redact = Redactor(secrets).redact
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Accept": "application/json", "User-Agent": "opsjobs", **connection.headers})
        if connection.token:
            self._session.headers["Authorization"] = f"Bearer {connection.token}"
        self._session.auth = connection.auth
        self._session.verify = connection.ca_file or True
        if connection.cert_file:
            self._session.cert = (connection.cert_file, connection.key_file or connection.cert_file)
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connection.concurrency, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def post(self, path: str, form: Mapping[str, str], *, deadline: Deadline) -> bytes:
        """The body of a successful answer to a form. Raises the `SourceError` that says what went wrong."""
        return self._send("POST", path, form, deadline)

    def get(self, path: str, *, deadline: Deadline) -> bytes:
        """The body of a successful answer. Raises the `SourceError` that says what went wrong."""
        return self._send("GET", path, None, deadline)

    def _send(self, method: str, path: str, form: Mapping[str, str] | None, deadline: Deadline) -> bytes:
        deadline = deadline.within(self.connection.timeout)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._once(method, path, form, deadline)
            except (Unreachable, Overloaded) as error:
                # Full jitter, so that many callers do not come back at the same moment.
                pause = max(getattr(error, "retry_after", 0.0), random.uniform(0, _BACKOFF * 2**attempt))  # noqa: S311 - no secret depends on it
                if attempt == _ATTEMPTS or pause >= deadline.left:
                    raise
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, path: str, form: Mapping[str, str] | None, deadline: Deadline) -> bytes:
        with self._translated(deadline):
            # No time left is told as a time-out, not as urllib3's refusal of a zero.
            seconds = max(deadline.left, 0.001)
            response = self._session.request(
                method, self._base + path, data=form, timeout=seconds, stream=True, allow_redirects=False
            )
            with response:
                body = b"".join(self._chunks(response, deadline))
        if response.ok and not response.is_redirect:
            return body
        raise self._refusal(response, body)

    def _chunks(self, response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
        """The body as it comes: a server that drips would reset a socket's time-out with each byte."""
        size = 0
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > _LARGEST_BODY:
                raise BadAnswer(
                    f"{self._who} sent more than {_LARGEST_BODY >> 20} MB", advice="Aggregate in the query."
                )
            if not deadline.left:
                raise self._timed_out()
            yield chunk

    @contextmanager
    def _translated(self, deadline: Deadline) -> Iterator[None]:
        try:
            yield
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            if isinstance(error, requests.ConnectTimeout) and deadline.left:
                raise self._unreachable(error) from None
            raise self._timed_out() from None
        except requests.exceptions.SSLError as error:
            raise SourceError(
                f"{self._who}: its TLS certificate was not accepted: {self._reason(error)}",
                advice=f"Set {self.connection.key}.ca_file to the authority that signed it, or correct its url.",
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from None

    @property
    def _who(self) -> str:
        return f"{self.connection.name} at {self.connection.url}"

    def _timed_out(self) -> TimedOut:
        return TimedOut(
            f"{self._who} did not answer within {self.connection.timeout:g} s",
            advice=f"Raise {self.connection.key}.timeout, or make the query cheaper with a recording rule.",
        )

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"{self._who} cannot be reached: {self._reason(error)}",
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
        return self._redact(text)[:_SHOWN]

    def _refusal(self, response: requests.Response, body: bytes) -> SourceError:
        code = response.status_code
        said = self._redact(_words(body))[:_SHOWN]
        if code in {401, 403}:
            return AccessDenied(
                f"{self._who} refused the credentials (HTTP {code})",
                advice=f"Set username and password_file, token_file or headers below {self.connection.key}.",
            )
        if code in _TRANSIENT:
            overloaded = Overloaded(f"{self._who} is not able to answer now (HTTP {code}): {said}")
            with suppress(ValueError):
                overloaded.retry_after = float(response.headers.get("Retry-After", ""))
            return overloaded
        if response.is_redirect:
            target = self._redact(response.headers.get("Location", ""))[:_SHOWN]
            return BadAnswer(
                f"{self._who} redirects to {target}",
                advice=f"Set {self.connection.key}.url to the address that answers; redirects would leak credentials.",
            )
        if code in {400, 422}:
            return QueryRejected(f"{self._who} rejected the query (HTTP {code}): {said}")
        return BadAnswer(f"{self._who} answered HTTP {code}: {said}")


def _words(body: bytes) -> str:
    """What a refusing server says: the message of its JSON, else the text of its body."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:_SHOWN].decode("utf-8", "replace").strip()
    said = (content.get("error") or content.get("message")) if isinstance(content, dict) else None
    return str(said or content)

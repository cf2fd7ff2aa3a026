"""Visit an address as a browser would: what it answers, how fast, and how long its certificate is good for."""

from __future__ import annotations

import http.client
import ssl
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from opsjobs.errors import SourceError, TimedOut, Unreachable
from opsjobs.facts import Visit
from opsjobs.http import Deadline
from opsjobs.sources import in_time

_READ = 4096


class Web:
    """A `Visitor` over HTTP. `ca_file` is an authority beside those that the machine trusts."""

    def __init__(self, ca_file: str = "") -> None:
        self._ca_file = ca_file

    def visit(self, url: str, deadline: Deadline) -> Visit:
        """One GET without redirects. Raises `SourceError` when there is no answer."""
        seconds = max(deadline.left, 0.001)
        late = TimedOut(f"{_shown(url)} did not answer within {seconds:.0f} s")
        return in_time(lambda: self._visit(url, seconds), deadline, late=late, give_up=lambda: None)

    def _visit(self, url: str, seconds: float) -> Visit:
        parts = urlsplit(url)
        host, began = parts.hostname or "", time.monotonic()
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            if self._ca_file:
                context.load_verify_locations(self._ca_file)
            connection = http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=context)
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=seconds)
        try:
            path = parts.path or "/"
            connection.request(
                "GET", f"{path}?{parts.query}" if parts.query else path, headers={"User-Agent": "opsjobs"}
            )
            certificate = _until(connection)
            answer = connection.getresponse()
            body = answer.read(_READ).decode("utf-8", "replace")
        except ssl.SSLCertVerificationError as error:
            raise SourceError(f"{_shown(url)}: its certificate is not accepted: {error.verify_message}") from None
        except TimeoutError:
            raise TimedOut(f"{_shown(url)} did not answer within {seconds:.0f} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(f"{_shown(url)} cannot be reached: {reason}") from None
        finally:
            connection.close()
        return Visit(code=answer.status, seconds=time.monotonic() - began, body=body, certificate_until=certificate)


def _until(connection: http.client.HTTPConnection) -> datetime | None:
    """Until when the certificate of the open connection is good; None without TLS."""
    sock = connection.sock
    if not isinstance(sock, ssl.SSLSocket):
        return None
    found = sock.getpeercert() or {}
    until = found.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if isinstance(until, str) else None


def _shown(url: str) -> str:
    """The address without what may let somebody in."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

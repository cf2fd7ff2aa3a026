"""The way of documents to receivers over HTTP: one attempt, and whether another makes sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsjobs.errors import AccessDenied, BadAnswer, DeliveryError, QueryRejected, SourceError
from opsjobs.http import Connection, Deadline, Http

_OWN_FAULT = range(500, 600)


class Post:
    """Hands documents to one receiver. What it refuses for good is permanent: nothing but another document helps.

    `path` may be a secret, as that of a Slack webhook is: it is in no text, and `redact` takes it out of answers.
    """

    def __init__(self, connection: Connection, path: str = "", redact: Callable[[str], str] = str) -> None:
        self._http = Http(connection, redact)
        self._path = path
        self.name = connection.name

    def hand(self, document: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """The body of the answer. Raises `DeliveryError`."""
        said = {"Content-Type": "application/json", **(headers or {})}
        try:
            return self._http.hand(self._path, document, said, deadline=Deadline(self._http.connection.timeout))
        except SourceError as error:
            # Each message is handed over by itself, so that nothing is kept open between two runs.
            raise DeliveryError(
                error.message.replace("rejected the query", "rejected the message"),
                permanent=_is_permanent(error),
                advice=error.advice,
                retry_after=getattr(error, "retry_after", 0.0),
            ) from None
        finally:
            self._http.close()


def _is_permanent(error: SourceError) -> bool:
    if isinstance(error, BadAnswer):
        return error.code not in _OWN_FAULT
    # A certificate that is not trusted today may be so tomorrow.
    return isinstance(error, AccessDenied | QueryRejected)

"""Pings as healthchecks.io defines them: whoever gets none in time raises the alarm.

They tell when a run begins, ends and fails, with its id, so that overlapping runs are kept apart. A ping that is not
taken costs a few seconds and a line in the log, and never the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from opsjobs.errors import SourceError
from opsjobs.http import Connection, Deadline, Http
from opsjobs.model import Run

_ATTEMPTS = 2
_SECONDS = 5.0
_BODY = 10_000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where the runs of a job are told of. The path is what lets in."""

    connection: Connection
    path: str
    query: str = ""


class Pings:
    """A `Witness` that pings, by job."""

    def __init__(self, targets: Mapping[str, Target], redact: Callable[[str], str]) -> None:
        self._targets = targets
        self._redact = redact

    def started(self, run: Run) -> None:
        """Say that a run has begun."""
        self._ping(run, "/start", "")

    def ended(self, run: Run, *, delivered: bool = True) -> None:
        """Say that a run has ended; it has failed where somebody did not get what it had to say."""
        self._ping(run, "" if delivered else "/fail", run.error)

    def failed(self, run: Run, error: BaseException) -> None:
        """Say that a run has failed."""
        self._ping(run, "/fail", run.error or str(error))

    def close(self) -> None:
        """Nothing is kept open."""

    def _ping(self, run: Run, what: str, said: str) -> None:
        target = self._targets.get(run.job)
        if target is None:
            return
        query = "&".join(filter(None, (target.query, urlencode({"rid": run.id}))))
        # The end of a text says what went wrong.
        body = self._redact(said)[-_BODY:].encode()
        http = Http(target.connection, self._redact)
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    http.hand(
                        f"{target.path}{what}?{query}",
                        body,
                        {"Content-Type": "text/plain"},
                        deadline=Deadline(_SECONDS),
                    )
                except SourceError as error:
                    if attempt == _ATTEMPTS:
                        _LOG.warning("the ping of %s for %s was not taken: %s", run.job, run.system, error.message)
                else:
                    return
        finally:
            http.close()

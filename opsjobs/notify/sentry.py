"""Tell a Sentry of opsjobs' own errors, and check in for each run. Needs the extra `sentry`.

Nothing of the SDK hooks into the process: it has a client of its own and no integrations. A Sentry that is not there
costs a run two seconds at most, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sentry_sdk import Client
from sentry_sdk.transport import HttpTransport
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from opsjobs.errors import UsageError
from opsjobs.model import Outcome, Run

PATIENCE = 2.0
"""Seconds for which all the reports of a run may hold it up together."""
_LONGEST_SLUG = 50
_OUTCOMES = {Outcome.RUNNING: "in_progress", Outcome.SUCCEEDED: "ok", Outcome.PARTIAL: "ok", Outcome.FAILED: "error"}
"""A report from which something is missing is one that was made: the report itself says what it lacks."""


class _DirectTransport(HttpTransport):
    """HTTP to the address of the DSN and to no other: a redirect would take the key along."""

    def _get_pool_options(self) -> dict[str, Any]:
        return {**super()._get_pool_options(), "retries": False}


class SentryWitness:
    """A `Witness` that tells a Sentry. `close` when done."""

    def __init__(
        self,
        dsn: str,
        *,
        environment: str,
        release: str,
        redact: Callable[[str], str],
        patience: float = PATIENCE,
    ) -> None:
        self._redact = redact
        self._patience = patience
        self._client = Client(
            dsn=dsn,
            environment=environment,
            release=release,
            transport=_DirectTransport,
            before_send=self._cleaned,
            # Neither the process nor the libraries it uses are watched.
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            send_client_reports=False,
            enable_backpressure_handling=False,
            enable_metrics=False,
            propagate_traces=False,
            # Only what went wrong, not what it was working on. Of people nothing is sent unless the SDK is asked to.
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            # The environment decides nothing.
            http_proxy="",
            https_proxy="",
            spotlight=False,
            debug=False,
            keep_alive=False,
        )

    def started(self, run: Run) -> None:
        """Say that a run has begun, without waiting."""
        self._check_in(run)

    def ended(self, run: Run, *, delivered: bool = True) -> None:  # noqa: ARG002 - what was not delivered is no error
        """Say how a run ended, and wait for a moment until that has been told."""
        self._check_in(run)
        self._flush()

    def failed(self, run: Run, error: BaseException) -> None:
        """Tell the error that ended a run, unless a person caused it, and that the run failed."""
        if not isinstance(error, KeyboardInterrupt | UsageError):
            mechanism = {"type": "opsjobs", "handled": False}
            event, hint = event_from_exception(error, client_options=self._client.options, mechanism=mechanism)
            event["tags"] = {"system": run.system, "job": run.job, "slot": run.slot}
            self._client.capture_event(event, hint=hint)
        self.ended(run)

    def close(self) -> None:
        """Send nothing more."""
        self._client.close(timeout=0)

    def _check_in(self, run: Run) -> None:
        event: Event = {
            "type": "check_in",
            "monitor_slug": monitor(run),
            # As a UUID without its dashes; the same for both check-ins of a run.
            "check_in_id": run.id.replace("-", ""),
            "status": _OUTCOMES[run.outcome],
            "duration": (run.finished_at - run.started_at).total_seconds() if run.finished_at else None,
        }
        self._client.capture_event(self._clean(event))

    def _flush(self) -> None:
        """Wait until all is sent, as far as there is patience left."""
        if self._patience <= 0:
            return
        began = time.monotonic()
        self._client.flush(timeout=self._patience)
        self._patience -= time.monotonic() - began

    def _cleaned(self, event: Event, _: Hint) -> Event:
        cleaned: Event = self._clean(event)
        return cleaned

    def _clean(self, value: Any) -> Any:
        """The value without secrets in any of its texts."""
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, dict):
            return {key: self._clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(inner) for inner in value]
        return value


def monitor(run: Run) -> str:
    """The slug of the monitor that watches a job: Sentry takes no more than 50 characters."""
    ends = "opsjobs-", f"-{run.job}"
    room = _LONGEST_SLUG - len("".join(ends))
    return run.system[:room].join(ends)

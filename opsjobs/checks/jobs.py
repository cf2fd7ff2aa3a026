"""opsjobs' own jobs: how each last went, and messages that nobody got."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial

from opsjobs.analysis import runs
from opsjobs.checks.check import Around, Check, Found, Probe
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Window

_SECONDS = 5
_REACH = timedelta(days=60)


def checks(around: Around) -> Iterator[Check]:
    """One for all of them: what they need a person for."""
    yield Probe(id="jobs", title="opsjobs", ask=partial(_ask, around), seconds=_SECONDS, team=around.owners.monitoring)


def _ask(around: Around, _: Deadline) -> Iterable[Found]:
    # A job is as its last run was, however long ago.
    last = {run.job: run for run in sorted(around.runs, key=lambda run: run.started_at) if run.finished_at}
    window = Window(start=around.now - _REACH, end=around.now)
    judged = runs.evaluate(
        [*last.values(), *(run for run in around.runs if run.finished_at is None)],
        around.undelivered,
        window,
        around.zone,
        team=around.owners.monitoring,
        kept=runs.Kept(slots=around.slots, expected=around.expected),
    )
    for finding in judged.findings:
        yield CheckResult(
            id=finding.subject,
            title=finding.title,
            status=finding.status,
            text=finding.detail,
            advice=finding.advice,
            team=finding.team,
        )

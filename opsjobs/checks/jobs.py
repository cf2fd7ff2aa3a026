"""opsjobs' own jobs: how each last went, and messages that nobody got."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from opsjobs.analysis import runs
from opsjobs.checks.check import Around, Check, Found, Probe
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Window

_SECONDS = 5


def checks(around: Around) -> Iterator[Check]:
    """One for all of them: what they need a person for."""
    yield Probe(id="jobs", title="opsjobs", ask=partial(_ask, around), seconds=_SECONDS, team=around.owners.monitoring)


def _ask(around: Around, _: Deadline) -> Iterable[Found]:
    window = Window(start=around.since, end=around.now)
    judged = runs.evaluate(around.runs, around.undelivered, window, around.zone, team=around.owners.monitoring)
    for finding in judged.findings:
        yield CheckResult(
            id=finding.subject,
            title=finding.title,
            status=finding.status,
            text=finding.detail,
            advice=finding.advice,
            team=finding.team,
        )

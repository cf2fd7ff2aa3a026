"""EVALUATE now: how each thing is at this moment. One file for each kind of check.

    check.py         what a check is made of, and what it finds around itself
    components.py    what must be up: its members by `up`
    urls.py          the addresses of components: answer, time, certificate
    indicators.py    numbers of the profile against their limits
    figures.py       those of them that databases keep
    objectives.py    how fast error budgets burn
    prometheus.py    Prometheus itself, and metrics that have vanished
    alertmanager.py  whether it can tell people, and what it could not deliver
    grafana.py       its own database, and its data sources
    alerts.py        what fires, and what fired since the last run and is over
    databases.py     what PostgreSQL and Redis say of themselves, and the numbers that they keep
    backups.py       the backups of each Grafana
    jobs.py          opsjobs' own jobs and undelivered messages

    causes.py        what one check explains of others
    states.py        since when each is bad

A check is a question to Prometheus with its judgement (`Inquiry`), or a probe of something else (`Probe`). All are
asked at once: questions as many at a time as the configuration allows, each probe on its own. What cannot be asked is
UNKNOWN.

To add a check: a row in one of these files, or a file with a function `checks` and a row in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from opsjobs.checks import (
    alertmanager,
    alerts,
    backups,
    components,
    databases,
    grafana,
    indicators,
    jobs,
    objectives,
    prometheus,
    urls,
)
from opsjobs.checks.check import Around, Check, Found, Inquiry, Probe
from opsjobs.errors import SourceError
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Status
from opsjobs.sources import ask_all
from opsjobs.threads import Pool

KINDS: tuple[Callable[[Around], Iterator[Check]], ...] = (
    components.checks,
    urls.checks,
    indicators.checks,
    objectives.checks,
    alerts.checks,
    prometheus.checks,
    alertmanager.checks,
    grafana.checks,
    databases.checks,
    backups.checks,
    jobs.checks,
)
"""Every kind of check, in the order in which they are told."""


def declared(around: Around) -> list[Check]:
    """Every check of a system."""
    return [check for kind in KINDS for check in kind(around)]


def look(around: Around, checks: Sequence[Check], deadline: Deadline) -> list[Found]:
    """Ask everything at once and judge it, in the order of the checks."""
    questions = [question for check in checks if isinstance(check, Inquiry) for question in check.questions]
    probes = [check for check in checks if isinstance(check, Probe)]
    with Pool(max_workers=max(1, len(probes))) as pool:
        waiting = {id(probe): pool.submit(_probed, probe, deadline) for probe in probes}
        replies = iter(ask_all(around.metrics, questions, deadline))
        found: list[Found] = []
        for check in checks:
            if isinstance(check, Inquiry):
                found += check.judge([next(replies) for _ in check.questions])
            else:
                found += waiting[id(check)].result()
    return found


def _probed(probe: Probe, deadline: Deadline) -> list[Found]:
    found: list[Found] = []
    try:
        # One by one: what was found before the source failed is as good as ever.
        found.extend(probe.ask(deadline.within(probe.seconds)))
    except SourceError as error:
        found.append(
            CheckResult(
                id=probe.id,
                title=probe.title,
                status=Status.UNKNOWN,
                text=error.message,
                cause=probe.cause,
                advice=error.advice,
                team=probe.team,
                runbook=probe.runbook,
            )
        )
    return found

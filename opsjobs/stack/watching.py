"""Rules that watch opsjobs itself: whether its jobs run in time and do their work, and whether its messages arrive.

They are rendered where opsjobs' own metrics can be had: by `opsjobs serve`, or from a Pushgateway. Who the rules tell
is the team of the monitoring; docs/watching.md says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from opsjobs import promql, words
from opsjobs.model import WHOLE
from opsjobs.stack import values
from opsjobs.stack.plan import Plan
from opsjobs.stack.rule import AlertRule, Metrics
from opsjobs.system.owners import Owners
from opsjobs.vocabulary import seconds

FILE = "opsjobs.yml"
GROUP = "opsjobs"
_RUNBOOKS = "docs/watching.md"
_HELD, _UNSEEN = "15m", "15m"
_UNSENT = "1h"
INTERVAL = "1m"
_JOB = "{{ $labels.job_name }}"
_CHANNEL = "{{ $labels.channel }}"


def rules(plan: Plan) -> list[AlertRule]:
    """Every rule that watches opsjobs; none where nobody can have its metrics."""
    if plan.own is None:
        return []
    return [
        *(_late(plan, job, allowed) for job, allowed in plan.own.late.items()),
        _failed(plan),
        *_undelivered(plan),
        _unseen(plan),
    ]


def files(plan: Plan) -> Mapping[str, Any]:
    """The file of the rules, by its name."""
    made = [rule.document for rule in rules(plan)]
    return {FILE: {"groups": [{"name": GROUP, "interval": INTERVAL, "rules": made}]}} if made else {}


def _late(plan: Plan, job: str, allowed: int) -> AlertRule:
    series = _series("opsjobs_last_success_timestamp_seconds", plan, job_name=job)
    beyond = -allowed - 1
    return _rule(
        plan,
        "OpsjobsJobLate",
        expr=f"time() - {series} > {allowed}",
        held=_HELD,
        summary=f"opsjobs has not done {job} for longer than {words.span(allowed)}",
        description=f"The last run of {job} that did its work ended {values.HERE} ago.",
        labels={"job_name": job},
        watch=Metrics(
            # The time of a test begins at 0: when the rule would fire the one is at its limit, the other beyond it.
            well={series: seconds(_HELD) - allowed},
            ill={series: beyond},
            labels={},
            found=values.filled("seconds", seconds(_HELD) - beyond),
        ),
        found=values.template("seconds"),
    )


def _failed(plan: Plan) -> AlertRule:
    series = _series("opsjobs_last_run_outcome", plan, job_name="daily", outcome="failed")
    of = f"opsjobs_last_run_outcome{{system={promql.quote(plan.name)}"
    failed = f'{of}, outcome!~"succeeded|partial"}}'
    not_whole = f'{of}, job_name=~"{"|".join(WHOLE)}", outcome="partial"}}'
    return _rule(
        plan,
        "OpsjobsJobFailed",
        expr=f"max by (job_name) ({failed} or {not_whole}) == 1",
        summary="A job of opsjobs has failed",
        description=f"The last run of {values.HERE} did not do its work.",
        watch=Metrics(well={series: 0}, ill={series: 1}, labels={"job_name": "daily"}, found="daily"),
        found=_JOB,
    )


def _undelivered(plan: Plan) -> Iterator[AlertRule]:
    late = _series("opsjobs_overdue_deliveries", plan, channel="email")
    failed = _series("opsjobs_deliveries", plan, channel="email", state="failed")
    for name, series, only, said in (
        ("OpsjobsMessagesLate", late, "opsjobs_overdue_deliveries", "should have been sent for longer than an hour"),
        ("OpsjobsMessagesLost", failed, 'opsjobs_deliveries{state="failed"}', "were given up in the last 24 hours"),
    ):
        own = promql.narrowed(only, "system", plan.name, "=")
        yield _rule(
            plan,
            name,
            expr=f"sum by (channel) ({own}) > 0",
            held=_UNSENT if series is late else "",
            summary=f"Messages of opsjobs {said}",
            description=f"They go by {values.HERE}.",
            watch=Metrics(well={series: 0}, ill={series: 1}, labels={"channel": "email"}, found="email"),
            found=_CHANNEL,
        )


def _unseen(plan: Plan) -> AlertRule:
    series = 'opsjobs_build_info{version="1.0"}'
    return _rule(
        plan,
        "OpsjobsUnseen",
        expr="absent(opsjobs_build_info)",
        held=_UNSEEN,
        summary="Nothing is known of opsjobs itself",
        description=f"No metric of it has come for {_UNSEEN}: whether its jobs run is not known.",
        watch=Metrics(well={series: 1}, ill={}, labels={}, found=""),
    )


def _rule(
    plan: Plan,
    name: str,
    *,
    expr: str,
    summary: str,
    description: str,
    watch: Metrics,
    held: str = "",
    labels: Mapping[str, str] = MappingProxyType({}),
    found: str = "",
) -> AlertRule:
    return AlertRule(
        name=name,
        group=GROUP,
        watch=watch,
        expr=promql.pretty(expr),
        held=held,
        labels={
            "system": plan.name,
            "severity": "warning",
            "team": Owners(plan.system).monitoring.name,
            "category": "Monitoring",
            **labels,
        },
        said={"summary": summary, "description": description, "runbook_url": f"{_RUNBOOKS}#{name.lower()}"},
        found=found,
    )


def _series(name: str, plan: Plan, **labels: str) -> str:
    inside = ", ".join(f"{key}={promql.quote(value)}" for key, value in {"system": plan.name, **labels}.items())
    return f"{name}{{{inside}}}"

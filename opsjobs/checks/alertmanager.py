"""Alertmanager: whether it is there to tell people, what it holds back, and what it could not deliver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from opsjobs.checks.check import Around, Check, Found, Inquiry, Probe, Reply
from opsjobs.errors import SourceError
from opsjobs.facts import AlertmanagerFacts
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Status
from opsjobs.sources import Question, Routes
from opsjobs.words import quantity

_SECONDS = 10
_FAILED = "sum by (integration) (increase(alertmanager_notifications_failed_total[{seconds}s])) > 0"


def checks(around: Around) -> Iterator[Check]:
    """What it says of itself where it is configured, and which channels failed where it is scraped."""
    team, runbook = around.owners.monitoring, around.owners.of_server("alertmanager")[1]
    if around.alertmanager is not None:
        ask = partial(_ask, around, around.alertmanager)
        title = around.alertmanager.name
        yield Probe(id="source:alertmanager", title=title, ask=ask, seconds=_SECONDS, team=team, runbook=runbook)
    seconds = int((around.now - around.since).total_seconds())
    question = Question(query=_FAILED.format(seconds=seconds), at=around.now)
    yield Inquiry(questions=(question,), judge=partial(_failed, around))


def _ask(around: Around, alertmanager: Routes, deadline: Deadline) -> Iterable[Found]:
    facts = alertmanager.facts(deadline)
    for name, status, text, advice in _rows(facts):
        yield CheckResult(
            id=f"alertmanager:{name}",
            title=f"{alertmanager.name}: {name}",
            status=status,
            text=text,
            cause="component:alertmanager",
            advice=advice,
            team=around.owners.monitoring,
            runbook=around.owners.of_server("alertmanager")[1],
        )


def _rows(facts: AlertmanagerFacts) -> Iterator[tuple[str, Status, str, str]]:
    if facts.ready:
        yield "ready", Status.OK, "it is ready", ""
    else:
        text = facts.missing.get("ready", "it is not ready")
        yield "ready", Status.CRITICAL, text, "Until it is, nobody is told of alerts: look at its log."
    if facts.cluster == "settling":
        advice = "It waits for its peers: see that they run and reach one another."
        yield "cluster", Status.WARNING, "the cluster is settling", advice
    elif facts.cluster:
        yield "cluster", Status.OK, f"{facts.cluster}, {facts.peers} peers" if facts.peers else facts.cluster, ""
    if facts.alerts is None:
        yield "alerts", Status.UNKNOWN, facts.missing.get("alerts", "it does not list them"), ""
        return
    held = Counter(alert.held_back for alert in facts.alerts)
    parts = [f"{held['']} told", *(f"{count} {how}" for how, count in sorted(held.items()) if how)]
    yield "alerts", Status.OK, f"{quantity(len(facts.alerts), 'count')} alerts: {', '.join(parts)}", ""


def _failed(around: Around, replies: Sequence[Reply]) -> Iterable[Found]:
    """What it could not deliver; where it is not scraped, nobody knows, and its own check has to do."""
    (reply,) = replies
    if isinstance(reply, SourceError):
        yield _notifications(around, Status.UNKNOWN, reply.message, reply.advice)
        return
    if not reply.series:
        return
    counts = {
        series.labels.get("integration", ""): value
        for series in reply.series
        if (value := series.samples[-1].value) is not None
    }
    named = ", ".join(f"{name} {quantity(round(count), 'count')}" for name, count in sorted(counts.items()))
    advice = "Its log says why; `opsjobs stack drift` whether its receivers are as declared."
    result = _notifications(around, Status.WARNING, f"could not be delivered: {named}", advice)
    yield replace(result, value=sum(counts.values()), unit="count")


def _notifications(around: Around, status: Status, text: str, advice: str) -> CheckResult:
    return CheckResult(
        id="alertmanager:notifications",
        title="Alertmanager: notifications",
        status=status,
        text=text,
        cause="source:prometheus" if status is Status.UNKNOWN else "",
        advice=advice,
        team=around.owners.monitoring,
        runbook=around.owners.of_server("alertmanager")[1],
    )

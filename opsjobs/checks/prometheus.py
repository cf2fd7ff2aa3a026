"""Prometheus itself: whether it is ready, reads its configuration, scrapes, evaluates, and keeps what it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from opsjobs import promql
from opsjobs.checks.check import Around, Check, Found, Inquiry, Probe, Reply
from opsjobs.errors import SourceError
from opsjobs.facts import PrometheusFacts
from opsjobs.http import Deadline
from opsjobs.model import Answer, CheckResult, Status
from opsjobs.sources import Monitor, Question
from opsjobs.words import clock, quantity

_SECONDS = 10
_NAMED = 3
_LATE = 3
"""Intervals after which a rule that was not evaluated is late."""
_SLACK = 60
"""Seconds that a rule may be late whatever its interval."""


def checks(around: Around) -> Iterator[Check]:
    """What it says of itself, and which metrics have vanished since it was looked at last."""
    if around.monitor is not None:
        team, runbook = around.owners.monitoring, around.owners.of_server("prometheus")[1]
        ask = partial(_ask, around, around.monitor)
        yield Probe(
            id="source:prometheus", title=around.monitor.name, ask=ask, seconds=_SECONDS, team=team, runbook=runbook
        )
    needed = {series for _, _, spec in around.system.indicators for series in spec.metrics}
    # Of alerts there may well be none.
    names = "|".join(sorted(series for series in needed if around.system.family(series)))
    if names:
        there = f"group by (__name__) ({{__name__=~{promql.quote(names)}}})"
        questions = tuple(Question(query=there, at=at) for at in (around.since, around.now))
        yield Inquiry(questions=questions, judge=partial(_vanished, around))


def _vanished(around: Around, replies: Sequence[Reply]) -> Iterable[Found]:
    before, now = (
        {_name(reply, number) for number in range(len(reply.series))} if isinstance(reply, Answer) else None
        for reply in replies
    )
    if before is None or now is None:
        error = next(reply for reply in replies if isinstance(reply, SourceError))
        yield CheckResult(
            id="metrics",
            title="Metrics that vanished",
            status=Status.UNKNOWN,
            text=error.message,
            cause="source:prometheus",
            advice=error.advice,
            team=around.owners.monitoring,
        )
        return
    there = {around.system.family(name) or name for name in now}
    # What was gone at the look before is not back because it was not there then either.
    missed = {check.partition(":")[2] for check, state in around.states.items() if state.bad and _of_a_metric(check)}
    gone = ({around.system.family(name) or name for name in before} | missed) & set(around.system.metrics) - there
    for name in sorted(gone):
        spec = around.system.metrics.get(name)
        yield CheckResult(
            id=f"metric:{name}",
            title=f"Metric {name}",
            status=Status.UNKNOWN,
            text=f"it had samples {_lately(around, name)}, and has none now",
            cause=f"component:{spec.component}" if spec else "",
            advice="See whether a release renamed or removed it, and whether its target is scraped.",
            team=around.owners.monitoring,
        )


def _of_a_metric(check: str) -> bool:
    return check.startswith("metric:")


def _lately(around: Around, name: str) -> str:
    missed = around.states.get(f"metric:{name}")
    at = clock(missed.since if missed and missed.bad else around.since, around.zone, around.now)
    return f"before {at}" if missed and missed.bad else f"at {at}"


def _name(reply: Answer, number: int) -> str:
    return reply.series[number].labels.get("__name__", "")


class Row(NamedTuple):
    """One thing that it says of itself."""

    name: str
    title: str
    status: Status
    text: str
    advice: str = ""
    value: float | None = None


def _ask(around: Around, monitor: Monitor, deadline: Deadline) -> Iterable[Found]:
    for row in _rows(around, monitor.facts(deadline)):
        yield CheckResult(
            id=f"prometheus:{row.name}",
            title=f"{monitor.name}: {row.title}",
            status=row.status,
            text=row.text,
            value=row.value,
            unit="count" if row.value is not None else "",
            advice=row.advice,
            cause="component:prometheus",
            team=around.owners.monitoring,
            runbook=around.owners.of_server("prometheus")[1],
        )


def _rows(around: Around, facts: PrometheusFacts) -> Iterator[Row]:
    if facts.ready is None:
        text = facts.missing.get("ready", "it does not say so")
        yield Row("ready", "ready", Status.CRITICAL, text, "Look at its log: it may be replaying its write-ahead log.")
    else:
        yield Row("ready", "ready", Status.OK, "it is ready")
    if facts.reloaded is not None:
        yield _reloaded(around, facts)
    if facts.corruptions is not None:
        bad = facts.corruptions > 0
        text = f"its storage was found corrupt {quantity(facts.corruptions, 'count')} times" if bad else "sound"
        advice = "Keep a copy of its data folder, then let it repair itself with a restart: samples may be lost."
        yield Row("storage", "storage", Status.CRITICAL if bad else Status.OK, text, advice if bad else "")
    if facts.rules is not None:
        yield from _rules(around, facts)
    if facts.targets is not None:
        yield _targets(around, facts)
    yield from _silent(around, facts)
    if facts.series is not None:
        named = ", ".join(f"{name} {quantity(count, 'count')}" for name, count in facts.largest[:_NAMED])
        text = f"{quantity(facts.series, 'count')} series in memory" + (f"; most of them: {named}" if named else "")
        yield Row("series", "series", Status.OK, text, "", float(facts.series))


def _silent(around: Around, facts: PrometheusFacts) -> Iterator[Row]:
    """What was bad and is not said any more: that does not make it well."""
    parts = {"config": facts.reloaded, "storage": facts.corruptions, "rules": facts.rules, "evaluation": facts.rules}
    for name, said in parts.items():
        before = around.states.get(f"prometheus:{name}")
        if said is None and before and before.bad:
            title = before.title.partition(": ")[2] or name
            yield Row(name, title, Status.UNKNOWN, "it was bad, and Prometheus does not say how it is now")


def _reloaded(around: Around, facts: PrometheusFacts) -> Row:
    if facts.reloaded:
        return Row("config", "configuration", Status.OK, "as it was read last")
    at = f" of {clock(facts.configured_at, around.zone, around.now)}" if facts.configured_at else ""
    text = f"what it read last is faulty; it runs on the configuration{at}"
    return Row("config", "configuration", Status.CRITICAL, text, "`promtool check config` says what is wrong with it.")


def _rules(around: Around, facts: PrometheusFacts) -> Iterator[Row]:
    rules = facts.rules or ()
    failing = [rule for rule in rules if rule.error]
    named = "; ".join(f"{rule.name}: {rule.error}" for rule in failing[:_NAMED])
    text = f"{len(failing)} of {len(rules)} fail: {named}" if failing else f"{len(rules)} rules, none fails"
    advice = "An alert whose rule fails cannot fire: mend its query." if failing else ""
    yield Row("rules", "rules", Status.WARNING if failing else Status.OK, text, advice, float(len(failing)))
    late = [
        rule
        for rule in rules
        if rule.evaluated_at and (around.now - rule.evaluated_at).total_seconds() > _LATE * rule.interval + _SLACK
    ]
    if late:
        text = f"{len(late)} rules are evaluated late: {', '.join(rule.name for rule in late[:_NAMED])}"
        advice = "Its rules take longer than their interval: make the dearest cheaper, or the interval longer."
        yield Row("evaluation", "evaluation", Status.WARNING, text, advice, float(len(late)))


def _targets(around: Around, facts: PrometheusFacts) -> Row:
    """Targets that are down; those of a component are told by the component."""
    targets = facts.targets or ()
    down = [target for target in targets if target.up is False]
    own = {spec.scrape.job for spec in around.system.components.values() if spec.scrape}
    others = [target for target in down if target.job not in own]
    if not down:
        return Row("targets", "targets", Status.OK, f"all {len(targets)} are scraped", "", 0.0)
    named = "; ".join(f"{target.job} {target.instance}: {target.error}" for target in (others or down)[:_NAMED])
    text = f"{len(down)} of {len(targets)} cannot be scraped: {named}"
    return Row("targets", "targets", Status.WARNING if others else Status.OK, text, "", float(len(down)))

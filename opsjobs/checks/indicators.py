"""The numbers of the profile at this moment, against their limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from opsjobs.checks.check import Around, Check, Found, Inquiry, Reply
from opsjobs.errors import SourceError
from opsjobs.model import CheckResult, Direction, Measurement, Quality, Status
from opsjobs.sources import Question
from opsjobs.system import DeclaredIndicator
from opsjobs.words import limit, quantity

_SIDE = {Direction.BELOW: "above", Direction.ABOVE: "below"}


def checks(around: Around) -> Iterator[Check]:
    """One for each that comes from Prometheus. Those of a database are asked with it."""
    for declared in limited(around):
        if declared.spec.store == "prometheus":
            question = Question(query=declared.spec.number, at=around.now)
            yield Inquiry(questions=(question,), judge=partial(_judge, around, declared))


def limited(around: Around) -> Iterator[DeclaredIndicator]:
    """The indicators that have a limit: others have nothing to be held against."""
    for declared in around.system.indicators:
        if declared.spec.warning is not None or declared.spec.critical is not None:
            yield declared


def _judge(around: Around, declared: DeclaredIndicator, replies: Sequence[Reply]) -> Iterable[Found]:
    (reply,), spec = replies, declared.spec
    sources = {around.system.metrics[name].component for name in map(around.system.family, spec.metrics) if name}
    own = f"component:{sources.pop()}" if len(sources) == 1 else ""
    yield result(around, declared, reply, _measured(reply, spec.unit), silence=own)


def result(
    around: Around, declared: DeclaredIndicator, reply: Reply, measurement: Measurement, *, silence: str
) -> CheckResult:
    """An indicator held against its limits. `silence` is the check that explains why it has no number."""
    spec = declared.spec
    status = spec.threshold.evaluate(measurement)
    return CheckResult(
        id=f"indicator:{declared.id}",
        title=spec.title,
        status=status,
        text=_text(declared, measurement, status),
        value=measurement.value,
        unit=spec.unit,
        warning=spec.warning,
        critical=spec.critical,
        healthy=spec.healthy,
        # Its silence is explained by where it comes from; a bad value only by what the profile names.
        cause=silence if measurement.value is None else spec.explained_by,
        advice=reply.advice if isinstance(reply, SourceError) else "",
        team=around.owners.team(spec.team),
        dashboard=around.owners.dashboard(spec.dashboard),
        runbook=around.owners.runbook(spec.runbook),
    )


def _measured(reply: Reply, unit: str) -> Measurement:
    if isinstance(reply, SourceError):
        return Measurement(value=None, unit=unit, quality=Quality.ERROR, reason=reply.message)
    if not reply.series:
        return Measurement(value=None, unit=unit, quality=Quality.EMPTY, reason="no data: the query returned nothing")
    if len(reply.series) > 1:
        count = len(reply.series)
        return Measurement(value=None, unit=unit, quality=Quality.ERROR, reason=f"the query returned {count} series")
    value = reply.series[0].samples[-1].value
    if value is None:
        return Measurement(value=None, unit=unit, quality=Quality.NAN, reason="no data: division by zero")
    if reply.warnings:
        reason = "; ".join(reply.warnings)
        return Measurement(value=value, unit=unit, quality=Quality.PARTIAL, reason=f"the source warns: {reason}")
    return Measurement(value=value, unit=unit)


def _text(declared: DeclaredIndicator, measurement: Measurement, status: Status) -> str:
    spec = declared.spec
    if measurement.value is None:
        return measurement.reason
    beyond = {Status.CRITICAL: spec.critical, Status.WARNING: spec.warning}.get(status)
    said = quantity(measurement.value, spec.unit, (spec.warning, spec.critical))
    if beyond is not None:
        return f"{said}, {_SIDE[spec.healthy]} {limit(beyond, spec.unit)}"
    return f"{said}; {measurement.reason}" if measurement.reason else said

"""Whether the address of a component answers, how fast, and how long its certificate is good for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from opsjobs.checks.check import Around, Check, Found, Probe
from opsjobs.errors import SourceError
from opsjobs.facts import Visit
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Direction, Status
from opsjobs.sources import Visitor
from opsjobs.system import ComponentSpec
from opsjobs.words import quantity, span

_SECONDS = 10
_DAY = 86400
_WARNING_DAYS, _CRITICAL_DAYS = 21, 7
_GOOD = range(200, 400)
_SAID = 120


def checks(around: Around) -> Iterator[Check]:
    """One for each component that has an address, where addresses are visited."""
    if around.visitor is None:
        return
    for name, spec in around.system.components.items():
        if spec.url:
            yield Probe(
                id=f"url:{name}",
                title=f"{spec.title} at its address",
                ask=partial(_ask, around, name, spec, around.visitor),
                seconds=_SECONDS,
                team=around.owners.team(spec.team),
                runbook=around.owners.runbook(spec.runbook),
            )


def _ask(around: Around, name: str, spec: ComponentSpec, visitor: Visitor, deadline: Deadline) -> Iterable[Found]:
    result = CheckResult(
        id=f"url:{name}",
        title=f"{spec.title} at its address",
        # Asked without an answer is what is wrong, not that nobody knows.
        status=Status.CRITICAL,
        text="",
        cause=f"component:{name}",
        team=around.owners.team(spec.team),
        runbook=around.owners.runbook(spec.runbook),
    )
    try:
        visit = visitor.visit(spec.url, deadline)
    except SourceError as error:
        yield replace(result, text=error.message)
        return
    status, text = _answered(visit)
    yield replace(result, status=status, text=text, value=visit.seconds, unit="seconds")
    if visit.certificate_until:
        yield _certificate(around, replace(result, id=f"certificate:{name}"), spec, visit.certificate_until)


def _certificate(around: Around, result: CheckResult, spec: ComponentSpec, until: datetime) -> CheckResult:
    left = (until - around.now).total_seconds()
    critical, warning = left < _CRITICAL_DAYS * _DAY, left < _WARNING_DAYS * _DAY
    return replace(
        result,
        title=f"{spec.title}: certificate",
        status=Status.CRITICAL if critical else Status.WARNING if warning else Status.OK,
        text=f"good for {span(left)}",
        value=left,
        unit="seconds",
        warning=float(_WARNING_DAYS * _DAY),
        critical=float(_CRITICAL_DAYS * _DAY),
        healthy=Direction.ABOVE,
        advice="Renew it." if warning else "",
    )


def _answered(visit: Visit) -> tuple[Status, str]:
    took = quantity(visit.seconds, "seconds")
    if visit.code in _GOOD:
        return Status.OK, f"HTTP {visit.code} in {took}"
    said = " ".join(visit.body.split())[:_SAID]
    return Status.CRITICAL, f"HTTP {visit.code} in {took}" + (f": {said}" if said else "")

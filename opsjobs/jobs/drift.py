"""Where what runs is not as the profile declares it: asked of each server that is configured, and judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from opsjobs.analysis.databases import DatabaseResult, DatabaseRow, judged, unknown
from opsjobs.errors import ConfigError, SourceError
from opsjobs.http import Deadline
from opsjobs.model import Status, Team
from opsjobs.sources import Dashboards, Routes, Rules
from opsjobs.stack import Plan, drift, grafana
from opsjobs.stack.drift import Difference

PROMETHEUS, ALERTMANAGER, GRAFANA = "Prometheus", "Alertmanager", "Grafana"
_TOLD = 3
"""How many differences of a server stand in a report."""
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        server.lower(): "`opsjobs stack drift` shows both sides of each: render the stack again, or change the profile."
        for server in (PROMETHEUS, ALERTMANAGER, GRAFANA)
    }
    | {"unknown": "See that the server runs and lets opsjobs in; `opsjobs stack drift` tries it again."}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """What runs, and what it is to be compared with; None for a server that is not configured."""

    plan: Plan
    rules: Rules
    routes: Routes | None
    dashboards: Dashboards | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One server, against what is declared for it."""

    server: str
    what: str
    """What was compared, in words: `86 rules`."""
    differences: tuple[Difference, ...] = ()
    error: SourceError | ConfigError | None = None
    """Why it could not be asked."""


def compare(running: Running, deadline: Deadline) -> list[Compared]:
    """Ask each server that is configured once, and compare. One that fails costs the others nothing."""
    return [*_rules(running, deadline), *_routes(running, deadline), *_dashboards(running, deadline)]


def evaluate(compared: Sequence[Compared], *, told_already: bool, team: Team, runbook: str) -> DatabaseResult:
    """The section of a report. Why Prometheus could not be asked is not said again where it is `told_already`."""
    rows = [_row(each, told_already=told_already and each.server == PROMETHEUS) for each in compared]
    return judged("drift", "Drift", tuple(rows), None, advice=_ADVICE, team=team, runbook=runbook)


def _rules(running: Running, deadline: Deadline) -> Iterator[Compared]:
    try:
        loaded = running.rules.rules(deadline)
        differences = tuple(drift.of_rules(running.plan, loaded))
        yield Compared(server=PROMETHEUS, what=f"{len(loaded)} rules", differences=differences)
    except (SourceError, ConfigError) as error:
        yield Compared(server=PROMETHEUS, what="rules", error=error)


def _routes(running: Running, deadline: Deadline) -> Iterator[Compared]:
    what = "routes, receivers, inhibitions and hours"
    if running.routes is None:
        return
    try:
        differences = tuple(drift.of_routes(running.plan, running.routes.configuration(deadline)))
        yield Compared(server=ALERTMANAGER, what=what, differences=differences)
    except (SourceError, ConfigError) as error:
        yield Compared(server=ALERTMANAGER, what=what, error=error)


def _dashboards(running: Running, deadline: Deadline) -> Iterator[Compared]:
    if running.dashboards is None:
        return
    declared = running.plan.system.dashboards
    what = f"{len(declared)} dashboards"
    try:
        shown = {name: running.dashboards.dashboard(grafana.uid(spec), deadline) for name, spec in declared.items()}
    except SourceError as error:
        yield Compared(server=GRAFANA, what=what, error=error)
        return
    found = [each for name, live in shown.items() for each in drift.of_dashboard(running.plan, name, live)]
    yield Compared(server=GRAFANA, what=what, differences=tuple(found))


def _row(compared: Compared, *, told_already: bool) -> DatabaseRow:
    name = compared.server.lower()
    if compared.error:
        return unknown(name, compared.server, compared.error.message, optional=told_already)
    count = len(compared.differences)
    if not count:
        value = f"as declared: {compared.what}"
        return DatabaseRow(id=name, title=compared.server, value=value, number=0, unit="count")
    named = [f"{each.subject.partition(':')[2] or each.subject}: {each.text}" for each in compared.differences[:_TOLD]]
    more = [f"{count - _TOLD} more"] if count > _TOLD else []
    return DatabaseRow(
        id=name,
        title=compared.server,
        value=f"{count} difference{'s' if count > 1 else ''}",
        status=Status.WARNING,
        reason="; ".join([*named, *more]),
        number=count,
        unit="count",
    )

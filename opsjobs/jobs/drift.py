"""Where what runs is not as the profile declares it: asked of each server that is configured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opsjobs.errors import ConfigError, SourceError
from opsjobs.http import Deadline
from opsjobs.sources import Dashboards, Routes, Rules
from opsjobs.stack import Plan, drift, grafana
from opsjobs.stack.drift import Difference


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """What was compared, what differs, and what could not be asked."""

    compared: tuple[str, ...]
    """In words: `Prometheus: 86 rules`."""
    differences: tuple[Difference, ...]
    failed: tuple[tuple[str, SourceError | ConfigError], ...]
    """Who could not be asked, and why."""
    left_out: tuple[str, ...]
    """Who is not configured."""


def drifted(
    plan: Plan, rules: Rules, routes: Routes | None, dashboards: Dashboards | None, deadline: Deadline
) -> Drift:
    """Ask each server once, and compare. One that fails costs the others nothing."""
    compared: list[str] = []
    differences: list[Difference] = []
    failed: list[tuple[str, SourceError | ConfigError]] = []
    asked = {"Prometheus": rules, "Alertmanager": routes, "Grafana": dashboards}
    try:
        running = rules.rules(deadline)
        differences += drift.of_rules(plan, running)
        compared.append(f"Prometheus: {len(running)} rules")
    except SourceError as error:
        failed.append(("Prometheus", error))
    if routes:
        try:
            differences += drift.of_routes(plan, routes.configuration(deadline))
            compared.append("Alertmanager: routes, receivers, inhibitions and hours")
        except (SourceError, ConfigError) as error:
            failed.append(("Alertmanager", error))
    if dashboards:
        try:
            differences += list(_of_dashboards(plan, dashboards, deadline))
            compared.append(f"Grafana: {len(plan.system.dashboards)} dashboards")
        except SourceError as error:
            failed.append(("Grafana", error))
    return Drift(
        compared=tuple(compared),
        differences=tuple(differences),
        failed=tuple(failed),
        left_out=tuple(name for name, source in asked.items() if source is None),
    )


def _of_dashboards(plan: Plan, source: Dashboards, deadline: Deadline) -> Iterator[Difference]:
    for name, spec in plan.system.dashboards.items():
        yield from drift.of_dashboard(plan, name, source.dashboard(grafana.uid(spec), deadline))

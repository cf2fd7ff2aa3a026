"""Grafana: whether it has its own database, and whether its data sources answer it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from opsjobs.checks.check import Around, Check, Found, Probe
from opsjobs.facts import GrafanaFacts
from opsjobs.http import Deadline
from opsjobs.model import CheckResult, Status
from opsjobs.sources import Dashboards

_SECONDS = 10


def checks(around: Around) -> Iterator[Check]:
    """One where it is configured."""
    if around.grafana is not None:
        team, runbook = around.owners.monitoring, around.owners.of_server("grafana")[1]
        ask = partial(_ask, around, around.grafana)
        title = around.grafana.name
        yield Probe(id="source:grafana", title=title, ask=ask, seconds=_SECONDS, team=team, runbook=runbook)


def _ask(around: Around, grafana: Dashboards, deadline: Deadline) -> Iterable[Found]:
    facts = grafana.facts(deadline)
    for name, title, status, text, advice in (*_rows(facts), *_silent(around, facts)):
        yield CheckResult(
            id=f"grafana:{name}",
            title=f"{grafana.name}: {title}",
            status=status,
            text=text,
            cause="component:grafana",
            advice=advice,
            team=around.owners.monitoring,
            runbook=around.owners.of_server("grafana")[1],
        )


def _silent(around: Around, facts: GrafanaFacts) -> Iterator[tuple[str, str, Status, str, str]]:
    """Data sources that were bad and are not listed any more: that does not make them well."""
    for check, state in around.states.items() if facts.sources is None else ():
        if state.bad and check.startswith("grafana:source:"):
            name = check.removeprefix("grafana:")
            text = "it was bad, and Grafana does not list its data sources now"
            yield name, f"data {name.replace(':', ' ', 1)}", Status.UNKNOWN, text, ""


def _rows(facts: GrafanaFacts) -> Iterator[tuple[str, str, Status, str, str]]:
    if facts.database == "ok":
        yield "database", "database", Status.OK, f"ok, version {facts.version}", ""
    else:
        advice = "Without it, dashboards can be neither read nor saved: look at its log."
        yield "database", "database", Status.CRITICAL, facts.database, advice
    if facts.sources is None:
        return
    for source in facts.sources:
        if source.well is False:
            advice = "Panels that ask it are empty: test it in Grafana, under its data sources."
            yield f"source:{source.name}", f"data source {source.name}", Status.WARNING, source.text, advice
    answering = sum(source.well is True for source in facts.sources)
    unsaid = sum(source.well is None for source in facts.sources)
    text = f"{answering} of {len(facts.sources)} answer" + (f", {unsaid} do not say" if unsaid else "")
    yield "sources", "data sources", Status.OK, text, ""

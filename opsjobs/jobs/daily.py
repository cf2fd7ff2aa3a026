"""The daily report: whether the system was healthy, on target, and seen at all on that day."""

from __future__ import annotations

from opsjobs.analysis import (
    growth,
    verdict,
)
from opsjobs.jobs import asides, sections
from opsjobs.jobs.context import Context, Result
from opsjobs.jobs.evidence import evidence
from opsjobs.jobs.observation import observe
from opsjobs.report.document import Report


def run(context: Context) -> Result:
    """Ask everything at once, judge it, and say it. Raises `UsageError` for a day that has not begun."""
    observed = observe(context)
    days, results = observed.days, observed.indicators
    specs = {declared.id: declared.spec for declared in context.system.indicators}
    causes = {name: spec.explained_by.removeprefix("indicator:") for name, spec in specs.items()}
    full = asides.forecasts(context, days, results)
    past = {result.id: asides.aside(context, days, observed.inquiry, result, full.get(result.id)) for result in results}
    asked = context.now.astimezone(days.zone).date()
    servers = [growth.told(each, context.places.get(each.id, ""), context.memory, asked) for each in observed.servers]
    gaps = verdict.gaps(observed.findings)
    report = Report(
        job="daily",
        system=context.name,
        system_title=context.system.title,
        title="Daily report",
        slot=context.day.isoformat(),
        window=days.window,
        zone=context.system.zone,
        status=observed.status,
        complete=not gaps,
        over=observed.over,
        verdict=verdict.verdict(observed.situation, observed.findings),
        tally=tuple(sections.tally(observed.components, results)),
        findings=observed.findings,
        sections=(
            *sections.sections(
                days,
                observed.components,
                results,
                observed.alerts,
                asides=past,
                causes=causes,
                slos=observed.situation.slos,
                over=observed.over,
            ),
            *sections.servers(servers, days.zone),
            *sections.servers([observed.tracked.result] if observed.tracked else (), days.zone),
            *sections.servers([observed.drift] if observed.drift else (), days.zone),
            *sections.servers([observed.backups] if observed.backups else (), days.zone),
            sections.jobs(observed.jobs),
        ),
        gaps=gaps,
        evidence=(
            *evidence(context, days, observed.inquiry, observed.components, results),
            *(observed.tracked.evidence if observed.tracked else ()),
        ),
    )
    # The values of a day that goes on are not those that later days are compared with.
    return Result(
        report=report,
        indicators=results if report.over else (),
        numbers=tuple(
            number for each in servers for number in growth.numbers(each, context.places.get(each.id, ""), asked)
        ),
        forecasts=tuple(asides.stated(context, full if report.over else {}, servers, asked)),
    )

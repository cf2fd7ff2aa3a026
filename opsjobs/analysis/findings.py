"""What needs a person: one finding for each cause, with what it explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from opsjobs import words
from opsjobs.analysis import WARNED, objectives
from opsjobs.analysis.situation import Situation
from opsjobs.errors import SourceError
from opsjobs.model import (
    ComponentResult,
    Direction,
    Finding,
    IndicatorResult,
    Outage,
    Quality,
    Status,
    Team,
    Window,
)
from opsjobs.words import clock, span

STORES = {"postgresql": "PostgreSQL", "redis": "Redis"}
"""The databases from which indicators may come."""
_UNTOLD = {Quality.ERROR, Quality.EMPTY, Quality.PARTIAL}
_NAMED = 3
_SLACK = 600
"""Seconds by which the same hole may begin or end apart in different members."""


def find(situation: Situation) -> tuple[Finding, ...]:
    """What needs a person, the worst first. What another finding explains is listed in it and nowhere else."""
    blind = _blind(situation.components, situation.window)
    findings = _source(situation, blind)
    cause_of: dict[str, str] = {}
    if not situation.silent:
        findings |= _components(situation, blind)
        metrics, cause_of = _metrics(situation, findings, blind)
        findings |= metrics
    findings |= situation.others
    stores, silenced = _stores(situation, findings)
    findings |= stores
    cause_of |= silenced
    bad = [result for result in situation.indicators if result.status is not Status.OK]
    own = {
        f"indicator:{result.id}": _indicator(situation, result)
        for result in bad
        if result.id not in cause_of and not _blindness(situation, result, blind)
    }
    explained: dict[str, list[str]] = {}
    for result in bad:
        subject = f"indicator:{result.id}"
        declared = situation.spec(result.id).explained_by
        cause = cause_of.get(result.id) or _blindness(situation, result, blind)
        explaining = {**findings, **own}.get(declared)
        # What is worse than its cause must be told by itself.
        if not cause and explaining and explaining.status.rank >= result.status.rank:
            cause = declared
            own.pop(subject)
        if cause:
            explained.setdefault(cause, []).append(_mentioned(result))
    own |= _objectives(situation, {**findings, **own}, explained)
    told = [
        replace(finding, explains=tuple(explained.get(subject, ()))) for subject, finding in {**findings, **own}.items()
    ]
    # A stable sort: within one status the order is source, components, metrics, indicators as declared.
    return tuple(sorted(told, key=lambda finding: -finding.status.rank))


def _objectives(
    situation: Situation, findings: Mapping[str, Finding], explained: dict[str, list[str]]
) -> dict[str, Finding]:
    """A finding for each objective that is not well; what something else explains is added there."""
    failed = {str(error) for error in situation.failures}
    own: dict[str, Finding] = {}
    for result in situation.slos:
        if result.status is Status.OK:
            continue
        cause = findings.get(situation.system.slos[result.id].explained_by)
        if result.reason in failed or (result.status is Status.UNKNOWN and result.reason.startswith(WARNED)):
            cause = findings.get("source:prometheus")
        if cause and cause.status.rank >= result.status.rank:
            known = "" if result.attainment is None else f": {words.kept(result)} over {words.span(result.window)}"
            explained.setdefault(cause.subject, []).append(f"{result.title}{known}")
        else:
            own[f"slo:{result.id}"] = objectives.finding(result)
    return own


def _mentioned(result: IndicatorResult) -> str:
    """An indicator that something else explains, with its value where that is what is wrong."""
    return result.title if result.status is Status.UNKNOWN else f"{result.title}: {words.measured(result)}"


def _source(situation: Situation, blind: Outage | None) -> dict[str, Finding]:
    """The one finding about the source of metrics itself: it failed, or it saw nothing for a while."""
    subject = "source:prometheus"
    if situation.silent:
        title, detail = "Prometheus could not be asked", str(situation.failures[0])
    elif situation.failures:
        title = f"Prometheus failed on {len(situation.failures)} of {situation.asked} queries"
        detail = str(situation.failures[0])
    elif situation.warnings:
        title, detail = "Prometheus answered only in part", "; ".join(situation.warnings)
    elif blind:
        start = clock(blind.start, situation.zone, situation.window.start)
        end = clock(blind.end, situation.zone, situation.window.start)
        title = "Monitoring was blind"
        detail = f"No component was seen from {start} to {end} ({span(blind.seconds)}); what happened then is not known"
    else:
        return {}
    return {
        subject: Finding(
            subject=subject,
            status=Status.UNKNOWN,
            title=title,
            detail=f"{_capital(detail)}.",
            advice=next((error.advice for error in situation.failures if error.advice), _ADVICE["source"]),
            team=_monitoring_team(situation),
            runbook=situation.runbooks.get("prometheus", ""),
        )
    }


def _monitoring_team(situation: Situation) -> Team:
    """Who owns the monitoring: the team of the component `prometheus`, else that of the first component."""
    results = situation.components
    return next(
        (result.team for result in results if result.id == "prometheus"), results[0].team if results else _NOBODY
    )


_NOBODY = Team(name="")


def _blind(components: Sequence[ComponentResult], window: Window) -> Outage | None:
    """The longest span in which no member of any component was seen; a hole that all share is the monitoring's own."""
    holes: list[list[Outage]] = [[outage for outage in result.outages if not outage.known] for result in components]
    if len(holes) < 2 or not all(holes):  # noqa: PLR2004 - one member cannot tell its own silence from the monitoring's
        return None
    shared = holes[0]
    for others in holes[1:]:
        shared = [both for one in shared for other in others if (both := _overlap(one, other, window))]
    return max(shared, key=lambda outage: outage.seconds, default=None)


def _overlap(one: Outage, other: Outage, window: Window) -> Outage | None:
    start, end = max(one.start, other.start), min(one.end, other.end)
    if start >= end:
        return None
    return Outage(start=start, end=end, known=False, ended=end < window.end)


def _blindness(situation: Situation, result: IndicatorResult, blind: Outage | None) -> str:
    """The finding about the source, when it explains why an indicator is not known."""
    measurement = result.measurement
    failed = measurement.quality is Quality.ERROR and measurement.reason in map(str, situation.failures)
    warned = measurement.reason.startswith(WARNED)
    unseen = blind and measurement.quality in {Quality.STALE, Quality.PARTIAL, Quality.EMPTY}
    weak = result.status is Status.UNKNOWN and (unseen or warned)
    return "source:prometheus" if failed or weak else ""


def _components(situation: Situation, blind: Outage | None) -> dict[str, Finding]:
    """A finding for each component that was not up all the time, but for what the blindness of all explains."""
    findings = {}
    for name, rows in groupby(situation.components, key=lambda result: result.id):
        members = list(rows)
        failed = {str(error) for error in situation.failures}
        bad = [
            row
            for row in members
            if row.status is not Status.OK
            and row.reason not in failed
            and not row.reason.startswith(WARNED)
            and not _only_blind(row, blind)
        ]
        if not bad:
            continue
        status = Status.worst(row.status for row in bad)
        named = len(members) > 1
        detail = "; ".join(f"{row.member}: {row.reason}" if named and row.member else row.reason for row in bad)
        findings[f"component:{name}"] = Finding(
            subject=f"component:{name}",
            status=status,
            title=f"{bad[0].title} {_happened(status, bad)}",
            # A member is called what it is called.
            detail=f"{detail if named else _capital(detail)}.",
            advice=_ADVICE["component"] if status is Status.UNKNOWN else "",
            team=bad[0].team,
            runbook=bad[0].runbook,
        )
    return findings


def _only_blind(row: ComponentResult, blind: Outage | None) -> bool:
    """Whether the member's only trouble is the hole that all share, give or take how long old samples are served."""
    if blind is None or not row.outages:
        return False
    return all(
        not outage.known
        and abs(outage.start.timestamp() - blind.start.timestamp()) <= _SLACK
        and abs(outage.end.timestamp() - blind.end.timestamp()) <= _SLACK
        for outage in row.outages
    )


def _happened(status: Status, bad: Sequence[ComponentResult]) -> str:
    if status is Status.CRITICAL:
        return "is down"
    if status is Status.WARNING:
        return "was down and came back"
    return "was not seen" if all(row.availability is None for row in bad) else "was not seen all the time"


def _metrics(
    situation: Situation, components: Mapping[str, Finding], blind: Outage | None
) -> tuple[dict[str, Finding], dict[str, str]]:
    """A finding for each metric that is missing or has holes, and which finding explains each indicator that needs it.

    A component that is down or gone explains the silence of its metrics.
    """
    findings: dict[str, Finding] = {}
    cause_of: dict[str, str] = {}
    for result in situation.indicators:
        missing = situation.missing(result.id)
        silent = missing and result.measurement.quality is not Quality.OK
        holed = result.holes and result.measurement.quality is Quality.PARTIAL
        unknown = result.status is Status.UNKNOWN and (silent or holed)
        if not unknown or _blindness(situation, result, blind):
            continue
        names = missing or situation.spec(result.id).metrics
        family = situation.system.family(names[0]) or names[0]
        spec = situation.system.metrics.get(family)
        component = f"component:{spec.component}" if spec else ""
        if component in components and components[component].status in {Status.CRITICAL, Status.UNKNOWN}:
            cause_of[result.id] = component
            continue
        subject = f"metric:{family}"
        cause_of[result.id] = subject
        findings.setdefault(
            subject,
            Finding(
                subject=subject,
                status=Status.UNKNOWN,
                title=f"No data: {family}" if silent else f"Holes in {family}",
                detail=_silence(situation, missing[0]) if silent else f"{_capital(result.measurement.reason)}.",
                advice=_ADVICE["metric"],
                team=result.team,
                dashboard=result.dashboard,
                runbook=result.runbook,
            ),
        )
    return findings, cause_of


def _stores(situation: Situation, findings: Mapping[str, Finding]) -> tuple[dict[str, Finding], dict[str, str]]:
    """A finding for each database that did not give what it was asked for, and which one explains each indicator.

    One number that is missing is a finding of its own indicator; several are one of the database.
    """
    found: dict[str, Finding] = {}
    cause_of: dict[str, str] = {}
    for store, title in STORES.items():
        subject = f"source:{store}"
        asked = [result for result in situation.indicators if result.store == store]
        failed = [result for result in asked if result.measurement.quality in _UNTOLD]
        if not failed or (subject not in findings and len(failed) == 1):
            continue
        cause_of |= {result.id: subject for result in failed}
        if subject not in findings:
            first = failed[0]
            found[subject] = Finding(
                subject=subject,
                status=Status.UNKNOWN,
                title=f"{len(failed)} of {len(asked)} indicators from {title} are not known",
                detail=f"{_capital(first.measurement.reason)}.",
                advice=_ADVICE["indicator"],
                team=first.team,
                runbook=situation.runbooks.get(store, ""),
            )
    return found, cause_of


def _silence(situation: Situation, series: str) -> str:
    last = situation.last_seen[series]
    if isinstance(last, SourceError):
        return f"No samples at the end of the window; when it was last seen could not be asked: {last}."
    if last is None:
        return "It was not seen in the 8 days that the report reads."
    silent = situation.window.end.timestamp() - last.timestamp()
    return f"No samples since {clock(last, situation.zone, situation.window.start)} ({span(silent)})."


def _indicator(situation: Situation, result: IndicatorResult) -> Finding:
    title, detail = _statement(result), _details(situation, result)
    return Finding(
        subject=f"indicator:{result.id}",
        status=result.status,
        title=title,
        detail=f"{_capital('; '.join(detail))}." if detail else "",
        advice=_ADVICE["indicator"] if result.status is Status.UNKNOWN else "",
        team=result.team,
        dashboard=result.dashboard,
        runbook=result.runbook,
    )


def _statement(result: IndicatorResult) -> str:
    """What is wrong with an indicator in a few words: its value and the limit that it passed."""
    value, threshold = result.measurement.value, result.threshold
    level = Status.WARNING if value is None else threshold.evaluate(replace(result.measurement, quality=Quality.OK))
    limit = {Status.CRITICAL: threshold.critical, Status.WARNING: threshold.warning}.get(level)
    if value is None:
        return f"{result.title}: no data"
    if result.status is Status.UNKNOWN:
        return f"{result.title}: not known for sure"
    if limit is None:
        return f"{result.title}: beyond its limit for a while"
    side = "above" if threshold.direction is Direction.BELOW else "below"
    return f"{result.title}: {words.measured(result)}, {side} {words.limit(limit, result.unit)}"


def _details(situation: Situation, result: IndicatorResult) -> list[str]:
    """The evidence, the spans beyond a limit, the day before, and who is behind it."""
    measurement, unit = result.measurement, result.unit
    # What an outage leaves out is told with the outage; a total is less by it.
    telling = measurement.quality is not Quality.OK or result.summary == "sum"
    parts = [measurement.reason] if measurement.reason and telling else []
    if measurement.value is not None and result.status is Status.UNKNOWN:
        parts.append(f"{words.measured(result)} as far as is known")
    for episode in result.episodes[:_NAMED]:
        start, end = (clock(time, situation.zone, situation.window.start) for time in (episode.start, episode.end))
        limit = result.threshold.critical if episode.status is Status.CRITICAL else result.threshold.warning
        when = f"from {start} to {end} ({span(episode.seconds)})" if episode.ended else f"since {start}"
        worst = words.quantity(episode.worst, unit, (limit,))
        parts.append(
            f"{episode.status.name.lower()} limit of {words.limit(limit, unit)} passed {when}, {worst} at worst"
        )
    if len(result.episodes) > _NAMED:
        parts.append(f"and {len(result.episodes) - _NAMED} more times")
    if measurement.value is not None and result.day_before is not None:
        parts.append(f"the day before it was {words.quantity(result.day_before, unit)}")
    if result.breakdown:
        shares = ", ".join(f"{share.name} {words.quantity(share.value, unit)}" for share in result.breakdown[:_NAMED])
        parts.append(f"by {result.breakdown_by}: {shares}")
    return parts


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_ADVICE = {
    "metric": "Check that the application still exposes it, or take it out of the profile.",
    "component": "Check its scrape target in Prometheus (/targets), and its `up` in the profile.",
    "source": "Check that Prometheus was running, and what its own targets were doing.",
    "indicator": "Run the query from the appendix by hand.",
}

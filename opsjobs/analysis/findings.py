"""What needs a person: one finding for each cause, with what it explains; and the verdict in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import groupby

from opsjobs import promql, words
from opsjobs.analysis import WARNED
from opsjobs.errors import SourceError
from opsjobs.model import (
    ComponentResult,
    Direction,
    Finding,
    Gap,
    IndicatorResult,
    Outage,
    Quality,
    Status,
    Team,
    Window,
)
from opsjobs.system import System
from opsjobs.words import clock, span

_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """Everything that was found out about a system over one window."""

    system: System
    window: Window
    zone: tzinfo
    components: tuple[ComponentResult, ...]
    indicators: tuple[IndicatorResult, ...]
    last_seen: Mapping[str, datetime | None]
    """Series names that had no samples at the end of the window, and when each was last seen."""
    failures: tuple[SourceError, ...]
    """Errors of the source of metrics, but for queries that it rejected: those are the query's own fault."""
    warnings: tuple[str, ...]
    """What the source said of answers that may be incomplete."""
    asked: int
    """How many questions the source was asked."""
    runbooks: Mapping[str, str]
    """Links to the runbooks of components, by the component's name."""

    @property
    def silent(self) -> bool:
        """Whether the source answered nothing at all."""
        return len(self.failures) == self.asked

    def missing(self, indicator: str) -> tuple[str, ...]:
        """The series of an indicator's query that had no samples at the end of the window."""
        spec = next(declared.spec for declared in self.system.indicators if declared.id == indicator)
        return tuple(name for name in promql.metrics(spec.promql) if name in self.last_seen)


def find(situation: Situation) -> tuple[Finding, ...]:
    """What needs a person, the worst first. What another finding explains is listed in it and nowhere else."""
    blind = _blind(situation.components, situation.window)
    findings = _source(situation, blind)
    if situation.silent:
        return tuple(findings.values())
    findings |= _components(situation, blind)
    metrics, cause_of = _metrics(situation, findings)
    findings |= metrics
    explained: dict[str, list[str]] = {}
    for result in situation.indicators:
        if result.status is Status.OK:
            continue
        cause = (
            cause_of.get(result.id)
            or _outage_behind(situation, result, findings)
            or _blindness(situation, result, blind)
        )
        if cause:
            explained.setdefault(cause, []).append(result.title)
        else:
            findings[f"indicator:{result.id}"] = _indicator(result)
    told = [replace(finding, explains=tuple(explained.get(subject, ()))) for subject, finding in findings.items()]
    # A stable sort: within one status the order is source, components, metrics, indicators as declared.
    return tuple(sorted(told, key=lambda finding: -finding.status.rank))


def gaps(findings: Iterable[Finding], failures: Sequence[SourceError]) -> tuple[Gap, ...]:
    """The holes of a report: every finding that says that something is not known."""
    advice = failures[0].advice if failures else ""
    return tuple(
        Gap(source=finding.title, reason=finding.detail, advice=_advice(finding.subject, advice))
        for finding in findings
        if finding.status is Status.UNKNOWN
    )


def verdict(situation: Situation, findings: Sequence[Finding]) -> str:
    """The first sentence of the report."""
    if situation.silent:
        return "Nothing is known: Prometheus could not be asked."
    if not findings:
        good = f"All {len(situation.indicators)} indicators and {_parts(situation)} are within their limits"
        missed = [
            result.title
            for result in situation.indicators
            if result.measurement.value is not None and result.threshold.meets_target(result.measurement.value) is False
        ]
        return f"{good}; off target: {_listed(missed)}." if missed else f"{good}."
    noun = "thing needs" if len(findings) == 1 else "things need"
    return f"{len(findings)} {noun} a person: {_listed([finding.title for finding in findings])}."


def _parts(situation: Situation) -> str:
    count = len({result.id for result in situation.components})
    return f"{count} component{'s' if count != 1 else ''}"


def _listed(titles: Sequence[str]) -> str:
    rest = len(titles) - _NAMED
    return "; ".join(titles[:_NAMED]) + (f"; and {rest} more" if rest > 0 else "")


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
            detail=f"{_capital(detail)}.",
            team=bad[0].team,
            runbook=bad[0].runbook,
        )
    return findings


def _only_blind(row: ComponentResult, blind: Outage | None) -> bool:
    """Whether the member's only trouble is the hole that all share."""
    if blind is None or not row.outages:
        return False
    return all(not outage.known and outage.start < blind.end and outage.end > blind.start for outage in row.outages)


def _happened(status: Status, bad: Sequence[ComponentResult]) -> str:
    if status is Status.CRITICAL:
        return "is down"
    if status is Status.WARNING:
        return "was down and came back"
    return "was not seen" if all(row.availability is None for row in bad) else "was not seen all the time"


def _metrics(situation: Situation, components: Mapping[str, Finding]) -> tuple[dict[str, Finding], dict[str, str]]:
    """A finding for each metric that vanished, and which finding explains each indicator that needs it.

    A component that is down or gone explains the silence of its metrics.
    """
    findings: dict[str, Finding] = {}
    explained: dict[str, str] = {}
    for result in situation.indicators:
        missing = situation.missing(result.id)
        weak = result.measurement.quality is not Quality.OK
        if not missing or not weak or result.status in {Status.WARNING, Status.CRITICAL}:
            continue
        family = situation.system.family(missing[0]) or missing[0]
        component = (
            f"component:{situation.system.metrics[family].component}" if family in situation.system.metrics else ""
        )
        if component in components and components[component].status in {Status.CRITICAL, Status.UNKNOWN}:
            explained[result.id] = component
            continue
        subject = f"metric:{family}"
        explained[result.id] = subject
        findings.setdefault(
            subject,
            Finding(
                subject=subject,
                status=Status.UNKNOWN,
                title=f"No data: {family}",
                detail=_silence(situation, missing[0]),
                team=result.team,
                dashboard=result.dashboard,
                runbook=result.runbook,
            ),
        )
    return findings, explained


def _silence(situation: Situation, series: str) -> str:
    last = situation.last_seen[series]
    if last is None:
        return "It was not seen in the 8 days that the report reads."
    silent = situation.window.end.timestamp() - last.timestamp()
    return f"No samples since {clock(last, situation.zone, situation.window.start)} ({span(silent)})."


def _outage_behind(situation: Situation, result: IndicatorResult, findings: Mapping[str, Finding]) -> str:
    """The finding of the component that the indicator declares as the cause of its bad values."""
    spec = next(declared.spec for declared in situation.system.indicators if declared.id == result.id)
    subject = f"component:{spec.component}"
    return subject if subject in findings else ""


def _indicator(result: IndicatorResult) -> Finding:
    return Finding(
        subject=f"indicator:{result.id}",
        status=result.status,
        title=result.title,
        detail=_sentence(result),
        team=result.team,
        dashboard=result.dashboard,
        runbook=result.runbook,
    )


def _sentence(result: IndicatorResult) -> str:
    """What is wrong with an indicator: its value against the limit, the day before, and who is behind it."""
    unit = result.unit
    if result.measurement.value is None:
        return f"{_capital(result.measurement.reason)}."
    said = words.measured(result)
    parts = [f"{said} is {_beyond(result)}"] if result.status is not Status.UNKNOWN else [f"{said} so far as is known"]
    if result.measurement.reason:
        parts.append(result.measurement.reason)
    if result.day_before is not None:
        before = words.quantity(result.day_before, unit)
        parts.append(f"the day before it was {before}")
    if result.breakdown:
        shares = ", ".join(f"{share.name} {words.quantity(share.value, unit)}" for share in result.breakdown[:_NAMED])
        parts.append(f"by {result.breakdown_by}: {shares}")
    return "; ".join(parts) + "."


def _beyond(result: IndicatorResult) -> str:
    threshold = result.threshold
    level = "critical" if result.status is Status.CRITICAL else "warning"
    limit = threshold.critical if result.status is Status.CRITICAL else threshold.warning
    side = "above" if threshold.direction is Direction.BELOW else "below"
    return f"{side} the {level} limit of {words.limit(limit, result.unit)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _advice(subject: str, source: str) -> str:
    return {
        "metric": "Check that the application still exposes it, or take it out of the profile.",
        "component": "Check its scrape target in Prometheus (/targets), and its `up` in the profile.",
        "source": source or "Check that Prometheus was running, and what its own targets were doing.",
    }.get(subject.split(":", 1)[0], "Run the query from the appendix by hand.")

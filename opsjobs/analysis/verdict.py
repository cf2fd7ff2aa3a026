"""The report in one sentence, and what it could not see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opsjobs.analysis.situation import Situation
from opsjobs.model import Finding, Gap, Status
from opsjobs.words import measured

_NAMED = 3


def verdict(situation: Situation, findings: Sequence[Finding]) -> str:
    """The first sentence of the report."""
    if situation.silent:
        known = sum(result.measurement.value is not None for result in situation.indicators)
        few = f"no component and only {known} of {len(situation.indicators)} indicators are known"
        said = few if known else "no component and no indicator is known"
        return f"{said[0].upper()}{said[1:]}: Prometheus could not be asked."
    if findings:
        noun = "thing needs" if len(findings) == 1 else "things need"
        return f"{len(findings)} {noun} a person: {_listed([finding.title for finding in findings])}."
    judged = sum(result.judged for result in situation.indicators)
    parts = len({result.id for result in situation.components})
    good = f"{_all(judged, 'indicator')} with limits kept to them, and {_all(parts, 'component')} {_was(parts)} up"
    good = good[0].upper() + good[1:]
    missed = [
        f"{result.title} ({measured(result)})"
        for result in situation.indicators
        if result.measurement.value is not None and result.threshold.meets_target(result.measurement.value) is False
    ]
    return f"{good}; off target: {_listed(missed)}." if missed else f"{good}."


def gaps(findings: Iterable[Finding]) -> tuple[Gap, ...]:
    """The holes of a report: every finding that says that something is not known."""
    return tuple(
        Gap(source=finding.title, reason=finding.detail, advice=finding.advice)
        for finding in findings
        if finding.status is Status.UNKNOWN
    )


def _all(count: int, noun: str) -> str:
    return f"the {noun}" if count == 1 else f"all {count} {noun}s"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _listed(titles: Sequence[str]) -> str:
    rest = len(titles) - _NAMED
    return "; ".join(titles[:_NAMED]) + (f"; and {rest} more" if rest > 0 else "")

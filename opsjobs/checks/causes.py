"""One cause is told once: what another check explains is listed with that, and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from opsjobs.model import BLIND, CheckResult, Status, Team

_MOST = 0.5
_FEW = 3
"""Of fewer checks it cannot be said that most are unknown."""
_ASKED = {"source", "postgresql", "redis"}
"""Kinds of checks of which a server was asked itself: a component that is not known explains none of them."""


def rolled_up(
    results: Sequence[CheckResult], monitoring: Team, runbook: str
) -> tuple[tuple[CheckResult, ...], dict[str, str]]:
    """The results that are told, the worst first, what is well at the end; and by which of them the others are told."""
    blind = _blind(results, monitoring, runbook)
    known = {each.id: each for each in results if not (blind and each.status is Status.UNKNOWN)}
    explained: dict[str, list[str]] = {}
    by = {each.id: BLIND for each in results if blind and each.status is Status.UNKNOWN}
    told = [blind] if blind else []
    for each in known.values():
        cause = _cause(each, known)
        if cause:
            explained.setdefault(cause, []).append(each.title)
            by[each.id] = cause
        else:
            told.append(each)
    made = [replace(each, explains=(*each.explains, *explained.get(each.id, ()))) for each in told]
    return tuple(sorted(made, key=lambda each: -each.status.rank)), by


def _cause(result: CheckResult, known: Mapping[str, CheckResult]) -> str:
    """The check that a bad one is told with: the first cause of its cause; empty when it is told by itself."""
    way = [result.id]
    while result.status is not Status.OK and (cause := known[way[-1]].cause):
        if cause in way:
            # They explain one another: one of them has to be told.
            way.append(min(way[way.index(cause) :]))
            break
        other = known.get(cause)
        # What is worse than its cause must be told by itself.
        if other is None or other.status is Status.OK or other.status.rank < result.status.rank:
            break
        if other.status is Status.UNKNOWN and _kind(cause) == "component" and _kind(way[-1]) in _ASKED:
            break
        way.append(cause)
    return way[-1] if way[-1] != result.id else ""


def _kind(check: str) -> str:
    return check.partition(":")[0]


def _blind(results: Sequence[CheckResult], monitoring: Team, runbook: str) -> CheckResult | None:
    unknown = [each for each in results if each.status is Status.UNKNOWN]
    if len(results) < _FEW or len(unknown) <= _MOST * len(results):
        return None
    (reason, _), *_ = Counter(each.text for each in unknown).most_common(1)
    advice = next((each.advice for each in unknown if each.text == reason and each.advice), "")
    return CheckResult(
        id=BLIND,
        title="Monitoring is blind",
        status=Status.UNKNOWN,
        text=f"{len(unknown)} of {len(results)} checks are not known. Most of them: {reason}",
        advice=advice,
        explains=tuple(each.title for each in unknown),
        team=monitoring,
        runbook=runbook,
    )

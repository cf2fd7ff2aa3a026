"""Service level objectives: what was kept, what is left of the error budget, and whether it will last.

With o the objective and s the share that was good over a span, the burn rate of the span is (1 - s) / (1 - o): 1 uses
the budget up exactly by the end of a window, 2 in half of it. What is left of the budget is 1 minus the burn rate of
the whole window. Spans, limits and words are those of "The Site Reliability Workbook", chapter 5, table 5-2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from opsjobs import promql
from opsjobs.analysis import WARNED
from opsjobs.analysis.history import History
from opsjobs.errors import SourceError
from opsjobs.model import Answer, Finding, Quality, SloResult, Status, Team
from opsjobs.system import SloSpec
from opsjobs.words import kept, limit, outlook, span

HOUR, SIX_HOURS, DAY, THREE_DAYS = 3600, 6 * 3600, 86400, 3 * 86400
BURNS = (HOUR, SIX_HOURS, THREE_DAYS)
"""The spans of which a burn rate is told, in seconds."""
LIMITS: Mapping[int, tuple[float, Status]] = {
    HOUR: (14.4, Status.CRITICAL),
    SIX_HOURS: (6.0, Status.CRITICAL),
    THREE_DAYS: (1.0, Status.WARNING),
}
"""Burn rates above which a budget of 30 days loses 2 % in an hour, 5 % in six, and 10 % in three days."""

_SLACK = 0.01
"""How far beyond 0 and 1 a share may lie: increase() extrapolates its two parts, each by itself."""
Reply = Answer | SourceError


def spans(spec: SloSpec, day: int) -> tuple[int, ...]:
    """The spans that are asked of, in seconds: the window, the day, and those of the burn rates; each once."""
    return tuple(dict.fromkeys((spec.window_seconds, day, *BURNS)))


def evaluate(
    name: str,
    spec: SloSpec,
    replies: Mapping[int, Reply],
    *,
    day: int,
    end: float,
    history: History | None,
    team: Team,
    dashboard: str = "",
    runbook: str = "",
) -> SloResult:
    """An objective at the Unix time `end`. `replies` has the share that was good in each of `spans`."""
    window = spec.window_seconds
    share, quality, reason = _share(replies[window])
    names = [each for query in (spec.good, spec.total) if query for each in promql.metrics(promql.over(query, window))]
    if quality is Quality.OK and history is not None and not history.reaches(names, window, end):
        quality = Quality.PARTIAL
        reason = f"only {span(history.seconds(names, window, end))} of its {span(window)} are there"
    found = {length: _share(replies[length]) for length in BURNS}
    burns = {length: _burn(spec, good) for length, (good, _, _) in found.items()}
    if quality is Quality.OK:
        reason = next(
            (f"the last {span(length)}: {why}" for length, (good, _, why) in found.items() if good is None), ""
        )
    spent = _burn(spec, share)
    left = None if spent is None else 1 - spent
    used_up_in = _used_up_in(left, burns[THREE_DAYS], window)
    return SloResult(
        id=name,
        title=spec.title,
        objective=spec.objective,
        window=float(window),
        attainment=share,
        left=left,
        burns=burns,
        day_burn=_burn(spec, _share(replies[day])[0]),
        day=float(day),
        lasts=None if left is None or burns[THREE_DAYS] is None else used_up_in is None,
        used_up_in=used_up_in,
        status=_status(left, burns, quality),
        quality=quality,
        reason=reason,
        team=team,
        description=spec.about,
        dashboard=dashboard,
        runbook=runbook,
    )


def _share(reply: Reply) -> tuple[float | None, Quality, str]:
    if isinstance(reply, SourceError):
        return None, Quality.ERROR, str(reply)
    if not reply.series:
        return None, Quality.EMPTY, "the query returned nothing"
    if len(reply.series) > 1:
        return None, Quality.ERROR, f"the query returned {len(reply.series)} series; aggregate them to one"
    value = reply.series[0].samples[-1].value
    if value is None:
        return None, Quality.NAN, "nothing happened to count, or too much: the query gives no number"
    if not -_SLACK <= value <= 1 + _SLACK:
        return None, Quality.ERROR, f"the query gives {value:g}, which is no share between 0 and 1"
    weak = f"{WARNED}: {'; '.join(reply.warnings)}" if reply.warnings else ""
    return min(1.0, max(0.0, value)), Quality.PARTIAL if weak else Quality.OK, weak


def _burn(spec: SloSpec, share: float | None) -> float | None:
    # Rounded where binary fractions would make 1.0000000000000002 of exactly what may fail.
    return None if share is None else round((1 - share) / (1 - spec.objective), 9)


def _used_up_in(left: float | None, burn: float | None, window: float) -> float | None:
    """Seconds until the budget is used up at this pace; None where that is not within a window, or not known.

    What old failures give back when they leave the window is not counted, so that this is the earliest.
    """
    if left is None or burn is None:
        return None
    if left <= 0:
        return 0.0
    seconds = left * window / burn if burn else math.inf
    return seconds if seconds < window else None


def _status(left: float | None, burns: Mapping[int, float | None], quality: Quality) -> Status:
    """Used up or burning fast is a fault whatever the evidence; that all is well needs all of it."""
    found = [
        status for length, (limit, status) in LIMITS.items() if (burn := burns[length]) is not None and burn > limit
    ]
    if left is not None and left < 0:
        found.append(Status.CRITICAL)
    known = quality is Quality.OK and None not in burns.values()
    return Status.worst([*found, Status.OK if known else Status.UNKNOWN])


def finding(result: SloResult) -> Finding:
    """What needs a person about an objective that is not well."""
    return Finding(
        subject=f"slo:{result.id}",
        status=result.status,
        title=_title(result),
        detail=". ".join(part[0].upper() + part[1:] for part in _details(result) if part) + ".",
        team=result.team,
        dashboard=result.dashboard,
        runbook=result.runbook,
    )


def _title(result: SloResult) -> str:
    if result.left is not None and result.left < 0:
        return f"{result.title}: the error budget is used up"
    if result.status is Status.UNKNOWN:
        return f"{result.title}: not known for sure" if result.attainment is not None else f"{result.title}: no data"
    return f"{result.title}: the error budget burns too fast"


def _details(result: SloResult) -> list[str]:
    said = []
    if result.attainment is not None:
        said.append(f"{kept(result)} in {span(result.window)}, where {limit(result.objective, 'ratio')} is promised")
    fast = [
        f"{burn:.1f} in {span(length)}"
        for length, burn in result.burns.items()
        if burn is not None and burn > LIMITS[length][0]
    ]
    if fast:
        said.append(f"burn rate {', '.join(fast)}, where 1 uses the budget up in {span(result.window)}")
    if result.used_up_in:
        said.append(f"{outlook(result)}, that of the last 3 days")
    return [*said, result.reason]

"""Indicators whose day is one number of a database: judged, and compared with the other days that were asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from opsjobs.analysis import WARNED, indicators, spans
from opsjobs.analysis.trust import Surroundings
from opsjobs.errors import SourceError
from opsjobs.model import Answer, IndicatorResult, Measurement, Quality, Sample, Series, Team, Window
from opsjobs.system import DeclaredIndicator

Replies = Mapping[Window, Answer | SourceError]
"""What was answered for each day that was asked."""


def evaluate(
    declared: DeclaredIndicator,
    replies: Replies,
    around: Surroundings,
    *,
    breakdown: Answer | SourceError | None = None,
    team: Team,
    dashboard: str = "",
    runbook: str = "",
) -> IndicatorResult:
    """The day's value of an indicator, its status, and what it is compared with. The day is among the replies."""
    spec, days = declared.spec, around.days
    measurement = measure(replies[days.window], days.window, spec.unit)
    others = {window: value_of(reply) for window, reply in replies.items()}
    known = sorted((window.end.timestamp(), value) for window, value in others.items() if value is not None)
    whole = measurement.quality is Quality.OK
    return IndicatorResult(
        id=declared.id,
        title=spec.title,
        group=declared.group,
        unit=spec.unit,
        # Each number stands for its day, and the last of them for this one.
        summary="last",
        threshold=spec.threshold,
        measurement=measurement,
        status=indicators.judged(spec, measurement, over=around.over),
        coverage=float(whole),
        day_before=others.get(days.day_before) if whole else None,
        week_before=others.get(days.week_before) if whole else None,
        series=Series(samples=tuple(Sample(time, value) for time, value in known)),
        breakdown=indicators.shares(spec, breakdown),
        breakdown_by=spec.breakdown.by if spec.breakdown else "",
        chart=spec.chart,
        team=team,
        description=spec.about,
        dashboard=dashboard,
        runbook=runbook,
        store=spec.store,
    )


def measure(reply: Answer | SourceError, window: Window, unit: str) -> Measurement:
    """The one number of a window, or why there is none."""
    nothing = Measurement(value=None, unit=unit, quality=Quality.EMPTY, reason="it gave no number for the day")
    if isinstance(reply, SourceError):
        return replace(nothing, quality=Quality.ERROR, reason=str(reply))
    if len(reply.series) > 1:
        return replace(nothing, quality=Quality.ERROR, reason=f"it gave {len(reply.series)} rows where one is due")
    if not reply.series:
        return nothing
    value = reply.series[0].samples[-1].value
    if value is None:
        return replace(nothing, quality=Quality.NAN, reason="what it gave is not a finite number")
    weak = f"{WARNED}: {'; '.join(reply.warnings)}" if reply.warnings else ""
    return Measurement(
        value=value,
        unit=unit,
        at=spans.moment(window.end.timestamp()),
        quality=Quality.PARTIAL if weak else Quality.OK,
        reason=weak,
    )


def value_of(reply: Answer | SourceError) -> float | None:
    """The number of another day, where it is known for certain."""
    if isinstance(reply, SourceError) or reply.warnings or len(reply.series) != 1:
        return None
    return reply.series[0].samples[-1].value

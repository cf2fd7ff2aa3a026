"""From the answer over a range to the day's value of an indicator, judged and compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType

from opsjobs.analysis import WARNED
from opsjobs.errors import SourceError
from opsjobs.model import (
    Answer,
    IndicatorResult,
    Measurement,
    Quality,
    Sample,
    Series,
    Share,
    Team,
    Threshold,
    Window,
)
from opsjobs.system import DeclaredIndicator, Indicator
from opsjobs.words import clock, span

_ENOUGH = 0.9
"""Share of a window that must be covered before its value can stand for it."""
_LARGEST_BREAKDOWN = 5


def p95(values: Sequence[float]) -> float:
    """The 95th percentile, interpolated linearly between the two nearest points (Hyndman and Fan's type 7)."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


SUMMARIES: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {
        "last": lambda values: values[-1],
        "mean": statistics.fmean,
        "max": max,
        "sum": math.fsum,
        "p95": p95,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """The window that is judged and the two it is compared with, in one zone."""

    window: Window
    day_before: Window
    week_before: Window
    zone: tzinfo


@dataclass(frozen=True, kw_only=True, slots=True)
class _Points:
    """What an indicator's answer says: its points, and for a ratio the two parts of each."""

    whole: Series
    numerator: Series = field(default_factory=Series)
    denominator: Series = field(default_factory=Series)


def evaluate(
    declared: DeclaredIndicator,
    answer: Answer | SourceError,
    days: Days,
    *,
    max_age: int,
    missing: Sequence[str] = (),
    breakdown: Answer | SourceError | None = None,
    team: Team,
    dashboard: str = "",
    runbook: str = "",
) -> IndicatorResult:
    """The day's value of an indicator.

    `missing` names metrics of its query that had no samples at the end of the window: a function over a range would
    still give a value for them. `max_age` is in seconds.
    """
    spec, window = declared.spec, days.window
    points = Series()
    if isinstance(answer, SourceError):
        measurement, coverage = _nothing(spec, Quality.ERROR, str(answer)), 0.0
    else:
        try:
            parts = _points(spec, answer)
        except ValueError as error:
            measurement, coverage = _nothing(spec, Quality.ERROR, str(error)), 0.0
        else:
            points = parts.whole
            coverage = _coverage(points, window, spec.step_seconds)
            measurement = _measure(spec, parts, answer, days, max_age=max_age, missing=missing, coverage=coverage)
    threshold = spec.threshold
    return IndicatorResult(
        id=declared.id,
        title=spec.title,
        group=declared.group,
        unit=spec.unit,
        summary=spec.method,
        threshold=threshold,
        measurement=measurement,
        status=threshold.evaluate(measurement),
        coverage=coverage,
        attainment=_attainment(spec, points, window, threshold),
        day_before=_compared(spec, answer, days.day_before),
        week_before=_compared(spec, answer, days.week_before),
        series=points,
        breakdown=_shares(spec, breakdown),
        breakdown_by=spec.breakdown.by if spec.breakdown else "",
        chart=spec.chart,
        team=team,
        description=spec.about,
        dashboard=dashboard,
        runbook=runbook,
    )


def _measure(
    spec: Indicator,
    parts: _Points,
    answer: Answer,
    days: Days,
    *,
    max_age: int,
    missing: Sequence[str],
    coverage: float,
) -> Measurement:
    """The value over the window together with how far it can be trusted."""
    window, zone = days.window, days.zone
    samples = parts.whole.within(window)
    known = [sample for sample in samples if sample.value is not None]
    if not samples:
        return _nothing(spec, Quality.EMPTY, _emptiness(parts.whole, days))
    value = _value(spec, parts, window) if known else None
    if value is None or (spec.method == "last" and samples[-1].value is None):
        return _nothing(spec, Quality.NAN, "division by zero: the query gives no number")

    quality, reason = Quality.OK, ""
    age = window.end.timestamp() - samples[-1].time
    if age > max(max_age, spec.step_seconds):
        quality = Quality.STALE
        reason = f"no samples since {clock(_time(samples[-1]), zone, window.start)}, {span(age)} before the end"
    elif missing:
        quality, reason = Quality.STALE, f"no samples of {', '.join(missing)} at the end of the window"
    elif answer.warnings:
        quality, reason = Quality.PARTIAL, f"{WARNED}: {'; '.join(answer.warnings)}"
    elif coverage < _ENOUGH:
        quality = Quality.PARTIAL
        reason = f"covers only {span(coverage * window.seconds)} of {span(window.seconds)}"
    elif coverage < 1 and spec.method == "sum":
        reason = f"at least: nothing is known of {span((1 - coverage) * window.seconds)}"
    return Measurement(value=value, unit=spec.unit, at=_time(known[-1]), quality=quality, reason=reason)


def _emptiness(points: Series, days: Days) -> str:
    """Why there are no samples in the window: never any, or none any more."""
    if not points.samples:
        return "the query returned nothing"
    return f"no samples in the window; the last was at {clock(_time(points.samples[-1]), days.zone, days.window.start)}"


def _points(spec: Indicator, answer: Answer) -> _Points:
    """The one series of an indicator. Raises `ValueError` when the answer has more than that."""
    if spec.method != "ratio":
        if len(answer.series) > 1:
            raise ValueError(f"the query returned {len(answer.series)} series; aggregate them to one")
        return _Points(whole=answer.series[0] if answer.series else Series())
    parts: dict[str, Series] = {}
    for series in answer.series:
        part = series.labels.get("part", "")
        if part in parts:
            raise ValueError(f"the {part} returned several series; aggregate them to one")
        parts[part] = series
    numerator, denominator = parts.get("numerator", Series()), parts.get("denominator", Series())
    below = {sample.time: sample.value for sample in denominator.samples}
    whole = Series(
        samples=tuple(
            Sample(sample.time, _divided(sample.value, below[sample.time]))
            for sample in numerator.samples
            if sample.time in below
        )
    )
    return _Points(whole=whole, numerator=numerator, denominator=denominator)


def _value(spec: Indicator, parts: _Points, window: Window) -> float | None:
    """The value of a window by the indicator's method: for a ratio sum over sum, where both parts are known."""
    if spec.method != "ratio":
        return SUMMARIES[spec.method](_known(parts.whole.within(window)))
    shared = {sample.time for sample in parts.whole.within(window)}
    above = math.fsum(_known([sample for sample in parts.numerator.samples if sample.time in shared]))
    below = math.fsum(_known([sample for sample in parts.denominator.samples if sample.time in shared]))
    return _divided(above, below)


def _compared(spec: Indicator, answer: Answer | SourceError, window: Window) -> float | None:
    """The value of an earlier window, or None when too little of it is known to compare with."""
    if isinstance(answer, SourceError):
        return None
    try:
        parts = _points(spec, answer)
    except ValueError:
        return None
    covered = _coverage(parts.whole, window, spec.step_seconds) >= _ENOUGH
    if not covered or not _known(parts.whole.within(window)):
        return None
    return _value(spec, parts, window)


def _attainment(spec: Indicator, points: Series, window: Window, threshold: Threshold) -> float | None:
    """Share of the known steps that met the target; the steps of a sum are only parts of what the target speaks of."""
    known = _known(points.within(window))
    if spec.method == "sum" or threshold.target is None or not known:
        return None
    return sum(threshold.meets_target(value) is True for value in known) / len(known)


def _shares(spec: Indicator, answer: Answer | SourceError | None) -> tuple[Share, ...]:
    """The largest members, the largest first."""
    if spec.breakdown is None or answer is None or isinstance(answer, SourceError):
        return ()
    shares = [
        Share(series.labels.get(spec.breakdown.by, "(none)"), sample.value)
        for series in answer.series
        for sample in series.samples
        if sample.value is not None
    ]
    return tuple(sorted(shares, key=lambda share: (-share.value, share.name))[:_LARGEST_BREAKDOWN])


def _coverage(points: Series, window: Window, step: int) -> float:
    """Share of the window's steps that were measured. NaN was measured: nothing happened to divide by."""
    steps = int(window.seconds // step)
    return min(1.0, len(points.within(window)) / steps) if steps else 0.0


def _nothing(spec: Indicator, quality: Quality, reason: str) -> Measurement:
    return Measurement(value=None, unit=spec.unit, quality=quality, reason=reason)


def _known(samples: Sequence[Sample]) -> list[float]:
    return [sample.value for sample in samples if sample.value is not None]


def _divided(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _time(sample: Sample) -> datetime:
    return datetime.fromtimestamp(sample.time, UTC)

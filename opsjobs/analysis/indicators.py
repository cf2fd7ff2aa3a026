"""From the answer over a range to the day's value of an indicator, judged and compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from opsjobs.analysis import spans
from opsjobs.analysis.history import STEP, History
from opsjobs.analysis.trust import ENOUGH, Days, Surroundings, trust
from opsjobs.errors import SourceError
from opsjobs.model import (
    Answer,
    Direction,
    Episode,
    IndicatorResult,
    Measurement,
    Outage,
    Quality,
    Sample,
    Series,
    Share,
    Status,
    Team,
    Window,
)
from opsjobs.system import DeclaredIndicator, Indicator
from opsjobs.words import clock

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
class _Points:
    """What an indicator's answer says: its points, and for a ratio the two parts of each."""

    whole: Series
    numerator: Series = field(default_factory=Series)
    denominator: Series = field(default_factory=Series)


def evaluate(
    declared: DeclaredIndicator,
    answer: Answer | SourceError,
    around: Surroundings,
    *,
    breakdown: Answer | SourceError | None = None,
    team: Team,
    dashboard: str = "",
    runbook: str = "",
) -> IndicatorResult:
    """The day's value of an indicator, its status, and what it is compared with."""
    spec, days = declared.spec, around.days
    parts, error = _Points(whole=Series()), ""
    if isinstance(answer, SourceError):
        error = str(answer)
    else:
        try:
            parts = _points(spec, answer)
        except ValueError as fault:
            error = str(fault)
    samples = parts.whole.within(days.window)
    holes = (
        spans.holes(samples, days.window, spec.step_seconds, max(around.max_age, spec.step_seconds)) if samples else ()
    )
    if isinstance(answer, SourceError) or error:
        measurement = _nothing(spec, Quality.ERROR, error)
    else:
        measurement = _measure(spec, parts, answer, holes, around)
    known = parts if around.history is None else _reaching(spec, parts, around.history)
    episodes = (
        spans.episodes(samples, spec.threshold, spec.step_seconds, spec.held_seconds, days.window.end)
        if spec.method != "sum"
        else ()
    )
    whole = measurement.quality is Quality.OK
    return IndicatorResult(
        id=declared.id,
        title=spec.title,
        group=declared.group,
        unit=spec.unit,
        summary=spec.method,
        threshold=spec.threshold,
        measurement=measurement,
        status=_status(judged(spec, measurement, over=around.over), episodes),
        coverage=_coverage(parts.whole, days.window, spec.step_seconds),
        attainment=_attainment(spec, parts.whole, days.window),
        day_before=_compared(spec, known, days.day_before) if whole else None,
        week_before=_compared(spec, known, days.week_before) if whole else None,
        series=known.whole,
        holes=holes,
        episodes=episodes,
        breakdown=shares(spec, breakdown),
        breakdown_by=spec.breakdown.by if spec.breakdown else "",
        chart=spec.chart,
        team=team,
        description=spec.about,
        dashboard=dashboard,
        runbook=runbook,
    )


def judged(spec: Indicator, measurement: Measurement, *, over: bool) -> Status:
    """The status of the day's value. A sum of which a part is missing can prove too much, but never too little."""
    status = spec.threshold.evaluate(measurement)
    lower_bound = spec.method == "sum" and (not over or measurement.quality is not Quality.OK)
    too_little = status in {Status.WARNING, Status.CRITICAL} and spec.healthy is Direction.ABOVE
    return Status.UNKNOWN if lower_bound and too_little else status


def _status(of_the_day: Status, episodes: Sequence[Episode]) -> Status:
    """The day's status; an hour beyond a limit that ended is still a warning, also when the day as a whole is well."""
    return Status.worst(
        [of_the_day, *(Status.WARNING if episode.ended else episode.status for episode in episodes)],
    )


def _measure(
    spec: Indicator, parts: _Points, answer: Answer, holes: Sequence[Outage], around: Surroundings
) -> Measurement:
    """The value over the window together with how far it can be trusted."""
    window = around.days.window
    samples = parts.whole.within(window)
    known = [sample for sample in samples if sample.value is not None]
    if not samples:
        return _nothing(spec, Quality.EMPTY, _emptiness(spec, parts, around.days))
    value = _value(spec, parts, window) if known else None
    if value is None or (spec.method == "last" and samples[-1].value is None):
        return _nothing(spec, Quality.NAN, "division by zero, or too large: the query gives no number")
    quality, reason = trust(spec, samples, answer, holes, around)
    at = max(known, key=lambda sample: sample.value or 0.0) if spec.method == "max" else known[-1]
    return Measurement(value=value, unit=spec.unit, at=spans.moment(at.time), quality=quality, reason=reason)


def _reaching(spec: Indicator, parts: _Points, history: History) -> _Points:
    """The points for which the query found all the past that it reads; the others would show a rise that never was."""
    reach, names = spec.lookback, spec.metrics
    if reach <= max(spec.step_seconds, STEP):
        return parts
    kept = tuple(sample for sample in parts.whole.samples if history.reaches(names, reach, sample.time))
    return replace(parts, whole=replace(parts.whole, samples=kept))


def _emptiness(spec: Indicator, parts: _Points, days: Days) -> str:
    """Why there are no samples in the window: never any, none any more, or only one part of a ratio."""
    if spec.method == "ratio" and bool(parts.numerator.samples) != bool(parts.denominator.samples):
        return f"the {'denominator' if parts.numerator.samples else 'numerator'} returned nothing"
    if not parts.whole.samples:
        return "the query returned nothing"
    last = spans.moment(parts.whole.samples[-1].time)
    return f"no samples in the window; the last was at {clock(last, days.zone, days.window.start)}"


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
        try:
            value = SUMMARIES[spec.method](_known(parts.whole.within(window)))
        except OverflowError:
            return None
        return value if math.isfinite(value) else None
    shared = {sample.time for sample in parts.whole.within(window)}
    above = math.fsum(_known([sample for sample in parts.numerator.samples if sample.time in shared]))
    below = math.fsum(_known([sample for sample in parts.denominator.samples if sample.time in shared]))
    return _divided(above, below)


def value_of(spec: Indicator, answer: Answer | SourceError, window: Window, history: History | None) -> float | None:
    """The value of an earlier day from an answer over it; None when too little of it is known, or not for certain."""
    if isinstance(answer, SourceError) or answer.warnings:
        return None
    try:
        parts = _points(spec, answer)
    except ValueError:
        return None
    return _compared(spec, parts if history is None else _reaching(spec, parts, history), window)


def _compared(spec: Indicator, parts: _Points, window: Window) -> float | None:
    """The value of an earlier window, or None when too little of it is known to compare with."""
    covered = _coverage(parts.whole, window, spec.step_seconds) >= ENOUGH
    return _value(spec, parts, window) if covered and _known(parts.whole.within(window)) else None


def _attainment(spec: Indicator, points: Series, window: Window) -> float | None:
    """Share of the known steps that met the target; the steps of a sum are only parts of what the target speaks of."""
    known = _known(points.within(window))
    if spec.method == "sum" or spec.target is None or not known:
        return None
    return sum(spec.threshold.meets_target(value) is True for value in known) / len(known)


def shares(spec: Indicator, answer: Answer | SourceError | None) -> tuple[Share, ...]:
    """The largest members, the largest first; of `bottomk` the least, the least first."""
    if spec.breakdown is None or answer is None or isinstance(answer, SourceError):
        return ()
    members = [
        Share(series.labels.get(spec.breakdown.by) or series.labels.get("member", "(none)"), sample.value)
        for series in answer.series
        for sample in series.samples
        if sample.value is not None
    ]
    # Whoever asks for the least wants to see the least first.
    sign = 1 if spec.broken_down.startswith("bottomk") else -1
    return tuple(sorted(members, key=lambda share: (sign * share.value, share.name))[:_LARGEST_BREAKDOWN])


def _coverage(points: Series, window: Window, step: int) -> float:
    """Share of the window's steps that were measured. NaN was measured: nothing happened to divide by."""
    steps = int(window.seconds // step)
    return min(1.0, len(points.within(window)) / steps) if steps else 0.0


def _nothing(spec: Indicator, quality: Quality, reason: str) -> Measurement:
    return Measurement(value=None, unit=spec.unit, quality=quality, reason=reason)


def _known(samples: Sequence[Sample]) -> list[float]:
    return [sample.value for sample in samples if sample.value is not None]


def _divided(above: float | None, below: float | None) -> float | None:
    quotient = above / below if above is not None and below else None
    return quotient if quotient is not None and math.isfinite(quotient) else None

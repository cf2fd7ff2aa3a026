"""Which picture an indicator gets: its day beside the same weekday of last week, or its course over the range."""

from __future__ import annotations

from itertools import accumulate

from opsjobs.model import IndicatorResult, Sample, Status, Window
from opsjobs.report.document import Chart, Limit, Line
from opsjobs.words import measured, quantity, span


def picture(result: IndicatorResult, day: Window, week_before: Window) -> Chart:
    """The chart of an indicator.

    A value that stands for the end of the day is shown with the days that led to it; a total grows over the day; the
    rest is shown over the day. Both of these lie over the same weekday of the week before.
    """
    limits = tuple(_limits(result))
    if result.summary == "last":
        window = Window(start=week_before.start, end=day.end)
        line = Line(name=result.title, samples=result.series.samples, emphasis=True)
        return Chart(
            title=result.title, unit=result.unit, window=window, lines=(line,), limits=limits, summary=_said(result)
        )
    today, before = result.series.within(day), result.series.within(week_before)
    if result.summary == "sum":
        today, before = _running(today), _running(before)
    shift = day.start.timestamp() - week_before.start.timestamp()
    shifted = tuple(Sample(sample.time + shift, sample.value) for sample in before)
    lines = (
        Line(name="a week before", samples=tuple(sample for sample in shifted if day.holds(sample.time))),
        Line(name="the day", samples=today, emphasis=True),
    )
    title = f"{result.title}, running total" if result.summary == "sum" else result.title
    return Chart(title=title, unit=result.unit, window=day, lines=lines, limits=limits, summary=_said(result))


def _limits(result: IndicatorResult) -> list[Limit]:
    threshold = result.threshold
    named = (
        ("target", threshold.target, Status.OK),
        ("warning", threshold.warning, Status.WARNING),
        ("critical", threshold.critical, Status.CRITICAL),
    )
    return [Limit(name=name, value=value, status=status) for name, value, status in named if value is not None]


def _running(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    totals = accumulate(sample.value or 0.0 for sample in samples)
    return tuple(
        Sample(sample.time, None if sample.value is None else total)
        for sample, total in zip(samples, totals, strict=True)
    )


def _said(result: IndicatorResult) -> str:
    week = "" if result.week_before is None else f"; a week before {quantity(result.week_before, result.unit)}"
    return f"{measured(result)}{_missing(result)}{week}"


def _missing(result: IndicatorResult) -> str:
    """For how long a total did not grow only because nobody counted."""
    if result.summary != "sum" or not result.holes:
        return ""
    return f", not measured for {span(sum(hole.seconds for hole in result.holes))}"

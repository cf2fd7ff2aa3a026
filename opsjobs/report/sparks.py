"""Spark lines: eight days as one stroke of SVG, the last day emphasised, with words for those who do not see it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from opsjobs.model import Direction, IndicatorResult, Sample, Window
from opsjobs.words import NO_DATA, quantity

POINTS = 96
"""Points of a line at most: one for every two hours of eight days."""

_WIDTH, _HEIGHT, _MARGIN = 120.0, 26.0, 3.0
_DAYS_BEFORE = 7
_DAY = 86400.0

Point = tuple[float, float]


def spark(row: IndicatorResult, window: Window) -> Markup:
    """The spark line of an indicator; without any value, the words "no data"."""
    start, end = window.start.timestamp() - _DAYS_BEFORE * _DAY, window.end.timestamp()
    points = downsample(row.series.samples, start, end, row.threshold.direction)
    values = [value for _, value in points if value is not None]
    if not values:
        return Markup('<span class="none">{}</span>').format(NO_DATA)
    low, high = min(values), max(values)

    def place(time: float, value: float) -> Point:
        across = _MARGIN + (time - start) / (end - start) * (_WIDTH - 2 * _MARGIN)
        up = (value - low) / (high - low) if high > low else 0.5
        return across, _HEIGHT - _MARGIN - up * (_HEIGHT - 2 * _MARGIN)

    runs = list(_runs(points))
    before, last = [], []
    for run in runs:
        split = next((index for index, (time, _) in enumerate(run) if time > window.start.timestamp()), len(run))
        # The stroke up to the first point of the day belongs to the days before it.
        before.append([place(*point) for point in run[: split + 1]] if split else [])
        last.append([place(*point) for point in run[split:]])
    return Markup(
        '<svg class="spark" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
        ' role="img" aria-label="{label}">{before}{last}</svg>'
    ).format(
        width=_WIDTH,
        height=_HEIGHT,
        label=_words(row, low, high, holes=len(runs) - 1),
        before=_path(before, "context", "#8b95a1", 1.0),
        last=_path(last, "accent", "#0b5fa5", 1.75),
    )


def downsample(
    samples: Sequence[Sample], start: float, end: float, direction: Direction, count: int = POINTS
) -> list[tuple[float, float | None]]:
    """One point for each of `count` equal spans: time and the worst value in it, or None where there is none."""
    span = (end - start) / count
    worst = max if direction is Direction.BELOW else min
    buckets: list[list[float]] = [[] for _ in range(count)]
    for sample in samples:
        if sample.value is not None and start < sample.time <= end:
            # A sample tells of the time up to it, so one on a boundary belongs to the span that ends there.
            buckets[max(math.ceil((sample.time - start) / span), 1) - 1].append(sample.value)
    return [(start + (index + 0.5) * span, worst(found) if found else None) for index, found in enumerate(buckets)]


def _runs(points: Iterable[tuple[float, float | None]]) -> Iterable[list[Point]]:
    """The unbroken stretches of a line."""
    run: list[Point] = []
    for time, value in points:
        if value is not None:
            run.append((time, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _path(strokes: Iterable[Sequence[Point]], kind: str, colour: str, width: float) -> Markup:
    drawn = "".join(_stroke(stroke) for stroke in strokes)
    if not drawn:
        return Markup()
    return Markup(
        '<path class="{}" d="{}" fill="none" stroke="{}" stroke-width="{}"'
        ' stroke-linecap="round" stroke-linejoin="round"/>'
    ).format(kind, drawn, colour, width)


def _stroke(points: Sequence[Point]) -> str:
    """A stroke through the points; a single one becomes a dot."""
    moves = [f"{'L' if index else 'M'}{across:.1f} {down:.1f}" for index, (across, down) in enumerate(points)]
    return "".join([*moves, "h0.1"] if len(moves) == 1 else moves)


def _words(row: IndicatorResult, low: float, high: float, holes: int) -> str:
    words = f"{row.title}, eight days: from {quantity(low, row.unit)} to {quantity(high, row.unit)}"
    return words + (f", {holes} gap{'s' if holes > 1 else ''} in the data" if holes else "")

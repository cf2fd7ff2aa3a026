"""Larger charts: matplotlib draws, the page colours.

The picture carries fixed colours as attributes, which paper keeps, and a class beside each, by which the style sheet
recolours it on a dark screen. It holds no identifiers, so that several can share a page.
"""

from __future__ import annotations

import io
import math
import re
import statistics
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from markupsafe import Markup

from opsjobs.model import Sample, Status
from opsjobs.report.document import Chart, Line
from opsjobs.report.filters import period
from opsjobs.words import Scale, limit, quantity, scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 400, 195
_LEFT, _RIGHT, _BOTTOM, _TOP = 58, 64, 42, 10
"""Room around the plot: for values, limits, times, and the upper half of the highest value."""
_FONT = 11.5
_NAME_HEIGHT = 30
"""Of a limit's name and value, one above the other."""
_FONTS = "Inter, 'DejaVu Sans', 'Liberation Sans', sans-serif"
_INK, _GRID, _CONTEXT, _ACCENT = "#5a6470", "#e2e6ea", "#a3adb8", "#0b5fa5"
_STATUS = {Status.OK: "#2f6b45", Status.WARNING: "#8a5300", Status.CRITICAL: "#b3261e", Status.UNKNOWN: "#5d4a9c"}
_CLASSES = {_INK: "ink", _GRID: "grid", _CONTEXT: "context", _ACCENT: "accent"} | {
    colour: status.name.lower() for status, colour in _STATUS.items()
}
_DAY = 86400
_HOURS_UP_TO = 2 * _DAY
_MOST_DATES = 5
_NAME = 10
"""Characters that a limit's name may take beside the plot."""
_MOST_DECIMALS = 6
_CENTS = 2
_HOLE = 1.5
"""A step this many times longer than the usual one is a hole."""

Extent = tuple[float, float]


def svg(chart: Chart, zone: tzinfo) -> Markup:
    """One chart as an inline SVG with an accessible name."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that reports without charts need not spend

    picture = io.BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        # The defaults, so that a matplotlibrc of the machine changes nothing.
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.hashsalt": "opsjobs", "svg.fonttype": "none", "font.size": _FONT})
        # matplotlib measures with fonts that lack some characters; what draws the text later has others.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        _figure(chart, zone).savefig(picture, format="svg", metadata=nothing)
    return _inline(picture.getvalue().decode(), f"{chart.title}. {chart.summary or _words(chart, zone)}")


def png(chart: Chart, zone: tzinfo) -> bytes:
    """One chart as a picture for mail, at twice the size it is shown in, on white."""
    import matplotlib as mpl  # noqa: PLC0415 - see svg

    picture = io.BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update({"font.size": _FONT})
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        _figure(chart, zone).savefig(picture, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    return picture.getvalue()


def _figure(chart: Chart, zone: tzinfo) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 - see svg

    figure = Figure(figsize=(_WIDTH / 72, _HEIGHT / 72), dpi=72, facecolor="none")
    axes = figure.add_axes(
        (_LEFT / _WIDTH, _BOTTOM / _HEIGHT, _plot_width() / _WIDTH, _plot_height() / _HEIGHT), facecolor="none"
    )
    extent = _extent(chart)
    _frame(axes, chart, zone, extent)
    factor = float(scale(extent[1], chart.unit).factor)
    for line in sorted(chart.lines, key=lambda line: line.emphasis):
        times, values = _broken(line.samples)
        axes.plot(
            times,
            [value / factor for value in values],
            color=_ACCENT if line.emphasis else _CONTEXT,
            linewidth=1.75 if line.emphasis else 1,
            solid_capstyle="round",
            clip_on=False,
        )
    _limits(axes, chart, extent, factor)
    if not any(_values(line) for line in chart.lines):
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color=_INK)
    return figure


def _frame(axes: Axes, chart: Chart, zone: tzinfo, extent: Extent) -> None:
    """Axes with units and local times, and a quiet grid."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - see svg

    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.set_xlim(chart.window.start.timestamp(), chart.window.end.timestamp())
    ticks = list(_times(chart, zone))
    axes.set_xticks([at for at, _ in ticks], [name for _, name in ticks], parse_math=False)
    axes.set_xlabel(f"local time, {zone}", color=_INK, fontsize=_FONT - 1, parse_math=False)

    how = scale(extent[1], chart.unit)
    low, high = (edge / float(how.factor) for edge in extent)
    heights = [
        tick for tick in MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= tick <= high
    ]
    axes.set_ylim(low, high)
    axes.set_yticks(heights, _written(heights, how), parse_math=False)
    axes.tick_params(bottom=False, left=False, labelcolor=_INK, pad=5)
    axes.grid(visible=True, axis="y", color=_GRID, linewidth=1)
    axes.set_axisbelow(True)


def _written(ticks: Sequence[float], how: Scale) -> list[str]:
    """The values of an axis, all with the same number of decimals: as few as tell each of them exactly."""
    fewest = next(
        (
            digits
            for digits in range(_MOST_DECIMALS)
            if all(math.isclose(round(tick, digits), tick, rel_tol=1e-9, abs_tol=1e-12) for tick in ticks)
        ),
        _MOST_DECIMALS,
    )
    # Money has no tenths.
    digits = max(fewest, _CENTS) if how.prefix and fewest else fewest
    return [how.write(round(Decimal(repr(float(tick))), digits), digits) for tick in ticks]


def _limits(axes: Axes, chart: Chart, extent: Extent, factor: float) -> None:
    """Dashed lines with their names beside the plot, where no line of data can run into them."""
    drawn = sorted((mark for mark in chart.limits if mark.value is not None), key=lambda mark: mark.value)
    share = [(mark.value - extent[0]) / (extent[1] - extent[0]) for mark in drawn]
    places = _apart([_plot_height() * part for part in share], _NAME_HEIGHT, _plot_height())
    for mark, place in zip(drawn, places, strict=True):
        axes.axhline(mark.value / factor, color=_STATUS[mark.status], linewidth=1, linestyle=(0, (4, 3)), clip_on=False)
        for text, side, off in ((_short(mark.name), "bottom", 1), (limit(mark.value, chart.unit), "top", -1)):
            axes.annotate(
                text,
                (1, place / _plot_height()),
                xycoords="axes fraction",
                xytext=(6, off),
                textcoords="offset points",
                ha="left",
                va=side,
                color=_STATUS[mark.status],
                fontsize=_FONT - 1,
                parse_math=False,
            )


def _apart(places: Sequence[float], gap: float, room: float) -> list[float]:
    """Ascending places moved as little as keeps each at least a gap from the next, within the room if they fit."""
    moved: list[float] = []
    for place in places:
        # Half a name above the bottom, because the times stand below it; above the top there is nothing.
        moved.append(max(place, moved[-1] + gap if moved else gap / 2))
    top = room
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], top)
        top = moved[index] - gap
    return moved


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1].rstrip() + "…"


def _plot_width() -> int:
    return _WIDTH - _LEFT - _RIGHT


def _plot_height() -> int:
    return _HEIGHT - _BOTTOM - _TOP


def _extent(chart: Chart) -> Extent:
    """The lowest and highest value to show, in base units: the data, the limits, and zero unless it is far away."""
    marks = [mark.value for mark in chart.limits if mark.value is not None]
    shown = [value for line in chart.lines for value in _values(line)] + marks
    if not shown:
        return 0.0, 1.0
    low, high = min(shown), max(shown)
    if 0 <= low < high / 2 or low == high > 0:
        low = 0.0
    room = (high - low or 1.0) * 0.08
    return (low if low == 0 else low - room), high + room


def _times(chart: Chart, zone: tzinfo) -> Iterator[tuple[float, str]]:
    """Ticks: every six hours of up to two days, otherwise local midnights."""
    start, end = chart.window.start.astimezone(zone), chart.window.end.astimezone(zone)
    hourly = chart.window.seconds <= _HOURS_UP_TO
    days = math.ceil(chart.window.seconds / _DAY)
    step = 1 if hourly else math.ceil(days / _MOST_DATES)
    for number in range(0, days + 2, step):
        for hour in (0, 6, 12, 18) if hourly else (0,):
            at = datetime.combine(start.date() + timedelta(days=number), time(hour), zone)
            if start <= at <= end:
                last = hourly and at == end and hour == 0
                yield at.timestamp(), "24:00" if last else f"{at:%H:%M}" if hourly else f"{at.day} {at:%b}"


def _broken(samples: Sequence[Sample]) -> tuple[list[float], list[float]]:
    """Times and values with NaN wherever a value or a step is missing, so that no hole is bridged."""
    steps = [later.time - earlier.time for earlier, later in pairwise(samples)]
    usual = statistics.median(steps) if steps else 0.0
    times: list[float] = []
    values: list[float] = []
    for index, sample in enumerate(samples):
        if index and sample.time - samples[index - 1].time > _HOLE * usual:
            times.append(samples[index - 1].time + usual)
            values.append(math.nan)
        times.append(sample.time)
        values.append(math.nan if sample.value is None else sample.value)
    return _dotted(times, values)


def _dotted(times: list[float], values: list[float]) -> tuple[list[float], list[float]]:
    """A value between two holes becomes a stroke of a minute, which round caps show as a dot."""
    missing = [True, *(math.isnan(value) for value in values), True]
    out_times: list[float] = []
    out_values: list[float] = []
    for index, (at, value) in enumerate(zip(times, values, strict=True)):
        alone = not missing[index + 1] and missing[index] and missing[index + 2]
        out_times += [at, at + 60] if alone else [at]
        out_values += [value, value] if alone else [value]
    return out_times, out_values


def _values(line: Line) -> list[float]:
    return [sample.value for sample in line.samples if sample.value is not None]


def _words(chart: Chart, zone: tzinfo) -> str:
    shown = [value for line in chart.lines for value in _values(line)]
    if not shown:
        return "No data"
    span = f"from {quantity(min(shown), chart.unit)} to {quantity(max(shown), chart.unit)}"
    return f"{period(chart.window, zone)}: {span}"


def _inline(document: str, name: str) -> Markup:
    """The drawing without prologue, style sheet and identifiers, with attributes and classes in place of styles."""
    drawing = document[document.index("<defs>") : document.rindex("</svg>")]
    drawing = re.sub(r"<defs>.*?</defs>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' (id|clip-path)="[^"]*"| transform="rotate\(-0 [^"]*"', "", drawing)
    drawing = re.sub(r' style="([^"]*)"', _attributes, drawing)
    drawing = re.sub(r"\s*\n\s*", " ", drawing)
    start = Markup(
        '<svg class="drawing" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
    ).format(_WIDTH, _HEIGHT, _WIDTH, _HEIGHT, name)
    # matplotlib has escaped every text of the drawing.
    return start + Markup(drawing) + Markup("</svg>")  # noqa: S704 - made by matplotlib, not by a reader


def _attributes(match: re.Match[str]) -> str:
    """A style as presentation attributes, which a style sheet may overrule."""
    declared = dict(part.split(": ", 1) for part in match[1].split("; "))
    if "font-family" in declared:
        declared["font-family"] = _FONTS
    classes = [_CLASSES[colour] for key in ("fill", "stroke") if (colour := declared.get(key)) in _CLASSES]
    attributes = "".join(f' {name}="{value}"' for name, value in declared.items())
    return (f' class="{classes[0]}"' if classes else "") + attributes

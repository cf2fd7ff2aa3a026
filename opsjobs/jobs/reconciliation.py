"""What was found out about money beside what was expected of it, as parts of a report."""

from __future__ import annotations

from collections.abc import Iterator

from opsjobs.analysis import outlay
from opsjobs.analysis.hindsight import Came
from opsjobs.daybook import StatedOutlay
from opsjobs.jobs.reckoning import Told
from opsjobs.report.document import Table, TableRow
from opsjobs.words import percent, quantity

YOUNG = "No forecast is old enough yet to be held against what came."


def forecasts(told: Told) -> Iterator[Table]:
    """The last forecasts whose days are over; no table where there is none."""
    if not told.hindsight:
        return
    known = [each for each in told.hindsight if each.held is not None]
    held = sum(bool(each.held) for each in known)
    rows = tuple(TableRow(cells=_forecast(each)) for each in told.hindsight)
    yield Table(
        columns=("Stated on", "For", "Expected", "Four times of five within", "Came", "Missed by", "Interval"),
        rows=rows,
        words=(1, 5, 6),
        note=f"The last forecasts whose days are over: {held} of {len(known)} within their interval."
        if known
        else "The last forecasts whose days are over.",
    )


def _forecast(each: Came) -> tuple[str, ...]:
    stated = each.stated
    expected, low, high = (
        quantity(float(each), stated.currency) for each in (stated.expected, stated.low, stated.high)
    )
    said = (f"{stated.stated:%-d %B %Y}", _span(stated), expected, f"{low} to {high}")
    if each.came is None:
        return (*said, "not known in full", "", "")
    held = "held" if each.held else "did not hold"
    return (*said, quantity(float(each.came), stated.currency), _missed(each), held)


def _missed(each: Came) -> str:
    if each.missed is None:
        return ""
    way = "" if not each.missed else " too much" if each.missed > 0 else " too little"
    return f"{percent(float(abs(each.missed)))}{way}"


def _span(stated: StatedOutlay) -> str:
    month = outlay.month(stated.first)
    if (stated.first, stated.last) == (month[0], month[-1]):
        return f"{stated.first:%B %Y}"
    return f"{stated.first:%-d %B} to {stated.last:%-d %B %Y}"

"""What its own past says of an indicator: whether its value is usual, when it is full, and what to remember of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from opsjobs.analysis import bands, forecast, growth
from opsjobs.analysis.databases import DatabaseResult
from opsjobs.analysis.forecast import Fared, Forecast, Outcome
from opsjobs.analysis.trust import Days
from opsjobs.jobs.context import Context
from opsjobs.jobs.inquiry import Inquiry, earlier_values
from opsjobs.jobs.sections import Aside, outlook
from opsjobs.model import IndicatorResult, Quality, StatedForecast
from opsjobs.report.document import UsualBand


def forecasts(context: Context, days: Days, results: Iterable[IndicatorResult]) -> dict[str, Forecast]:
    """When those indicators are full that can be."""
    specs = {declared.id: declared.spec for declared in context.system.indicators}
    end = days.window.end.timestamp()
    return {
        result.id: forecast.evaluate(result, spec.full_at, spec.step_seconds, end)
        for result in results
        if (spec := specs[result.id]).full_at is not None
    }


def aside(context: Context, days: Days, inquiry: Inquiry, result: IndicatorResult, full: Forecast | None) -> Aside:
    """What an indicator's own past says of its value."""
    earlier = earlier_values(context, days, inquiry, result) if days.earlier else {}
    usual, left = bands.around(earlier, context.day), bands.outside(result, earlier, context.day)
    fared = None
    if full and full.stated:
        told = context.memory.forecasts.get(_subject(result.id), {})
        fared = forecast.fared(told, result.measurement.value or 0.0, context.day)
    return Aside(
        band=bands.said(result, left, context.day) if left else "",
        full=_when_full(result, full, fared) if full else "",
        soon=full is not None and full.soon,
        usual=UsualBand(
            weekday=f"{context.day:%A}", low=usual.low, usual=usual.usual, high=usual.high, outside=left is not None
        )
        if usual
        else None,
        outlook=outlook(full, fared) if full else None,
    )


def _when_full(result: IndicatorResult, full: Forecast, fared: Fared | None) -> str:
    """The forecast and how those before it fared; of a value that is not known nothing is said."""
    if fared is not None:
        return f"{full.text}; {fared.text}"
    known = result.measurement.quality is Quality.OK
    return f"when it is full: {full.text}" if known and full.outcome is Outcome.TOO_LITTLE else ""


def stated(
    context: Context, full: Mapping[str, Forecast], servers: Iterable[DatabaseResult], asked: date
) -> Iterator[StatedForecast]:
    """What the report says of the time to come, for later reports to hold against what came."""
    for name, found in full.items():
        if kept := forecast.to_remember(_subject(name), context.day, found):
            yield kept
    for each in servers:
        yield from growth.stated(each, context.places.get(each.id, ""), asked)


def _subject(indicator: str) -> str:
    return f"indicator:{indicator}"

"""What changed since the day before, in words, the largest first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from opsjobs.model import Direction, IndicatorResult, Quality
from opsjobs.words import NO_DATA, change, measured, quantity

NO_CAUSES: Mapping[str, str] = MappingProxyType({})
_TENTH = 0.1
"""A change by less than this share of the value before is noise."""
_POINT = 0.01
"""For ratios: a change by less than this is noise, one percentage point."""
_MOST = 5
_ROUNDING = 1e-9
"""A tenth that is computed from two decimal numbers is a hair more or less than one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An indicator that moved, from one day to the next, in base units."""

    indicator: str
    text: str
    unit: str
    before: float
    value: float
    better: bool
    """Whether it moved to the side that is healthy."""
    size: float
    """How large it is beside what would be noise, to sort by."""


def find(results: Iterable[IndicatorResult], causes: Mapping[str, str] = NO_CAUSES) -> tuple[Change, ...]:
    """The five largest changes; those by less than a tenth, or by less than a percentage point, are none.

    Ratios move by percentage points and the rest by shares of the value before, so each is weighed by its own noise.
    What another change explains (`causes` names the indicator behind an indicator) is not told a second time.
    """
    changes = [found for result in results if (found := _change(result))]
    moved = {each.indicator for each in changes}
    own = [each for each in changes if causes.get(each.indicator, "") not in moved]
    return tuple(sorted(own, key=lambda each: -each.size)[:_MOST])


def is_comparable(result: IndicatorResult) -> bool:
    """Whether both days are known, and well."""
    measurement = result.measurement
    known = measurement.value is not None and result.day_before is not None
    if not known or measurement.quality is not Quality.OK:
        return False
    # A total of what was seen proves a rise, but it proves no fall.
    return not (is_lower_bound(result) and (measurement.value or 0.0) < (result.day_before or 0.0))


def weight(value: float, before: float, unit: str) -> float:
    """How often a change is what would just not be noise; what rises from nothing counts as if it had doubled."""
    moved = abs(value - before)
    if unit == "ratio":
        return moved / _POINT
    share = moved / abs(before) if before else float(moved > 0)
    return share / _TENTH


def _size(value: float, before: float, unit: str) -> float:
    """The weight by which changes are sorted.

    Counts of events scatter by about their square root (Poisson), so a few more or less of few come after the rest.
    """
    found = weight(value, before, unit)
    return min(found, abs(value - before) / math.sqrt(abs(value) + abs(before))) if unit == "count" else found


def _change(result: IndicatorResult) -> Change | None:
    value, before = result.measurement.value, result.day_before
    if not is_comparable(result) or value is None or before is None or value == before:
        return None
    said = _said(result, value, before)
    if not said or weight(value, before, result.unit) < 1 - _ROUNDING:
        return None
    return Change(
        indicator=result.id,
        text=said,
        unit=result.unit,
        before=before,
        value=value,
        better=(value > before) is (result.threshold.direction is Direction.ABOVE),
        size=_size(value, before, result.unit),
    )


def _said(result: IndicatorResult, value: float, before: float) -> str:
    """`Payment success fell from 97.8 % to 90.6 % (-7.2 pp)`; empty where both are written the same."""
    threshold = result.threshold
    old = quantity(before, result.unit, (threshold.target, threshold.warning, threshold.critical))
    new = measured(result)
    moved = _moved(value, before, result.unit)
    if old == new or NO_DATA in (old, new):
        return ""
    verb = "rose" if value > before else "fell"
    return f"{result.title} {verb} from {old} to {new}" + (f" ({moved})" if moved else "")


def _moved(value: float, before: float, unit: str) -> str:
    """By how much: percentage points, or a percentage of what was; nothing where that was nothing."""
    if unit == "ratio":
        return change(value, before, unit)
    if before <= 0:
        return ""
    share = value / before - 1
    sign = "+" if share > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(share) * 100:,.0f} %"


def is_lower_bound(result: IndicatorResult) -> bool:
    """Whether the value is the total of a day of which a part was not seen."""
    return result.summary == "sum" and result.coverage < 1

"""Values of days as rows: of indicators, of what database servers said, of forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from opsjobs.ledger import tables
from opsjobs.model import IndicatorResult, Quality, Run, ServerValue, StatedForecast, Trend

_DAYS, _SERVERS, _FORECASTS = tables.indicator_days, tables.server_days, tables.forecasts
_NUMBER = ("server", "database", "item", "day", "value", "unit")


def keep(connection: Connection, run: Run, day: date | None, indicators: Sequence[IndicatorResult]) -> None:
    """Those of a day, in place of what an earlier run found."""
    if not indicators:
        return
    rows = [
        {
            "system": run.system,
            "indicator": result.id,
            "day": day,
            "value": result.measurement.value,
            "unit": result.unit,
            "status": result.status.name,
            "quality": result.measurement.quality.value,
            "run_id": run.id,
        }
        for result in indicators
    ]
    connection.execute(sa.delete(_DAYS).where(_DAYS.c.system == run.system, _DAYS.c.day == day))
    connection.execute(sa.insert(_DAYS), rows)


def keep_numbers(connection: Connection, run: Run, numbers: Sequence[ServerValue]) -> None:
    """One value for each server, item and day: the last that was said."""
    for server, database, day in {(number.server, number.database, number.day) for number in numbers}:
        same = sa.and_(_SERVERS.c.system == run.system, _SERVERS.c.server == server, _SERVERS.c.database == database)
        connection.execute(sa.delete(_SERVERS).where(same, _SERVERS.c.day == day))
    if numbers:
        rows = [{"system": run.system, **asdict(number), "run_id": run.id} for number in numbers]
        connection.execute(sa.insert(_SERVERS), rows)


def keep_forecasts(connection: Connection, run: Run, forecasts: Sequence[StatedForecast]) -> None:
    """Those of the slot, in place of what it stated before."""
    of_slot = sa.and_(_FORECASTS.c.system == run.system, _FORECASTS.c.slot == run.slot)
    connection.execute(sa.delete(_FORECASTS).where(of_slot))
    for each in forecasts:
        # Two slots may be made on one day, which speak of the same databases.
        same = sa.and_(_FORECASTS.c.subject == each.subject, _FORECASTS.c.day == each.day)
        connection.execute(sa.delete(_FORECASTS).where(_FORECASTS.c.system == run.system, same))
        row = {"system": run.system, "subject": each.subject, "day": each.day, **asdict(each.trend)}
        connection.execute(sa.insert(_FORECASTS).values(**row, slot=run.slot, run_id=run.id))


def past(connection: Connection, system: str, before: date, days: int) -> dict[str, dict[date, float]]:
    """Values of whole days by indicator and day, of the quality ok, from so many days before that day on."""
    query = sa.select(_DAYS.c.indicator, _DAYS.c.day, _DAYS.c.value).where(
        _DAYS.c.system == system,
        _DAYS.c.quality == Quality.OK.value,
        _DAYS.c.value.is_not(None),
        _DAYS.c.day < before,
        _DAYS.c.day >= before - timedelta(days=days),
    )
    found: dict[str, dict[date, float]] = {}
    for row in connection.execute(query):
        found.setdefault(row.indicator, {})[row.day] = row.value
    return found


def numbers(connection: Connection, system: str, since: date) -> dict[str, dict[date, float]]:
    """What database servers said since a day, by subject and by the day when they were asked."""
    query = sa.select(_SERVERS).where(_SERVERS.c.system == system, _SERVERS.c.day >= since)
    found: dict[str, dict[date, float]] = {}
    for row in connection.execute(query).mappings():
        number = ServerValue(**{name: row[name] for name in _NUMBER})
        found.setdefault(number.subject, {})[number.day] = number.value
    return found


def forecasts(connection: Connection, system: str, since: date) -> dict[str, dict[date, Trend]]:
    """The forecasts that were stated since a day, by subject and by the day of their value."""
    query = sa.select(_FORECASTS).where(_FORECASTS.c.system == system, _FORECASTS.c.day >= since)
    found: dict[str, dict[date, Trend]] = {}
    for row in connection.execute(query):
        trend = Trend(value=row.value, low=row.low, slope=row.slope, high=row.high)
        found.setdefault(row.subject, {})[row.day] = trend
    return found

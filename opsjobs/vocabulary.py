"""The words that a profile may use: units, steps, zones, queries, and names that refer to something in it.

References are checked against the validation context, which holds the names of the raw file (`names`), so that every
fault is found in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from opsjobs import promql, statements
from opsjobs.declaration import did_you_mean

_UNITS = {"seconds", "bytes", "ratio", "count", "per_second"}
_CURRENCY_LETTERS = 3
_HOUR = 3600
_LENGTHS = {"s": 1, "m": 60, "h": _HOUR, "d": 24 * _HOUR}
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")
_TARGET = re.compile(r"[^\s:/]+:\d{1,5}")
# Series that Prometheus makes by itself; a profile need not declare them.
_BUILT_IN = {"up", "ALERTS", "ALERTS_FOR_STATE", "scrape_samples_scraped", "scrape_duration_seconds"}
_REFERRED = ("teams", "components", "dashboards", "slos", "alerts", "channels", "hours")
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LONGEST_CHANNEL = 50
_RESERVED = {"nobody", "grafana-admin", "postgres-exporter", "redis-exporter"}
_PARTS = ("_bucket", "_sum", "_count")


def _unit(value: str) -> str:
    if value in _UNITS or (len(value) == _CURRENCY_LETTERS and value.isascii() and value.isupper()):
        return value
    raise ValueError(f"'{value}' is not a unit; use {', '.join(sorted(_UNITS))}, or a currency code such as EUR")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"'{value}' is not a time zone; use a name such as Europe/Rome") from None
    return value


def _step(value: str) -> str:
    if not seconds(value) or _HOUR % seconds(value):
        raise ValueError(f"'{value}' does not divide an hour; use 1m, 5m, 10m, 15m, 30m or 1h")
    return value


def seconds(value: str) -> int:
    """The length of `30s`, `5m`, `1h` or `30d` in seconds; 0 for what is no length of time."""
    number, unit = value[:-1], value[-1:]
    return int(number) * _LENGTHS.get(unit, 0) if number.isdigit() else 0


def _length(value: str) -> str:
    if not seconds(value):
        raise ValueError(f"'{value}' is not a length of time; write 30s, 5m, 1h or 30d")
    return value


def _clock(value: Any) -> Any:
    # YAML reads 09:30 without quotes as a number of minutes.
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    raise ValueError('give a local time in quotes, from "00:00" to "24:00"')


def _target(value: str) -> str:
    if not _TARGET.fullmatch(value):
        raise ValueError(f"'{value}' is not host:port")
    return value


def _held_for(value: str | None) -> str | None:
    if value is not None and not seconds(value):
        raise ValueError(f"'{value}' is not a length of time; write 2m or 1h")
    return value


def _subject(value: str, info: ValidationInfo) -> str:
    if value:
        kind, _, name = value.partition(":")
        known = {"component": "components", "indicator": "indicators"}
        if kind not in known or not name:
            raise ValueError(f"'{value}' must be component:NAME or indicator:NAME")
        _declared(known[kind], name, info)
    return value


def _query(value: str, info: ValidationInfo) -> str:
    value = value.strip()
    promql.check(value)
    known: dict[str, str] = (info.context or {}).get("metrics", {})
    for metric in promql.metrics(value):
        if metric not in _BUILT_IN and family(metric, known) is None:
            raise ValueError(f"'{metric}' is not declared under metrics{did_you_mean(metric, known)}")
    return value


def _expression(value: str) -> str:
    # As it stands in a file that declares no metrics: whether they exist is seen when it is asked.
    promql.check(value)
    if promql.STEP in value or promql.WINDOW in value:
        raise ValueError(f"{promql.STEP} and {promql.WINDOW} have no meaning here")
    return value.strip()


def _window_query(value: str, info: ValidationInfo) -> str:
    if promql.WINDOW not in value:
        raise ValueError(f"it must say {promql.WINDOW}: an objective is asked of several windows")
    # The step is a length of time, too.
    _query(value.replace(promql.WINDOW, promql.STEP), info)
    return value.strip()


def _without_step(value: str) -> str:
    if promql.STEP in value:
        raise ValueError(f"{promql.STEP} has no meaning here: members are looked at each minute")
    return value


def family(series: str, types: Mapping[str, str]) -> str | None:
    """The declared metric that a series belongs to: its own name, or that of its histogram or summary."""
    if series in types:
        return series
    stems = (series.removesuffix(part) for part in _PARTS if series.endswith(part))
    return next((stem for stem in stems if types.get(stem) in {"histogram", "summary"}), None)


def _reference(kind: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        _declared(kind, value, info)
        return value

    return AfterValidator(check)


def _declared(kind: str, name: str, info: ValidationInfo) -> None:
    known: set[str] = (info.context or {}).get(kind, set())
    if name not in known:
        raise ValueError(f"'{name}' is not declared under {kind}{did_you_mean(name, known)}")


def _channel(value: str) -> str:
    # Names become names of files, receivers and secrets.
    if not _KEY.fullmatch(value) or value in _RESERVED or len(value) > _LONGEST_CHANNEL:
        message = "small letters, digits, - and _, 50 at most, and none that is taken"
        raise ValueError(f"'{value}' is no name for a channel: {message}")
    return value


Sql = Annotated[str, AfterValidator(statements.check_sql)]
SpanSql = Annotated[str, AfterValidator(statements.check_span)]
RedisCommand = Annotated[str, AfterValidator(statements.check_redis)]
Query = Annotated[str, AfterValidator(_query)]
Selection = Annotated[str, AfterValidator(_query), AfterValidator(_without_step)]
Expression = Annotated[str, AfterValidator(_expression)]
TeamName = Annotated[str, _reference("teams")]
ComponentName = Annotated[str, _reference("components")]
DashboardName = Annotated[str, _reference("dashboards")]
IndicatorName = Annotated[str, _reference("indicators")]
SloName = Annotated[str, _reference("slos")]
AlertName = Annotated[str, _reference("alerts")]
ChannelKey = Annotated[str, AfterValidator(_channel)]
ChannelName = Annotated[str, _reference("channels")]
HoursName = Annotated[str, _reference("hours")]
WindowQuery = Annotated[str, AfterValidator(_window_query)]
Length = Annotated[str, AfterValidator(_length)]
Clock = Annotated[str, BeforeValidator(_clock)]
Target = Annotated[str, AfterValidator(_target)]
Subject = Annotated[str, AfterValidator(_subject)]
Unit = Annotated[str, AfterValidator(_unit)]
Zone = Annotated[str, AfterValidator(_zone)]
Step = Annotated[str, AfterValidator(_step)]
HeldFor = Annotated[str | None, AfterValidator(_held_for)]


def names(content: Any) -> dict[str, Any]:
    """What may be referred to, taken from the raw file so that every fault is found in one pass."""

    def section(name: str) -> dict[str, Any]:
        value = content.get(name) if isinstance(content, dict) else None
        return {str(key): inner for key, inner in value.items()} if isinstance(value, dict) else {}

    types = {name: spec.get("type") if isinstance(spec, dict) else None for name, spec in section("metrics").items()}
    groups = [group.get("indicators") for group in section("groups").values() if isinstance(group, dict)]
    indicators = {str(name) for group in groups if isinstance(group, dict) for name in group}
    referred = {name: set(section(name)) for name in _REFERRED}
    return {**referred, "metrics": types, "indicators": indicators}

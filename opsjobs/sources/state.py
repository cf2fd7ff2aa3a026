"""What a Prometheus says of itself: whether it is ready, what it scrapes, evaluates and keeps.

These addresses are Prometheus' own: Thanos, Mimir and VictoriaMetrics have some of them, or none. What is not there is
missing by name, and only a server that cannot be reached at all is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from opsjobs.errors import BadAnswer, SourceError, Unreachable
from opsjobs.facts import PrometheusFacts, RunningRule, ScrapeTarget
from opsjobs.http import Deadline, Http

Value = TypeVar("Value")
_LARGEST = 10
_MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError)
_FRACTION = re.compile(r"\.(\d{6})\d*")


def facts(http: Http, deadline: Deadline) -> PrometheusFacts:
    """Everything that it says of itself. Raises `Unreachable`."""
    missing: dict[str, str] = {}

    def part(name: str, ask: Callable[[], Value]) -> Value | None:
        try:
            return ask()
        except Unreachable:
            raise
        except SourceError as error:
            missing[name] = error.message
        except _MISSHAPEN:
            missing[name] = f"{http.connection.name} says it in a form that is not known"
        return None

    ready = part("ready", lambda: bool(http.get("/-/ready", {}, deadline=deadline)))
    runtime = part("runtime", lambda: _data(http, "/api/v1/status/runtimeinfo", deadline)) or {}
    tsdb = part("tsdb", lambda: _data(http, "/api/v1/status/tsdb", deadline)) or {}
    return PrometheusFacts(
        ready=ready,
        reloaded=runtime.get("reloadConfigSuccess"),
        configured_at=moment(runtime.get("lastConfigTime")),
        corruptions=runtime.get("corruptionCount"),
        retention=str(runtime.get("storageRetention") or ""),
        series=part("series", lambda: int(tsdb["headStats"]["numSeries"])) if tsdb else None,
        largest=part("largest", lambda: _largest(tsdb)) or (),
        rules=part("rules", lambda: rules(http, deadline)),
        targets=part("targets", lambda: _targets(_data(http, "/api/v1/targets", deadline, state="active"))),
        missing=missing,
    )


def rules(http: Http, deadline: Deadline) -> tuple[RunningRule, ...]:
    """Every rule that it has loaded. Raises `SourceError`."""
    try:
        groups = _data(http, "/api/v1/rules", deadline)["groups"]
        return tuple(_rule(rule, float(group["interval"])) for group in groups for rule in group["rules"])
    except _MISSHAPEN:
        raise BadAnswer(
            f"{http.connection.name} at {http.connection.url} did not list its rules",
            advice="Mimir, Thanos and others keep rules elsewhere: ask the Prometheus that evaluates them.",
        ) from None


def moment(text: object) -> datetime | None:
    """A time as Go writes it, which has more digits than Python reads; None for its zero, or for no time."""
    try:
        at = datetime.fromisoformat(_FRACTION.sub(r".\1", str(text)))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.year > 1 and at.tzinfo else None


def _data(http: Http, path: str, deadline: Deadline, **query: str) -> dict[str, Any]:
    found = orjson.loads(http.get(path, query, deadline=deadline).body)["data"]
    if not isinstance(found, dict):
        raise TypeError(path)
    return found


def _largest(tsdb: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    rows = tsdb.get("seriesCountByMetricName") or ()
    return tuple((str(row["name"]), int(row["value"])) for row in rows[:_LARGEST])


def _targets(data: Mapping[str, Any]) -> tuple[ScrapeTarget, ...]:
    return tuple(
        ScrapeTarget(
            job=str(target["labels"].get("job", "")),
            instance=str(target["labels"].get("instance", "")),
            up={"up": True, "down": False}.get(target["health"]),
            error=str(target.get("lastError") or ""),
        )
        for target in data["activeTargets"]
    )


def _rule(rule: Mapping[str, Any], interval: float) -> RunningRule:
    return RunningRule(
        name=str(rule["name"]),
        query=str(rule["query"]),
        interval=interval,
        held=float(rule.get("duration") or 0),
        kept=float(rule.get("keepFiringFor") or 0),
        labels={str(key): str(value) for key, value in (rule.get("labels") or {}).items()},
        annotations={str(key): str(value) for key, value in (rule.get("annotations") or {}).items()},
        alerts=rule["type"] == "alerting",
        error=str(rule.get("lastError") or ""),
        evaluated_at=moment(rule.get("lastEvaluation")),
    )

"""The panels of a dashboard: what each asks and how it shows the answer, in the words of Grafana's schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsjobs import promql, words
from opsjobs.model import Direction
from opsjobs.stack.plan import Plan
from opsjobs.system import DeclaredIndicator, Indicator
from opsjobs.system.dashboard import PanelSpec

DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
INTERVAL = "$__rate_interval"
"""What Grafana puts for `$step`: long enough for two samples, however far one looks."""
GOOD, WARNING, BAD = "green", "orange", "red"
_UNITS = {"seconds": "s", "bytes": "bytes", "ratio": "percentunit", "count": "short", "per_second": "cps"}
_CURRENCIES = {"EUR", "USD", "GBP", "JPY", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "INR", "BRL", "RUB"}
_TYPES = {
    "stat": "stat",
    "gauge": "gauge",
    "timeseries": "timeseries",
    "bar": "bargauge",
    "pie": "piechart",
    "table": "table",
    "histogram": "bargauge",
    "heatmap": "heatmap",
    "text": "text",
}
_NOW = {"stat", "gauge", "bargauge", "piechart", "table"}
"""Types that show one moment."""
_ROOM = 1.25
_BARELY = 1e-9
"""A threshold of Grafana begins at its value, a limit of ours ends there."""
_VARIABLE = re.compile(r'=~"\$\w+"')
_NOT_LABELS = {"", "le"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a panel shows."""

    expr: str
    unit: str
    legend: str
    about: str = ""
    step: str = ""
    steps: tuple[tuple[float | None, str], ...] = ((None, GOOD),)
    """Colours from which value on."""
    runbook: str = ""
    up: bool = False
    """Whether it shows who is up."""
    most: float | None = None
    """Where a gauge ends."""


def variable(panel: PanelSpec) -> str:
    """The label of its own query by which a panel can be narrowed; empty when there is none."""
    # One that the query itself makes is none of its metrics.
    made = f'"{panel.by}"' in (panel.query or "")
    return panel.by if panel.query and not made and panel.by not in _NOT_LABELS else ""


def question(plan: Plan, spec: PanelSpec) -> str:
    """What Prometheus is asked for a panel, everything chosen and five minutes between two points; empty for text."""
    if _missing(plan, spec):
        return ""
    return _VARIABLE.sub('=~".*"', _shown(plan, spec).expr.replace(INTERVAL, "5m"))


def panel(plan: Plan, spec: PanelSpec, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    """One panel; `place` is where in the grid, `number` tells it apart in its dashboard."""
    common = {"id": number, "title": spec.title, "gridPos": dict(place)}
    missing = _missing(plan, spec)
    if missing:
        content = f"**Nothing to show.** {_sentence(missing)}"
        return {**common, "type": "text", "options": {"mode": "markdown", "content": content}}
    shown = _shown(plan, spec)
    kind = _TYPES[spec.type]
    target: dict[str, Any] = {"refId": "A", "datasource": DATA_SOURCE, "expr": shown.expr, "legendFormat": shown.legend}
    if kind in _NOW:
        target |= {"instant": True, "range": False}
        if kind == "table":
            target["format"] = "table"
    else:
        target |= {"instant": False, "range": True, **({"interval": shown.step} if shown.step else {})}
    if spec.type in {"histogram", "heatmap"}:
        # Prometheus counts up to each bound; this takes the counts apart.
        target["format"] = "heatmap"
    made = {
        **common,
        "type": kind,
        "description": shown.about,
        "datasource": DATA_SOURCE,
        "targets": [target],
        "fieldConfig": {"defaults": _field(kind, shown), "overrides": []},
        "options": _options(kind),
    }
    if shown.runbook:
        made["links"] = [{"title": "Runbook", "url": shown.runbook, "targetBlank": True}]
    if kind == "table":
        made["transformations"] = [_table(spec.by)]
    return made


def _missing(plan: Plan, spec: PanelSpec) -> str:
    """Why a panel has nothing to show; empty where it has."""
    if spec.indicator and _declared(plan, spec.indicator).spec.store != "prometheus":
        return "this number is kept in a database, which only the reports ask"
    return spec.missing


def _declared(plan: Plan, name: str) -> DeclaredIndicator:
    return next(each for each in plan.system.indicators if each.id == name)


def _shown(plan: Plan, spec: PanelSpec) -> Shown:
    system = plan.system
    if spec.indicator:
        return _indicator(plan, _declared(plan, spec.indicator))
    if spec.slo:
        slo = system.slos[spec.slo]
        steps = ((None, BAD), (slo.objective, GOOD))
        aim = words.limit(slo.objective, "ratio")
        about = f"{_sentence(slo.about)}Of the last {slo.window}; at least {aim} is aimed at."
        share = slo.share(slo.window_seconds)
        return Shown(expr=share, unit="ratio", legend=slo.title, about=about, steps=steps, most=1.0)
    if spec.component:
        component = system.components[spec.component]
        return Shown(
            expr=component.up,
            unit="count",
            legend="{{instance}}",
            about=_sentence(spec.about or component.about).strip(),
            steps=((None, BAD), (1, GOOD)),
            up=True,
        )
    label = variable(spec)
    query = promql.narrowed(spec.query or "", label, f"${label}") if label else spec.query or ""
    return Shown(
        expr=query.replace(promql.STEP, INTERVAL),
        unit=spec.unit or "count",
        # What tells the series apart, which may be more than the one label that a panel can be narrowed by.
        legend="__auto" if spec.by else spec.title,
        most=1.0 if spec.unit == "ratio" else None,
        about=_sentence(spec.about).strip(),
    )


def _indicator(plan: Plan, declared: DeclaredIndicator) -> Shown:
    _, _, spec = declared
    said = [f"{name} {words.limit(limit, spec.unit)}" for name, limit in _limits(spec) if limit is not None]
    side = "at most" if spec.healthy is Direction.BELOW else "at least"
    healthy = f"Healthy is {side}: {', '.join(said)}." if said else ""
    owner = f"Owned by {spec.team}." if spec.team else ""
    return Shown(
        expr=promql.pretty(spec.number),
        unit=spec.unit,
        legend=spec.title,
        about=" ".join(filter(None, [_sentence(spec.about).strip(), healthy, owner])),
        step=spec.step,
        steps=_steps(spec.healthy, spec.warning, spec.critical),
        most=_most(spec),
        runbook=plan.runbook_url(spec.runbook) if spec.runbook and plan.published else "",
    )


def _most(spec: Indicator) -> float | None:
    """A gauge of a share ends at all of it; another one at its aim, or a little beyond its last limit."""
    if spec.unit == "ratio":
        return 1.0
    if spec.healthy is Direction.ABOVE and spec.target is not None:
        return spec.target
    known = [limit for limit in (spec.target, spec.warning, spec.critical) if limit]
    return max(known) * _ROOM if known else None


def _limits(spec: Indicator) -> tuple[tuple[str, float | None], ...]:
    return (("target", spec.target), ("warning beyond", spec.warning), ("critical beyond", spec.critical))


def _steps(healthy: Direction, warning: float | None, critical: float | None) -> tuple[tuple[float | None, str], ...]:
    """Colours by rising value. At its limit a value is healthy, so that the colour begins just beyond."""
    if healthy is Direction.BELOW:
        limits = [(limit, colour) for limit, colour in ((warning, WARNING), (critical, BAD)) if limit is not None]
        return ((None, GOOD), *((limit + max(abs(limit), 1.0) * _BARELY, colour) for limit, colour in limits))
    steps: list[tuple[float | None, str]] = [(None, BAD if critical is not None else WARNING)]
    if critical is not None and warning is not None:
        steps.append((critical, WARNING))
    last = warning if warning is not None else critical
    return (*steps, (last, GOOD)) if last is not None else ((None, GOOD),)


def _field(kind: str, shown: Shown) -> dict[str, Any]:
    field: dict[str, Any] = {
        "unit": _unit(shown.unit),
        "noValue": "no data",
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": colour, "value": start} for start, colour in shown.steps],
        },
        "color": {"mode": "thresholds" if kind in {"stat", "gauge", "bargauge"} else "palette-classic"},
    }
    if kind in {"gauge", "bargauge"} and shown.most is not None:
        field |= {"min": 0, "max": shown.most}
    if shown.up:
        up, down = ({"text": text, "color": colour} for text, colour in (("up", GOOD), ("down", BAD)))
        field["mappings"] = [{"type": "value", "options": {"0": {**down, "index": 0}, "1": {**up, "index": 1}}}]
    if kind == "timeseries":
        lines = "line" if len(shown.steps) > 1 else "off"
        field["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 8,
            "showPoints": "never",
            "spanNulls": False,
            "axisSoftMin": 0,
            "thresholdsStyle": {"mode": lines},
        }
    return field


def _options(kind: str) -> dict[str, Any]:
    reduced = {"values": False, "calcs": ["lastNotNull"], "fields": ""}
    legend = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
    options: dict[str, dict[str, Any]] = {
        "stat": {"reduceOptions": reduced, "colorMode": "value", "graphMode": "none", "textMode": "auto"},
        "gauge": {"reduceOptions": reduced, "showThresholdMarkers": True, "showThresholdLabels": False},
        "bargauge": {"reduceOptions": reduced, "displayMode": "basic", "orientation": "horizontal"},
        "piechart": {"reduceOptions": reduced, "pieType": "donut", "legend": {**legend, "placement": "right"}},
        "timeseries": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        "table": {"showHeader": True},
        "heatmap": {"calculate": False, "color": {"mode": "scheme", "scheme": "Blues"}},
    }
    return options[kind]


def _table(by: str) -> dict[str, Any]:
    """Only who and how much; the time is that of the whole table."""
    return {
        "id": "organize",
        "options": {
            "excludeByName": {"Time": True, "__name__": True},
            "renameByName": {"Value": "Value", **({by: by.replace("_", " ").capitalize()} if by else {})},
        },
    }


def _unit(unit: str) -> str:
    if unit in _UNITS:
        return _UNITS[unit]
    return f"currency{unit}" if unit in _CURRENCIES else f"suffix: {unit}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}. " if text else ""

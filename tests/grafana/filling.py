"""Dashboards as teams have them, of the size that they have, made from a number alone."""

from __future__ import annotations

from typing import Any

_SERVICES = (
    "checkout",
    "catalogue",
    "payments",
    "identity",
    "search",
    "billing",
    "delivery",
    "reviews",
    "mail",
    "edge",
)
_ASPECTS = ("Overview", "Latency", "Errors", "Saturation", "Queues", "Database", "Cache", "Deployments")
_KINDS = ("timeseries", "stat", "timeseries", "table", "timeseries", "gauge", "timeseries", "bargauge")
_UNITS = ("reqps", "s", "percentunit", "bytes", "short", "ops", "ms", "decbytes")
_COLOURS = ("green", "yellow", "orange", "red", "super-light-blue")
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def model(number: int, panels: int) -> dict[str, Any]:
    """The classic model of one dashboard: about 2 kB for each of its panels, and one more."""
    service, aspect = _SERVICES[number % len(_SERVICES)], _ASPECTS[number // len(_SERVICES) % len(_ASPECTS)]
    return {
        "uid": f"dash-{number:05d}",
        "title": f"{service.capitalize()} {aspect} {number:05d}",
        "tags": [service, aspect.lower(), "generated"],
        "schemaVersion": 36,
        "style": "dark",
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m", "30m", "1h", "2h", "1d"]},
        "links": [{"title": "Runbook", "type": "link", "url": f"https://wiki.example.org/{service}", "icon": "doc"}],
        "annotations": {"list": [_annotation(service)]},
        "templating": {
            "list": [_variable(name, service) for name in ("datasource", "cluster", "namespace", "instance")]
        },
        "panels": [_panel(number, place, service) for place in range(panels)],
    }


def _annotation(service: str) -> dict[str, Any]:
    return {
        "datasource": _SOURCE,
        "enable": True,
        "expr": f'changes(process_start_time_seconds{{job="{service}"}}[$__interval]) > 0',
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Restarts",
        "step": "60s",
        "titleFormat": "Restart of {{instance}}",
    }


def _variable(name: str, service: str) -> dict[str, Any]:
    if name == "datasource":
        return {"name": name, "type": "datasource", "query": "prometheus", "label": "Data source", "hide": 0}
    query = f'label_values(up{{job="{service}"}}, {name})'
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"StandardVariableQuery-{name}"},
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "hide": 0,
    }


def _panel(number: int, place: int, service: str) -> dict[str, Any]:
    kind, unit = _KINDS[place % len(_KINDS)], _UNITS[(number + place) % len(_UNITS)]
    metric = f"{service}_requests_{place:02d}_seconds"
    steps = [
        {"color": colour, "value": None if step == 0 else step * 25 + number % 25}
        for step, colour in enumerate(_COLOURS[:4])
    ]
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "barAlignment": 0,
        "lineWidth": 1 + place % 3,
        "fillOpacity": 10,
        "gradientMode": "none",
        "spanNulls": False,
        "showPoints": "never",
        "pointSize": 5,
        "stacking": {"mode": "none", "group": "A"},
        "axisPlacement": "auto",
        "axisLabel": "",
        "axisColorMode": "text",
        "scaleDistribution": {"type": "linear"},
        "hideFrom": {"tooltip": False, "viz": False, "legend": False},
        "thresholdsStyle": {"mode": "off"},
    }
    overrides = [
        {
            "matcher": {"id": "byRegexp", "options": f"/p{quantile}.*/"},
            "properties": [
                {"id": "color", "value": {"mode": "fixed", "fixedColor": _COLOURS[(place + quantile) % len(_COLOURS)]}},
                {"id": "custom.lineWidth", "value": 2},
            ],
        }
        for quantile in (50, 99)
    ]
    return {
        "id": place + 1,
        "type": kind,
        "title": f"{service.capitalize()} {unit} {place:02d}",
        "description": f"How {service} does in {unit}, by instance, and what 99 of 100 requests stay below.",
        "datasource": _SOURCE,
        "gridPos": {"x": 12 * (place % 2), "y": 8 * (place // 2), "w": 12, "h": 8},
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "min": 0,
                "color": {"mode": "palette-classic"},
                "custom": custom,
                "mappings": [],
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": overrides,
        },
        "options": {
            "legend": {"calcs": ["mean", "max", "lastNotNull"], "displayMode": "table", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": refers,
                "datasource": _SOURCE,
                "expr": (
                    f"histogram_quantile(0.{quantile}, sum by (le, instance) "
                    f'(rate({metric}_bucket{{cluster=~"$cluster",namespace=~"$namespace",instance=~"$instance"}}'
                    "[$__rate_interval])))"
                ),
                "legendFormat": f"p{quantile} {{{{instance}}}}",
                "interval": "",
                "exemplar": quantile == 99,
                "editorMode": "code",
                "range": True,
            }
            for refers, quantile in (("A", 50), ("B", 99))
        ],
        "pluginVersion": "9.4.0",
        "transformations": [],
    }


def v2_spec(number: int, tabs: int = 2) -> dict[str, Any]:
    """A dashboard in schema v2 that has what the classic form has no place for.

    That is tabs, an automatic grid, a repeat, and a condition under which a panel is shown.
    """
    elements, pages = {}, []
    for tab in range(tabs):
        name = f"panel-{tab + 1}"
        elements[name] = _element(number, tab)
        condition = {
            "kind": "ConditionalRenderingGroup",
            "spec": {
                "visibility": "show",
                "condition": "and",
                "items": [
                    {
                        "kind": "ConditionalRenderingVariable",
                        "spec": {"variable": "cluster", "operator": "equals", "value": "production"},
                    }
                ],
            },
        }
        item = {
            "kind": "AutoGridLayoutItem",
            "spec": {
                "element": {"kind": "ElementReference", "name": name},
                "repeat": {"mode": "variable", "value": "cluster"},
                "conditionalRendering": condition,
            },
        }
        grid = {"kind": "AutoGridLayout", "spec": {"maxColumnCount": 3, "columnWidthMode": "standard", "items": [item]}}
        pages.append({"kind": "TabsLayoutTab", "spec": {"title": f"Tab {tab + 1}", "layout": grid}})
    return {
        "title": f"Tabs {number:05d}",
        "description": "",
        "tags": ["v2", "generated"],
        "editable": True,
        "cursorSync": "Crosshair",
        "liveNow": False,
        "preload": False,
        "links": [],
        "annotations": [],
        "elements": elements,
        "layout": {"kind": "TabsLayout", "spec": {"tabs": pages}},
        "timeSettings": {"from": "now-6h", "to": "now", "autoRefresh": "1m", "timezone": "browser"},
        "variables": [
            {
                "kind": "QueryVariable",
                "spec": {"name": "cluster", "multi": True, "includeAll": True, "refresh": "onTimeRangeChanged"},
            }
        ],
    }


def _element(number: int, place: int) -> dict[str, Any]:
    query = {"kind": "DataQuery", "group": "prometheus", "spec": {"expr": f"sum(rate(jobs_{number}_total[5m]))"}}
    queries = [{"kind": "PanelQuery", "spec": {"refId": "A", "hidden": False, "query": query}}]
    config = {"defaults": {"unit": _UNITS[place % len(_UNITS)]}, "overrides": []}
    return {
        "kind": "Panel",
        "spec": {
            "id": place + 1,
            "title": f"Jobs {place + 1}",
            "description": "",
            "links": [],
            "data": {"kind": "QueryGroup", "spec": {"queries": queries, "transformations": [], "queryOptions": {}}},
            "vizConfig": {
                "kind": "VizConfig",
                "group": "timeseries",
                "version": "12.0.0",
                "spec": {"fieldConfig": config, "options": {"legend": {"displayMode": "list"}}},
            },
        },
    }

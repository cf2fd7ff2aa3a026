"""Dashboards for the tests, as Grafana's API gives them."""

from copy import deepcopy


def panel(number=1, title="Requests", **more):
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "prom-main"},
        "gridPos": {"x": 0, "y": 8 * number, "w": 12, "h": 8},
        "fieldConfig": {
            "defaults": {
                "unit": "s",
                "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": None}]},
            },
            "overrides": [],
        },
        "targets": [{"refId": "A", "expr": "rate(a[5m])", "datasource": {"type": "prometheus", "uid": "prom-main"}}],
        **more,
    }


def board(*panels, **more):
    return {
        "id": 7,
        "uid": "overview",
        "title": "Overview",
        "version": 3,
        "schemaVersion": 39,
        "refresh": "5s",
        "tags": ["ops", "shop"],
        "time": {"from": "now-6h", "to": "now"},
        "annotations": {
            "list": [{"builtIn": 1, "datasource": "-- Grafana --", "name": "Annotations & Alerts", "type": "dashboard"}]
        },
        "templating": {"list": []},
        "panels": list(panels) or [panel()],
        **more,
    }


def row(number, title, y, *inner, collapsed=False):
    grid = {"x": 0, "y": y, "w": 24, "h": 1}
    return {"id": number, "type": "row", "title": title, "gridPos": grid, "collapsed": collapsed, "panels": list(inner)}


def variable(name="job", **more):
    return {
        "name": name,
        "type": "query",
        "query": "label_values(up, job)",
        "current": {"text": "api", "value": "api", "selected": True},
        "options": [],
        **more,
    }


def query(expr, ref="A"):
    asked = {"kind": "DataQuery", "group": "prometheus", "version": "v0", "datasource": {"name": "prom-main"}}
    return {"kind": "PanelQuery", "spec": {"query": {**asked, "spec": {"expr": expr}}, "refId": ref, "hidden": False}}


def element(number=1, title="Requests", *, unit="s", expr="rate(a[5m])"):
    field = {"defaults": {"unit": unit}, "overrides": []}
    return {
        "kind": "Panel",
        "spec": {
            "id": number,
            "title": title,
            "data": {"kind": "QueryGroup", "spec": {"queries": [query(expr)], "transformations": []}},
            "vizConfig": {
                "kind": "VizConfig",
                "group": "timeseries",
                "version": "12.0.0",
                "spec": {"options": {}, "fieldConfig": field},
            },
        },
    }


def item(name, x=0, y=0):
    spec = {"x": x, "y": y, "width": 12, "height": 8, "element": {"kind": "ElementReference", "name": name}}
    return {"kind": "GridLayoutItem", "spec": spec}


def resource(spec, version="v2beta1", **metadata):
    return {
        "apiVersion": f"dashboard.grafana.app/{version}",
        "kind": "Dashboard",
        "metadata": {"name": "overview", "resourceVersion": "17", **metadata},
        "spec": spec,
    }


def of_elements(*, items=(), **more):
    return {
        "title": "Overview",
        "tags": ["shop", "ops"],
        "timeSettings": {"from": "now-6h", "to": "now", "autoRefresh": "5s"},
        "elements": {"panel-1": element()},
        "layout": {"kind": "GridLayout", "spec": {"items": list(items) or [item("panel-1")]}},
        "variables": [],
        **more,
    }


def changed(value, *path, to):
    """A copy in which the value at that path is another."""
    made = deepcopy(value)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return made

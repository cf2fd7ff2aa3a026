"""What Grafana is provisioned with: its data sources, a folder, and each dashboard of the profile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opsjobs import promql
from opsjobs.stack import panels, recording
from opsjobs.stack.plan import Plan
from opsjobs.system.dashboard import DashboardSpec, PanelSpec

_COLUMNS = 24
_SMALL = {"stat"}
"""Types that say one thing and need little room."""
_PER_ROW = {True: 4, False: 2}
_HEIGHT = {True: 4, False: 8}
_HISTORY = "history"
_UID = 40
"""How long Grafana takes a uid to be."""
_ARCHIVE = {"type": "prometheus", "uid": "prometheus-archive"}
_SCHEMA = 39
"""Version of Grafana's dashboard schema that this is written in; Grafana from 9 on reads it."""


def files(plan: Plan) -> Mapping[str, Any]:
    """The provisioning and the dashboards, by their names."""
    dashboards = {
        f"dashboards/{uid(spec)}.json": _written(dashboard(plan, name)) for name, spec in plan.system.dashboards.items()
    }
    if plan.port("prometheus-archive"):
        dashboards[f"dashboards/{_HISTORY}-{plan.name}.json"] = _written(history(plan))
    provisioned = f"{plan.folder}/grafana/dashboards" if plan.folder else "/etc/grafana/dashboards"
    return {
        "provisioning/datasources/datasources.yml": {"apiVersion": 1, "datasources": list(_data_sources(plan))},
        "provisioning/dashboards/dashboards.yml": {
            "apiVersion": 1,
            "providers": [
                {
                    "name": plan.name,
                    "folder": plan.system.title,
                    "type": "file",
                    "disableDeletion": True,
                    "allowUiUpdates": False,
                    "options": {"path": provisioned},
                }
            ],
        },
        **dashboards,
    }


def uid(spec: DashboardSpec) -> str:
    """What tells a dashboard apart in Grafana: the first part of its path behind /d/."""
    return spec.path.removeprefix("/d/").split("/")[0]


def dashboard(plan: Plan, name: str) -> dict[str, Any]:
    """One dashboard."""
    spec = plan.system.dashboards[name]
    places = _placed(spec.panels)
    made = [panels.panel(plan, panel, 1 + number, place) for number, (panel, place) in enumerate(places)]
    return {
        **_common(plan, spec.title, spec.about),
        "uid": uid(spec),
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": list(_variables(spec))},
        "annotations": {"list": [_alerts(plan)]},
        "panels": made,
    }


def history(plan: Plan) -> dict[str, Any]:
    """A dashboard of what the archive keeps: each indicator as it was recorded, over a year."""
    shown = [declared for declared in plan.system.indicators if declared.spec.store == "prometheus"]
    specs = [PanelSpec.model_construct(title=each.spec.title, indicator=each.id) for each in shown]
    made = []
    for number, (declared, (spec, place)) in enumerate(zip(shown, _placed(specs), strict=True), start=1):
        panel = panels.panel(plan, spec, number, place)
        panel["datasource"] = _ARCHIVE
        (target,) = panel["targets"]
        target |= {"datasource": _ARCHIVE, "expr": recording.indicator_series(declared.id), "interval": "1h"}
        made.append(panel)
    return {
        **_common(plan, "History", "each indicator as it was recorded, for as long as the archive keeps it"),
        "uid": f"{_HISTORY}-{plan.name}"[:_UID],
        "time": {"from": "now-1y", "to": "now"},
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": made,
    }


def _written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _common(plan: Plan, title: str, about: str) -> dict[str, Any]:
    return {
        "title": title,
        "description": about,
        "tags": [plan.name],
        # Grafana's own name for it, which every version knows.
        "timezone": "utc" if plan.system.zone == "UTC" else plan.system.zone,
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": _SCHEMA,
        "refresh": "1m",
        "links": list(_links(plan)),
    }


def _data_sources(plan: Plan) -> Iterator[dict[str, Any]]:
    known = {
        "prometheus": ("Prometheus", "prometheus"),
        "prometheus-archive": ("Prometheus archive", "prometheus"),
        "alertmanager": ("Alertmanager", "alertmanager"),
        "loki": ("Loki", "loki"),
        "jaeger": ("Jaeger", "jaeger"),
    }
    more: dict[str, dict[str, Any]] = {
        "prometheus": {"isDefault": True, "jsonData": {"timeInterval": plan.system.stack.scrape_interval}},
        "alertmanager": {"jsonData": {"implementation": "prometheus"}},
    }
    for part, (title, kind) in known.items():
        if plan.port(part):
            url = f"http://{plan.reach(part)}"
            source = {"name": title, "uid": part, "type": kind, "access": "proxy", "url": url, "editable": False}
            yield {**source, **more.get(part, {})}


def _variables(spec: DashboardSpec) -> Iterator[dict[str, Any]]:
    """The data source, and each label by which a panel can be narrowed."""
    yield {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "Prometheus", "value": "prometheus"},
        "hide": 0,
        "refresh": 1,
    }
    labels: dict[str, str] = {}
    for panel in spec.panels:
        label = panels.variable(panel)
        if label:
            labels.setdefault(label, promql.metrics(panel.query or "")[0])
    for label, metric in labels.items():
        asked = f"label_values({metric}, {label})"
        yield {
            "name": label,
            "label": label.replace("_", " ").capitalize(),
            "type": "query",
            "datasource": panels.DATA_SOURCE,
            "query": {"query": asked, "refId": label},
            "definition": asked,
            "includeAll": True,
            "allValue": ".*",
            "multi": True,
            "current": {"text": ["All"], "value": ["$__all"]},
            "refresh": 2,
            "sort": 1,
            "hide": 0,
        }


def _alerts(plan: Plan) -> dict[str, Any]:
    return {
        "name": "Alerts",
        "enable": True,
        "datasource": panels.DATA_SOURCE,
        "expr": f'ALERTS{{alertstate="firing", alertname=~{promql.quote("|".join(plan.system.alerts) or "none")}}}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{team}}",
        "iconColor": panels.BAD,
        "step": "60s",
    }


def _links(plan: Plan) -> Iterator[dict[str, Any]]:
    common = {"keepTime": True, "includeVars": False, "tooltip": "", "icon": ""}
    others = {"type": "dashboards", "tags": [plan.name], "url": "", "asDropdown": True, "targetBlank": False}
    yield {"title": plan.system.title, **others, **common}
    if plan.published:
        page = {"type": "link", "tags": [], "url": plan.published, "asDropdown": False, "targetBlank": True}
        yield {"title": "Runbooks", **page, **common}


def _placed(specs: Sequence[PanelSpec]) -> Iterator[tuple[PanelSpec, dict[str, int]]]:
    """Each panel with its place: rows of panels of one height, which fill the width."""
    top = 0
    for row in _rows(specs):
        small = row[0].type in _SMALL
        width = _COLUMNS // len(row)
        for number, spec in enumerate(row):
            yield spec, {"x": number * width, "y": top, "w": width, "h": _HEIGHT[small]}
        top += _HEIGHT[small]


def _rows(specs: Sequence[PanelSpec]) -> Iterator[list[PanelSpec]]:
    row: list[PanelSpec] = []
    for spec in specs:
        small = spec.type in _SMALL
        if row and (len(row) == _PER_ROW[small] or small != (row[0].type in _SMALL)):
            yield row
            row = []
        row.append(spec)
    if row:
        yield row

"""The two forms of a dashboard: what is lost on the way from schema v2 to the classic model, and the way back."""

from __future__ import annotations

from typing import Any


def flattened(spec: dict[str, Any]) -> dict[str, Any]:
    """The classic model of a v2 spec: each element becomes a panel, in rows of two.

    Tabs, rows, repeats, conditions and automatic grids are gone.
    """
    panels = [_panel(element, place) for place, element in enumerate((spec.get("elements") or {}).values())]
    time = spec.get("timeSettings") or {}
    return {
        "title": spec.get("title") or "",
        "tags": list(spec.get("tags") or []),
        "schemaVersion": 42,
        "editable": bool(spec.get("editable", True)),
        "panels": panels,
        "templating": {"list": [_variable(each) for each in spec.get("variables") or []]},
        "annotations": {"list": []},
        "time": {"from": time.get("from", "now-6h"), "to": time.get("to", "now")},
        "refresh": time.get("autoRefresh", ""),
        "links": list(spec.get("links") or []),
    }


def _panel(element: dict[str, Any], place: int) -> dict[str, Any]:
    spec = element.get("spec") or {}
    visual = spec.get("vizConfig") or {}
    queries = ((spec.get("data") or {}).get("spec") or {}).get("queries") or []
    return {
        "id": spec.get("id", place + 1),
        "title": spec.get("title", ""),
        "type": visual.get("group") or visual.get("kind") or "timeseries",
        "gridPos": {"x": 12 * (place % 2), "y": 8 * (place // 2), "w": 12, "h": 8},
        "fieldConfig": (visual.get("spec") or {}).get("fieldConfig") or {},
        "options": (visual.get("spec") or {}).get("options") or {},
        "targets": [_target(each) for each in queries],
    }


def _target(query: dict[str, Any]) -> dict[str, Any]:
    spec = query.get("spec") or {}
    return {"refId": spec.get("refId", "A"), **((spec.get("query") or {}).get("spec") or {})}


def _variable(each: dict[str, Any]) -> dict[str, Any]:
    kind = str(each.get("kind", "")).removesuffix("Variable").lower() or "custom"
    return {"name": (each.get("spec") or {}).get("name", ""), "type": kind}


def lifted(content: dict[str, Any]) -> dict[str, Any]:
    """The v2 spec of a classic model, in a grid."""
    panels = content.get("panels") or []
    elements, items = {}, []
    for each in panels:
        name = f"panel-{each.get('id', 0)}"
        elements[name] = {
            "kind": "Panel",
            "spec": {
                "id": each.get("id", 0),
                "title": each.get("title", ""),
                "vizConfig": {"kind": "VizConfig", "group": each.get("type", ""), "spec": {}},
                "data": {"kind": "QueryGroup", "spec": {"queries": []}},
            },
        }
        where = each.get("gridPos") or {}
        items.append(
            {"kind": "GridLayoutItem", "spec": {**where, "element": {"kind": "ElementReference", "name": name}}}
        )
    return {
        "title": content.get("title", ""),
        "tags": list(content.get("tags") or []),
        "elements": elements,
        "layout": {"kind": "GridLayout", "spec": {"items": items}},
        "variables": [],
        "timeSettings": {"from": (content.get("time") or {}).get("from", "now-6h"), "to": "now"},
    }

"""Dashboards since Grafana 12: elements, and a layout that says where each stands.

Grafana's drafts of this schema are read as what became of them.
"""

from __future__ import annotations

from typing import Any

from opsjobs.backup.compare import panels, queries, variables
from opsjobs.backup.compare.difference import Telling, bare, said
from opsjobs.backup.compare.forms import Member, Members, Words, cleaned, within, without, without_defaults, word
from opsjobs.backup.compare.rows import PLACE, placed

SCHEMA = "/schema"
"""No key of Grafana's is called so."""
_OWN = ("elements", "layout", "variables", "annotations", "timeSettings")
_TIME = {"timezone": "timezone", "weekStart": "weekStart"}
_TIME_NOISE = ("from", "to", "autoRefresh", *_TIME)
_SIDES = {"x": "x", "y": "y", "width": "w", "height": "h"}
_DEEPEST = 20
_PANEL: dict[str, Telling] = {
    PLACE: placed,
    "kind": bare("kind"),
    "spec.title": said("title"),
    "spec.description": said("description"),
    "spec.links": bare("links"),
    "spec.transparent": queries.state("transparent", "no", "yes"),
    "spec.libraryPanel": bare("library panel", queries.source),
    "spec.vizConfig.group": bare("type"),
    **{f"spec.vizConfig.spec.fieldConfig.{path}": tell for path, tell in panels.FIELDS.items()},
    "spec.data.spec.transformations": bare("transformations"),
    "spec.data.spec.queryOptions.timeFrom": bare("time override"),
    "spec.data.spec.queryOptions.timeShift": bare("time shift"),
    "spec.data.spec.queryOptions.interval": bare("interval"),
}
_QUERY = Words(
    names={
        **{f"spec.query.spec.{key}": said("") for key in queries.TEXTS},
        "spec.query.datasource": bare("data source", queries.source, absent="default"),
        "spec.query.group": bare("type"),
        "spec.hidden": queries.state("", "shown", "hidden"),
    }
)


def form(spec: dict[str, Any]) -> dict[str, Any]:
    """A dashboard of elements; what other schemas have in the same form has the same names here."""
    made = {**cleaned(without(spec, (*_OWN, SCHEMA, "id", "schemaVersion"))), SCHEMA: "v2"}
    times = spec.get("timeSettings")
    if isinstance(times, dict):
        made |= cleaned({"time": {"from": times.get("from"), "to": times.get("to")}})
        made |= cleaned({key: times.get(theirs) for theirs, key in _TIME.items()})
        rest = without_defaults(cleaned(without(times, _TIME_NOISE)), {"fiscalYearStartMonth": 0})
        made |= {"timeSettings": rest} if rest else {}
    else:
        made |= cleaned({"timeSettings": times})
    for key, members in (
        ("variables", variables.of_elements),
        ("annotations", variables.annotations_of_elements),
    ):
        given = spec.get(key)
        if isinstance(given, list):
            found = members([_current(each) for each in given])
            made |= {key: found} if found.each else {}
        else:
            made |= cleaned({key: given})
    elements = spec.get("elements")
    if not isinstance(elements, dict):
        return {**made, **cleaned({"elements": elements, "layout": spec.get("layout")})}
    places: dict[str, Any] = {}
    layout = cleaned({"layout": _laid_out(spec.get("layout"), "", set(elements), places)})
    found = Members(
        noun="panels", ordered=False, each=tuple(_element(str(name), elements[name], places) for name in elements)
    )
    return {**made, **layout, **({"elements": found} if found.each else {})}


def _element(name: str, element: Any, places: dict[str, Any]) -> Member:
    made = cleaned(element)
    spec = within(made, "spec")
    kind = word(within(element, "kind"))
    if isinstance(spec, dict):
        spec = without(spec, ["id"])
        if isinstance(spec.get("vizConfig"), dict):
            spec["vizConfig"] = _drawn(spec["vizConfig"])
            kind = word(spec["vizConfig"].get("group")) or kind
        given = within(element, "spec", "data", "spec", "queries")
        if isinstance(given, list) and given:
            asked = Members(noun="queries", subjects=False, each=tuple(_query(*each) for each in enumerate(given)))
            spec["data"] = {**spec["data"], "spec": {**spec["data"]["spec"], "queries": asked}}
        made = {**made, "spec": spec}
    title = within(element, "spec", "title")
    at = cleaned(places.get(name))
    content = {**without(made, [PLACE]), **({PLACE: at} if at else {})} if isinstance(made, dict) else [made, at]
    return Member(
        name=panels.called("panel", title, name),
        keys=panels.keys(name, title, kind),
        content=content,
        summary=kind,
        words=Words(names=_PANEL),
    )


def _query(place: int, query: Any) -> Member:
    made = _current(cleaned(query))
    ref = word(within(made, "spec", "refId"))
    summary = queries.asked_text(within(made, "spec", "query", "spec"))
    return queries.member(made, ref, place, summary=summary, words=_QUERY)


def _current(holder: Any) -> Any:
    """What asks a data source, as the last draft has it: kind and data source are parts of the query."""
    spec = within(holder, "spec")
    query = within(spec, "query")
    if not isinstance(query, dict):
        return holder
    query = without(query, ["version"])
    kind = query.get("kind")
    if isinstance(kind, str) and kind != "DataQuery" and "group" not in query:
        query = {**query, "kind": "DataQuery", "group": kind}
        asked = within(spec, "datasource", "uid")
        if isinstance(asked, str) and "datasource" not in query:
            query["datasource"] = {"name": asked}
            spec = without(spec, ["datasource"])
    return {**holder, "spec": {**spec, "query": query}}


def _drawn(config: dict[str, Any]) -> dict[str, Any]:
    """How a panel draws, without the version of what draws it."""
    kind = config.get("kind")
    config = without(config, ["version"])
    if isinstance(config.get("spec"), dict):
        config["spec"] = without(config["spec"], ["pluginVersion"])
    drafted = isinstance(kind, str) and kind != "VizConfig" and "group" not in config
    return {**config, "kind": "VizConfig", "group": kind} if drafted else config


def _laid_out(layout: Any, row: str, names: set[str], places: dict[str, Any], depth: int = 0) -> Any:
    """A layout without the places of elements, which are put into `places`."""
    spec = within(layout, "spec")
    if not isinstance(spec, dict) or depth > _DEEPEST:
        return layout
    spec = dict(spec)
    if isinstance(spec.get("items"), list):
        items = [_item(each, place, row, names, places) for place, each in enumerate(spec["items"], start=1)]
        spec["items"] = [each for each in items if each is not None]
    for key in ("rows", "tabs"):
        if isinstance(spec.get(key), list):
            spec[key] = [_part(each, row, names, places, depth) for each in spec[key]]
    return {**layout, "spec": spec}


def _part(part: Any, row: str, names: set[str], places: dict[str, Any], depth: int) -> Any:
    spec = within(part, "spec")
    if not isinstance(spec, dict) or "layout" not in spec:
        return part
    title = word(spec.get("title")) or "without a title"
    inner = f"{row} / {title}" if row else title
    return {**part, "spec": {**spec, "layout": _laid_out(spec["layout"], inner, names, places, depth + 1)}}


def _item(item: Any, place: int, row: str, names: set[str], places: dict[str, Any]) -> Any:
    """What an item says but where its element stands, or None if that is all."""
    spec = within(item, "spec")
    name = within(spec, "element", "name")
    if not isinstance(name, str) or name not in names or name in places:
        return item
    sides = {ours: spec[theirs] for theirs, ours in _SIDES.items() if theirs in spec}
    places[name] = {"row": row, **(sides or {"place": place})}
    rest = without(spec, _SIDES)
    return {**item, "spec": rest} if set(rest) > {"element"} else None

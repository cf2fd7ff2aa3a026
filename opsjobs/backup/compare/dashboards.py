"""Dashboards in all their schemas: with rows, with a list of panels, as resources, and as elements with a layout.

To give a value of dashboards a name: a line in `_NAMES`; one of variables: a line in `_VARIABLE`.
"""

from __future__ import annotations

from typing import Any

from opsjobs.backup.compare import elements, queries, rows, variables
from opsjobs.backup.compare.difference import Telling, bare, plain, said
from opsjobs.backup.compare.forms import Words, cleaned, text, within, without, without_defaults, word

# `refresh` is rewritten without a word where it is below min_refresh_interval; the numbers of schemas and versions are
# the server's, and so are who saved and when.
_NOISE = (
    *("id", "version", "iteration", "refresh", "schemaVersion", "pluginVersion", "orgId"),
    *("created", "createdBy", "updated", "updatedBy"),
)
_TIME = {"from": "now-6h", "to": "now"}
_DEFAULTS = {
    "time": _TIME,
    "graphTooltip": 0,
    "fiscalYearStartMonth": 0,
    "style": "dark",
    "editable": True,
    "cursorSync": "Off",
}
_RESOURCE_NOISE = ("apiVersion", "kind", "metadata", "spec", "status", "access")
# Where a resource lies is in `annotations` and compared by whoever knows it of old models, which do not say it.
_METADATA_NOISE = (
    *("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"),
)
_OWN = "grafana.app/"
"""How the labels and annotations begin that Grafana writes by itself."""
_SCHEMA = elements.SCHEMA
_PANELS = "/panels"
"""Those of `panels` and of `rows`, whichever there are."""
_ACROSS = {_SCHEMA, "uid", "title", "description", "tags", "links", "time", "timezone", "weekStart", "editable"}
"""What has the same form in every schema."""


def _range(value: Any) -> str:
    return f"{word(within(value, 'from'))} to {word(within(value, 'to'))}"


def _tags(value: Any) -> str:
    return ", ".join(map(plain, value)) if isinstance(value, list) else plain(value)


_NAMES: dict[str, Telling] = {
    _SCHEMA: bare("schema", absent="v1"),
    "uid": bare("uid"),
    "title": said("title"),
    "description": said("description"),
    "tags": bare("tags", _tags),
    "time": bare("time range", _range, absent=_range(_TIME)),
    "timezone": bare("timezone"),
    "weekStart": bare("start of the week"),
    "links": bare("links"),
    "editable": queries.state("editable", "no", "yes", absent="yes"),
    "layout": bare("layout", lambda layout: word(within(layout, "kind"))),
}
WORDS = Words(names=_NAMES)


def form(content: Any) -> Any:
    """A dashboard without what says nothing, in one of two schemas."""
    if not isinstance(content, dict):
        return cleaned(content)
    version, spec = content.get("apiVersion"), content.get("spec")
    if not isinstance(version, str) or not isinstance(spec, dict):
        return _model(content)
    made = elements.form(spec) if version.rpartition("/")[2].startswith("v2") else _model(spec)
    return {**_common(made), **_resource(content)}


def across(before: Any, after: Any) -> tuple[Any, Any]:
    """Two forms as far as they can be compared: of two schemas, what these have in common."""
    if within(before, _SCHEMA) == within(after, _SCHEMA):
        return before, after
    one, other = ({key: each for key, each in side.items() if key in _ACROSS} for side in (before, after))
    return one, other


def _model(content: dict[str, Any]) -> dict[str, Any]:
    """The model that all Grafanas know, of any age."""
    lists = {key: content[key] for key in ("panels", "rows") if isinstance(content.get(key), list)}
    made = _common(cleaned(without(content, (*_NOISE, *lists, _SCHEMA, _PANELS))))
    found = rows.of_dashboard(lists.get("panels", []), lists.get("rows", []))
    made |= {_PANELS: found} if found.each else {}
    for key, members in (("templating", variables.of_model), ("annotations", variables.annotations_of_model)):
        given = within(content.get(key), "list")
        if isinstance(given, list):
            rest = without(made.get(key, {}), ["list"])
            found = members(given)
            made = without(made, [key])
            made |= {key: {**rest, **({"list": found} if found.each else {})}} if rest or found.each else {}
    return made


def _common(made: dict[str, Any]) -> dict[str, Any]:
    made = without_defaults(made, _DEFAULTS)
    tags = made.get("tags")
    return {**made, "tags": sorted(tags, key=text)} if isinstance(tags, list) else made


def _resource(content: dict[str, Any]) -> dict[str, Any]:
    """What a resource has around its dashboard."""
    metadata = content.get("metadata")
    uid = cleaned({"uid": within(metadata, "name")})
    rest = cleaned(without(content, _RESOURCE_NOISE))
    if isinstance(metadata, dict):
        marks = {key: _foreign(metadata.get(key)) for key in ("annotations", "labels")}
        metadata = {**without(metadata, _METADATA_NOISE), **marks}
    rest |= cleaned({"metadata": metadata})
    return {**uid, **({"/resource": rest} if rest else {})}


def _foreign(marks: Any) -> Any:
    if not isinstance(marks, dict):
        return marks
    return {key: value for key, value in marks.items() if not str(key).startswith(_OWN)}

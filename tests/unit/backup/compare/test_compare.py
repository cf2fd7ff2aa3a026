"""Grafana's objects side by side: what is told, what is noise, and that nothing in them makes it fail."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsjobs.backup.compare import KINDS, canonical, differences, same
from opsjobs.backup.compare.difference import Difference
from tests.unit.backup.compare.boards import board, changed, of_elements, panel, resource, row, variable

_KEYS = (
    *("uid", "id", "name", "title", "type", "apiVersion", "spec", "metadata", "panels", "rows", "row"),
    *("targets", "refId", "expr", "datasource", "gridPos", "x", "y", "w", "h", "place", "templating"),
    *("annotations", "list", "elements", "layout", "items", "element", "variables", "timeSettings"),
    *("rules", "data", "model", "routes", "receiver", "match", "object_matchers", "labels", "settings"),
    *("url", "secureJsonFields", "secureJsonData", "time", "from", "to", "tags", "current", "options"),
    *("text", "builtIn", "libraryPanel", "fieldConfig", "defaults", "unit", "thresholds", "steps"),
    *("yaxes", "format", "hide", "query", "kind", "vizConfig", "interval", "for", "/place", "/schema"),
    *("added"),
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["row", "v2", "A", "dashboard.grafana.app/v2", "g/v1", "5m", "", "*"])
)
JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=30,
)
KIND = st.sampled_from([*KINDS, "unheard of"])


def shaped(inner):
    """Objects that have the shape of Grafana's, with anything in them."""

    def having(*keys, **own):
        return st.fixed_dictionaries(own, optional=dict.fromkeys(keys, inner))

    def some(members):
        return st.lists(members | inner, max_size=4) | inner

    grid = having("x", "y", "w", "h", "static")
    query = having("refId", "expr", "hide", "datasource")
    drawn = st.fixed_dictionaries({}, optional={"gridPos": grid | inner, "targets": some(query), "title": inner})
    drawn = drawn.flatmap(
        lambda made: having("id", "type", "datasource", "libraryPanel", "span").map(lambda o: made | o)
    )
    row = st.fixed_dictionaries(
        {"type": st.just("row")}, optional={"panels": some(drawn), "title": inner, "gridPos": grid}
    )
    variable = having("name", "query", "definition", "current", "options", "hide", "builtIn", "datasource")
    listed = st.fixed_dictionaries({}, optional={"list": some(variable), "enable": inner})
    dashboard = st.fixed_dictionaries(
        {},
        optional={
            "panels": some(drawn | row),
            "rows": some(row),
            "templating": listed | inner,
            "annotations": listed | inner,
            "time": inner,
            "tags": inner,
        },
    )
    names = st.sampled_from(["a", "b", "c"])
    place = st.fixed_dictionaries(
        {"element": st.fixed_dictionaries({"name": names})}, optional={"x": inner, "repeat": inner}
    )
    layout = st.fixed_dictionaries(
        {"spec": st.fixed_dictionaries({"items": some(st.fixed_dictionaries({"spec": place}))})}
    )
    part = st.fixed_dictionaries({"spec": st.fixed_dictionaries({"title": inner, "layout": layout | inner})})
    rows = st.fixed_dictionaries({"spec": st.fixed_dictionaries({"rows": some(part)})})
    asked = st.fixed_dictionaries(
        {"spec": having("refId", "hidden", "datasource", query=having("kind", "group", "spec"))}
    )
    data = st.fixed_dictionaries({"spec": st.fixed_dictionaries({"queries": some(asked)})})
    element = st.fixed_dictionaries({"kind": inner, "spec": having("title", "id", "vizConfig", data=data)})
    spec = st.fixed_dictionaries(
        {},
        optional={
            "elements": st.dictionaries(names, element | inner) | inner,
            "layout": layout | rows | inner,
            "variables": some(st.fixed_dictionaries({"kind": inner, "spec": variable})),
            "annotations": some(st.fixed_dictionaries({"kind": inner, "spec": variable})),
            "timeSettings": having("from", "to", "timezone", "autoRefresh") | inner,
        },
    )
    version = st.sampled_from(["g/v2", "g/v2alpha1", "g/v1", "g/v0alpha1"])
    resource = st.fixed_dictionaries({"apiVersion": version, "spec": spec | dashboard, "metadata": inner})
    route = st.recursive(
        having("receiver", "object_matchers", "match", "group_wait"),
        lambda below: st.fixed_dictionaries({"routes": some(below)}, optional={"receiver": inner, "match": inner}),
        max_leaves=5,
    )
    asks = having("refId", "model", "datasourceUid")
    rule = st.fixed_dictionaries({"data": some(asks)}, optional={"uid": inner, "title": inner, "for": inner})
    group = st.fixed_dictionaries({"rules": some(rule)}, optional={"interval": inner})
    return dashboard | resource | route | group | st.fixed_dictionaries({"model": drawn})


SMALL = st.sampled_from(
    [None, True, False, 0, 1, 1.0, "a", "b", "5m", "300s", "", {}, [], {"uid": "a"}, ["a"], float("nan")]
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(kind=KIND, before=JSON, after=JSON)
def test_anything_is_compared_and_told_exactly_where_it_is_not_the_same(kind, before, after):
    held(kind, before, after)
    held(kind, before, before)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(kind=KIND, before=shaped(SMALL), after=shaped(SMALL))
def test_what_has_the_shape_of_an_object_is_told_exactly_where_it_is_not_the_same(kind, before, after):
    held(kind, before, after)
    held(kind, {**before, **after}, after)


def held(kind, before, after):
    found = differences(kind, before, after)
    equal = canonical(kind, before) == canonical(kind, after)
    assert (found == ()) == equal == same(kind, before, after)
    for each in found:
        assert each.what.strip() and str(each).isprintable()
        assert len(each.before) <= 120 and len(each.after) <= 120 and len(each.what) <= 300
    assert [each.what for each in found if each.before == each.after != ""] == []


def deep(levels, inner):
    made = inner
    for _ in range(levels):
        made = {"routes": [made], "panels": [made], "a": made} if levels < 5 else {"routes": [{"panels": made}]}
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_depth_is_no_end(kind):
    one, other = deep(5000, 1), deep(5000, 2)
    assert differences(kind, one, other) and not same(kind, one, other)
    assert same(kind, one, deep(5000, 1))


@pytest.mark.parametrize("same_titles", [True, False])
def test_ten_thousand_panels_take_seconds(same_titles):
    def many(start):
        return board(
            *(panel(n, "Panel" if same_titles else f"Panel {n}", description=f"{n}") for n in range(start, 10_000))
        )

    before, after = many(0), many(1)
    after["panels"][500] = changed(after["panels"][500], "targets", 0, "expr", to="up")
    started = time.monotonic()
    found = differences("dashboard", before, after)
    assert time.monotonic() - started < 20
    assert len(found) == 2


def leaves(value, path=()):
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
    else:
        yield path


OBJECTS = {
    "dashboard": board(panel(), row(5, "Shop", 20, panel(6)), templating={"list": [variable(options=[{"text": "a"}])]}),
    "elements": resource(of_elements(variables=[{"kind": "QueryVariable", "spec": {"name": "job", "multi": True}}])),
    "rule-group": {
        "title": "errors",
        "interval": 60,
        "rules": [{"uid": "r1", "for": "5m", "data": [{"refId": "A", "model": {"expr": "up", "x": {"y": [1, 2]}}}]}],
    },
    "library-panel": {"uid": "l1", "folderUid": "ops", "model": panel()},
    "policy": {"receiver": "a", "routes": [{"receiver": "b", "match": {"a": "b"}, "routes": [{"receiver": "c"}]}]},
    "data-source": {"uid": "p", "url": "http://a", "jsonData": {"a": [{"b": 1}]}, "secureJsonFields": {"a": False}},
}
SILENT = {"id", "version", "schemaVersion", "refresh", "autoRefresh", "resourceVersion", "selected", "kind", "builtIn"}


@pytest.mark.parametrize("name", OBJECTS)
def test_whatever_is_changed_is_told(name):
    kind = "dashboard" if name == "elements" else name
    for path in leaves(OBJECTS[name]):
        after = changed(OBJECTS[name], *path, to="something else")
        told = differences(kind, OBJECTS[name], after)
        built_in = path[:2] == ("annotations", "list")
        of_known_source = path[-2:] == ("datasource", "type")
        elsewhere = path[:2] == ("model", "gridPos")
        assert told or path[-1] in SILENT or built_in or of_known_source or elsewhere, path
        held(kind, OBJECTS[name], after)


def test_long_texts_are_cut_where_they_part():
    before, after = ("x" * 500 + end + "y" * 500 for end in ("1", "2"))
    (found,) = differences("template", {"template": before}, {"template": after})
    assert len(found.before) <= 120 and found.before.startswith("…x") and "1" in found.before and "2" in found.after


def test_white_space_and_control_characters_are_told_and_not_printed():
    (found,) = differences("template", {"template": "a  b"}, {"template": "a b"})
    assert str(found) == "text '\"a  b\"' → '\"a b\"'"
    (found,) = differences("template", {"template": "a"}, {"template": "a\x1b[31m"})
    assert found.after == "a�[31m"


@pytest.mark.parametrize(
    ("difference", "line"),
    [
        (Difference(subject="panel 'X'", what="added"), "panel 'X' added"),
        (Difference(subject="panel 'X'", what="unit", before="s", after="ms"), "panel 'X': unit s → ms"),
        (Difference(subject="", what="unit", after="ms"), "unit added: ms"),
        (Difference(subject="", what="unit", before="ms"), "unit removed: ms"),
        (Difference(subject="", what="setting"), "setting changed"),
    ],
)
def test_a_difference_is_a_line(difference, line):
    assert str(difference) == line

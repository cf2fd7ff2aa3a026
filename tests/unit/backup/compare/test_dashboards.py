"""What people read when a dashboard is not what it was."""

import pytest

from opsjobs.backup.compare import canonical, differences, same
from tests.unit.backup.compare.boards import (
    board,
    changed,
    element,
    item,
    of_elements,
    panel,
    query,
    resource,
    row,
    variable,
)


def lines(before, after):
    return [str(each) for each in differences("dashboard", before, after)]


def thresholds(mode):
    return f'{{"mode": "{mode}", "steps": [{{"color": "green"}}]}}'


FIELD = ("panels", 0, "fieldConfig", "defaults")


@pytest.mark.parametrize(
    ("path", "to", "line"),
    [
        (("title",), "Shop", "title 'Overview' → 'Shop'"),
        (("time", "from"), "now-24h", "time range now-6h to now → now-24h to now"),
        (("tags",), ["ops"], "tags ops, shop → ops"),
        (("timezone",), "utc", "timezone added: utc"),
        (("description",), "All of it", "description added: 'All of it'"),
        (("editable",), False, "editable yes → no"),
        ((*FIELD, "unit"), "ms", "panel 'Requests': unit s → ms"),
        ((*FIELD, "max"), 100, "panel 'Requests': max added: 100"),
        (
            (*FIELD, "thresholds", "steps"),
            [{"color": "green"}, {"color": "red", "value": 80}],
            "panel 'Requests': thresholds green → green, red 80",
        ),
        (
            (*FIELD, "thresholds", "mode"),
            "percentage",
            f"panel 'Requests': thresholds {thresholds('absolute')} → {thresholds('percentage')}",
        ),
        (
            ("panels", 0, "targets", 0, "expr"),
            "rate(a[1m])",
            "panel 'Requests': query A 'rate(a[5m])' → 'rate(a[1m])'",
        ),
        (("panels", 0, "targets", 0, "hide"), True, "panel 'Requests': query A shown → hidden"),
        (
            ("panels", 0, "targets", 0, "legendFormat"),
            "{{job}}",
            "panel 'Requests': query A legendFormat added: '{{job}}'",
        ),
        (("panels", 0, "targets"), [], "panel 'Requests': query A removed: 'rate(a[5m])'"),
        (("panels", 0, "title"), "Errors", "panel 'Requests': title 'Requests' → 'Errors'"),
        (("panels", 0, "type"), "stat", "panel 'Requests': type timeseries → stat"),
        (("panels", 0, "options"), {"legend": {"calcs": ["max"]}}, None),
        (("panels", 0, "gridPos", "x"), 12, "panel 'Requests' moved from x 0, y 8 to x 12, y 8"),
        (("panels", 0, "gridPos", "w"), 24, "panel 'Requests' resized from 12 by 8 to 24 by 8"),
        (("panels", 0, "libraryPanel"), {"uid": "l1", "name": "Rate"}, "panel 'Requests': library panel added: Rate"),
        (("panels", 0, "timeFrom"), "1h", "panel 'Requests': time override added: 1h"),
        (("panels", 0, "targets", 0, "datasource"), {"uid": "other"}, None),
        (("graphTooltip",), 1, "graphTooltip added: 1"),
        (("panels", 0, "added"), 1, "panel 'Requests': \"added\" added: 1"),
    ],
)
def test_one_change_is_one_line(path, to, line):
    found = lines(board(), changed(board(), *path, to=to))
    assert len(found) == 1
    assert line is None or found == [line]


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("id",), 99),
        (("version",), 4),
        (("refresh",), "1m"),
        (("schemaVersion",), 41),
        (("description",), ""),
        (("links",), []),
        (("tags",), ["shop", "ops"]),
        (("liveNow",), False),
        (("editable",), True),
        (("templating",), {}),
        (("annotations",), {"list": []}),
        (("panels", 0, "id"), 12),
        (("panels", 0, "pluginVersion"), "12.0.0"),
        (("panels", 0, "transparent"), False),
        (("panels", 0, "targets", 0, "datasource"), None),
        (("panels", 0, "targets", 0, "hide"), False),
        (("panels", 0, "datasource", "type"), "other"),
        (("panels", 0, "gridPos", "w"), 12.0),
    ],
)
def test_noise_is_no_difference(path, to):
    after = changed(board(), *path, to=to)
    assert lines(board(), after) == []
    assert canonical("dashboard", board()) == canonical("dashboard", after)


def test_what_grafana_6_makes_of_what_it_is_given_is_the_same():
    graph = {"id": 1, "type": "graph", "title": "Requests", "datasource": "Prometheus"}
    graph |= {"targets": [{"expr": "sum(rate(http_requests_total[5m]))", "refId": "A"}]}
    graph |= {"gridPos": {"x": 0, "y": 0, "w": 12, "h": 8}}
    given = {"uid": "sys", "title": "System", "tags": ["ops"], "schemaVersion": 21, "panels": [graph]}
    assert lines({**given, "templating": {"list": []}}, {**given, "id": 1023, "version": 2, "links": None}) == []


def test_a_panel_that_came_or_went_is_one_line():
    assert lines(board(), board(panel(), panel(2, "Errors"))) == ["panel 'Errors' added"]
    assert lines(board(panel(), panel(2, "Errors")), board()) == ["panel 'Errors' removed"]


def test_numbers_dealt_out_anew_are_no_difference():
    one, other = panel(1, "A"), panel(2, "B")
    assert lines(board(one, other), board({**one, "id": 2}, {**other, "id": 1})) == []
    faster = changed({**other, "id": 1}, "targets", 0, "expr", to="rate(b[5m])")
    assert lines(board(one, other), board({**one, "id": 2}, faster)) == [
        "panel 'B': query A 'rate(a[5m])' → 'rate(b[5m])'"
    ]


def test_a_number_given_to_another_panel_makes_no_change_of_it():
    other = {**panel(1, "Notes"), "type": "text"}
    assert lines(board(panel(1, "Requests")), board(other)) == ["panel 'Requests' removed", "panel 'Notes' added"]


def test_the_order_of_panels_in_the_list_says_nothing():
    one, other = panel(1, "A"), panel(2, "B")
    assert lines(board(one, other), board(other, one)) == []


def test_panels_in_a_row_that_is_folded_are_the_same_panels():
    inner = panel(2, "Errors")
    unfolded = board(panel(0, "Top"), row(9, "Shop", 10, collapsed=False), inner)
    folded = board(panel(0, "Top"), row(9, "Shop", 10, inner, collapsed=True))
    assert lines(unfolded, folded) == ["row 'Shop': collapsed no → yes"]


def test_a_panel_in_another_row_moved_and_a_row_with_another_title_moves_nothing():
    inner = panel(2, "Errors")
    first, second = row(8, "Shop", 1, inner, collapsed=True), row(9, "Cart", 2, collapsed=True)
    away = (row(8, "Shop", 1, collapsed=True), row(9, "Cart", 2, inner, collapsed=True))
    assert lines(board(first, second), board(*away)) == ["panel 'Errors' moved from row 'Shop' to row 'Cart'"]
    assert lines(board(first), board({**first, "title": "Till"})) == ["row 'Shop': title 'Shop' → 'Till'"]


def test_what_only_moved_comes_last_and_the_dashboard_itself_first():
    before = board(panel(1, "A"), panel(2, "B"))
    after = board(changed(panel(1, "A"), "gridPos", "y", to=0), panel(3, "C"), panel(2, "B"), title="New")
    assert lines(before, after) == [
        "title 'Overview' → 'New'",
        "panel 'C' added",
        "panel 'A' moved from x 0, y 8 to x 0, y 0",
    ]


def test_a_name_of_a_data_source_is_not_the_same_as_its_number():
    named, referred = (board(panel(datasource=each, targets=[])) for each in ("Prometheus", {"uid": "prom-main"}))
    assert lines(named, referred) == ["panel 'Requests': data source Prometheus → prom-main"]
    assert lines(board(panel(datasource=None, targets=[])), referred) == [
        "panel 'Requests': data source default → prom-main"
    ]
    mixed = (board(panel(datasource=each)) for each in ("-- Mixed --", {"type": "datasource", "uid": "-- Mixed --"}))
    assert lines(*mixed) == []


def test_the_data_source_of_a_panel_and_its_queries_is_told_once():
    def asking(uid):
        return board(panel(datasource={"uid": uid}, targets=[{"refId": "A", "expr": "up", "datasource": {"uid": uid}}]))

    assert lines(asking("prom-main"), asking("mimir")) == ["panel 'Requests': data source prom-main → mimir"]


def test_variables_are_told_by_name():
    def having(*variables):
        return board(templating={"list": list(variables)})

    assert lines(having(variable()), having()) == ["variable 'job' removed"]
    assert lines(having(variable()), having(variable(query="label_values(job)"))) == [
        "variable 'job': query 'label_values(up, job)' → 'label_values(job)'"
    ]
    assert lines(having(variable()), having(variable(current={"text": ["api", "web"], "value": ["api", "web"]}))) == [
        "variable 'job': default value api → api, web"
    ]
    new = variable(query={"query": "label_values(up, job)", "refId": "StandardVariableQuery"}, hide=0)
    new |= {"definition": "label_values(up, job)", "current": {"text": ["api"], "value": ["api"]}}
    assert lines(having(variable()), having(new)) == []
    swapped = having(variable("a"), variable("b")), having(variable("b"), variable("a"))
    assert lines(*swapped) == ["order of variables variable 'a', variable 'b' → variable 'b', variable 'a'"]


def test_annotations_are_told_by_name():
    deploys = {"name": "Deploys", "enable": True, "datasource": "Prometheus", "expr": "changes(a[1m])"}

    def having(*annotations):
        return board(annotations={"list": list(annotations)})

    assert lines(board(), having(deploys)) == ["annotation 'Deploys' added"]
    assert lines(having(deploys), having({**deploys, "expr": "b"})) == [
        "annotation 'Deploys': query 'changes(a[1m])' → 'b'"
    ]


def test_rows_of_old_dashboards_are_read():
    def old(unit="s", **more):
        graph = {"id": 1, "type": "graph", "title": "p95 latency", "span": 6, "yaxes": [{"format": unit}, {}], **more}
        return {"uid": "old", "title": "Old", "rows": [{"title": "Shop", "panels": [graph]}]}

    assert lines(old(), old("ms")) == ["panel 'p95 latency': unit s → ms"]
    assert lines(old(), old(span=12)) == ["panel 'p95 latency' resized from 6/12 to 12/12"]
    assert lines(old(), {"uid": "old", "title": "Old", "rows": []}) == [
        "row 'Shop' removed",
        "panel 'p95 latency' removed",
    ]


def test_a_resource_of_the_first_schema_is_its_model():
    model = board()
    spec = {key: value for key, value in model.items() if key not in {"id", "uid", "version"}}
    wrapped = resource(spec, "v1beta1", annotations={"grafana.app/folder": "ops"})
    assert same("dashboard", model, wrapped)
    assert canonical("dashboard", model) == canonical("dashboard", wrapped)
    assert lines(wrapped, board(title="Shop")) == ["title 'Overview' → 'Shop'"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"title": "Shop"}, ["title 'Overview' → 'Shop'"]),
        (
            {"timeSettings": {"from": "now-1h", "to": "now", "autoRefresh": "1m"}},
            ["time range now-6h to now → now-1h to now"],
        ),
        ({"elements": {"panel-1": element(unit="ms")}}, ["panel 'Requests': unit s → ms"]),
        ({"elements": {"panel-1": element(expr="up")}}, ["panel 'Requests': query A 'rate(a[5m])' → 'up'"]),
        (
            {"elements": {"p-2": element(2)}, "layout": {"kind": "GridLayout", "spec": {"items": [item("p-2")]}}},
            [],
        ),
        ({"items": [item("panel-1", 12)]}, ["panel 'Requests' moved from x 0, y 0 to x 12, y 0"]),
        (
            {"layout": {"kind": "AutoGridLayout", "spec": {"items": [item("panel-1")]}}},
            ["layout GridLayout → AutoGridLayout"],
        ),
        ({"variables": [{"kind": "QueryVariable", "spec": {"name": "job"}}]}, ["variable 'job' added"]),
        ({"elements": {}, "layout": None}, None),
    ],
)
def test_elements_are_told_like_panels(more, found):
    told = lines(resource(of_elements()), resource(of_elements(**more)))
    assert told == found if found is not None else "panel 'Requests' removed" in told


def test_a_draft_of_elements_is_read_as_what_became_of_it():
    drafted = element()
    drafted["spec"]["vizConfig"] = {
        "kind": "timeseries",
        "spec": {"pluginVersion": "12.0.0", **drafted["spec"]["vizConfig"]["spec"]},
    }
    asked = query("rate(a[5m])")
    asked["spec"]["query"] = {"kind": "prometheus", "spec": {"expr": "rate(a[5m])"}}
    asked["spec"]["datasource"] = {"type": "prometheus", "uid": "prom-main"}
    drafted["spec"]["data"]["spec"]["queries"] = [asked]
    before = resource(of_elements(elements={"panel-1": drafted}), "v2alpha1")
    assert lines(before, resource(of_elements())) == []


def test_elements_in_rows_know_their_row():
    def within(title):
        inner = {"kind": "GridLayout", "spec": {"items": [item("panel-1")]}}
        rows = [
            {"kind": "RowsLayoutRow", "spec": {"title": each, "layout": inner if each == title else {"spec": {}}}}
            for each in ("Shop", "Cart")
        ]
        return resource(of_elements(layout={"kind": "RowsLayout", "spec": {"rows": rows}}))

    found = lines(within("Shop"), within("Cart"))
    assert found[-1] == "panel 'Requests' moved from row 'Shop' to row 'Cart'"


def test_two_schemas_are_compared_as_far_as_they_go():
    assert lines(board(), resource(of_elements())) == ["schema v1 → v2"]
    assert lines(board(), resource(of_elements(title="Shop"))) == ["schema v1 → v2", "title 'Overview' → 'Shop'"]
    assert not same("dashboard", board(), resource(of_elements()))

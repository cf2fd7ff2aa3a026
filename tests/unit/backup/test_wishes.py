import orjson
import pytest

from opsjobs.backup import wishes
from opsjobs.errors import BackupError


def exported(document, into=None):
    return wishes.exported(orjson.dumps(document), "a.json", into)


def board(**more):
    return {"uid": "a", "title": "A", "panels": [], **more}


@pytest.mark.parametrize(
    ("document", "into", "folder", "anywhere"),
    [
        (board(), None, "", True),
        (board(), "f", "f", False),
        (board(), "", "", False),
        ({"meta": {"folderUid": "f"}, "dashboard": board()}, None, "f", False),
        ({"meta": {"folderUid": "f"}, "dashboard": board()}, "g", "g", False),
        ({"meta": {}, "dashboard": board()}, None, "", True),
        ({"meta": "odd", "dashboard": board()}, None, "", True),
        ({"dashboard": board()}, None, "", True),
    ],
)
def test_where_it_goes_is_said_by_whoever_asks_else_by_the_file_else_by_nobody(document, into, folder, anywhere):
    (wish,) = exported(document, into).wishes
    assert (wish.folder, wish.anywhere) == (folder, anywhere)


def test_a_dashboard_of_rows_is_one_too():
    (wish,) = exported({"title": "Old", "rows": []}).wishes
    assert wish.kind == "dashboard" and wish.title == "Old"


def test_the_same_file_without_a_uid_is_the_same_dashboard_each_time_and_is_told():
    one, two = (exported({"title": "A", "panels": [], "id": number}) for number in (1, 2))
    assert one.wishes[0].uid == two.wishes[0].uid and 0 < len(one.wishes[0].uid) <= 40
    assert one.wishes[0].load().content["uid"] == one.wishes[0].uid
    assert one.wishes[0].uid in one.notes[0]
    assert exported({"title": "B", "panels": []}).wishes[0].uid != one.wishes[0].uid
    assert exported(board()).notes == ()


def test_constants_are_filled_in_and_data_sources_are_left_open():
    document = board(
        __inputs=[
            {"name": "VAR_A", "type": "constant", "value": "1"},
            {"name": "VAR_B", "type": "constant"},
            {"name": "DS_P", "type": "datasource", "pluginId": "prometheus", "label": "Prom"},
            {"type": "datasource", "pluginId": "no name"},
            "odd",
        ],
        panels=[{"title": "${VAR_A}-${VAR_B}", "datasource": "${DS_P}"}],
        __requires=[],
    )
    found = exported(document)
    assert [(each.name, each.label, each.plugin) for each in found.inputs] == [("DS_P", "Prom", "prometheus")]
    content = found.wishes[0].load().content
    assert content["panels"] == [{"title": "1-${VAR_B}", "datasource": "${DS_P}"}]
    assert not [key for key in content if key.startswith("__")]


@pytest.mark.parametrize(
    "elements", [{"x": {"uid": "lib", "name": "Lib", "model": {}}}, [{"uid": "lib", "name": "Lib"}]]
)
def test_library_panels_of_an_export_come_first_and_are_only_needed(elements):
    panel, dashboard = exported(board(__elements=elements), "f").wishes
    assert (panel.kind, panel.uid, panel.title, panel.folder, panel.dependency) == (
        "library-panel",
        "lib",
        "Lib",
        "f",
        True,
    )
    assert dashboard.kind == "dashboard" and not dashboard.dependency


@pytest.mark.parametrize("elements", [None, {}, [], {"x": {}}, [{}], "odd", 7, {"x": "odd"}])
def test_an_export_without_library_panels_is_only_its_dashboard(elements):
    assert len(exported(board(__elements=elements)).wishes) == 1


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v2", "v2beta1"])
def test_a_resource_is_kept_in_its_own_schema(version):
    document = {
        "apiVersion": f"dashboard.grafana.app/{version}",
        "kind": "Dashboard",
        "metadata": {"name": "a", "annotations": {"grafana.app/folder": "f"}},
        "spec": {"title": "A", "elements": {}},
    }
    (wish,) = exported(document).wishes
    assert (wish.uid, wish.title, wish.folder) == ("a", "A", "f")
    assert wish.load().content == document
    assert exported(document, "g").wishes[0].folder == "g"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"nul", b"\xff", b"[]", b"7", b"{}", b'{"title": "A"}', b'{"dashboard": {}}', b"[" * 5000,
     b'{"apiVersion": "dashboard.grafana.app/v1"}', b'{"apiVersion": "dashboard.grafana.app/v1", "metadata": {}, "spec": {}}'],  # noqa: E501
)  # fmt: skip
def test_what_is_no_dashboard_is_refused_with_the_name_of_the_file(content):
    with pytest.raises(BackupError, match=r"a\.json"):
        wishes.exported(content, "a.json", None)


def test_a_file_of_more_than_64_megabytes_is_not_even_read():
    with pytest.raises(BackupError, match="65 MB"):
        wishes.exported(bytes(65 << 20), "a.json", None)


def test_what_is_nested_without_an_end_is_refused():
    content = b'{"title": "A", "panels": [], "o": ' + b"[" * 900 + b"]" * 900 + b"}"
    with pytest.raises(BackupError, match="deep"):
        wishes.exported(content, "a.json", None)


@pytest.mark.parametrize("annotations", [["x"], "x", 7, None])
def test_annotations_that_are_none_name_no_folder(annotations):
    metadata = {"name": "a", "annotations": annotations}
    document = {"apiVersion": "dashboard.grafana.app/v1", "metadata": metadata, "spec": {"title": "A"}}
    (wish,) = exported(document).wishes
    assert (wish.folder, wish.anywhere) == ("", True)

import pytest

from opsjobs.backup import references

PANELS = {
    "panels": [
        {"datasource": "By name", "targets": [{"datasource": {"type": "loki", "uid": "logs"}}]},
        {"type": "row", "panels": [{"datasource": {"uid": "inside-a-row"}}]},
        {"libraryPanel": {"uid": "shared", "name": "Shared"}},
    ],
    "templating": {"list": [{"name": "x", "datasource": {"uid": "of-a-variable"}}]},
    "annotations": {"list": [{"datasource": {"type": "grafana", "uid": "-- Grafana --"}}]},
}
ELEMENTS = {
    "elements": {"p": {"spec": {"data": {"spec": {"queries": [{"spec": {"query": {"datasource": {"name": "v2"}}}}]}}}}}
}


def test_every_way_of_naming_a_data_source_is_known():
    assert references.sources(PANELS) == {"By name", "logs", "inside-a-row", "of-a-variable"}
    assert references.sources(ELEMENTS) == {"v2"}
    rule = {"rules": [{"data": [{"datasourceUid": "prom"}, {"datasourceUid": "__expr__"}, {"datasourceUid": "-100"}]}]}
    assert references.sources(rule) == {"prom"}


@pytest.mark.parametrize(
    "reference",
    [
        None,
        "",
        "default",
        "-- Mixed --",
        "-- Dashboard --",
        "$source",
        "${DS_PROMETHEUS}",
        {"uid": "${source}"},
        {"uid": "grafana", "type": "datasource"},
        {"type": "prometheus"},
        {"uid": None},
        {"uid": 7},
        7,
        [],
    ],
)
def test_what_every_grafana_has_and_what_a_variable_chooses_is_not_asked_for(reference):
    assert references.sources({"panels": [{"datasource": reference}]}) == set()


def test_a_mapping_changes_references_and_nothing_else():
    before = {"title": "logs", "panels": [{"datasource": {"type": "loki", "uid": "logs"}, "title": "logs"}, "logs"]}
    after = references.remapped(before, {"logs": "other"})
    assert after == {
        "title": "logs",
        "panels": [{"datasource": {"type": "loki", "uid": "other"}, "title": "logs"}, "logs"],
    }
    assert before["panels"][0]["datasource"]["uid"] == "logs", "what was given is left as it is"
    assert references.remapped(before, {}) is before


def test_whatever_was_asked_is_asked_elsewhere_after_a_mapping():
    for content in (PANELS, ELEMENTS, {"data": [{"datasourceUid": "prom"}]}):
        asked = references.sources(content)
        mapped = references.remapped(content, {each: f"{each}-2" for each in asked})
        assert references.sources(mapped) == {f"{each}-2" for each in asked}


def test_two_data_sources_can_change_places():
    content = {"panels": [{"datasource": {"uid": "a"}}, {"datasource": {"uid": "b"}}]}
    after = references.remapped(content, {"a": "b", "b": "a"})
    assert [each["datasource"]["uid"] for each in after["panels"]] == ["b", "a"]


def test_library_panels_are_found_wherever_they_are_shown():
    shown = {"panels": [*PANELS["panels"], {"panels": [{"libraryPanel": {"uid": "in-a-row"}}]}]}
    assert references.panels(shown) == {"shared", "in-a-row"}
    assert references.panels({"elements": {"a": {"spec": {"libraryPanel": {"uid": "v2"}}}}}) == {"v2"}
    assert references.panels({"panels": [{"libraryPanel": "x"}, {"libraryPanel": {"uid": 7}}]}) == set()


def test_content_without_an_end_is_looked_through_only_so_far():
    deep: dict = {}
    inner = deep
    for _ in range(5000):
        inner["panels"] = {}
        inner = inner["panels"]
    inner["datasource"] = "never seen"
    assert references.sources(deep) == references.panels(deep) == set()
    assert references.remapped(deep, {"never seen": "x"})["panels"]

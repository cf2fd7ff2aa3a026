"""The runbooks are tested: each alert has its section, and what a section links to or asks Prometheus for is there."""

import re
from pathlib import Path

import pytest

from opsjobs import promql, system

ROOT = Path(__file__).parents[2]
PARTS = ["Symptom", "Look", "Do", "Escalate"]
# Series that Prometheus makes by itself.
BUILT_IN = {"up", "ALERTS"}
CODE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)]+)\)")
QUERY = re.compile(r"--data-urlencode 'query=([^']*)'")
LONGEST_LINE = 120

each_page = pytest.mark.parametrize("name", system.shipped())


def page(name):
    return ROOT / f"docs/runbooks/{name}.md"


def profile(name):
    return system.read(name, Path())


def prose(path):
    """The page without its blocks of code, in which a comment could be taken for a heading."""
    return CODE.sub("", path.read_text("utf-8"))


def headings(path, level="#+"):
    return [heading for marks, heading in HEADING.findall(prose(path)) if re.fullmatch(level, marks)]


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sections(name):
    """The text of each section by its heading, code and all."""
    _, *found = re.split(r"^## (.+)\n", page(name).read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(found[::2], found[1::2], strict=True))


def queries(name):
    return QUERY.findall(page(name).read_text("utf-8"))


def named(profile):
    """Every anchor that something in the profile names."""
    parts = [*profile.components.values(), *profile.groups.values(), *profile.slos.values(), *profile.alerts.values()]
    specs = [*parts, *(declared.spec for declared in profile.indicators)]
    return {spec.runbook for spec in specs if spec.runbook}


@each_page
def test_each_profile_that_ships_has_a_page_and_names_it(name):
    assert page(name).is_file()
    assert ROOT / profile(name).runbooks == page(name)


def test_each_page_is_of_a_profile_that_ships():
    assert sorted(path.stem for path in page("any").parent.glob("*.md")) == system.shipped()


@each_page
def test_each_alert_has_a_section_with_exactly_its_name(name):
    assert {*profile(name).alerts, "NoData"} <= set(headings(page(name), "##"))


@each_page
def test_each_heading_that_looks_like_an_alert_is_one(name):
    like_alerts = {heading for heading in headings(page(name)) if re.fullmatch(r"[A-Z]\w*[A-Z]\w*", heading)}
    assert like_alerts <= {*profile(name).alerts, "NoData"}


@each_page
def test_no_two_sections_have_the_same_anchor(name):
    anchors = [anchor(heading) for heading in headings(page(name))]
    assert len(anchors) == len(set(anchors))


@each_page
def test_each_section_says_what_it_looks_like_where_to_look_what_to_do_and_whom_to_tell(name):
    for heading, text in sections(name).items():
        assert re.findall(r"^\*\*(\w+)\.\*\*(?: |$)", text, re.MULTILINE) == PARTS, heading


@each_page
def test_each_anchor_that_the_profile_names_is_on_its_page(name):
    assert named(profile(name)) <= {anchor(heading) for heading in headings(page(name), "##")}


@each_page
def test_each_section_is_of_an_alert_or_something_leads_to_it(name):
    reached = named(profile(name)) | {anchor(alert) for alert in [*profile(name).alerts, "NoData"]}
    reached |= {target.removeprefix("#") for target in LINK.findall(prose(page(name))) if target.startswith("#")}
    assert {anchor(heading) for heading in headings(page(name), "##")} <= reached


@each_page
def test_each_link_of_a_page_leads_somewhere(name):
    targets = [target for target in LINK.findall(prose(page(name))) if "://" not in target]
    assert targets
    for target in targets:
        path, _, wanted = target.partition("#")
        there = page(name).parent / path if path else page(name)
        assert there.is_file(), target
        assert not wanted or wanted in {anchor(heading) for heading in headings(there)}, target


@each_page
def test_each_query_is_promql_that_can_be_pasted_as_it_is(name):
    assert len(queries(name)) == page(name).read_text("utf-8").count("/api/v1/query ")
    for query in queries(name):
        promql.check(query)
        assert promql.STEP not in query and promql.WINDOW not in query, query


@each_page
def test_each_query_asks_for_metrics_that_the_profile_declares(name):
    known = profile(name)
    for query in queries(name):
        unknown = [series for series in promql.metrics(query) if series not in BUILT_IN and not known.family(series)]
        assert not unknown, query


@each_page
def test_each_alert_on_an_indicator_asks_for_its_number_or_leads_to_where_that_is_asked(name):
    known = profile(name)
    specs = {declared.id: declared.spec for declared in known.indicators}
    texts = {anchor(heading): text for heading, text in sections(name).items()}
    for alert, spec in known.alerts.items():
        if spec.indicator:
            text = texts[anchor(alert)]
            near = [text, *(texts.get(target.removeprefix("#"), "") for target in LINK.findall(text))]
            found = [{series for query in QUERY.findall(each) for series in promql.metrics(query)} for each in near]
            assert any(set(specs[spec.indicator].metrics) <= each for each in found), alert


@each_page
def test_lines_of_prose_are_short(name):
    # A command is one line, however long; code in a line counts only when something else could go to the next.
    for line in prose(page(name)).splitlines():
        assert len(line) <= LONGEST_LINE or re.search(r"`[^`]{80,}`", line), line

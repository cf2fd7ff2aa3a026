"""The letter about a report: small enough for every mail reader, whole in what matters."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from opsjobs.model import Status
from opsjobs.report import mail, render
from opsjobs.report.document import ChangeRow, Changes, IndicatorTable, Section, Table, TableRow
from tests.unit.report import samples


class Parsed(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.text = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def written(report, files=None):
    made = {"report.pdf": b"%PDF-", "report.html": b"<p>"} if files is None else files
    return mail.letter(report, made, "/reports/x")


@pytest.fixture(scope="module")
def troubled():
    return written(samples.troubled())


def many(count):
    row = next(mail._rows(samples.troubled()))
    rows = tuple(
        dataclasses.replace(row, id=f"i{number}", title=f"An indicator with a title of some length, number {number}")
        for number in range(count)
    )
    section = Section(id="many", title="Many", blocks=(IndicatorTable(rows=rows),))
    finding = samples.troubled().findings[0]
    findings = tuple(dataclasses.replace(finding, title=f"{finding.title} {number}") for number in range(count))
    return dataclasses.replace(samples.troubled(), sections=(section,), findings=findings)


def test_the_subject_has_the_verdict_the_system_the_day_and_the_worst_finding():
    report = samples.troubled()
    assert mail.subject(report) == f"CRITICAL: PratikoAI {report.slot}: {report.findings[0].title} and 2 more"
    partial = dataclasses.replace(report, complete=False)
    assert mail.subject(partial).startswith("CRITICAL PARTIAL: PratikoAI")
    assert mail.subject(samples.quiet()).endswith(": all well")


def test_an_empty_list_of_findings_in_a_partial_report_is_not_called_all_well():
    partial = dataclasses.replace(samples.quiet(), complete=False)
    assert "all well" not in mail.subject(partial)


def test_the_first_words_of_the_page_are_the_status_and_the_verdict(troubled):
    words = " ".join(" ".join(Parsed(troubled.html).text[2:]).split())
    report = samples.troubled()
    assert re.match(rf"(?:\S+ ){{0,3}}■ {report.status.name} {re.escape(report.verdict)}", words)


def test_what_changed_is_told_in_the_page():
    row = ChangeRow(indicator="x", text="Orders fell from 30 to 4", unit="count", value=4.0, before=30.0, better=False)
    section = Section(id="changes", title="What changed", blocks=(Changes(rows=(row,)),))
    page = written(dataclasses.replace(samples.troubled(), sections=(section,))).html
    assert "Orders fell from 30 to 4, worse" in page


def test_every_picture_of_the_page_comes_with_it_and_has_its_words(troubled):
    pictures = [attributes for tag, attributes in Parsed(troubled.html).tags if tag == "img"]
    assert [picture["src"] for picture in pictures] == [f"cid:{each.name}" for each in troubled.pictures]
    assert pictures
    assert all(picture["alt"].strip(": ") for picture in pictures)
    assert all(each.content.startswith(b"\x89PNG") for each in troubled.pictures)


def test_nothing_of_the_page_is_fetched_and_its_styles_are_in_its_tags(troubled):
    page = troubled.html
    assert not re.search(r"<(style|link|script|svg|iframe|object)|url\(|data:|@import", page)
    sources = [attributes.get("src", "") for _, attributes in Parsed(page).tags]
    assert all(source.startswith("cid:") for source in sources if source)


@pytest.mark.parametrize("count", [50, 500, 5000])
def test_the_page_stays_below_what_mail_readers_cut_however_many_rows_there_are(count):
    letter = written(many(count))
    assert len(letter.html.encode()) <= mail.LARGEST == 90_000
    assert many(count).verdict in letter.html
    if count >= 500:
        assert "more in the attached report" in letter.html


def test_the_worst_rows_are_the_last_to_go():
    report = many(500)
    (section,) = report.sections
    rows = list(section.blocks[0].rows)
    rows[-1] = dataclasses.replace(rows[-1], title="The one that is critical", status=Status.CRITICAL)
    rows[:-1] = [dataclasses.replace(row, status=Status.OK) for row in rows[:-1]]
    section = dataclasses.replace(section, blocks=(IndicatorTable(rows=tuple(rows)),))
    letter = written(dataclasses.replace(report, sections=(section,), findings=()))
    assert "The one that is critical" in letter.html


def test_the_files_are_named_by_system_and_day(troubled):
    slot = samples.troubled().slot
    assert [each.name for each in troubled.files] == [f"pratikoai-{slot}.pdf", f"pratikoai-{slot}.html"]


def test_a_report_without_its_pdf_goes_with_what_there_is():
    assert [each.name.rsplit(".", 1)[1] for each in written(samples.troubled(), {"report.html": b"<p>"}).files] == [
        "html"
    ]


def test_hostile_texts_stay_texts():
    letter = written(render(samples.hostile()).report)
    allowed = {"html", "head", "meta", "title", "body", "table", "tbody", "tr", "td", "th", "div", "h1", "h2", "strong"}
    found = {tag for tag, _ in Parsed(letter.html).tags}
    assert found <= allowed | {"img", "a", "span"}
    for tag, attributes in Parsed(letter.html).tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert attributes.get("href", "https://").startswith(("http://", "https://"))


def test_the_same_report_makes_the_same_letter(troubled):
    assert written(samples.troubled()) == troubled


def test_what_to_do_stands_before_what_needs_a_person_and_what_it_cost_behind_it():
    def words(name, column):
        return Table(columns=(column, "Cost", "Moved"), rows=(TableRow(cells=(f"<{name}>", "€7.00", "+€1.00")),))

    sections = (
        Section(id="actions", title="What to do", blocks=(words("do", "Action"),), first=True),
        Section(id="spent", title="What it cost", blocks=(words("paid", "What"), words("not shown", "Other"))),
    )
    page = written(dataclasses.replace(samples.quiet(), sections=sections)).html
    places = [page.index(text) for text in ("&lt;do&gt;", "What needs a person", "&lt;paid&gt;")]
    assert places == sorted(places) and "not shown" not in page

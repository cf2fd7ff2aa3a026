"""All four formats together: what they promise in common."""

import dataclasses
import io
import json
import os
import re
import subprocess
import sys

import jsonschema
import pypdf
import pytest

from opsjobs.errors import RenderError
from opsjobs.report import MEDIA_TYPES, data, hygiene, render, text
from opsjobs.report.pdf import Printer

from . import samples

NAMES = ("troubled", "quiet", "partial", "unfinished", "week", "hostile", "crowded")


@pytest.fixture(scope="session")
def rendered():
    return {name: render(getattr(samples, name)()) for name in NAMES}


def pdf_text(pdf):
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


@pytest.mark.parametrize("name", NAMES)
def test_every_report_comes_in_every_format(rendered, name):
    # None of these has lines for a spreadsheet.
    assert tuple(rendered[name].files) == tuple(name for name in MEDIA_TYPES if name != "report.csv")
    assert rendered[name].failures == {}


@pytest.mark.parametrize("file", [name for name in MEDIA_TYPES if name != "report.csv"])
def test_the_same_report_gives_the_same_bytes_in_another_process(rendered, file, tmp_path):
    program = (
        "import sys; from tests.unit.report import samples; from opsjobs.report import render\n"
        "sys.stdout.buffer.write(render(samples.troubled()).files[sys.argv[1]])"
    )
    settings = tmp_path / "matplotlibrc"
    settings.write_text("axes.linewidth: 9\ngrid.linestyle: :\n")
    found = subprocess.run(
        [sys.executable, "-c", program, file],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "MATPLOTLIBRC": str(settings)},
        check=True,
        capture_output=True,
    )
    assert found.stdout == rendered["troubled"].files[file]


def test_the_verdict_is_what_text_and_pdf_begin_with(rendered):
    files = rendered["partial"].files
    verdict = "Prometheus did not answer, so most numbers are missing"
    assert files["report.txt"].decode().startswith(f"UNKNOWN, PARTIAL: {verdict}\n")
    words = pdf_text(files["report.pdf"])
    assert words.index("PARTIAL") < words.index(verdict[:20]) < words.index("What needs a person")


def test_text_has_no_trailing_blanks_no_special_blanks_and_fits_its_width(rendered):
    lines = rendered["troubled"].files["report.txt"].decode().split("\n")
    assert all(line == line.rstrip() for line in lines)
    assert not set("\u00a0\u202f\u2007\t\r") & set("".join(lines))
    assert max(map(len, lines)) <= text.WIDTH


def test_text_says_the_same_in_the_same_order(rendered):
    words = rendered["troubled"].files["report.txt"].decode()
    order = [
        "CRITICAL: Redis",
        "WHAT NEEDS A PERSON",
        "COMPONENTS",
        "PERFORMANCE",
        "BUSINESS",
        "DATA QUALITY",
        "APPENDIX",
    ]
    places = [words.index(part) for part in order]
    assert places == sorted(places)
    assert "by endpoint: /api/v1/chat 7.9 s" in words
    assert "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))" in words


@pytest.mark.parametrize("name", NAMES)
def test_hostile_text_is_without_control_characters(rendered, name):
    words = rendered[name].files["report.txt"].decode()
    assert not [character for character in words if ord(character) < 32 and character != "\n"]
    assert not set("\u202e\u2066\ufeff\u200b\x1b") & set(words)


@pytest.mark.parametrize("name", NAMES)
def test_json_is_valid_against_its_schema(rendered, name, pytestconfig):
    schema = json.loads((pytestconfig.rootpath / "docs" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def refuse(word):
        raise AssertionError(f"{word} in JSON")

    document = json.loads(rendered[name].files["report.json"], parse_constant=refuse)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(document)


def test_the_schema_refuses_a_field_that_it_does_not_know(rendered, pytestconfig):
    schema = json.loads((pytestconfig.rootpath / "docs" / "report.schema.json").read_text())
    document = json.loads(rendered["troubled"].files["report.json"])
    document["sections"][2]["blocks"][0]["rows"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_json_keeps_base_units_offsets_and_nulls(rendered):
    document = json.loads(rendered["troubled"].files["report.json"])
    assert document["schema"] == 1
    assert document["window"]["start"] == "2025-10-14T00:00:00+02:00"
    rows = {
        row["id"]: row for part in document["sections"] for block in part["blocks"] for row in block.get("rows", ())
    }
    assert rows["payments"]["value"] == 0.9496
    assert rows["logins"]["value"] is None
    assert rows["logins"]["quality"] == "empty"


def test_a_number_that_is_not_finite_is_no_data_everywhere(rendered):
    files = rendered["hostile"].files
    row = json.loads(files["report.json"])["sections"][0]["blocks"][0]["rows"][0]
    assert row["value"] is None
    assert row["breakdown"][0]["value"] is None
    for words in (files["report.txt"].decode(), pdf_text(files["report.pdf"])):
        assert "inf s" not in words
        assert "nan s" not in words


def test_tables_show_the_worst_rows_and_count_the_rest(rendered):
    files = rendered["crowded"].files
    page, words = files["report.html"].decode(), files["report.txt"].decode()
    assert page.count('<tbody class="critical">') == 1
    assert page.count('data-label="Target met"') == hygiene.ROWS
    assert page.count('<div class="query"') == hygiene.ROWS
    assert "+800 more, see report.json" in page
    assert "+800 more, see report.json" in words
    assert "The worst of all" in words
    rows = json.loads(files["report.json"])["sections"][0]["blocks"][0]["rows"]
    assert len(rows) == 1000


def test_pdf_is_a4_numbered_tagged_and_unfolds_the_appendix(rendered):
    reader = pypdf.PdfReader(io.BytesIO(rendered["troubled"].files["report.pdf"]))
    pages = len(reader.pages)
    for number, page in enumerate(reader.pages, start=1):
        assert (round(page.mediabox.width), round(page.mediabox.height)) == (595, 842)
        words = page.extract_text()
        assert f"page {number} of {pages}" in words
        assert "PratikoAI" in words
        assert "Tuesday 14 October 2025" in words
    everything = pdf_text(rendered["troubled"].files["report.pdf"])
    assert "histogram_quantile(0.95" in everything
    assert "Monthly recurring revenue" in everything
    assert "/StructTreeRoot" in reader.trailer["/Root"]
    assert "/CreationDate" not in (reader.metadata or {})


def test_pdf_links_are_web_addresses_and_nothing_is_attached_or_run(rendered):
    reader = pypdf.PdfReader(io.BytesIO(rendered["hostile"].files["report.pdf"]))
    actions = [
        annotation.get_object().get("/A", {})
        for page in reader.pages
        for annotation in page.get("/Annots", ())
        if annotation.get_object()["/Subtype"] == "/Link"
    ]
    addresses = [action["/URI"] for action in actions if "/URI" in action]
    assert addresses
    assert all(address.startswith("https://example.com/") for address in addresses)
    assert {action["/S"] for action in actions if action} == {"/URI"}
    assert reader.attachments == {}
    assert "/OpenAction" not in reader.trailer["/Root"]


def test_hostile_markup_reaches_the_pdf_as_text():
    report = samples.report(verdict=samples.HOSTILE[0], tally=(samples.fact(samples.HOSTILE[1], samples.HOSTILE[7]),))
    words = pdf_text(render(report).files["report.pdf"])
    for attack in (samples.HOSTILE[0], samples.HOSTILE[1], samples.HOSTILE[7]):
        # Where lines break depends on the fonts that are there.
        assert "".join(attack.split()) in "".join(words.split())


class BrokenPrinter(Printer):
    def print(self, html):
        del html
        raise RenderError("no more paper")


def test_without_pdf_the_other_formats_come_and_say_so():
    result = render(samples.quiet(), BrokenPrinter())
    assert set(result.files) == {"report.html", "report.txt", "report.json"}
    assert result.failures == {"report.pdf": "no more paper"}
    document = json.loads(result.files["report.json"])
    assert document["complete"] is False
    assert document["gaps"][0]["reason"] == "no more paper"
    assert result.report.complete is False
    assert result.report.gaps[-1].reason == "no more paper"
    for name in ("report.html", "report.txt"):
        words = result.files[name].decode()
        assert "PARTIAL" in words
        assert "no more paper" in words
        assert "Nothing today." not in words


def test_a_report_is_not_changed_by_being_rendered(rendered):
    del rendered
    report = samples.troubled()
    render(report, BrokenPrinter())
    assert report == samples.troubled()


def test_long_texts_are_cut_and_queries_keep_more_of_theirs():
    clean = hygiene.cleaned(samples.hostile())
    titles = [finding.title for finding in clean.findings]
    assert max(map(len, titles)) == 256
    queries = [item.query for item in clean.evidence]
    assert max(map(len, queries)) == 4000
    assert any(query.endswith("more characters)") for query in queries)


def test_queries_keep_their_lines():
    query = "sum(\n  up\x00\n)"
    clean = hygiene.cleaned(samples.report(evidence=(samples.evidence("indicator:x", "X", query=query),)))
    assert clean.evidence[0].query == "sum(\n  up\n)"


def test_the_report_is_handed_back_as_the_files_tell_it():
    result = render(samples.hostile(), BrokenPrinter())
    assert hygiene.cleaned(result.report) == result.report
    assert data.render(result.report) == result.files["report.json"]
    assert text.render(result.report) == result.files["report.txt"]


def test_json_tells_of_episodes_holes_judgement_advice_and_an_unfinished_day(rendered):
    document = json.loads(rendered["unfinished"].files["report.json"])
    assert document["over"] is False
    assert document["findings"][0]["advice"] == "Start it, then run the day again."
    rows = {row["id"]: row for row in document["sections"][0]["blocks"][0]["rows"]}
    assert rows["api-p95"]["episodes"][1] == {
        "start": "2025-10-14T17:10:00+02:00",
        "end": "2025-10-14T18:30:00+02:00",
        "status": "CRITICAL",
        "worst": 30.0,
        "ended": False,
    }
    assert rows["orders"]["holes"] == [
        {"start": "2025-10-14T03:00:00+02:00", "end": "2025-10-14T04:00:00+02:00", "ended": True}
    ]
    assert (rows["orders"]["judged"], rows["signups"]["judged"]) == (True, False)


def test_json_gives_facts_their_status_or_null(rendered):
    document = json.loads(rendered["troubled"].files["report.json"])
    assert document["over"] is True
    assert document["tally"][0] == {"name": "Components", "value": "3 of 4 OK", "status": "CRITICAL"}
    assert document["tally"][2]["status"] is None


def test_text_says_what_is_not_judged_not_compared_and_not_over(rendered):
    lines = rendered["unfinished"].files["report.txt"].decode().splitlines()
    rows = {line.split("  ")[0]: line for line in reversed(lines)}
    assert "- not judged" in rows["New customers"]
    assert "OK" not in rows["New customers"]
    assert rows["Lost messages"].rstrip().endswith("UNKNOWN")
    assert rows["Orders"].endswith("warning < 1,000")
    assert "Tuesday 14 October 2025, so far, until 18:30, Europe/Rome" in lines
    assert "    critical limit passed since 17:10 (1 h 20 min), worst 30 s" in lines
    assert "- shop-db: Connection refused." in lines
    assert any("same       same" in line for line in lines)


def test_every_format_tells_of_alerts_with_their_times_and_the_json_also_of_earlier_ones(rendered):
    files = rendered["troubled"].files
    words = files["report.txt"].decode()
    rows = {line.split("  ")[0]: line for line in words.splitlines()}
    assert rows["HighResponseTime"].split("  ", 1)[1].split() == [
        *("critical", "engineering", "still", "firing,", "1", "9", "h", "9", "h", "1")
    ]
    assert "    from 15:06 to 15:48, from 18:00 to 18:30, from 20:00 to 20:30, and 1 more" in words
    assert "flapping" in words
    assert "not known" in rows["LowCacheHitRatio"]
    for name in ("report.html", "report.txt"):
        assert "HighResponseTime" in files[name].decode()
        assert ">Old<" not in files[name].decode()
    assert "HighResponseTime" in pdf_text(files["report.pdf"])
    document = json.loads(files["report.json"])
    (block,) = next(part for part in document["sections"] if part["id"] == "alerts")["blocks"]
    assert [row["name"] for row in block["earlier"]] == ["Old"]
    assert block["alerts"][0]["spells"] == [
        {"start": "2025-10-14T15:00:00+02:00", "end": "2025-10-15T00:00:00+02:00", "ended": False}
    ]
    assert block["alerts"][2]["week_firings"] is None


def test_every_format_tells_what_changed_and_whether_for_the_better(rendered):
    files = rendered["troubled"].files
    words = " ".join(files["report.txt"].decode().split())
    assert (
        "- API response time rose from 1.6 s to 7.9 s (+390 %), worse; outside its band for Tuesdays: usually 1.4 s to"
        " 1.8 s - Revenue rose, better - Fullest disk: full in about 9 days (7 to 12)"
    ) in words
    page = files["report.html"].decode()
    assert '<span class="worse">, worse</span>' in page
    assert "outside its band for Tuesdays" in " ".join(pdf_text(files["report.pdf"]).split())
    document = json.loads(files["report.json"])
    (block,) = next(part for part in document["sections"] if part["id"] == "changes")["blocks"]
    assert [(row["indicator"], row["better"], row["before"]) for row in block["changes"]] == [
        ("api-p95", False, 1.62),
        ("mrr", True, 19650.0),
        ("disk", None, None),
    ]


def test_text_marks_bad_facts(rendered):
    lines = rendered["troubled"].files["report.txt"].decode().splitlines()
    assert "Components                 3 of 4 OK  CRITICAL" in lines
    assert "Monthly recurring revenue  €21,750" in lines


def test_the_mark_of_a_gap_stands_on_its_line_in_the_pdf():
    report = samples.report(gaps=(samples.Gap(source="tickets", reason="HTTP 503."),))
    reader = pypdf.PdfReader(io.BytesIO(render(report).files["report.pdf"]))
    drawn = reader.pages[0].get_contents().get_data().decode("latin-1")
    # The colour of what is unknown, #5d4a9c, as a stroke.
    before = drawn[: re.search(r"0\.364\d* 0\.290\d* 0\.611\d* RG", drawn).start()]
    top, height = map(float, re.findall(r"[\d.]+ ([\d.]+) [\d.]+ ([\d.]+) re\s+W", before)[-1])
    lines = [float(y) for y in re.findall(r"([\d.]+) Tm", drawn)]
    assert any(abs(top + height - line) < 4 for line in lines)


def test_charts_that_come_first_keep_their_heading():
    charts = tuple(samples.chart(title=f"Chart {number}") for number in range(5))
    section = samples.Section(id="charts", title="The numbers that matter", blocks=(samples.Charts(charts=charts),))
    report = samples.troubled()
    report = dataclasses.replace(report, sections=(section, *report.sections))
    pages = pypdf.PdfReader(io.BytesIO(render(report).files["report.pdf"])).pages
    # On which page that is depends on the fonts that are there.
    with_heading = next(text for page in pages if "The numbers that matter" in (text := page.extract_text()))
    assert "Chart 0" in with_heading


def test_objectives_are_told_in_words_and_numbers_and_what_is_not_known_is_no_zero(rendered):
    files = rendered["troubled"].files
    for name in ("report.html", "report.txt"):
        text = files[name].decode().replace("\u00a0", " ")
        assert "Answers within 2 s" in text and "by 1 h 22 min" in text and "used up" in text
        assert "62.0 %" in text and "27 min of 43 min" in text
    (section,) = [each for each in json.loads(files["report.json"])["sections"] if each["id"] == "objectives"]
    lasting, spent, silent = section["blocks"][0]["objectives"]
    assert lasting["budget"]["lasts"] is True and spent["budget"]["left_seconds"] < 0
    assert silent["attainment"] is None and {each["rate"] for each in silent["burn_rates"]} == {None}

import re
from html.parser import HTMLParser
from itertools import pairwise

import jinja2
import pytest

from opsjobs.report import html, hygiene
from opsjobs.report.document import Charts, Section

from . import samples

NAMES = ("troubled", "quiet", "partial", "unfinished", "week", "hostile", "crowded")
VOID = {"meta", "path", "circle", "rect", "br"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "h3", "p", "span"),
    *("strong", "small", "bdi", "a", "dl", "dt", "dd", "div", "ol", "ul", "li", "table", "caption", "thead", "tbody"),
    *("tr", "th", "td", "figure", "figcaption", "details", "summary", "pre", "code", "svg", "path", "circle", "g"),
    *("text", "defs"),
}
ATTRIBUTES = {
    *("class", "id", "lang", "charset", "name", "content", "http-equiv", "aria-labelledby", "aria-label", "role"),
    *("aria-hidden", "href", "rel", "scope", "colspan", "data-label", "viewbox", "width", "height", "d", "fill"),
    *("stroke", "stroke-width", "stroke-linecap", "stroke-linejoin", "stroke-dasharray", "stroke-dashoffset", "x", "y"),
    "tabindex",
    *("cx", "cy", "r", "font-size", "font-family", "text-anchor", "transform"),
}


class Page(HTMLParser):
    """The elements of a page in order, and the text of its body; fails on tags that do not match."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "body" in self.open and data.strip():
            self.words.append((self.open[-1], " ".join(data.split())))

    def all(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def text(self):
        return " ".join(word for _, word in self.words)


def templates():
    environment = html.environment()
    return [environment.loader.get_source(environment, name)[0] for name in ("report.html", "blocks.html")]


def source(report):
    return html.render(hygiene.cleaned(report)).decode()


@pytest.fixture(scope="module")
def pages():
    return {name: Page(source(getattr(samples, name)())) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_holds_only_the_tags_and_attributes_of_the_templates(pages, name):
    assert {tag for tag, _ in pages[name].elements} <= TAGS
    assert {key for _, attributes in pages[name].elements for key in attributes} <= ATTRIBUTES


def test_hostile_texts_stay_texts(pages):
    words = pages["hostile"].text
    attacks = (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}{% raw %}",
        "&amp;&lt;!--",
    )
    assert all(attack in words for attack in attacks)
    assert len(pages["hostile"].all("style")) == 1


def test_every_attribute_of_the_templates_is_quoted():
    for template in templates():
        markup = re.sub(r"{%.*?%}|{#.*?#}", "", re.sub(r"{{.*?}}", "value", template))
        assert not re.findall(r'[a-z-]+=(?!")\S*', re.sub(r'"[^"]*"', '""', markup))


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_the_web_or_within_the_page(pages, name):
    anchors = {attributes["id"] for _, attributes in pages[name].elements if "id" in attributes}
    for attributes in pages[name].all("a"):
        address = attributes["href"]
        assert address.startswith(("http://", "https://")) or address.removeprefix("#") in anchors


@pytest.mark.parametrize("name", NAMES)
def test_identifiers_are_unique(pages, name):
    identifiers = [attributes["id"] for _, attributes in pages[name].elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_loaded_from_elsewhere(pages, name):
    page = source(getattr(samples, name)())
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert not [attributes for _, attributes in pages[name].elements if {"src", "srcset", "data"} & set(attributes)]


@pytest.mark.parametrize("name", NAMES)
def test_status_and_verdict_are_the_first_words(pages, name):
    status = getattr(samples, name)().status.name
    assert pages[name].words[0] == ("span", status)
    place = 2 if name in ("partial", "unfinished", "week") else 1
    verdict = hygiene.cleaned(getattr(samples, name)()).verdict
    assert pages[name].words[place][1] == verdict


def test_a_report_with_holes_says_partial_before_its_verdict(pages):
    assert pages["partial"].words[1][1] == "PARTIAL"
    assert not any(word == "PARTIAL" for _, word in pages["quiet"].words)


@pytest.mark.parametrize("name", NAMES)
def test_headings_start_with_one_h1_and_skip_no_level(pages, name):
    levels = [int(tag[1]) for tag, _ in pages[name].elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


@pytest.mark.parametrize("name", NAMES)
def test_every_graphic_has_a_name_or_stands_beside_its_word(pages, name):
    for attributes in pages[name].all("svg", "img"):
        named = attributes.get("role") == "img" and attributes.get("aria-label")
        assert named or attributes.get("aria-hidden") == "true"


def test_every_status_is_a_shape_and_a_word():
    page = source(samples.troubled())
    statuses = page.split('<span class="status ')[1:]
    assert len(statuses) == 20
    for part in statuses:
        kind, rest = part.split('">', 1)
        shape, word = rest.split("</svg>", 1)
        assert "<path" in shape
        assert word.split("</span>", 1)[0] == kind.upper()


@pytest.mark.parametrize("name", NAMES)
def test_tables_have_captions_and_scoped_headers(pages, name):
    assert len(pages[name].all("table")) == len(pages[name].all("caption"))
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes in pages[name].all("th"))


def test_the_page_keeps_its_order(pages):
    words = pages["troubled"].text
    places = [words.index(part) for part in ("Redis was", "Tuesday 14", "Targets met", "What needs", "Down from 15:05")]
    assert places == sorted(places)
    headings = [word for tag, word in pages["partial"].words if tag == "h2"]
    assert headings == ["What needs a person", "Components", "Gaps", "Data quality", "Appendix"]


def test_calm_is_said_only_when_everything_was_seen_and_fine(pages):
    assert "Nothing today." in pages["quiet"].text
    assert "Nothing today." not in Page(source(samples.report(complete=False))).text
    assert "Nothing today." in Page(source(samples.report())).text


def test_a_row_shows_value_limits_changes_and_how_long_its_target_was_held(pages):
    words = pages["troubled"].text
    limits = ("94.96 %", "target ≥ 98 %, missed", "critical < 95 %")
    for part in (*limits, "+6.3 s", "81.2 %", "by endpoint: /api/v1/chat 7.9 s"):
        assert part in words
    assert "no series: the metric auth_failures_total is not exposed" in words


def test_a_value_leads_to_its_query():
    page = source(samples.troubled())
    assert '<a href="#query-2">7.9 s</a>' in page
    appendix = page[page.index('id="query-2"') :]
    assert appendix.index("API response time") < appendix.index("histogram_quantile")


def test_a_variable_that_does_not_exist_is_an_error():
    template = html.environment().from_string("cpu {{ report.cpu }}")
    with pytest.raises(jinja2.UndefinedError):
        template.render(report=samples.report())


def test_templates_never_switch_escaping_off():
    for template in templates():
        assert not re.search(r"\|\s*safe|autoescape|<script|Markup", template)


def row_of(page, title):
    """The table body that begins with a title."""
    start = page.index(f'<th scope="row"><bdi>{title}</bdi>')
    return page[start : page.index("</tbody>", start)]


def test_a_row_without_limits_is_not_called_ok():
    row = row_of(source(samples.unfinished()), "New customers")
    assert re.search(r'class="status unjudged"><svg.*?<path.*?</svg>not judged</span>', row, re.DOTALL)
    assert "OK" not in row


def test_a_row_without_limits_and_without_a_value_is_unknown():
    row = row_of(source(samples.unfinished()), "Lost messages")
    assert 'class="status unknown"' in row
    assert "not judged" not in row


def test_a_bad_fact_has_a_shape_a_colour_and_a_word():
    page = source(samples.troubled())
    tally = page[page.index("<dl") : page.index("</dl>")]
    for status, words in (("critical", "3 of 4 OK"), ("unknown", "5 of 9 OK"), ("warning", "69.96 %")):
        shape = r"<dd><svg.*?<path.*?</svg>"
        word = f'<span class="unseen">{status.upper()} </span>{words}</dd>'
        assert re.search(f'<div class="{status}"><dt>[^<]*</dt>{shape}{re.escape(word)}', tally, re.DOTALL)
    assert tally.count("<svg") == 4
    assert "<div><dt>Monthly recurring revenue</dt><dd>€21,750</dd></div>" in tally


def test_a_cell_without_words_has_no_label():
    for name in NAMES:
        page = source(getattr(samples, name)())
        assert not re.search(r"data-label[^>]*>\s*</td>", page)
    row = row_of(source(samples.unfinished()), "Lost messages")
    assert "data-label" not in row


def test_a_weak_value_is_compared_with_nothing():
    page = source(samples.unfinished())
    assert "vs day before" not in row_of(page, "Orders")
    assert "vs day before" in row_of(page, "Chats")


def test_an_unfinished_day_is_compared_with_the_same_hours(pages):
    assert 'data-label="vs week before, same hours"' in source(samples.unfinished())
    assert "so far, until 18:30" in pages["unfinished"].text
    for name in ("troubled", "quiet"):
        assert "same hours" not in source(getattr(samples, name)())
        assert "so far" not in pages[name].text


def test_episodes_stand_under_their_row_with_the_status_of_their_limit():
    row = row_of(source(samples.unfinished()), "API response time").replace("\u00a0", " ")
    assert '<p class="passed warning">warning limit passed from 10:05 to 11:10 (1 h 5 min), worst 4.6 s</p>' in row
    assert '<p class="passed critical">critical limit passed since 17:10 (1 h 20 min), worst 30 s</p>' in row


def test_target_met_says_of_what_it_is_a_share(pages):
    assert "Target met of the day" in pages["troubled"].text
    assert '<span>81.2 %<span class="unit"> of the day</span></span>' in source(samples.troubled())


def test_components_leave_whom_to_ask_to_the_finding():
    page = source(samples.troubled())
    row = row_of(page, "Redis")
    assert "ngineering" not in row
    assert "Runbook" not in row
    assert '<span class="team"><bdi>Engineering</bdi></span>' in page


def test_advice_is_given_once(pages):
    assert pages["unfinished"].text.count("Start it, then run the day again.") == 1
    assert "Wait for its maintenance to end." in pages["unfinished"].text


def test_every_chart_has_a_legend():
    charts = tuple(samples.chart(lines=samples.chart().lines[:count]) for count in (1, 2, 3))
    page = source(samples.report(sections=(Section(id="c", title="C", blocks=(Charts(charts=charts),)),)))
    assert page.count('<ul class="legend">') == 3
    assert page.count("<bdi>/api/v1/chat</bdi>") == 3


def test_the_appendix_begins_with_how_to_run_it_again(pages):
    words = pages["troubled"].text
    assert words.index("A range has a point at the end of each step") < words.index("histogram_quantile")

"""PRESENT: one `Report` becomes HTML, PDF, plain text and JSON. Pure but for the PDF's child process; no clock.

    document   what is presented: Report, Section and the blocks they are made of
    hygiene    the one place that tames characters, lengths and numbers of rows
    filters    rows, times and links in words; plain values are said by `opsjobs.words`
    html       the page, from the templates in reports/templates
    charts     larger charts, drawn by matplotlib, as inline SVG
    pictures   which chart an indicator gets; for the jobs that build a report
    sparks     spark lines, drawn by hand, as inline SVG
    text       the same report for terminals and mail
    data       the same report for programs: docs/report-json.md
    spreadsheet the rows behind it, where it has any, as CSV
    pdf        the page on paper, printed in a child process

To add a block: a dataclass in `document`, a macro in `blocks.html`, a case in `text` and one in `data`.
To add a format: a module with `render(report) -> bytes`, a line in `MEDIA_TYPES` and one in `render`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from opsjobs.errors import RenderError
from opsjobs.model import Gap
from opsjobs.report.document import Report

if TYPE_CHECKING:
    from opsjobs.report.pdf import Printer

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "report.html": "text/html; charset=utf-8",
        "report.pdf": "application/pdf",
        "report.txt": "text/plain; charset=utf-8",
        "report.json": "application/json",
        "report.csv": "text/csv; charset=utf-8",
    }
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files of a report by name, and why a file is missing. A failure is also a gap in the files that came."""

    files: Mapping[str, bytes]
    failures: Mapping[str, str]
    report: Report
    """The report as these files tell it: what speaks of it elsewhere must say the same."""


def render(
    report: Report, printer: Printer | None = None, redact: Callable[[str], str] = lambda text: text
) -> Rendered:
    """The report in every format; the same report gives the same bytes.

    A `printer` that was started earlier saves the time its child needs to load. The caller closes it. `redact` takes
    secrets out of every text, because what a source says may repeat them.
    """
    # Each of these loads a library that most commands do without.
    from opsjobs.report import data, html, hygiene, spreadsheet, text  # noqa: PLC0415
    from opsjobs.report.pdf import Printer  # noqa: PLC0415

    report = hygiene.cleaned(report, redact)
    page = html.render(report)
    files: dict[str, bytes] = {}
    failures: dict[str, str] = {}
    try:
        files["report.pdf"] = (printer or Printer()).print(page.decode())
    except RenderError as error:
        failures["report.pdf"] = error.message
        gap = Gap(source="PDF", reason=error.message, advice="The page report.html holds the same and can be printed.")
        report = hygiene.cleaned(dataclasses.replace(report, complete=False, gaps=(*report.gaps, gap)), redact)
        page = html.render(report)
    files |= {"report.html": page, "report.txt": text.render(report), "report.json": data.render(report)}
    if report.lines:
        files["report.csv"] = spreadsheet.render(report)
    return Rendered(
        files=MappingProxyType({name: files[name] for name in MEDIA_TYPES if name in files}),
        failures=MappingProxyType(failures),
        report=report,
    )

"""A report as a letter: the verdict in the subject, a short page that every mail reader shows, the rest as files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import tzinfo

from opsjobs.model import Attachment, IndicatorResult, Letter, Status
from opsjobs.report import MEDIA_TYPES, charts, filters, text
from opsjobs.report.document import (
    ChangeRow,
    Changes,
    Chart,
    Charts,
    DayStrip,
    DaySummary,
    IndicatorTable,
    Report,
    Table,
)
from opsjobs.report.html import environment

LARGEST = 90_000
"""Bytes of the page. Gmail cuts at about 102 kB, and what it cuts is the end of the page."""
_FILES = ("report.pdf", "report.html")
_SUBJECT_FINDING = 70
_CHANGES = 5
_TABLE_ROWS = 12


def letter(report: Report, files: Mapping[str, bytes], where: str) -> Letter:
    """The letter about a rendered report. `where` says where its files are kept."""
    zone = filters.zone_of(report)
    drawn = list(_charts(report))
    pictures = tuple(
        Attachment(name=f"chart-{number}", media_type="image/png", content=charts.png(chart, zone))
        for number, chart in enumerate(drawn)
    )
    attached = tuple(
        Attachment(
            name=f"{report.system}-{report.slot}.{name.rsplit('.', 1)[1]}",
            media_type=_media_type(name),
            content=files[name],
        )
        for name in _FILES
        if name in files
    )
    return Letter(
        subject=subject(report),
        text=text.render(dataclasses.replace(report, evidence=())).decode(),
        html=_page(report, drawn, zone, where),
        pictures=pictures,
        files=attached,
        where=where,
    )


def subject(report: Report) -> str:
    """The verdict and the date, the worst first: what a list of mails shows of it."""
    partial = "" if report.complete else " PARTIAL"
    nothing = report.calm if report.complete else "something is missing"
    first = report.findings[0].title if report.findings else nothing
    if len(first) > _SUBJECT_FINDING:
        first = first[: _SUBJECT_FINDING - 1].rstrip() + "…"
    more = f" and {len(report.findings) - 1} more" if len(report.findings) > 1 else ""
    return f"{report.status.name}{partial}: {report.system_title} {report.slot}: {first}{more}"


def _page(report: Report, drawn: list[Chart], zone: tzinfo, where: str) -> str:
    """The page, with fewer rows until it is small enough; the worst rows are the last to go."""
    import css_inline  # noqa: PLC0415 - only letters need it

    # What to do, and what stands first of what was found out.
    tables = [next(each, None) for each in (_tables(report, first=True), _tables(report, first=False))]
    rows = sorted(_rows(report), key=lambda row: -row.status.rank)
    template = environment().get_template("mail.html")
    most = max(len(rows), len(report.findings))
    while True:
        page = template.render(
            report=report,
            zone=zone,
            charts=drawn,
            days=list(_days(report)),
            changes=list(_changes(report))[:_CHANGES],
            tables=tables,
            findings=report.findings[: max(most, 1)],
            rows=rows[:most],
            hidden=max(0, len(rows) - most),
            hidden_findings=max(0, len(report.findings) - max(most, 1)),
            where=where,
        )
        inlined = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False).inline(page)
        if len(inlined.encode()) <= LARGEST or most == 0:
            return inlined
        most //= 2


def _charts(report: Report) -> Iterator[Chart]:
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, Charts):
                yield from block.charts


def _days(report: Report) -> Iterator[DaySummary]:
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, DayStrip):
                yield from block.days


def _changes(report: Report) -> Iterator[ChangeRow]:
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, Changes):
                yield from block.rows


def _tables(report: Report, *, first: bool) -> Iterator[tuple[str, Table]]:
    """Tables of words, each with the title of its section, cut to what a phone shows."""
    for section in report.sections:
        for block in section.blocks if section.first is first else ():
            if isinstance(block, Table):
                whole = [row for row in block.rows if row.whole]
                rows = (*block.rows[:_TABLE_ROWS], *(row for row in whole if row not in block.rows[:_TABLE_ROWS]))
                yield section.title, dataclasses.replace(block, rows=rows)


def _rows(report: Report) -> Iterator[IndicatorResult]:
    """Every indicator but those that are neither judged nor aimed: they are in the attached report."""
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, IndicatorTable):
                yield from (
                    row
                    for row in block.rows
                    if row.judged or row.threshold.target is not None or row.status is not Status.OK
                )


def _media_type(name: str) -> str:
    return MEDIA_TYPES[name].partition(";")[0]

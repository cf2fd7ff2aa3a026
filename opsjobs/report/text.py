"""Plain text, at most 96 columns: the same report in the same order for terminals and mail."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from itertools import groupby
from types import MappingProxyType
from typing import Any, TypeVar

from opsjobs import words
from opsjobs.model import ComponentResult, Evidence, Finding, IndicatorResult, Quality, SloResult, Status, Team
from opsjobs.report import filters, hygiene
from opsjobs.report.document import (
    AlertRow,
    AlertTable,
    ChangeRow,
    Changes,
    Chart,
    Charts,
    ComponentTable,
    DayCell,
    DayStrip,
    DaySummary,
    Fact,
    IndicatorTable,
    Report,
    Section,
    SloTable,
    StateRow,
    StateTable,
    Table,
    TableRow,
    WeekRow,
    WeekTable,
)

WIDTH = 96
_GUTTER = "  "
_INITIALS = {Status.CRITICAL: "C", Status.UNKNOWN: "U", Status.WARNING: "W"}
Row = TypeVar("Row")


def render(report: Report) -> bytes:
    """The report as UTF-8 text, lines ending in a line feed."""
    zone = filters.zone_of(report)
    lines = [
        *_head(report, zone),
        *(line for section in report.sections if section.first for line in _section(section, report, zone)),
        *_findings(report),
        *(line for section in report.sections if not section.first for line in _section(section, report, zone)),
        *_gaps(report),
        *_quality(report, zone),
        *_appendix(report, zone),
    ]
    text = "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
    # Non-breaking spaces of whatever width look like spaces but cannot be searched for.
    return text.translate(dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ")).encode()


def _head(report: Report, zone: tzinfo) -> list[str]:
    state = report.status.name if report.complete else f"{report.status.name}, PARTIAL"
    names = max((len(fact.name) for fact in report.tally), default=0)
    values = max((len(fact.value) for fact in report.tally), default=0)
    return [
        *_wrap(f"{state}: {report.verdict}"),
        *_wrap(f"{report.system_title}, {report.title}"),
        *_wrap(f"{filters.spoken(report, zone)}, {report.zone}"),
        "",
        *(line for fact in report.tally for line in _fact(fact, names, values)),
    ]


def _fact(fact: Fact, names: int, values: int) -> list[str]:
    """One number of the head; a bad one says so behind it."""
    bad = fact.status is not None and fact.status is not Status.OK
    mark = f"{_GUTTER}{fact.status.name}" if fact.status is not None and bad else ""
    return _wrap(f"{fact.name:{names}}{_GUTTER}{fact.value:{values}}{mark}", " " * (names + len(_GUTTER)))


def _findings(report: Report) -> list[str]:
    lines = [*_heading("What needs a person"), ""]
    if not report.findings:
        calm = filters.calm(report)
        return [*lines, calm or "No finding was raised. Gaps and Data quality say what is missing."]
    shown, hidden = hygiene.shortlist(report.findings, lambda finding: finding.status.rank)
    for number, finding in enumerate(shown, start=1):
        lines += [*([""] if number > 1 else []), *_finding(number, finding)]
    return lines + _more(hidden)


def _finding(number: int, finding: Finding) -> list[str]:
    indent = " " * 4
    said = [
        finding.detail,
        f"Also because of this: {'; '.join(finding.explains)}" if finding.explains else "",
        finding.advice,
        _who(finding.team),
        f"Runbook: {finding.runbook}" if finding.runbook else "",
        f"Dashboard: {finding.dashboard}" if finding.dashboard else "",
    ]
    head = _wrap(f"{f'{number}.':<4}{finding.status.name}: {finding.title}", indent)
    return [*head, *(line for text in said if text for line in _wrap(indent + text, indent))]


def _section(section: Section, report: Report, zone: tzinfo) -> list[str]:
    lines = _heading(section.title) + (["", *_wrap(section.note)] if section.note else [])
    for block in section.blocks:
        lines += _BLOCKS[type(block)](block, section.title, report, zone)
    return lines


def _indicators(block: IndicatorTable, heading: str, report: Report, zone: tzinfo) -> list[str]:
    def aside(row: IndicatorResult) -> list[str]:
        passed = [text for _, text in filters.episodes(row, report.window, zone)]
        said = [
            *filters.remarks(row),
            *block.notes.get(row.id, ()),
            *passed,
            *([filters.breakdown(row)] if row.breakdown else []),
        ]
        return [line for text in said for line in _wrap("    " + text, "    ")]

    same = "" if report.over else "same\nhours"
    headers = (
        *("Indicator", "Value", "Status", "Target and limits"),
        *(f"vs day\n{same}", f"vs week\n{same}", f"Target\nmet, of\nthe {filters.stretch(report.window)}"),
    )
    shown, hidden = hygiene.shortlist(block.rows, lambda row: row.status.rank)
    lines: list[str] = []
    for group, members in groupby(shown, key=lambda row: row.group):
        lines += ["", *([] if group == heading else [group])]
        lines += _table(
            headers,
            members,
            _indicator,
            aside,
            right=(1, 4, 5, 6),
        )
    return lines + _more(hidden)


def _indicator(row: IndicatorResult) -> tuple[str, ...]:
    missed = ", missed" if filters.misses_target(row) else ""
    aim = [f"target {filters.target(row.threshold, row.unit)}{missed}"] if row.threshold.target is not None else []
    alarms = [f"{name} {beyond}" for name, beyond in filters.limits(row.threshold, row.unit)]
    untargeted = row.attainment is None and row.threshold.target is None
    return (
        row.title,
        words.measured(row),
        row.status.name if filters.is_judged(row) else f"- {filters.NOT_JUDGED}",
        "\n".join(aim + alarms),
        *filters.comparisons(row),
        "" if untargeted else words.percent(row.attainment),
    )


def _components(block: ComponentTable) -> list[str]:
    def cells(row: ComponentResult) -> tuple[str, ...]:
        up, seen = words.percent(row.availability), words.percent(row.coverage)
        return row.title, row.member, row.status.name, up, seen

    def aside(row: ComponentResult) -> list[str]:
        return _wrap("    " + row.reason, "    ") if row.reason else []

    shown, hidden = hygiene.shortlist(block.rows, lambda row: row.status.rank)
    headers = ("Component", "Member", "Status", "Up", "Measured")
    return ["", *_table(headers, shown, cells, aside, right=(3, 4)), *_more(hidden)]


def _states(block: StateTable) -> list[str]:
    def cells(row: StateRow) -> tuple[str, ...]:
        return row.title, row.value, row.status.name

    def aside(row: StateRow) -> list[str]:
        return _wrap("    " + row.reason, "    ") if row.reason else []

    shown, hidden = hygiene.shortlist(block.rows, lambda row: row.status.rank)
    return ["", *_table(("What", "Value", "Status"), shown, cells, aside), *_more(hidden)]


def _plain(block: Table) -> list[str]:
    def cells(row: TableRow) -> tuple[str, ...]:
        return row.cells

    right = tuple(number for number in range(1, len(block.columns)) if number not in block.words)
    shown = block.rows[: hygiene.ROWS]
    note = ["", *_wrap(block.note, "")] if block.note else []
    return ["", *_table(block.columns, shown, cells, right=right), *_more(len(block.rows) - len(shown)), *note]


def _told(said: tuple[str, str]) -> str:
    return " ".join(said).strip() if said[1].startswith("by ") else ", ".join(filter(None, said))


def _objectives(block: SloTable) -> list[str]:
    def cells(row: SloResult) -> tuple[str, ...]:
        rates = (filters.burn(rate) for rate in row.burns.values())
        return (row.title, row.status.name, words.kept(row), _told(filters.budget(row)), *rates)

    def aside(row: SloResult) -> list[str]:
        spent = f"; spent in the day: {_told(filters.spent(row))}"
        said = f"{filters.objective(row)}; {words.outlook(row)}{spent}{f'; {row.reason}' if row.reason else ''}"
        return _wrap("    " + said, "    ")

    shown, hidden = hygiene.shortlist(block.rows, lambda row: row.status.rank)
    spans = tuple(f"Burn\n{words.span(length)}" for length in shown[0].burns) if shown else ()
    headers = ("Objective", "Status", "Kept", "Error budget left", *spans)
    return ["", *_table(headers, shown, cells, aside, right=(2, 3, 4, 5, 6)), *_more(hidden)]


def _alerts(block: AlertTable, report: Report, zone: tzinfo) -> list[str]:
    def cells(row: AlertRow) -> tuple[str, ...]:
        times = len(row.spells), words.span(row.seconds), words.span(row.longest), filters.often(row)
        return (row.name, row.severity, row.team, filters.fired(row), *map(str, times))

    def aside(row: AlertRow) -> list[str]:
        return _wrap("    " + filters.spells(row, report.window, zone), "    ")

    if not block.rows:
        return []
    shown, hidden = hygiene.shortlist(block.rows, lambda _: 0)
    headers = ("Alert", "Severity", "Team", "At the end", "Fired", "For", "Longest", "In the\nweek")
    return ["", *_table(headers, shown, cells, aside, right=(4, 5, 6, 7)), *_more(hidden)]


def _days(block: DayStrip) -> list[str]:
    def cells(row: DaySummary) -> tuple[str, ...]:
        so_far = "" if row.over else ", so far"
        worst = row.findings[0].title if row.findings else ""
        return f"{row.day:%a %Y-%m-%d}{so_far}", row.status.name, f"{len(row.findings)}", worst

    return ["", *_table(("Day", "Status", "Found", "The worst of it"), block.days, cells, right=(2,))]


def _week(block: WeekTable) -> list[str]:
    def said(cell: DayCell) -> str:
        return cell.text if cell.status is Status.OK else f"{_INITIALS[cell.status]} {cell.text}"

    def cells(row: WeekRow) -> tuple[str, ...]:
        return (row.title, *map(said, row.cells))

    def aside(row: WeekRow) -> list[str]:
        whole = f"{block.whole}: {row.whole}" if block.whole and row.whole else ""
        return _wrap("    " + "; ".join(filter(None, (row.about, whole, row.remark))), "    ")

    shown, hidden = hygiene.shortlist(block.rows, lambda row: row.status.rank)
    headers = (block.name, *(f"{day:%a}" for day in block.days))
    lines: list[str] = []
    for group, members in groupby(shown, key=lambda row: row.group):
        lines += [
            "",
            *([group] if group else []),
            *_table(headers, members, cells, aside, right=range(1, len(headers))),
        ]
    marked = {cell.status for row in shown for cell in row.cells} - {Status.OK}
    if marked:
        legend = ", ".join(f"{mark} {status.name}" for status, mark in _INITIALS.items() if status in marked)
        lines += ["", f"Before a value: {legend}."]
    return lines + _more(hidden)


def _change(row: ChangeRow) -> list[str]:
    return _wrap(f"- {'; '.join((row.text + filters.judgement(row), *row.remarks))}", "  ")


def _charts(block: Charts, zone: tzinfo) -> list[str]:
    shown, hidden = hygiene.shortlist(block.charts, lambda _: 0)
    lines = [""]
    for chart in shown:
        lines += _wrap(f"Chart: {chart.title}. {chart.summary or _extremes(chart, zone)}", "    ")
    return lines + _more(hidden)


def _extremes(chart: Chart, zone: tzinfo) -> str:
    values = [sample.value for line in chart.lines for sample in line.samples if sample.value is not None]
    low, high = min(values, default=None), max(values, default=None)
    span = f"from {words.quantity(low, chart.unit)} to {words.quantity(high, chart.unit)}"
    return f"{filters.period(chart.window, zone)}: {span if values else words.NO_DATA}"


def _gaps(report: Report) -> list[str]:
    if not report.gaps:
        return []
    shown, hidden = hygiene.shortlist(report.gaps, lambda _: 0)
    lines = [*_heading("Gaps"), "", "What this report could not see.", ""]
    for gap in shown:
        lines += _wrap(" ".join(filter(None, (f"- {gap.source}: {gap.reason}", filters.advice(gap, report)))), "  ")
    return lines + _more(hidden)


def _quality(report: Report, zone: tzinfo) -> list[str]:
    evidence, day = report.evidence, filters.evidence_day(report, zone)
    bad = [item for item in evidence if item.quality is not Quality.OK]
    shown, hidden = hygiene.shortlist(bad, lambda _: 0)
    lines = [*_heading(f"Data quality of {day}" if day else "Data quality"), ""]
    if shown:
        headers = ("Query", "Answer", "Coverage", "Reason")
        lines += _table(headers, shown, _answer, right=(2,)) + _more(hidden) + [""]
    good = len(evidence) - len(bad)
    return [*lines, f"{good} of {len(evidence)} queries ok." if evidence else "No query was made."]


def _answer(item: Evidence) -> tuple[str, ...]:
    return item.title, item.quality.word, "" if item.coverage is None else words.percent(item.coverage), item.reason


def _appendix(report: Report, zone: tzinfo) -> list[str]:
    if not report.evidence:
        return []
    shown, hidden = hygiene.shortlist(report.evidence, lambda item: item.quality is not Quality.OK)
    lines = [*_heading("Appendix"), "", *_wrap(filters.rerun(report, zone))]
    for item in shown:
        lines += ["", *_wrap(f"{item.title} ({item.source})")]
        # A query is never wrapped: it is there to be copied.
        lines += ["    " + line for line in item.query.splitlines()]
        lines += _wrap(f"  {filters.asked(item, zone)}", "  ")
    return lines + _more(hidden)


def _who(team: Team) -> str:
    known = ", ".join(filter(None, (filters.called(team), team.contact, team.hours)))
    return f"Team: {known if team.name else 'no team'}"


def _heading(title: str) -> list[str]:
    lines = _wrap(title.upper())
    return ["", "", *lines, "-" * max(map(len, lines))]


def _more(hidden: int) -> list[str]:
    return [f"+{hidden:,} more, see report.json"] if hidden else []


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(filters.tight(text), WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _table(
    headers: Sequence[str],
    rows: Iterable[Row],
    cells: Callable[[Row], Sequence[str]],
    aside: Callable[[Row], list[str]] = lambda _: [],
    *,
    right: Sequence[int] = (),
) -> list[str]:
    """Aligned columns; the widest give way until all fit, wrapping their words."""
    kept = list(rows)
    body = [tuple(cells(row)) for row in kept]
    widths = [
        max(len(line) for cell in column for line in cell.splitlines() or [""])
        for column in zip(headers, *body, strict=True)
    ]
    room = WIDTH - len(_GUTTER) * (len(headers) - 1)
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    lines = [*_row(headers, widths, right), _GUTTER.join("-" * width for width in widths)]
    for row, written in zip(kept, body, strict=True):
        lines += _row(written, widths, right) + aside(row)
    return lines


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    columns = [
        [piece for line in cell.splitlines() for piece in textwrap.wrap(line, width)] or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    lines = []
    for depth in range(max(map(len, columns))):
        pieces = [column[depth] if depth < len(column) else "" for column in columns]
        lines.append(
            _GUTTER.join(
                piece.rjust(width) if index in right else piece.ljust(width)
                for index, (piece, width) in enumerate(zip(pieces, widths, strict=True))
            )
        )
    return lines


_BLOCKS: Mapping[type, Callable[[Any, str, Report, tzinfo], list[str]]] = MappingProxyType(
    {
        IndicatorTable: _indicators,
        ComponentTable: lambda block, *_: _components(block),
        Charts: lambda block, _title, _report, zone: _charts(block, zone),
        AlertTable: lambda block, _title, report, zone: _alerts(block, report, zone),
        Changes: lambda block, *_: ["", *(line for row in block.rows for line in _change(row))],
        StateTable: lambda block, *_: _states(block),
        Table: lambda block, *_: _plain(block),
        SloTable: lambda block, *_: _objectives(block),
        DayStrip: lambda block, *_: _days(block),
        WeekTable: lambda block, *_: _week(block),
    }
)

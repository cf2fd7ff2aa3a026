"""The page: the templates, everything in them escaped, nothing in them undefined."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from jinja2 import Environment, FunctionLoader, StrictUndefined

from opsjobs import words
from opsjobs.model import Evidence, IndicatorResult, Quality, Status
from opsjobs.report import charts, filters, hygiene, sparks
from opsjobs.report.document import (
    AlertTable,
    Changes,
    Charts,
    ComponentTable,
    DayStrip,
    IndicatorTable,
    Report,
    SloTable,
    StateTable,
    Table,
    WeekRow,
    WeekTable,
)

Row = TypeVar("Row")
Grouped = TypeVar("Grouped", IndicatorResult, WeekRow)


@dataclass(frozen=True, slots=True)
class Shown(Generic[Row]):
    """Rows that a table shows, and how many it leaves out."""

    rows: Sequence[Row]
    hidden: int


def render(report: Report) -> bytes:
    """The report as one HTML file, UTF-8, with nothing outside of it."""
    zone = filters.zone_of(report)
    bad, good = _by_quality(report.evidence)
    template = environment().get_template("report.html")
    page = template.render(
        report=report,
        zone=zone,
        findings=_shown(report.findings, lambda finding: finding.status.rank),
        bad=_shown(bad, lambda _: 0),
        good=_shown(good, lambda _: 0),
        evidence=_shown((*bad, *good), lambda _: 0),
        anchors=_anchors((*bad, *good)),
    )
    return page.encode()


@functools.cache
def environment() -> Environment:
    """The Jinja2 environment: autoescape for every template, because each of them makes HTML."""
    made = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for said in (
        *(words.quantity, words.limit, words.change, words.percent, words.measured),
        *(filters.target, filters.limits, filters.breakdown, filters.remarks, filters.summarised),
        *(filters.comparisons, filters.episodes, filters.stretch, filters.spoken, filters.called),
        *(filters.advice, filters.rerun, filters.asked, filters.tight, filters.columns),
        *(filters.spells, filters.fired, filters.often, filters.judgement, words.span),
        *(filters.objective, words.kept, filters.budget, filters.spent, filters.burn, words.outlook),
        *(filters.evidence_day, filters.calm, filters.instant, filters.day, filters.period, sparks.spark),
    ):
        made.filters[said.__name__] = said
    made.filters["chart"] = charts.svg
    made.filters["by_status"] = lambda rows: _shown(rows, lambda row: row.status.rank)
    made.filters["by_group"] = _by_group
    made.filters["shown"] = lambda rows: _shown(rows, lambda _: 0)
    made.tests["web"] = filters.is_web
    made.tests["judged"] = filters.is_judged
    made.tests["missing_target"] = filters.misses_target
    made.tests["indicators"] = lambda block: isinstance(block, IndicatorTable)
    made.tests["components"] = lambda block: isinstance(block, ComponentTable)
    made.tests["alerts"] = lambda block: isinstance(block, AlertTable)
    made.tests["changes"] = lambda block: isinstance(block, Changes)
    made.tests["states"] = lambda block: isinstance(block, StateTable)
    made.tests["objectives"] = lambda block: isinstance(block, SloTable)
    made.tests["days"] = lambda block: isinstance(block, DayStrip)
    made.tests["week"] = lambda block: isinstance(block, WeekTable)
    made.tests["plain"] = lambda block: isinstance(block, Table)
    made.tests["charts"] = lambda block: isinstance(block, Charts)
    made.globals["OK"] = Status.OK
    made.globals["LARGEST"] = hygiene.ROWS
    made.globals["NOT_JUDGED"] = filters.NOT_JUDGED
    return made


def _source(name: str) -> str | None:
    """A template out of the package, wherever that is installed."""
    template = importlib.resources.files("opsjobs.templates") / name
    return template.read_text(encoding="utf-8") if template.is_file() else None


def _shown(rows: Sequence[Row], badness: Callable[[Row], int]) -> Shown[Row]:
    return Shown(*hygiene.shortlist(rows, badness))


def _by_quality(evidence: Sequence[Evidence]) -> tuple[tuple[Evidence, ...], tuple[Evidence, ...]]:
    """What a reader should doubt, and the rest, both in their order."""
    doubtful = [item.quality is not Quality.OK for item in evidence]
    bad = tuple(item for item, doubt in zip(evidence, doubtful, strict=True) if doubt)
    good = tuple(item for item, doubt in zip(evidence, doubtful, strict=True) if not doubt)
    return bad, good


def _by_group(rows: Sequence[Grouped]) -> list[tuple[str, list[Grouped]]]:
    """Neighbours of one group under its name."""
    return [(name, list(members)) for name, members in groupby(rows, key=lambda row: row.group)]


def _anchors(evidence: Sequence[Evidence]) -> Mapping[str, str]:
    """Where in the appendix the query of a subject stands; numbered, because subjects are anybody's text."""
    anchors: dict[str, str] = {}
    for number, item in enumerate(evidence[: hygiene.ROWS], start=1):
        anchors.setdefault(item.subject, f"query-{number}")
    return anchors

"""What is presented: one `Report`, made of sections, made of blocks. Renderers know blocks, not jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from opsjobs.model import (
    ComponentResult,
    Evidence,
    Finding,
    Gap,
    IndicatorResult,
    Sample,
    Status,
    Window,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndicatorTable:
    """Indicators, one row each, with spark lines."""

    rows: tuple[IndicatorResult, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentTable:
    """The parts that must be up, one row for each member."""

    rows: tuple[ComponentResult, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of a chart. The one with `emphasis` carries the accent colour, the others are context."""

    name: str
    samples: tuple[Sample, ...]
    emphasis: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """A horizontal line of a chart: a target or a threshold."""

    name: str
    value: float
    status: Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Lines over the window, in base units; `summary` says in words what the picture shows."""

    title: str
    unit: str
    window: Window
    lines: tuple[Line, ...]
    limits: tuple[Limit, ...] = ()
    summary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Charts:
    """Larger charts, side by side where there is room."""

    charts: tuple[Chart, ...]


Block = IndicatorTable | ComponentTable | Charts


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of a report with a heading of its own."""

    id: str
    title: str
    note: str = ""
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One of the few numbers below the verdict, already in words; its status when it has one."""

    name: str
    value: str
    status: Status | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything that one run has to say. Contains no time of making: the same slot gives the same bytes."""

    job: str
    system: str
    system_title: str
    title: str
    slot: str
    window: Window
    zone: str
    status: Status
    complete: bool
    verdict: str
    over: bool = True
    """False while the window is still going on: then the report says "so far"."""
    tally: tuple[Fact, ...] = ()
    findings: tuple[Finding, ...] = ()
    sections: tuple[Section, ...] = ()
    gaps: tuple[Gap, ...] = ()
    evidence: tuple[Evidence, ...] = field(default_factory=tuple)

"""What is presented: one `Report`, made of sections, made of blocks. Renderers know blocks, not jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

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
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Remarks under the rows, by the indicator's id."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Spell:
    """One firing of an alert; one that has not `ended` fired at the end of the window."""

    start: datetime
    end: datetime
    ended: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertRow:
    """One alert over the window and the week that ends with it. Lengths are in seconds."""

    name: str
    severity: str
    team: str
    spells: tuple[Spell, ...]
    """Its firings that reach into the window, as they were; one may have begun before it."""
    seconds: float
    """How long it fired within the window."""
    longest: float
    flapping: bool
    firing: bool
    """Whether it still fired at the end of the window."""
    week_firings: int | None
    """How often it fired in the week; None where that is not known."""
    week_seconds: float | None
    unresolved: bool
    """Whether it fired all week, without an end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertTable:
    """The alerts of the window, and those that fired only earlier in the week, which only report.json lists."""

    rows: tuple[AlertRow, ...]
    earlier: tuple[AlertRow, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeRow:
    """Something that changed, in words and in base units."""

    indicator: str
    text: str
    unit: str
    value: float
    before: float | None = None
    """The value of the day before; None for what is remarkable without having moved."""
    better: bool | None = None
    """Whether that is for the better; None where it is neither."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What changed, the largest first."""

    rows: tuple[ChangeRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StateRow:
    """One thing that a server says of itself, in words, and how it is."""

    title: str
    value: str
    status: Status
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class StateTable:
    """What a server says of itself at one moment."""

    rows: tuple[StateRow, ...]


Block = IndicatorTable | ComponentTable | Charts | AlertTable | Changes | StateTable


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

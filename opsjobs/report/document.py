"""What is presented: one `Report`, made of sections, made of blocks. Renderers know blocks, not jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from opsjobs.model import (
    ComponentResult,
    Evidence,
    Finding,
    Gap,
    IndicatorResult,
    Sample,
    SloResult,
    Status,
    Threshold,
    Window,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UsualBand:
    """What is usual on a weekday, in base units, and whether the value lies outside of it."""

    weekday: str
    low: float
    usual: float
    high: float
    outside: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """When something is full, in days from the value on, and how earlier forecasts for the day fared."""

    outcome: str
    """`full in`, `no trend`, `not soon` or `not enough data`; only the first has numbers."""
    days: float | None = None
    earliest: float | None = None
    latest: float | None = None
    checked: int | None = None
    held: int | None = None
    """Of how many of those that were checked the interval held the value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndicatorTable:
    """Indicators, one row each, with spark lines. What is known of a row's past is by the indicator's id."""

    rows: tuple[IndicatorResult, ...]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Remarks under the rows."""
    bands: Mapping[str, UsualBand] = field(default_factory=dict)
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)


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
    number: float | None = None
    unit: str = ""
    outlook: Outlook | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StateTable:
    """What a server says of itself at one moment."""

    rows: tuple[StateRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SloTable:
    """Objectives, one row each: what was kept, what is left of the error budget, and whether it will last."""

    rows: tuple[SloResult, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DayFinding:
    """A finding as one day had it, without what to do about it."""

    subject: str
    status: Status
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DaySummary:
    """One day of several: how it was, and what was found, the worst first."""

    day: date
    status: Status
    over: bool = True
    findings: tuple[DayFinding, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DayStrip:
    """Some days side by side."""

    days: tuple[DaySummary, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DayCell:
    """What one row says of one day, in words and in base units; without a value, `reason` says why."""

    text: str
    value: float | None
    status: Status = Status.OK
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeekRow:
    """One thing over some days."""

    id: str
    title: str
    cells: tuple[DayCell, ...]
    """One for each day of the table."""
    group: str = ""
    unit: str = ""
    about: str = ""
    """What it is, beside its title."""
    whole: str = ""
    """All the days in one word, or how far it moved from the first to the last."""
    remark: str = ""
    """Its limits, or what happened and when."""
    threshold: Threshold | None = None

    @property
    def status(self) -> Status:
        """The worst of its days."""
        return Status.worst(cell.status for cell in self.cells)


@dataclass(frozen=True, kw_only=True, slots=True)
class WeekTable:
    """Several things over the same days, a row each and a column for each day."""

    name: str
    """What stands in its first column."""
    days: tuple[date, ...]
    rows: tuple[WeekRow, ...]
    whole: str = ""
    """The heading of the column behind the days; without one there is no such column."""
    remark: str = ""
    """The heading of the last column; as above."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """A row of words, the first of which is its heading."""

    cells: tuple[str, ...]
    status: Status | None = None
    whole: bool = False
    """Whether it is the sum of the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Words in rows and columns; all columns but the first hold numbers, and those of `words` words."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    words: tuple[int, ...] = ()
    note: str = ""
    """Below it."""


Block = (
    IndicatorTable
    | ComponentTable
    | Charts
    | AlertTable
    | Changes
    | StateTable
    | SloTable
    | DayStrip
    | WeekTable
    | Table
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of a report with a heading of its own."""

    id: str
    title: str
    note: str = ""
    blocks: tuple[Block, ...] = ()
    first: bool = False
    """Whether it stands before what needs a person."""


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
    calm: str = "all well"
    """What a subject says when nothing needs a person."""
    tally: tuple[Fact, ...] = ()
    findings: tuple[Finding, ...] = ()
    sections: tuple[Section, ...] = ()
    gaps: tuple[Gap, ...] = ()
    evidence: tuple[Evidence, ...] = field(default_factory=tuple)
    lines: tuple[tuple[str, ...], ...] = ()
    """What is counted, for spreadsheets: a row of headings, then the lines. Without any there is no such file."""
    measured: bool = True
    """Whether it tells of measurements: what of them needs a person, and how good they are."""
    evidence_window: Window | None = None
    """The window that the evidence is of, where that is only a part of the report's."""

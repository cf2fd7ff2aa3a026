"""JSON for programs: what the report says, complete and in base units. Described in docs/report-json.md.

Raw samples are not repeated; the evidence of each number holds the query that gives them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from opsjobs.model import (
    ComponentResult,
    Episode,
    Evidence,
    Finding,
    Gap,
    IndicatorResult,
    Outage,
    SloResult,
    Team,
    Threshold,
    Window,
)
from opsjobs.report import filters
from opsjobs.report.document import (
    AlertRow,
    AlertTable,
    Block,
    ChangeRow,
    Changes,
    Chart,
    Charts,
    ComponentTable,
    DayStrip,
    DaySummary,
    Fact,
    IndicatorTable,
    Outlook,
    Report,
    Section,
    SloTable,
    StateRow,
    StateTable,
    Table,
    WeekRow,
    WeekTable,
)

SCHEMA = 1
"""Version of the form; it grows when a field changes its meaning or goes away, not when one is added."""

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def render(report: Report) -> bytes:
    """The report as UTF-8 JSON with sorted keys; a number that is not finite is an error, not NaN."""
    text = json.dumps(document(report), allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True)
    return (text + "\n").encode()


def document(report: Report) -> Json:
    """The report as JSON values; times in its zone, with offset."""
    zone = filters.zone_of(report)
    return {
        "schema": SCHEMA,
        "job": report.job,
        "system": report.system,
        "system_title": report.system_title,
        "title": report.title,
        "slot": report.slot,
        "window": _window(report.window, zone),
        "zone": report.zone,
        "over": report.over,
        "status": report.status.name,
        "complete": report.complete,
        "verdict": report.verdict,
        "tally": [_fact(fact) for fact in report.tally],
        "findings": [_finding(finding) for finding in report.findings],
        "sections": [_section(section, zone) for section in report.sections],
        "gaps": [_gap(gap) for gap in report.gaps],
        "evidence": [_evidence(item, zone) for item in report.evidence],
    }


def _fact(fact: Fact) -> Json:
    return {"name": fact.name, "value": fact.value, "status": fact.status.name if fact.status else None}


def _finding(finding: Finding) -> Json:
    return {
        "subject": finding.subject,
        "status": finding.status.name,
        "title": finding.title,
        "detail": finding.detail,
        "explains": finding.explains,
        "advice": finding.advice,
        "team": _team(finding.team),
        "dashboard": finding.dashboard,
        "runbook": finding.runbook,
    }


def _section(section: Section, zone: tzinfo) -> Json:
    return {
        "id": section.id,
        "title": section.title,
        "note": section.note,
        "blocks": [_block(block, zone) for block in section.blocks],
    }


def _block(block: Block, zone: tzinfo) -> Json:
    if isinstance(block, IndicatorTable):
        return {
            "kind": "indicators",
            "rows": [{**_indicator(row, zone), **_past(row.id, block)} for row in block.rows],
        }
    if isinstance(block, ComponentTable):
        return {"kind": "components", "rows": [_component(row, zone) for row in block.rows]}
    if isinstance(block, AlertTable):
        rows, earlier = ([_alert(row, zone) for row in part] for part in (block.rows, block.earlier))
        return {"kind": "alerts", "alerts": rows, "earlier": earlier}
    if isinstance(block, Charts):
        return {"kind": "charts", "charts": [_chart(chart, zone) for chart in block.charts]}
    return _timeless(block)


def _timeless(block: Changes | StateTable | SloTable | DayStrip | WeekTable | Table) -> Json:
    """A block in which there are no times of day."""
    if isinstance(block, Changes):
        return {"kind": "changes", "changes": [_change(row) for row in block.rows]}
    if isinstance(block, StateTable):
        return {"kind": "states", "states": [_state(row) for row in block.rows]}
    if isinstance(block, SloTable):
        return {"kind": "objectives", "objectives": [_objective(row) for row in block.rows]}
    if isinstance(block, DayStrip):
        return {"kind": "days", "days": [_day(day) for day in block.days]}
    if isinstance(block, Table):
        rows = [{"cells": list(row.cells), "status": row.status.name if row.status else None} for row in block.rows]
        return {"kind": "table", "columns": list(block.columns), "rows": rows, "note": block.note}
    dates = [day.isoformat() for day in block.days]
    return {"kind": "week", "name": block.name, "days": dates, "rows": [_row(row) for row in block.rows]}


def _past(indicator: str, block: IndicatorTable) -> dict[str, Json]:
    """What its own past says of an indicator: in words, and as numbers."""
    usual = block.bands.get(indicator)
    return {
        "notes": block.notes.get(indicator, ()),
        "band": None
        if usual is None
        else {
            "weekday": usual.weekday,
            "low": usual.low,
            "usual": usual.usual,
            "high": usual.high,
            "outside": usual.outside,
        },
        "forecast": _forecast(block.outlooks.get(indicator)),
    }


def _forecast(outlook: Outlook | None) -> Json:
    if outlook is None:
        return None
    return {
        "outcome": outlook.outcome,
        "days": outlook.days,
        "earliest": outlook.earliest,
        "latest": outlook.latest,
        "checked": outlook.checked,
        "held": outlook.held,
    }


def _indicator(row: IndicatorResult, zone: tzinfo) -> dict[str, Json]:
    return {
        "id": row.id,
        "title": row.title,
        "group": row.group,
        "unit": row.unit,
        "summary": row.summary,
        "description": row.description,
        "status": row.status.name,
        "judged": row.judged,
        "value": row.measurement.value,
        "at": _time(row.measurement.at, zone),
        "quality": row.measurement.quality.value,
        "reason": row.measurement.reason,
        "threshold": _threshold(row.threshold),
        "coverage": row.coverage,
        "attainment": row.attainment,
        "day_before": row.day_before,
        "week_before": row.week_before,
        "holes": [_hole(hole, zone) for hole in row.holes],
        "episodes": [_episode(episode, zone) for episode in row.episodes],
        "breakdown_by": row.breakdown_by,
        "breakdown": [{"name": share.name, "value": share.value} for share in row.breakdown],
        "team": _team(row.team),
        "dashboard": row.dashboard,
        "runbook": row.runbook,
    }


def _hole(hole: Outage, zone: tzinfo) -> Json:
    return {"start": _time(hole.start, zone), "end": _time(hole.end, zone), "ended": hole.ended}


def _episode(episode: Episode, zone: tzinfo) -> Json:
    return {
        "start": _time(episode.start, zone),
        "end": _time(episode.end, zone),
        "status": episode.status.name,
        "worst": episode.worst,
        "ended": episode.ended,
    }


def _component(row: ComponentResult, zone: tzinfo) -> Json:
    return {
        "id": row.id,
        "title": row.title,
        "member": row.member,
        "status": row.status.name,
        "availability": row.availability,
        "coverage": row.coverage,
        "reason": row.reason,
        "outages": [
            {
                "start": _time(span.start, zone),
                "end": _time(span.end, zone),
                "seconds": span.seconds,
                "known": span.known,
                "ended": span.ended,
            }
            for span in row.outages
        ],
        "team": _team(row.team),
        "runbook": row.runbook,
    }


def _state(row: StateRow) -> Json:
    return {
        "title": row.title,
        "value": row.value,
        "status": row.status.name,
        "reason": row.reason,
        "number": row.number,
        "unit": row.unit,
        "forecast": _forecast(row.outlook),
    }


def _objective(row: SloResult) -> Json:
    return {
        "id": row.id,
        "title": row.title,
        "description": row.description,
        "status": row.status.name,
        "quality": row.quality.value,
        "reason": row.reason,
        "objective": row.objective,
        "window": row.window,
        "attainment": row.attainment,
        "budget": {
            "seconds": row.budget,
            "left": row.left,
            "left_seconds": None if row.left is None else row.left * row.budget,
            "lasts": row.lasts,
            "used_up_in": row.used_up_in,
        },
        "burn_rates": [{"seconds": length, "rate": rate} for length, rate in row.burns.items()],
        "day": {"seconds": row.day, "rate": row.day_burn},
        "team": _team(row.team),
        "dashboard": row.dashboard,
        "runbook": row.runbook,
    }


def _day(day: DaySummary) -> Json:
    found = [{"subject": each.subject, "status": each.status.name, "title": each.title} for each in day.findings]
    return {"day": day.day.isoformat(), "status": day.status.name, "over": day.over, "findings": found}


def _row(row: WeekRow) -> Json:
    return {
        "id": row.id,
        "title": row.title,
        "group": row.group,
        "unit": row.unit,
        "about": row.about,
        "status": row.status.name,
        "cells": [
            {"value": cell.value, "text": cell.text, "status": cell.status.name, "reason": cell.reason}
            for cell in row.cells
        ],
        "whole": row.whole,
        "remark": row.remark,
        "threshold": _threshold(row.threshold) if row.threshold else None,
    }


def _change(row: ChangeRow) -> Json:
    return {
        "indicator": row.indicator,
        "text": row.text,
        "unit": row.unit,
        "before": row.before,
        "value": row.value,
        "better": row.better,
        "remarks": row.remarks,
    }


def _alert(row: AlertRow, zone: tzinfo) -> Json:
    return {
        "name": row.name,
        "severity": row.severity,
        "team": row.team,
        "spells": [
            {"start": _time(spell.start, zone), "end": _time(spell.end, zone), "ended": spell.ended}
            for spell in row.spells
        ],
        "seconds": row.seconds,
        "longest": row.longest,
        "flapping": row.flapping,
        "firing": row.firing,
        "week_firings": row.week_firings,
        "week_seconds": row.week_seconds,
        "unresolved": row.unresolved,
    }


def _chart(chart: Chart, zone: tzinfo) -> Json:
    return {
        "title": chart.title,
        "unit": chart.unit,
        "summary": chart.summary,
        "window": _window(chart.window, zone),
        "lines": [{"name": line.name, "emphasis": line.emphasis} for line in chart.lines],
        "limits": [{"name": mark.name, "value": mark.value, "status": mark.status.name} for mark in chart.limits],
    }


def _gap(gap: Gap) -> Json:
    return {"source": gap.source, "reason": gap.reason, "advice": gap.advice}


def _evidence(item: Evidence, zone: tzinfo) -> Json:
    return {
        "subject": item.subject,
        "title": item.title,
        "source": item.source,
        "query": item.query,
        "method": item.method,
        "quality": item.quality.value,
        "start": _time(item.start, zone),
        "end": _time(item.end, zone),
        "step": item.step,
        "sample_at": _time(item.sample_at, zone),
        "coverage": item.coverage,
        "reason": item.reason,
    }


def _threshold(threshold: Threshold) -> Json:
    return {
        "direction": threshold.direction.value,
        "target": threshold.target,
        "warning": threshold.warning,
        "critical": threshold.critical,
    }


def _team(team: Team) -> Json:
    return {"name": team.name, "contact": team.contact, "hours": team.hours}


def _window(window: Window, zone: tzinfo) -> Json:
    return {"start": _time(window.start, zone), "end": _time(window.end, zone), "seconds": window.seconds}


def _time(time: datetime | None, zone: tzinfo) -> str | None:
    return None if time is None else time.astimezone(zone).isoformat()

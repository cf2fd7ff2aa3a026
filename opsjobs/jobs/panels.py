"""Whether the panels of the dashboards that are rendered have an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opsjobs import promql
from opsjobs.errors import SourceError
from opsjobs.http import Deadline
from opsjobs.jobs.inspection import Remark
from opsjobs.model import Status
from opsjobs.sources import Metrics, Question, ask_all
from opsjobs.stack import Plan, panels

_ALERTS = {"ALERTS", "ALERTS_FOR_STATE"}
"""Of alerts there may well be none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panels:
    """How many panels ask something and get an answer, and what is to be said of the others."""

    asked: int
    answered: int
    remarks: tuple[Remark, ...]


def ask_panels(plan: Plan, metrics: Metrics, now: datetime, deadline: Deadline) -> Panels:
    """Ask at one instant what each panel asks."""
    asked = {
        f"panel:{name}/{panel.title}": question
        for name, dashboard in plan.system.dashboards.items()
        for panel in dashboard.panels
        if (question := panels.question(plan, panel))
    }
    replies = ask_all(metrics, [Question(query=question, at=now) for question in asked.values()], deadline)
    remarks = []
    failed: dict[str, tuple[SourceError, list[str]]] = {}
    for (subject, question), reply in zip(asked.items(), replies, strict=True):
        if isinstance(reply, SourceError):
            failed.setdefault(reply.message, (reply, []))[1].append(subject)
        elif not reply.series and not _ALERTS & set(promql.metrics(question)):
            advice = f"It asks: {' '.join(question.split())}"
            remarks.append(Remark(subject=subject, status=Status.WARNING, text="it shows nothing", advice=advice))
    for error, subjects in failed.values():
        # One reason is told once, however many panels it leaves open.
        subject = subjects[0] if len(subjects) == 1 else f"{len(subjects)} panels"
        remarks.append(Remark(subject=subject, status=Status.UNKNOWN, text=error.message, advice=error.advice))
    answered = len(asked) - sum(len(subjects) for _, subjects in failed.values())
    empty = sum(remark.status is Status.WARNING for remark in remarks)
    return Panels(asked=len(asked), answered=answered - empty, remarks=tuple(remarks))

"""How fast error budgets burn, and whether one is used up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from opsjobs.analysis import objectives
from opsjobs.checks.check import Around, Check, Found, Inquiry, Reply
from opsjobs.model import CheckResult
from opsjobs.sources import Question
from opsjobs.system import SloSpec

_DAY = 86400


def checks(around: Around) -> Iterator[Check]:
    """One for each objective, asked of its window and of the spans of which a burn rate is told."""
    for name, spec in around.system.slos.items():
        spans = objectives.spans(spec, _DAY)
        questions = tuple(Question(query=spec.share(span), at=around.now) for span in spans)
        yield Inquiry(questions=questions, judge=partial(_judge, around, name, spec, spans))


def _judge(around: Around, name: str, spec: SloSpec, spans: Sequence[int], replies: Sequence[Reply]) -> Iterable[Found]:
    found: Mapping[int, Reply] = dict(zip(spans, replies, strict=True))
    result = objectives.evaluate(
        name,
        spec,
        found,
        day=_DAY,
        end=around.now.timestamp(),
        history=None,
        team=around.owners.team(spec.team),
        dashboard=around.owners.dashboard(spec.dashboard),
        runbook=around.owners.runbook(spec.runbook),
    )
    told = objectives.finding(result)
    yield CheckResult(
        id=f"slo:{name}",
        title=spec.title,
        status=result.status,
        text=told.detail or told.title,
        value=result.attainment,
        unit="ratio",
        cause=spec.explained_by,
        advice=told.advice,
        team=result.team,
        dashboard=result.dashboard,
        runbook=result.runbook,
    )

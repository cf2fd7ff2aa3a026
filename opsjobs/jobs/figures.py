"""What databases are asked for the indicators that come from them: a number for the day and for those beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from opsjobs import statements
from opsjobs.analysis.trust import Days
from opsjobs.errors import SourceError
from opsjobs.jobs.context import Context
from opsjobs.model import Answer, Evidence, IndicatorResult, Quality, Window
from opsjobs.sources import Figures, Question, unconfigured
from opsjobs.system import DeclaredIndicator

Reply = Answer | SourceError


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Replies by indicator and day; those of breakdowns by indicator."""

    days: Mapping[str, Mapping[Window, Reply]]
    breakdowns: Mapping[str, Reply]


def ask(context: Context, days: Days) -> Asked:
    """Ask each store for its indicators: the day first, so that what there is no time for is what is needed least."""
    found: dict[str, dict[Window, Reply]] = {}
    members: dict[str, Reply] = {}
    for store, source in stores(context).items():
        declared = [each for each in context.system.indicators if each.spec.store == store]
        questions = list(_questions(context, days, declared))
        asked = [question for _, _, question in questions]
        replies = source.figures(asked, context.deadline) if source else [unconfigured(store)] * len(asked)
        for (name, window, _), reply in zip(questions, replies, strict=True):
            if window is None:
                members[name] = reply
            else:
                found.setdefault(name, {})[window] = reply
    return Asked(days=found, breakdowns=members)


def stores(context: Context) -> dict[str, Figures | None]:
    """The stores that may hold figures, by name."""
    return {"postgresql": context.postgresql, "redis": context.redis}


def _questions(
    context: Context, days: Days, declared: list[DeclaredIndicator]
) -> Iterator[tuple[str, Window | None, Question]]:
    """Indicator, window (none for its breakdown) and question."""
    for name, _, spec in declared:
        yield name, days.window, _question(spec.statement, days.window)
        if spec.broken_down:
            yield name, None, _question(spec.broken_down, days.window)
    for window in (days.day_before, days.week_before):
        for name, _, spec in declared:
            yield name, window, _question(spec.statement, window)
    for window in days.earlier:
        for name, _, spec in declared:
            if window.start.date() not in context.past.get(name, {}):
                yield name, window, _question(spec.statement, window)
    for number in range(2, 7):
        window = Window.day(context.day - timedelta(days=number), days.zone)
        for name, _, spec in declared:
            yield name, window, _question(spec.statement, window)


def _question(statement: str, window: Window) -> Question:
    return Question(query=statement, at=window.end, window=window)


def evidence(context: Context, days: Days, asked: Asked, result: IndicatorResult) -> Iterator[Evidence]:
    """How the number of an indicator came about, and that of its members."""
    spec = next(declared.spec for declared in context.system.indicators if declared.id == result.id)
    source = stores(context)[result.store]
    shown = {"start": days.window.start, "end": days.window.end, "source": source.name if source else result.store}
    measurement = result.measurement
    yield Evidence(
        subject=f"indicator:{result.id}",
        title=result.title,
        query=statements.by_hand(spec.statement, days.window),
        method="the one number that it gives for the day",
        quality=measurement.quality,
        sample_at=measurement.at,
        coverage=result.coverage,
        reason=measurement.reason,
        **shown,  # type: ignore[arg-type]  # keys of Evidence
    )
    if result.id in asked.breakdowns:
        reply = asked.breakdowns[result.id]
        failed = isinstance(reply, SourceError)
        yield Evidence(
            subject=f"breakdown:{result.id}",
            title=f"{result.title}, by {result.breakdown_by}",
            query=statements.by_hand(spec.broken_down, days.window),
            method="the largest five",
            quality=Quality.ERROR if failed else Quality.OK,
            reason=str(reply) if failed else "",
            **shown,  # type: ignore[arg-type]  # as above
        )

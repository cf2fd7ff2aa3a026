"""Everything that the daily report asks, and what was answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from opsjobs import promql
from opsjobs.analysis import alerts, components, history, indicators, objectives
from opsjobs.analysis import figures as values
from opsjobs.analysis.situation import LastSeen
from opsjobs.analysis.trust import Days
from opsjobs.errors import QueryRejected, SourceError
from opsjobs.jobs import figures
from opsjobs.jobs.context import Context
from opsjobs.jobs.figures import Asked
from opsjobs.model import Answer, IndicatorResult, Window
from opsjobs.sources import Question, ask_all
from opsjobs.system import DeclaredIndicator

_HOUR = 3600
INVENTORY = "inventory"
HISTORY = "history"
Reply = Answer | SourceError


@dataclass(frozen=True, kw_only=True, slots=True)
class Inquiry:
    """Questions and replies by subject.

    Subjects are `inventory`, `history`, `component:X`, `members:X`, `indicator:X`, `breakdown:X`, `alerts:day`,
    `alerts:before`, `alerts:rules`, `slo:X:SECONDS`, `last:SERIES` and `band:X:DAY`.
    """

    questions: Mapping[str, Question]
    replies: Mapping[str, Reply]
    figures: Asked
    """What databases said for the indicators that come from them."""

    @property
    def last_seen(self) -> dict[str, LastSeen]:
        """The series that had no samples at the end of the window, and when each was last seen."""
        return {
            subject.removeprefix("last:"): reply if isinstance(reply, SourceError) else _newest(reply)
            for subject, reply in self.replies.items()
            if subject.startswith("last:")
        }

    @property
    def history(self) -> history.History | None:
        """How far back metrics go; None when nothing needs it, or nobody could say."""
        answer = self.replies.get(HISTORY)
        return history.History(answer) if isinstance(answer, Answer) else None

    @property
    def failures(self) -> tuple[SourceError, ...]:
        """What could not be answered. An indicator that is rejected is its own query's fault, and is told there."""
        return tuple(
            reply
            for subject, reply in self.replies.items()
            if isinstance(reply, SourceError)
            and not (isinstance(reply, QueryRejected) and subject.startswith(("indicator:", "band:", "slo:")))
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was said of answers that may be incomplete, each once."""
        answers = (reply for reply in self.replies.values() if isinstance(reply, Answer))
        return tuple(dict.fromkeys(text for answer in answers for text in answer.warnings))


def inquire(context: Context, days: Days) -> Inquiry:
    """Ask everything at once, and then when each metric was last seen that was not there at the end."""
    questions = dict(_questions(context, days))
    replies = _asked(context, questions)
    inventory = replies[INVENTORY]
    if isinstance(inventory, Answer):
        later = dict(_last_questions(context, days, inventory)) | dict(_band_questions(context, days, replies))
        questions |= later
        replies |= _asked(context, later)
    return Inquiry(questions=questions, replies=replies, figures=figures.ask(context, days))


def _questions(context: Context, days: Days) -> Iterator[tuple[str, Question]]:
    """Everything that is asked at once, by subject."""
    end = days.window.end
    whole = Window(start=days.week_before.start, end=end)
    yield INVENTORY, Question(query=_present(_needed(context)), at=end)
    reaches = [spec.lookback for _, _, spec in context.system.indicators]
    reach = max([*reaches, *(slo.window_seconds for slo in context.system.slos.values())], default=0)
    if reach > _HOUR:
        first = (days.week_before, *days.earlier)[-1]
        start = first.start.astimezone(UTC) - timedelta(seconds=reach)
        far = Window(start=start, end=end)
        yield HISTORY, Question(query=_present(_far_reaching(context)), at=end, window=far, step=history.STEP)
    for name, component in context.system.components.items():
        yield f"component:{name}", Question(query=component.up, at=end, window=days.window, step=components.STEP)
        # The line ends before the bracket does: the query may end with a comment.
        before = f"count_over_time(({component.up}\n)[{components.EXPECTED_FROM}:1h])"
        yield f"members:{name}", Question(query=before, at=days.window.start)
    for name, _, spec in _measured(context):
        yield f"indicator:{name}", Question(query=spec.promql, at=end, window=whole, step=spec.step_seconds)
        if spec.broken_down:
            query = promql.at_step(spec.broken_down, int(days.window.seconds))
            yield f"breakdown:{name}", Question(query=query, at=end)
    for name, slo in context.system.slos.items():
        for length in objectives.spans(slo, int(days.window.seconds)):
            yield f"slo:{name}:{length}", Question(query=slo.share(length), at=end)
    earlier, slow = alerts.before(days), alerts.WEEK_STEP
    yield "alerts:day", Question(query=alerts.FIRING, at=end, window=days.window, step=alerts.STEP)
    yield "alerts:before", Question(query=alerts.FIRING, at=earlier.end, window=earlier, step=slow)
    yield "alerts:rules", Question(query=alerts.RULES, at=end, window=whole, step=slow)


def _band_questions(context: Context, days: Days, replies: Mapping[str, Reply]) -> Iterator[tuple[str, Question]]:
    """The earlier same weekdays that are not known yet, of indicators that were there a week before."""
    if any(isinstance(reply, SourceError) and not isinstance(reply, QueryRejected) for reply in replies.values()):
        return
    for name, _, spec in _measured(context):
        reply, past = replies[f"indicator:{name}"], context.past.get(name, {})
        if isinstance(reply, SourceError) or not any(series.within(days.week_before) for series in reply.series):
            continue
        for window in days.earlier:
            if window.start.date() not in past:
                question = Question(query=spec.promql, at=window.end, window=window, step=spec.step_seconds)
                yield _band(name, window), question


def _measured(context: Context) -> Iterator[DeclaredIndicator]:
    """The indicators that come from the source of metrics."""
    return (declared for declared in context.system.indicators if declared.spec.store == "prometheus")


def _band(indicator: str, window: Window) -> str:
    return f"band:{indicator}:{window.start.date()}"


def earlier_values(context: Context, days: Days, inquiry: Inquiry, result: IndicatorResult) -> dict[date, float]:
    """The values of an indicator on earlier days: those that are remembered, else as the source tells them now."""
    spec = next(declared.spec for declared in context.system.indicators if declared.id == result.id)
    if spec.store == "prometheus":
        asked = {
            window.start.date(): indicators.value_of(spec, inquiry.replies[subject], window, inquiry.history)
            for window in days.earlier
            if (subject := _band(result.id, window)) in inquiry.replies
        }
    else:
        replies = inquiry.figures.days[result.id]
        asked = {day.start.date(): values.value_of(replies[day]) for day in days.earlier if day in replies}
    found = {days.week_before.start.date(): result.week_before, **asked}
    return {day: value for day, value in found.items() if value is not None} | dict(context.past.get(result.id, {}))


def _last_questions(context: Context, days: Days, inventory: Answer) -> Iterator[tuple[str, Question]]:
    present = {series.labels.get("__name__", "") for series in inventory.series}
    whole = Window(start=days.week_before.start, end=days.window.end)
    for name in sorted(_needed(context) - present):
        # Its value is the true time of the sample, which a range would serve for five minutes more.
        question = Question(query=f"max(timestamp({name}))", at=whole.end, window=whole, step=components.STEP)
        yield f"last:{name}", question


def _present(names: set[str]) -> str:
    """Which of these metrics have samples."""
    return f"count by (__name__) ({{__name__=~{promql.quote('|'.join(sorted(names)))}}})"


def _needed(context: Context) -> set[str]:
    names = {name for _, _, spec in context.system.indicators for name in spec.metrics}
    return names - history.MAY_BE_ABSENT


def _far_reaching(context: Context) -> set[str]:
    """The metrics of those queries that read back more than an hour."""
    specs = (spec for _, _, spec in context.system.indicators if spec.lookback > _HOUR)
    of_slos = {name for slo in context.system.slos.values() for name in promql.metrics(slo.share(_HOUR))}
    return ({name for spec in specs for name in spec.metrics} | of_slos) - history.MAY_BE_ABSENT


def _asked(context: Context, questions: Mapping[str, Question]) -> dict[str, Reply]:
    replies = ask_all(context.metrics, list(questions.values()), context.deadline)
    return dict(zip(questions, replies, strict=True))


def _newest(answer: Answer) -> datetime | None:
    """The value of the last sample as a time."""
    values = [sample.value for series in answer.series for sample in series.samples if sample.value is not None]
    return datetime.fromtimestamp(values[-1], UTC) if values else None

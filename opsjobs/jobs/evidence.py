"""How each number of a report came about, in the order of the report, so that it can be asked again by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opsjobs.analysis import forecast, objectives
from opsjobs.analysis.trust import Days
from opsjobs.errors import SourceError
from opsjobs.jobs import figures
from opsjobs.jobs.context import Context
from opsjobs.jobs.inquiry import HISTORY, INVENTORY, Inquiry
from opsjobs.model import Answer, ComponentResult, Evidence, IndicatorResult, Quality, Status
from opsjobs.words import span

_ALERTS = {
    "alerts:day": ("Alerts of the day", "firing at each minute"),
    "alerts:before": ("Alerts of the seven days before", "firing at every fifth minute"),
    "alerts:rules": ("Alert rules", "loaded at every fifth minute"),
}
_METHODS = {
    "last": "the last point of the window",
    "mean": "the mean of the window's points",
    "max": "the highest of the window's points",
    "sum": "the sum of the window's points",
    "p95": "the 95th percentile of the window's points",
    "ratio": "the numerator's sum over the denominator's, over the window's points",
}


def evidence(
    context: Context, days: Days, inquiry: Inquiry, rows: Sequence[ComponentResult], results: Sequence[IndicatorResult]
) -> Iterator[Evidence]:
    """The evidence of everything that was asked for one day."""
    account = _Account(context, days, inquiry)
    yield from account.of_the_source()
    for name in context.system.components:
        yield from account.of_component(name, [row for row in rows if row.id == name])
    for result in results:
        yield from account.of_indicator(result)
    yield from account.of_objectives()
    yield from account.of_the_rest()


@dataclass(frozen=True, slots=True)
class _Account:
    """What was asked of the source of metrics, and what came of it."""

    context: Context
    days: Days
    inquiry: Inquiry

    def of_the_source(self) -> Iterator[Evidence]:
        yield self._asked(
            INVENTORY, "Which metrics were there", "present within 5 minutes before the end of the window"
        )
        if HISTORY in self.inquiry.questions:
            yield self._asked(HISTORY, "How far back metrics go", "present at each hour")

    def of_component(self, name: str, rows: Sequence[ComponentResult]) -> Iterator[Evidence]:
        title, subject = self.context.system.components[name].title, f"component:{name}"
        unknown = [row.reason for row in rows if row.status is Status.UNKNOWN]
        silent = Status.worst(row.status for row in rows) is Status.UNKNOWN
        empty = Quality.EMPTY if silent and isinstance(self.inquiry.replies[subject], Answer) else None
        reason = "; ".join(unknown)
        yield self._asked(subject, title, "up while 1, down while 0, at each minute", empty, reason=reason)
        yield self._asked(f"members:{name}", f"{title}: expected members", "seen in the 7 days before")

    def of_indicator(self, result: IndicatorResult) -> Iterator[Evidence]:
        if result.store != "prometheus":
            yield from figures.evidence(self.context, self.days, self.inquiry.figures, result)
            return
        measurement = result.measurement
        yield self._asked(
            f"indicator:{result.id}",
            result.title,
            self._method(result),
            measurement.quality,
            sample_at=measurement.at,
            coverage=result.coverage,
            reason=measurement.reason,
        )
        members = f"breakdown:{result.id}"
        if members in self.inquiry.questions:
            yield self._asked(members, f"{result.title}, by {result.breakdown_by}", "the largest five")

    def of_objectives(self) -> Iterator[Evidence]:
        for name, slo in self.context.system.slos.items():
            for length in objectives.spans(slo, int(self.days.window.seconds)):
                yield self._asked(f"slo:{name}:{length}", f"{slo.title}, {span(length)}", "the share that was good")

    def of_the_rest(self) -> Iterator[Evidence]:
        for subject, (title, method) in _ALERTS.items():
            yield self._asked(subject, title, method)
        for subject in self.inquiry.questions:
            if subject.startswith("last:"):
                yield self._asked(subject, f"{subject.removeprefix('last:')}: last seen", "the value of the last point")

    def _method(self, result: IndicatorResult) -> str:
        """How the points became the value, and of which other days the same was asked."""
        prefix = f"band:{result.id}:"
        others = [each.removeprefix(prefix) for each in self.inquiry.questions if each.startswith(prefix)]
        said = [_METHODS[result.summary]]
        if others:
            said.append(f"for its band, the same over {', '.join(others)}")
        if self._fills_up(result):
            said.append(f"when it is full: {forecast.METHOD}")
        return "; ".join(said)

    def _fills_up(self, result: IndicatorResult) -> bool:
        specs = self.context.system.indicators
        return any(declared.id == result.id and declared.spec.full_at is not None for declared in specs)

    def _asked(
        self, subject: str, title: str, method: str, quality: Quality | None = None, **known: object
    ) -> Evidence:
        question, reply = self.inquiry.questions[subject], self.inquiry.replies[subject]
        failed = isinstance(reply, SourceError)
        weak = Quality.PARTIAL if isinstance(reply, Answer) and reply.warnings else Quality.OK
        said = str(reply) if failed else "; ".join((*reply.warnings, *reply.infos)) if isinstance(reply, Answer) else ""
        return Evidence(
            **{  # type: ignore[arg-type]  # the keys of Evidence, some of them from the caller
                "subject": subject,
                "title": title,
                "source": self.context.metrics.name,
                "query": question.query,
                "method": method,
                "quality": quality or (Quality.ERROR if failed else weak),
                "start": question.window.start if question.window else None,
                "end": question.at,
                "step": float(question.step) if question.window else None,
                "reason": said,
                **{key: value for key, value in known.items() if value or key != "reason"},
            }
        )

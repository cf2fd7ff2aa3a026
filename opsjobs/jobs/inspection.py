"""What a live Prometheus has of what a profile declares: the first thing to look at on one's own system."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from opsjobs import promql
from opsjobs.analysis import figures as days
from opsjobs.errors import QueryRejected, SourceError
from opsjobs.http import Deadline
from opsjobs.model import Answer, Quality, Series, Status, Window
from opsjobs.sources import Figures, Metrics, Question, ask_all
from opsjobs.system import System

_DAY = 86400
_STEP = 300
_HOUR = 3600
_EVERY_NAME = 'group by (__name__) ({__name__=~".+"})'
_RULES = "sum(prometheus_rule_group_rules)"
_NEAR = 0.6
_ASKED = {"indicator", "breakdown", "slo", "panel"}
_ALERTS = {"ALERTS", "ALERTS_FOR_STATE"}
Reply = Answer | SourceError


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One thing that is not as declared, and what to do about it."""

    subject: str
    """`metric:NAME`, `component:NAME`, `indicator:NAME`, `breakdown:NAME`, `slo:NAME` or `panel:DASHBOARD/TITLE`."""
    status: Status
    """WARNING: it is missing. UNKNOWN: it could not be asked."""
    text: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What was looked at, and what is not as declared, the worst first."""

    remarks: tuple[Remark, ...]
    looked_at: Mapping[str, tuple[int, int]]
    """By kind of thing how many are there, and how many are declared."""
    labels: Mapping[str, tuple[str, ...]]
    """By metric that is there, the labels of one of its series."""
    rules: float | None
    """How many rules are loaded; None where nobody says."""

    @property
    def asked(self) -> bool:
        """Whether everything could be asked."""
        return all(remark.status is not Status.UNKNOWN for remark in self.remarks)


def inspect(
    system: System,
    metrics: Metrics,
    now: datetime,
    deadline: Deadline,
    stores: Mapping[str, Figures | None] = MappingProxyType({}),
) -> Inspection:
    """Ask for everything that is declared at one instant; the stores for the numbers of the last day that is over."""
    queries = dict(_queries(system))
    questions = [Question(query=query, at=now) for query in queries.values()]
    replies: dict[str, Reply] = dict(zip(queries, ask_all(metrics, questions, deadline), strict=True))
    missing = [name for name in system.metrics if _is_empty(replies[f"metric:{name}"])]
    known = _names(metrics, now, deadline) if missing else set()
    waiting = dict(_waiting(system, queries, missing))
    remarks = [
        *_of_metrics(system, replies, known, waiting),
        *_of_components(system, replies),
        *_of_queries(replies, set(waiting)),
        *_of_figures(system, stores, now, deadline),
    ]
    remarks.sort(key=lambda remark: -remark.status.rank)
    kept = [f"indicator:{each.id}" for each in system.indicators if each.spec.store != "prometheus"]
    rules = replies["rules"]
    value = rules.series[0].samples[-1].value if isinstance(rules, Answer) and rules.series else None
    return Inspection(
        remarks=tuple(remarks),
        looked_at=_counted([*queries, *kept], {remark.subject for remark in remarks} | set(waiting)),
        labels={name: _labels(replies[f"metric:{name}"]) for name in system.metrics if name not in missing},
        rules=value,
    )


def _queries(system: System) -> Iterator[tuple[str, str]]:
    """What is asked, by subject; of labels `label:METRIC:LABEL`."""
    for name, metric in system.metrics.items():
        series = _series(name, metric.type)
        yield f"metric:{name}", f"topk(1, {series})"
        yield from ((f"label:{name}:{label}", f'count({series}{{{label}!=""}})') for label in metric.labels)
    yield from ((f"component:{name}", component.up) for name, component in system.components.items())
    for name, _, spec in system.indicators:
        if spec.store == "prometheus":
            yield f"indicator:{name}", spec.promql
            yield from _speaking(f"breakdown:{name}", spec.broken_down, _DAY)
    yield from ((f"slo:{name}", slo.share(_HOUR)) for name, slo in system.slos.items())
    for name, dashboard in system.dashboards.items():
        for panel in dashboard.panels:
            yield from _speaking(f"panel:{name}/{panel.title}", panel.query or "", _STEP)
    yield "rules", _RULES


def _speaking(subject: str, query: str, step: int) -> Iterator[tuple[str, str]]:
    """A query of which no answer means something: of alerts there may well be none."""
    if query and not _ALERTS & set(promql.metrics(query)):
        yield subject, promql.at_step(query, step)


def _series(name: str, kind: str) -> str:
    """A series that each metric of the type has."""
    return {"histogram": f"{name}_bucket", "summary": f"{name}_count"}.get(kind, name)


def _names(metrics: Metrics, now: datetime, deadline: Deadline) -> set[str]:
    """The names of all metrics that are there, for hints; none where that is too much to ask."""
    (reply,) = ask_all(metrics, [Question(query=_EVERY_NAME, at=now)], deadline)
    return {series.labels.get("__name__", "") for series in reply.series} if isinstance(reply, Answer) else set()


def _waiting(system: System, queries: Mapping[str, str], missing: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What returns nothing because a metric is missing, and which: one cause is one remark."""
    for subject, query in queries.items():
        if subject.partition(":")[0] in _ASKED:
            families = (system.family(series) for series in promql.metrics(query))
            if cause := next((family for family in families if family in missing), None):
                yield subject, cause


def _of_metrics(
    system: System, replies: Mapping[str, Reply], known: set[str], waiting: Mapping[str, str]
) -> Iterator[Remark]:
    for name, spec in system.metrics.items():
        subject = f"metric:{name}"
        reply = replies[subject]
        if isinstance(reply, SourceError):
            yield _unasked(subject, reply)
        elif _is_empty(reply):
            text = "no such metric" + _similar(_series(name, spec.type), known)
            if needing := [other for other, cause in waiting.items() if cause == name]:
                text += f"; needed by {', '.join(needing)}"
            advice = f"Expose it in '{spec.component}', correct its name in the profile, or take it out."
            yield Remark(subject=subject, status=Status.WARNING, text=text, advice=advice)
        else:
            yield from _of_labels(name, spec.labels, replies)


def _of_labels(name: str, labels: Sequence[str], replies: Mapping[str, Reply]) -> Iterator[Remark]:
    absent = [label for label in labels if _is_empty(replies[f"label:{name}:{label}"])]
    if absent:
        noun = "label" if len(absent) == 1 else "labels"
        reply = replies[f"metric:{name}"]
        text = f"no series has the {noun} {', '.join(absent)}; there is: {', '.join(_labels(reply)) or 'none'}"
        advice = "Correct `labels` in the profile, and the queries that use them."
        yield Remark(subject=f"metric:{name}", status=Status.WARNING, text=text, advice=advice)


def _labels(reply: Reply) -> tuple[str, ...]:
    series = reply.series if isinstance(reply, Answer) else ()
    return tuple(sorted({label for each in series for label in each.labels} - {"__name__", "le", "quantile"}))


def _of_components(system: System, replies: Mapping[str, Reply]) -> Iterator[Remark]:
    for name, spec in system.components.items():
        subject = f"component:{name}"
        reply = replies[subject]
        if isinstance(reply, SourceError):
            yield _unasked(subject, reply)
        elif not reply.series:
            advice = "Scrape it, or correct `up` in the profile."
            yield Remark(subject=subject, status=Status.WARNING, text=f"nothing answers to {spec.up}", advice=advice)
        elif down := [_member(series) for series in reply.series if _last(series) != 1]:
            text = f"down: {', '.join(down)}"
            yield Remark(subject=subject, status=Status.WARNING, text=text, advice="Look at /targets of Prometheus.")


def _of_queries(replies: Mapping[str, Reply], waiting: set[str]) -> Iterator[Remark]:
    """Indicators, breakdowns, objectives and panels that no missing metric explains."""
    for subject, reply in replies.items():
        kind = subject.partition(":")[0]
        if kind not in _ASKED or (subject in waiting and _is_empty(reply)):
            continue
        if isinstance(reply, QueryRejected):
            yield Remark(subject=subject, status=Status.WARNING, text=str(reply), advice="Correct its query.")
        elif isinstance(reply, SourceError):
            yield _unasked(subject, reply)
        elif not reply.series:
            advice = "Run it by hand: a metric or a label value in it is not there."
            yield Remark(subject=subject, status=Status.WARNING, text="the query returns nothing", advice=advice)
        elif kind in {"indicator", "slo"} and len(_parts(reply)) < len(reply.series):
            text = f"the query returns {len(reply.series)} series where one is due"
            yield Remark(subject=subject, status=Status.WARNING, text=text, advice="Aggregate them to one.")


def _parts(reply: Answer) -> set[str]:
    """The parts of a ratio that are there; what is no ratio has one."""
    return {series.labels.get("part", "") for series in reply.series}


def _of_figures(
    system: System, stores: Mapping[str, Figures | None], now: datetime, deadline: Deadline
) -> Iterator[Remark]:
    """Indicators whose numbers are kept in a database."""
    zone = ZoneInfo(system.zone)
    day = Window.day(now.astimezone(zone).date() - timedelta(days=1), zone)
    for store in ("postgresql", "redis"):
        kept = [each for each in system.indicators if each.spec.store == store]
        source = stores.get(store)
        if kept and source is None:
            advice = f"Say in opsjobs.yml where {store} is, or leave `indicators_from` out."
            text = f"it is kept in {store}, which is not configured"
            yield from (
                Remark(subject=f"indicator:{each.id}", status=Status.UNKNOWN, text=text, advice=advice) for each in kept
            )
            continue
        questions = [Question(query=each.spec.statement, at=day.end, window=day) for each in kept]
        replies = source.figures(questions, deadline) if source and kept else []
        for (name, _, spec), reply in zip(kept, replies, strict=True):
            subject, found = f"indicator:{name}", days.measure(reply, day, spec.unit)
            if isinstance(reply, SourceError) and not isinstance(reply, QueryRejected):
                yield _unasked(subject, reply)
            elif found.quality is not Quality.OK:
                advice = f"Ask {store} by hand for {day.start:%A}, {day.start.date()}."
                yield Remark(subject=subject, status=Status.WARNING, text=found.reason, advice=advice)


def _counted(subjects: Sequence[str], bad: set[str]) -> dict[str, tuple[int, int]]:
    counted: dict[str, tuple[int, int]] = {}
    for subject in subjects:
        kind = subject.partition(":")[0]
        if kind not in {"label", "rules"}:
            there, declared = counted.get(kind, (0, 0))
            counted[kind] = there + (subject not in bad), declared + 1
    return counted


def _similar(series: str, known: set[str]) -> str:
    near = difflib.get_close_matches(series, sorted(known), n=1, cutoff=_NEAR)
    return f"; there is '{near[0]}'" if near else ""


def _unasked(subject: str, error: SourceError) -> Remark:
    return Remark(subject=subject, status=Status.UNKNOWN, text=str(error), advice=error.advice)


def _is_empty(reply: Reply) -> bool:
    return isinstance(reply, Answer) and not any(series.samples for series in reply.series)


def _last(series: Series) -> float | None:
    return series.samples[-1].value if series.samples else None


def _member(series: Series) -> str:
    return series.labels.get("instance", "") or "it"

"""Which series nobody asks for, where money is paid for series: those of Prometheus against all that names metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from opsjobs.analysis.levers import Series
from opsjobs.analysis.money import total
from opsjobs.errors import ConfigError, SourceError
from opsjobs.jobs.bill import quality
from opsjobs.jobs.context import Context
from opsjobs.model import Answer, Evidence, Gap, Window
from opsjobs.sources import Question, ask_all, unconfigured
from opsjobs.system.cost import CostsSpec

SOURCE = "Unused series"
_ALL = 'count by (__name__) ({__name__=~".+"})'
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PIECED = re.compile(r"[\w:](?:\$\{?\w|\[\[)|(?:\$\{\w+\}|\]\])[\w:]|\bmetrics\(")
"""A name that a variable is a piece of, and a variable that lists names."""
_PARTS = re.compile(r"_(?:bucket|sum|count|total|created|info)$")
_OWN = re.compile(r"up|ALERTS|ALERTS_FOR_STATE|scrape_.*")
"""What Prometheus makes itself, and nobody can drop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What was read, what is missing of it, and how it was asked."""

    series: Series | None = None
    gaps: tuple[Gap, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def read(context: Context, costs: CostsSpec, week: Window) -> Read:
    """The series at the end of the week; nothing where none of the fixed costs is paid for series."""
    zone = ZoneInfo(context.system.zone)
    last = (week.end.astimezone(zone) - timedelta(days=1)).date()
    paid = [each for each in context.expenses.fixed if each.series and each.on(last)]
    if not paid:
        return Read()
    question = Question(query=_ALL, at=week.end)
    (reply,) = ask_all(context.metrics, [question], context.deadline)
    evidence = _evidence(context, question, reply)
    try:
        counts = _counts(reply)
        used = _used(context, counts)
    except (SourceError, ConfigError) as error:
        gap = Gap(source=SOURCE, reason=error.message, advice=error.advice)
        return Read(gaps=(gap,), evidence=(evidence,))
    amounts = [context.expenses.converted(each.monthly, each.currency, costs.currency) for each in paid]
    known = [amount for amount in amounts if amount is not None]
    series = Series(
        total=sum(counts.values()),
        unused={name: count for name, count in counts.items() if name not in used},
        monthly=total(known) if len(known) == len(amounts) else None,
    )
    return Read(series=series, evidence=(evidence,))


def _evidence(context: Context, question: Question, reply: Answer | SourceError) -> Evidence:
    return Evidence(
        subject="cost:system:series",
        title="Series by metric",
        source=context.metrics.name,
        query=question.query,
        method="the one value of each metric",
        quality=quality(reply),
        start=None,
        end=question.at,
        reason=str(reply) if isinstance(reply, SourceError) else "",
    )


def _counts(reply: Answer | SourceError) -> Mapping[str, int]:
    """Series by metric."""
    if isinstance(reply, SourceError):
        raise reply
    found = {
        series.labels.get("__name__", ""): int(series.samples[-1].value or 0)
        for series in reply.series
        if series.samples
    }
    if not found:
        raise SourceError("it has no series at the end of the week", advice="Make the report while it remembers them.")
    return found


def _used(context: Context, counts: Mapping[str, int]) -> set[str]:
    """The metrics that somebody names: in the profile, in a rule, in anything of Grafana."""
    words: set[str] = set()
    pieced = False
    for text in _texts(context):
        words.update(_WORD.findall(text))
        pieced = pieced or bool(_PIECED.search(text))
    if pieced or "__name__" in words:
        raise SourceError(
            "a rule or a dashboard selects metrics by a pattern of their names, or makes names of variables",
            advice="Which series it needs cannot be known: leave out `series` of the fixed cost.",
        )
    # A histogram is used when one of its parts is.
    stems = {_PARTS.sub("", word) for word in words}
    return {name for name in counts if _OWN.fullmatch(name) or name in words or _PARTS.sub("", name) in stems}


def _texts(context: Context) -> Iterator[str]:
    if context.rules is None:
        raise unconfigured("Prometheus")
    if context.dashboards is None:
        raise unconfigured("Grafana")
    yield context.system.model_dump_json()
    yield from (rule.query for rule in context.rules.rules(context.deadline))
    yield from context.dashboards.texts(context.deadline)

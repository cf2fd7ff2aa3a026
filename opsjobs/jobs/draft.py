"""A profile to start from, drafted from what a Prometheus has: what is scraped, and the families that many have."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from opsjobs import promql, vocabulary
from opsjobs.declaration import parse, written
from opsjobs.errors import BadAnswer, SourceError
from opsjobs.http import Deadline
from opsjobs.model import Answer
from opsjobs.sources import Metrics, Question, ask_all
from opsjobs.system import System
from opsjobs.system.families import Family, filled, known, literal, queries, read_by
from opsjobs.words import quantity

_HOUR = 3600
_TEAM = "operations"
_FOR = "5m"
_MANY = 100_000
_TIMED = 'group by (__name__, job) ({__name__=~".*(http|request).*(duration|latency|time).*_bucket", le="+Inf"})'
_COUNTED = 'group by (__name__, job) ({__name__=~".*requests?_total"})'
# What the servers of monitoring say of themselves, what disks are asked, and what a service says of those that it asks.
_NOT_SERVED = re.compile(r"^(prometheus|alertmanager|grafana|loki|promhttp|net_conntrack|node|container)_|client")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_STATUS = ("status", "code", "status_code", "http_status_code", "http_response_status_code", "status_class")
_TARGETS = {"title": "Targets that answer", "query": "avg(up)", "unit": "ratio", "healthy": "above"}
Entries = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Serving:
    """By what a job tells of the requests that it serves."""

    kind: Literal["histogram", "counter"]
    job: str
    metric: str
    status: str
    """The label that says how they ended; empty without one."""


@dataclass(frozen=True, kw_only=True)
class _Group:
    """A family of which something is there, its placeholders filled."""

    id: str
    title: str
    component: str
    """Where its metrics come from."""
    metrics: Entries
    indicators: Entries
    slo: Mapping[str, Any]
    part: Mapping[str, Any]
    """A component of its own, which its exporter tells of; empty without one."""


@dataclass(kw_only=True)
class _Draft:
    """What will be written, with a remark on an entry by its id."""

    components: Entries = field(default_factory=dict)
    metrics: Entries = field(default_factory=dict)
    groups: dict[str, tuple[str, Entries]] = field(default_factory=dict)
    slos: Entries = field(default_factory=dict)
    alerts: Entries = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def draft(metrics: Metrics, now: datetime, deadline: Deadline, *, title: str, zone: str) -> str:
    """The text of a profile: it loads without faults, and each of its queries had an answer. Raises `SourceError`."""
    ask = _Asker(metrics, now, deadline)
    up = ask.by_job("sum by (job) (up)")
    if not up:
        raise BadAnswer(
            f"{metrics.name} scrapes nothing: `up` has no series",
            advice="Give Prometheus scrape_configs; its page /targets shows what it scrapes.",
        )
    scraped = ask.by_job("count by (job) (up)")
    ids = _ids(up)
    made = _Draft()
    for job, id_ in ids.items():
        made.components[id_] = {"title": job, "up": f"up{{job={literal(job)}}}", "team": _TEAM}
        if up[job] < scraped[job]:
            made.remarks[f"component:{id_}"] = f"{up[job]:.0f} of {scraped[job]:.0f} are up"
    for group in _groups(ask, ids):
        _keep(group, ask, made)
    made.groups["scraped"] = ("What is scraped", {"targets": _TARGETS})
    _alert(made)
    text = _text(made, title, zone, now)
    parse(text, System, context=vocabulary.names, name="the draft")
    return text


class _Asker:
    """Questions at one instant, of the hour before it."""

    def __init__(self, metrics: Metrics, now: datetime, deadline: Deadline) -> None:
        self._metrics = metrics
        self._now = now
        self._deadline = deadline

    def all(self, asked: Sequence[str]) -> list[Answer]:
        """Raises `SourceError` where a query could not be asked: a draft of half a system looks like a whole one."""
        spans = [promql.over(promql.at_step(query, _HOUR), _HOUR) for query in asked]
        replies = ask_all(self._metrics, [Question(query=query, at=self._now) for query in spans], self._deadline)
        answers = []
        for reply in replies:
            if isinstance(reply, SourceError):
                raise reply
            answers.append(reply)
        return answers

    def by_job(self, query: str) -> dict[str, float]:
        """A number for each job, the jobs sorted."""
        (answer,) = self.all([query])
        found = {series.labels.get("job", ""): series.samples[-1].value or 0.0 for series in answer.series}
        return {job: found[job] for job in sorted(found) if job}

    def jobs_of(self, query: str) -> dict[str, list[str]]:
        """By metric the jobs that have it, both sorted."""
        (answer,) = self.all([query])
        found: dict[str, set[str]] = {}
        for series in answer.series:
            if _METRIC.fullmatch(name := series.labels.get("__name__", "")):
                found.setdefault(name, set()).add(series.labels.get("job", ""))
        return {name: sorted(jobs) for name, jobs in sorted(found.items())}

    def value(self, spec: Mapping[str, Any]) -> float | None:
        """The number that an indicator or an objective has, None where it is not finite. Raises `LookupError`."""
        answers = self.all(list(queries(spec)))
        if not all(answer.series for answer in answers):
            raise LookupError
        first, *rest = (answer.series[0].samples[-1].value for answer in answers)
        if "query" in spec or not rest:
            return first
        return first / rest[0] if first is not None and rest[0] else None


def _groups(ask: _Asker, ids: Mapping[str, str]) -> Iterator[_Group]:
    """The families that are there, in the order of the file."""
    families = known()
    fixed = {name for family in families.values() if not family.each for name in family.metrics}
    there = ask.jobs_of(f'group by (__name__, job) ({{__name__=~"{"|".join(sorted(fixed))}"}})')
    serving = list(_serving(ask, ids))
    for name, family in families.items():
        if family.each:
            mine = (each for each in serving if each.kind == family.each)
            yield from (_served(family, each, ids[each.job]) for each in mine)
        elif homes := [job for job in there.get(family.known_by, []) if job in ids]:
            part = {**family.component.model_dump(), "team": _TEAM} if family.component else {}
            metrics = {
                metric: {"type": family.kind(metric), "component": ids[next(filter(ids.get, jobs), homes[0])]}
                for metric, jobs in there.items()
                if metric in family.metrics
            }
            yield _Group(
                id=name,
                title=family.title,
                component=_server(name) if part else ids[homes[0]],
                metrics=metrics,
                indicators=family.indicators,
                slo=family.slo,
                part=part,
            )


def _server(family: str) -> str:
    """The id of the component of which an exporter tells, which may be called as the family is."""
    return f"{family}_server"


def _served(family: Family, serving: _Serving, component: str) -> _Group:
    """What a job that serves requests has; without a label for how they ended, that is not said."""
    found = {
        "name": serving.job,
        "job": literal(serving.job),
        "metric": serving.metric,
        "status": serving.status,
        "scale": " / 1000" if serving.metric.endswith("_milliseconds") else "",
    }

    def sayable(spec: Mapping[str, Any]) -> bool:
        return bool(serving.status) or not any("$status" in query for query in queries(spec))

    labels = {"labels": [serving.status]} if serving.status else {}
    said = {key: spec for key, spec in family.indicators.items() if sayable(spec)}
    return _Group(
        id=f"{component}_requests",
        title=filled(family.title, found),
        component=component,
        metrics={serving.metric: {"type": serving.kind, "component": component, **labels}},
        indicators={f"{component}_{key}": filled(spec, found) for key, spec in said.items()},
        slo=filled(family.slo, found) if sayable(family.slo) else {},
        part={},
    )


def _serving(ask: _Asker, ids: Mapping[str, str]) -> Iterator[_Serving]:
    """What jobs tell of requests that they serve: a histogram, and a counter where that says more or is alone."""
    timed = {name.removesuffix("_bucket"): jobs for name, jobs in ask.jobs_of(_TIMED).items()}
    counted = ask.jobs_of(_COUNTED)
    for job in ids:
        histogram = _told(ask, "histogram", job, _serves(timed, job))
        counter = _told(ask, "counter", job, _serves(counted, job)) if not (histogram and histogram.status) else None
        if histogram:
            yield histogram
        if counter and (counter.status or not histogram):
            yield counter


def _told(ask: _Asker, kind: Literal["histogram", "counter"], job: str, choices: Sequence[str]) -> _Serving | None:
    """The first of the metrics that says how requests ended, else the first."""
    suffix = "_count" if kind == "histogram" else ""
    samples = ask.all([f"topk(1, {name}{suffix}{{job={literal(job)}}})" for name in choices])
    found = []
    for metric, answer in zip(choices, samples, strict=True):
        labels = answer.series[0].labels if answer.series else {}
        status = next((label for label in _STATUS if label in labels), "")
        found.append(_Serving(kind=kind, job=job, metric=metric, status=status))
    return next((each for each in found if each.status), found[0] if found else None)


def _serves(metrics: Mapping[str, Sequence[str]], job: str) -> list[str]:
    """The metrics of the job that speak of requests that it serves, the likeliest first."""
    mine = [name for name, jobs in metrics.items() if job in jobs and not _NOT_SERVED.search(name)]
    return sorted(mine, key=lambda name: ("http" not in name, "request" not in name, len(name), name))


def _keep(group: _Group, ask: _Asker, made: _Draft) -> None:
    """Keep of a family what has an answer."""
    cause = {"explained_by": f"component:{group.component}"}
    kept = {
        id_: {**spec, **cause}
        for id_, spec in group.indicators.items()
        if _answered(f"indicator:{id_}", spec, spec["unit"], ask, made)
    }
    needed = set().union(*map(read_by, kept.values()))
    if kept:
        _, before = made.groups.get(group.id, ("", {}))
        made.groups[group.id] = (group.title, {**before, **kept})
    if group.part:
        made.components[group.component] = dict(group.part)
        needed |= set(promql.metrics(group.part["up"]))
    if group.slo and _answered(f"slo:{group.id}", group.slo, "ratio", ask, made):
        made.slos[group.id] = {**group.slo, "team": _TEAM, **cause}
        needed |= read_by(group.slo)
    types = {metric: spec["type"] for metric, spec in group.metrics.items()}
    for metric in sorted(filter(None, {vocabulary.family(series, types) for series in needed})):
        made.metrics.setdefault(metric, group.metrics[metric])


def _answered(id_: str, spec: Mapping[str, Any], unit: str, ask: _Asker, made: _Draft) -> bool:
    try:
        value = ask.value(spec)
    except LookupError:
        made.left_out.append(f"{spec['title']}: nothing answers to {next(queries(spec))}")
        return False
    made.remarks[id_] = f"{quantity(value, unit)} when drafted"
    return True


def _alert(made: _Draft) -> None:
    """An alert for each component, each indicator with a limit, and each objective."""

    def add(name: str, alert: dict[str, Any]) -> None:
        made.alerts[_free("".join(word.capitalize() for word in name.split("_")), made.alerts)] = alert

    for id_ in made.components:
        add(f"{id_}_down", {"component": id_, "for": _FOR})
    for _, indicators in made.groups.values():
        for id_, spec in indicators.items():
            if {"warning", "critical"} & set(spec):
                add(id_, {"indicator": id_, "for": _FOR})
    for id_ in made.slos:
        add(f"{id_}_budget_burns", {"slo": id_})


def _ids(jobs: Mapping[str, float]) -> dict[str, str]:
    """An id of its own for each job, and none that a family has."""
    ids: dict[str, str] = {}
    reserved = {_server(name) for name in known()}
    for job in jobs:
        plain = re.sub(r"[^a-z0-9]+", "_", job.casefold()).strip("_") or "job"
        ids[job] = _free(plain, reserved | set(ids.values()))
    return ids


def _free(name: str, taken: Container[str]) -> str:
    """The name, or with the first number that makes it one of its own."""
    return next(each for each in (name, *(f"{name}_{number}" for number in range(2, _MANY))) if each not in taken)


def _text(made: _Draft, title: str, zone: str, now: datetime) -> str:
    return "\n".join(_lines(made, title, zone, now)) + "\n"


def _lines(made: _Draft, title: str, zone: str, now: datetime) -> Iterator[str]:
    yield f"# Drafted by opsjobs on {now:%Y-%m-%d} from what its Prometheus has. Each query had an answer then; the"
    yield "# limits are common ones, and yours to say. From top to bottom: who owns it, what must be up, what is"
    yield "# healthy, what is told. `opsjobs config schema --profile` has every key, and"
    yield "# `opsjobs system check --live` says what is missing."
    yield ""
    yield written({"title": title, "zone": zone}).rstrip()
    yield ""
    yield "teams:"
    yield "  # Who is asked: a mail address. Give each part to the team that owns it."
    yield f"  {_TEAM}: {{contact: ''}}"
    yield ""
    yield "components:"
    yield from _entries(made.components, "component", made)
    yield ""
    yield "metrics:"
    yield from _entries(made.metrics, "metric", made)
    yield ""
    yield "groups:"
    for id_, (name, indicators) in made.groups.items():
        yield f"  {id_}:"
        yield f"    {written({'title': name, 'team': _TEAM}).rstrip().replace(chr(10), chr(10) + '    ')}"
        yield "    indicators:"
        yield from _entries(indicators, "indicator", made, indent=6, flow=False)
    if made.slos:
        yield ""
        yield "slos:"
        yield from _entries(made.slos, "slo", made, flow=False)
    yield ""
    yield "alerts:"
    yield from _entries(made.alerts, "alert", made)
    if made.left_out:
        yield ""
        yield "# Known and not there:"
        yield from (f"#   {_one_line(line)}" for line in made.left_out)


def _entries(entries: Entries, kind: str, made: _Draft, indent: int = 2, *, flow: bool = True) -> Iterator[str]:
    """Each entry, below a comment with what was seen of it."""
    for id_, entry in entries.items():
        if remark := made.remarks.get(f"{kind}:{id_}"):
            yield f"{' ' * indent}# {_one_line(remark)}"
        yield textwrap.indent(written({id_: entry}, flow=flow).rstrip(), " " * indent)


def _one_line(text: str) -> str:
    """Nothing in a comment may end it."""
    return "".join(character if character.isprintable() else " " for character in text)

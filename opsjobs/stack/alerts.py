"""The alerts of a profile as rules: what each watches, from when it fires, and what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from opsjobs import promql, words
from opsjobs.errors import ConfigError
from opsjobs.model import Direction
from opsjobs.stack import values
from opsjobs.stack.burn import Burn, telling
from opsjobs.stack.plan import Plan
from opsjobs.stack.recording import failed_series, indicator_series, query_series
from opsjobs.stack.rule import Absence, AlertRule, Budget, Limit, Members
from opsjobs.system import Indicator, System
from opsjobs.system.alerting import ANY, AlertSpec

NO_DATA = "NoData"
"""The alert that says that another has nothing to look at."""
NO_DATA_FOR = "15m"
_GONE = "a member is not there, or Prometheus does not ask it"
_SILENT = "does not answer"
_MEMBER = (
    f"{{{{ with $labels.instance }}}}{{{{ . }}}} {_SILENT}{{{{ else }}}}"
    f"{{{{ with $labels.job }}}}of the job {{{{ . }}}} {{{{ end }}}}{_GONE}{{{{ end }}}}"
)
_BEYOND = {Direction.BELOW: ">", Direction.ABOVE: "<"}
_SIDE = {Direction.BELOW: "above", Direction.ABOVE: "below"}


def rules(plan: Plan) -> list[AlertRule]:
    """Every alerting rule: those of the profile in its order, then those that say that one has no data."""
    declared = [rule for name, spec in plan.system.alerts.items() for rule in _rules(plan, name, spec)]
    return [*declared, *_without_data(plan, declared)]


def missed(labels: Mapping[str, str]) -> str:
    """What Prometheus makes of the instruction for a member with these labels."""
    if "instance" in labels:
        return f"{labels['instance']} {_SILENT}"
    return f"of the job {labels['job']} {_GONE}" if "job" in labels else _GONE


def files(plan: Plan) -> Mapping[str, Any]:
    """The file of the alerting rules, by its name."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for rule in rules(plan):
        groups.setdefault(rule.group, []).append(rule.document)
    every = plan.system.stack.scrape_interval
    return {
        "alerts.yml": {"groups": [{"name": name, "interval": every, "rules": found} for name, found in groups.items()]}
    }


def source(system: System, spec: Indicator) -> str:
    """The component that all of an indicator's metrics come from; empty when there is none."""
    return origin(system, spec.metrics)


def origin(system: System, series: Iterable[str]) -> str:
    """The component that all of these series come from; empty when there is none."""
    families = map(system.family, series)
    components = {system.metrics[name].component for name in families if name}
    return components.pop() if len(components) == 1 else ""


def _rules(plan: Plan, name: str, alert: AlertSpec) -> Iterator[AlertRule]:
    if alert.component:
        yield _component_rule(plan, name, alert)
    elif alert.slo:
        yield from _objective_rules(plan, name, alert)
    elif alert.indicator:
        yield _indicator_rule(plan, name, alert)
    else:
        yield _query_rule(plan, name, alert)


def _indicator_rule(plan: Plan, name: str, alert: AlertSpec) -> AlertRule:
    _, group, spec = next(each for each in plan.system.indicators if each.id == alert.indicator)
    if spec.store != "prometheus":
        raise ConfigError(
            f"alerts.{name}: Prometheus cannot alert on '{alert.indicator}', which only a database knows",
            advice="Give the indicator a query, or take the alert out: reports and health checks judge it anyway.",
        )
    limit = alert.limit if alert.limit is not None else getattr(spec, plan.system.level(name))
    watch = Limit(series=indicator_series(alert.indicator or ""), limit=limit, healthy=spec.healthy, unit=spec.unit)
    labels = {
        "severity": plan.system.severity(name),
        "team": plan.system.owner(name),
        "category": alert.category or group,
        "component": source(plan.system, spec),
        "indicator": alert.indicator,
    }
    return _limit_rule(
        plan,
        name,
        alert,
        watch,
        title=spec.title,
        about=alert.about or spec.about,
        labels=labels,
        dashboard=alert.dashboard or spec.dashboard,
        held=alert.held_for or spec.held_for or "",
    )


def _query_rule(plan: Plan, name: str, alert: AlertSpec) -> AlertRule:
    watch = Limit(
        series=query_series(name), limit=alert.limit or 0.0, healthy=alert.healthy or Direction.BELOW, unit="count"
    )
    labels = {
        "severity": plan.system.severity(name),
        "team": plan.system.owner(name),
        "category": alert.category or "Other",
        "component": origin(plan.system, promql.metrics(alert.query or "")),
    }
    return _limit_rule(
        plan,
        name,
        alert,
        watch,
        title=alert.title or name,
        about=alert.about,
        labels=labels,
        dashboard=alert.dashboard,
        held=alert.held_for or "",
    )


def _limit_rule(
    plan: Plan,
    name: str,
    alert: AlertSpec,
    watch: Limit,
    *,
    title: str,
    about: str,
    labels: Mapping[str, str | None],
    dashboard: str | None,
    held: str,
) -> AlertRule:
    side, said = _SIDE[watch.healthy], words.limit(watch.limit, watch.unit)
    called = f"{alert.title}: " if alert.title and alert.title != title else ""
    lasting = f", for {held}" if held else ""
    # Without a query of its own it is about an indicator, whose summary says more than its name does.
    summary = f"{called}{title}" if alert.query else f"{called}{title} {side} {said}"
    return AlertRule(
        name=name,
        group=labels["category"] or "",
        watch=watch,
        expr=promql.pretty(f"{watch.series} {_BEYOND[watch.healthy]} {_number(watch.limit)}"),
        held=held,
        labels=_labels(plan, labels),
        said=_said(
            plan,
            summary=summary,
            description=f"{_sentence(about)}It is {values.HERE}; the limit is {said}{lasting}.",
            runbook=alert.runbook or name.lower(),
            dashboard=dashboard,
        ),
        found=values.template(watch.unit),
    )


def _component_rule(plan: Plan, name: str, alert: AlertSpec) -> AlertRule:
    members = _any_member(plan.system) if alert.component == ANY else _members(plan.system, alert.component or "")
    spec = plan.system.components[alert.component or ""] if alert.component != ANY else None
    held = alert.held_for or ""
    labels = {
        "severity": plan.system.severity(name),
        "team": plan.system.owner(name),
        "category": alert.category or "Availability",
        "component": alert.component if spec else "",
    }
    called = f"{alert.title}: " if alert.title else ""
    title = spec.title if spec else "A part of the system"
    return AlertRule(
        name=name,
        group=labels["category"] or "",
        watch=members,
        expr=promql.pretty(" or ".join(_missing(members))),
        held=held,
        labels=_labels(plan, labels),
        said=_said(
            plan,
            summary=f"{called}{title} is down",
            description=f"{_sentence(alert.about)}{title}: {values.HERE}{f', for {held}' if held else ''}.",
            runbook=alert.runbook or name.lower(),
            dashboard=alert.dashboard,
        ),
        found=_MEMBER,
    )


def _members(system: System, name: str) -> Members:
    spec = system.components[name]
    named = spec.instances if isinstance(spec.instances, tuple) else ()
    count = spec.instances if isinstance(spec.instances, int) else None
    there = tuple(promql.narrowed(spec.up, "instance", instance, "=") for instance in named)
    return Members(up=spec.up, there=there or (spec.up,), count=count)


def _any_member(system: System) -> Members:
    """Whatever is scraped of any component."""
    jobs = list(dict.fromkeys(spec.scrape.job for spec in system.components.values() if spec.scrape))
    pattern = "|".join(re.escape(job) for job in jobs)
    there = tuple(f"up{{job={promql.quote(job)}}}" for job in jobs)
    return Members(up=f"up{{job=~{promql.quote(pattern)}}}", there=there, count=None)


def _missing(members: Members) -> Iterator[str]:
    """PromQL for who is down, and who is not scraped at all: that has no sample that could be 0."""
    # Each line ends before its bracket does: a query may end with a comment.
    yield f"({members.up}\n) == 0"
    yield from (f"absent({there}\n)" for there in members.there)
    if members.count is not None:
        yield f"count({members.up}\n) < {members.count}"


def _objective_rules(plan: Plan, name: str, alert: AlertSpec) -> Iterator[AlertRule]:
    """A fast burn and a slow one apart where only the fast one is critical; otherwise both as one."""
    spec = plan.system.slos[alert.slo or ""]
    severity = plan.system.severity(name)
    told: dict[str, list[Burn]] = {}
    for burn in telling(spec):
        told.setdefault(severity if burn.critical or severity != "critical" else "warning", []).append(burn)
    kind, _, cause = spec.explained_by.partition(":")
    if not told:
        raise ConfigError(
            f"alerts.{name}: no burn of '{alert.slo}' is fast enough to tell of: its window is {spec.window}",
            advice="Give the objective a window of a day or more, or a stricter share.",
        )
    for told_as, burns in told.items():
        pairs = [
            (
                failed_series(alert.slo or "", burn.long),
                failed_series(alert.slo or "", burn.short),
                burn.limit(spec),
            )
            for burn in burns
        ]
        labels = {
            "severity": told_as,
            "team": plan.system.owner(name),
            "category": alert.category or "Objectives",
            "component": cause if kind == "component" else "",
            "slo": alert.slo,
        }
        objective = words.limit(spec.objective, "ratio")
        spent = " or ".join(f"{burn.spent:.0%} in {burn.long}" for burn in burns)
        yield AlertRule(
            name=name,
            group=labels["category"] or "",
            watch=Budget(pairs=pairs),
            expr=promql.pretty(
                " or ".join(f"({long} > {_number(at)} and {short} > {_number(at)})" for long, short, at in pairs)
            ),
            held=alert.held_for or "",
            labels=_labels(plan, labels),
            said=_said(
                plan,
                summary=f"{spec.title}: the error budget burns too fast",
                description=(
                    f"{_sentence(alert.about or spec.about)}{values.HERE} failed, where {objective} in {spec.window} "
                    f"has to be good. Of what may fail in {spec.window}, more than {spent} was used up."
                ),
                runbook=alert.runbook or name.lower(),
                dashboard=alert.dashboard or spec.dashboard,
            ),
            found=values.template("ratio"),
        )


def _without_data(plan: Plan, declared: Sequence[AlertRule]) -> Iterator[AlertRule]:
    """For each series that an alert is about, one that says that there is none: an alert without data stays silent."""
    seen: set[str] = set()
    for rule in declared:
        watch = rule.watch
        # Of an objective, its shortest window: what is missing there is missing in all.
        series = watch.series if isinstance(watch, Limit) else watch.pairs[0][1] if isinstance(watch, Budget) else ""
        if not series or series in seen:
            continue
        seen.add(series)
        labels = {key: rule.labels.get(key) for key in ("team", "component", "indicator", "slo")}
        yield AlertRule(
            name=NO_DATA,
            group="Data",
            watch=Absence(series=series),
            expr=f"absent({series})",
            held=NO_DATA_FOR,
            labels=_labels(plan, {"severity": "warning", **labels, "category": "Data", "silent": rule.name}),
            said=_said(
                plan,
                summary=f"{rule.name} has no data, and so cannot fire",
                description=f"{series} has had no sample for {NO_DATA_FOR}: its metrics are gone, or its rule fails.",
                runbook=NO_DATA.lower(),
                dashboard=None,
            ),
        )


def _labels(plan: Plan, labels: Mapping[str, str | None]) -> dict[str, str]:
    # Of which system, wherever the rules are loaded: inhibition is within one.
    return {"system": plan.name, **{name: value for name, value in labels.items() if value}}


def _said(plan: Plan, *, summary: str, description: str, runbook: str, dashboard: str | None) -> dict[str, str]:
    said = {
        "summary": summary,
        "description": description,
        "runbook_url": plan.runbook_url(runbook),
        "dashboard_url": plan.dashboard_url(dashboard),
    }
    return {name: text for name, text in said.items() if text}


def _sentence(text: str) -> str:
    """A text as a sentence before another one."""
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:].rstrip('.')}. "


def _number(value: float) -> str:
    return f"{value:.12g}"

"""Where what runs is not as it is declared: rules, routes and dashboards, each difference in words.

What is declared has to run as it is declared. What servers add by themselves, such as defaults and numbers of versions,
is no difference; a rule, a route, a receiver or a panel that nobody declared is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsjobs import promql
from opsjobs.declaration import plain
from opsjobs.facts import RunningRule
from opsjobs.stack import alertmanager, alerts, grafana, recording, watching
from opsjobs.stack.plan import Plan
from opsjobs.vocabulary import seconds

_SHOWN = 200
_LENGTH = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SIZES = (365 * 86400, 7 * 86400, 86400, 3600, 60, 1)
_HIDDEN = "<secret>"
"""What a server shows in place of what nobody is to see."""
_LENGTHS = {"group_wait", "group_interval", "repeat_interval"}
_UNORDERED = {"matchers", "source_matchers", "target_matchers"}
_BY_HAND = {
    "hide",
    "interval",
    "libraryPanel",
    "links",
    "maxDataPoints",
    "repeat",
    "timeFrom",
    "timeShift",
    "transformations",
}
"""Keys of panels and queries that Grafana never adds by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that does not run as it is declared."""

    subject: str
    """`rule:NAME`, `route`, `receiver:NAME`, `inhibition`, `hours:NAME` or `dashboard:NAME`."""
    text: str
    declared: str = ""
    running: str = ""


def of_rules(plan: Plan, running: Sequence[RunningRule]) -> list[Difference]:
    """What Prometheus evaluates against what is rendered for it."""
    declared = _declared_rules(plan)
    left = list(running)
    missing = []
    for rule in declared:
        same = next((each for each in left if not _changed(rule, each)), None)
        if same:
            left.remove(same)
        else:
            missing.append(rule)
    found = []
    for rule in missing:
        named = [each for each in left if (each.name, each.alerts) == (rule.name, rule.alerts)]
        other = min(named, key=lambda each: len(_changed(rule, each)), default=None)
        if other is None:
            found.append(Difference(subject=f"rule:{rule.name}", text="is declared and not loaded"))
            continue
        left.remove(other)
        for what, (is_declared, runs) in _changed(rule, other).items():
            found.append(
                Difference(
                    subject=f"rule:{rule.name}",
                    text=f"{what} is not as declared",
                    declared=_short(is_declared),
                    running=_short(runs),
                )
            )
    for each in left:
        kind = "an alert" if each.alerts else "a recording rule"
        text = f"{kind} that is loaded and not declared"
        found.append(Difference(subject=f"rule:{each.name}", text=text, running=_short(each.query)))
    return found


def of_routes(plan: Plan, configuration: str) -> list[Difference]:
    """What Alertmanager runs on against what is rendered for it. Raises `ConfigError` when that is no YAML."""
    declared = alertmanager.document(plan)
    running = plain(configuration, name="the configuration of Alertmanager")
    if not isinstance(running, dict):
        return [Difference(subject="route", text="Alertmanager runs on nothing")]
    found = [
        *_of_named("receiver", declared["receivers"], running.get("receivers") or []),
        *_of_named("hours", declared.get("time_intervals", []), running.get("time_intervals") or []),
    ]
    for key, subject in (("route", "route"), ("inhibit_rules", "inhibition")):
        found += _told(subject, _compared(declared[key], running.get(key), key, strict=True))
    return found


def of_dashboard(plan: Plan, name: str, running: Mapping[str, Any] | None) -> list[Difference]:
    """What Grafana shows against what is rendered for it."""
    subject = f"dashboard:{name}"
    if running is None:
        return [Difference(subject=subject, text="is declared and not there")]
    declared = grafana.dashboard(plan, name)
    own = {key: value for key, value in declared.items() if key not in {"panels", "schemaVersion", "refresh"}}
    found = _told(subject, _compared(own, _without_builtin(running), "", strict=False))
    panels = [each for each in running.get("panels") or [] if isinstance(each, dict)]
    for panel in declared["panels"]:
        same = [each for each in panels if each.get("id") == panel["id"]]
        same = same or [each for each in panels if each.get("title") == panel["title"]]
        called = f"{subject}/{panel['title']}"
        if not same:
            found.append(Difference(subject=called, text="the panel is declared and not there"))
            continue
        panels.remove(same[0])
        found += _told(called, _compared(panel, same[0], "", strict=False))
    for each in panels:
        title = _short(each.get("title") or f"panel {each.get('id')}")
        found.append(Difference(subject=f"{subject}/{title}", text="the panel is there and not declared"))
    return found


def _without_builtin(running: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard without the annotations that Grafana puts into each that it saves."""
    made = dict(running)
    annotations = made.get("annotations")
    if isinstance(annotations, dict) and isinstance(annotations.get("list"), list):
        own = [each for each in annotations["list"] if not (isinstance(each, dict) and each.get("builtIn"))]
        made["annotations"] = {**annotations, "list": own}
    return made


def _declared_rules(plan: Plan) -> list[RunningRule]:
    recorded = [
        RunningRule(name=rule.record, query=rule.query, interval=seconds(rule.interval), alerts=False)
        for rule in recording.recorded(plan.system)
    ]
    told = []
    every = plan.system.stack.scrape_interval
    for rule, interval in [
        *((rule, every) for rule in alerts.rules(plan)),
        *((rule, watching.INTERVAL) for rule in watching.rules(plan)),
    ]:
        document = rule.document
        told.append(
            RunningRule(
                name=rule.name,
                query=rule.expr,
                interval=seconds(interval),
                held=seconds(rule.held) if rule.held else 0,
                labels=document["labels"],
                annotations=document["annotations"],
            )
        )
    return [*recorded, *told]


def _changed(declared: RunningRule, running: RunningRule) -> dict[str, tuple[object, object]]:
    """What differs, in words, as declared and as it runs."""
    if (declared.name, declared.alerts) != (running.name, running.alerts):
        return {"its name": (declared.name, running.name)}
    pairs: dict[str, tuple[object, object]] = {
        "the query": (_form(declared.query), _form(running.query)),
        "the interval of its group": (f"{declared.interval:g}s", f"{running.interval:g}s"),
        "how long it waits": (f"{declared.held:g}s", f"{running.held:g}s"),
        "how long it goes on": (f"{declared.kept:g}s", f"{running.kept:g}s"),
        "its labels": (dict(declared.labels), dict(running.labels)),
        "what it says": (dict(declared.annotations), dict(running.annotations)),
    }
    return {what: (one, other) for what, (one, other) in pairs.items() if one != other}


def _form(query: str) -> str:
    try:
        return promql.pretty(query)
    except ValueError:
        return query


def _of_named(kind: str, declared: Sequence[Any], running: Sequence[Any]) -> list[Difference]:
    """Lists whose members have names."""
    there = {str(each.get("name")): each for each in running if isinstance(each, dict)}
    found = []
    for each in declared:
        other = there.pop(each["name"], None)
        subject = f"{kind}:{each['name']}"
        if other is None:
            found.append(Difference(subject=subject, text="is declared and not there"))
            continue
        more = [key for key in other if key not in each]
        found += [Difference(subject=subject, text=f"has {key}, which nobody declared") for key in more]
        found += _told(subject, _compared(each, other, "", strict=kind == "hours"))
    return [
        *found,
        *(Difference(subject=f"{kind}:{_short(name)}", text="is there and not declared") for name in there),
    ]


def _told(subject: str, compared: Iterator[tuple[str, Any, Any]]) -> list[Difference]:
    return [
        Difference(subject=subject, text=f"{path} is not as declared", declared=_short(one), running=_short(other))
        for path, one, other in compared
    ]


def _compared(declared: Any, running: Any, path: str, *, strict: bool) -> Iterator[tuple[str, Any, Any]]:
    """Each place at which what is declared does not stand; `strict` finds what was added, too."""
    key = path.rpartition(".")[2]
    if isinstance(declared, dict) and isinstance(running, dict):
        added = (each for each in running if each not in declared and running[each])
        keys = [*declared, *(each for each in added if strict or each in _BY_HAND)]
        for each in keys:
            inner = f"{path}.{each}" if path else str(each)
            # Of how a value is shown, Grafana adds nothing by itself.
            closely = strict or inner == "fieldConfig.defaults"
            yield from _compared(declared.get(each), running.get(each), inner, strict=closely)
    elif isinstance(declared, list) and isinstance(running, list):
        if key in _UNORDERED:
            declared, running = sorted(map(str, declared)), sorted(map(str, running))
        if len(declared) != len(running):
            yield path, *_apart(declared, running, path, strict=strict)
            return
        for number, (one, other) in enumerate(zip(declared, running, strict=True)):
            called = one.get("receiver") if isinstance(one, dict) else None
            inner = f"{path}[{f'{number}: {called}' if called else number}]"
            yield from _compared(one, other, inner, strict=strict)
    elif not _same(key, declared, running):
        yield path, declared, running


def _apart(declared: list[Any], running: list[Any], path: str, *, strict: bool) -> tuple[list[Any], list[Any]]:
    """The members of two lists that the other one has not."""

    def has(members: list[Any], one: Any, *, turned: bool) -> bool:
        pairs = (((each, one) if turned else (one, each)) for each in members)
        return any(not list(_compared(*pair, path, strict=strict)) for pair in pairs)

    missing = [one for one in declared if not has(running, one, turned=False)]
    added = [one for one in running if not has(declared, one, turned=True)]
    return missing, added


def _same(key: str, declared: Any, running: Any) -> bool:
    """Whether two values mean the same under that key. What says nothing may be left out."""
    if running == _HIDDEN:
        return bool(declared)
    if not declared or not running:
        return not declared and not running
    if key in _LENGTHS:
        return _seconds(declared) == _seconds(running)
    if key.endswith("_file"):
        # In containers and on this machine, a secret is the same file at different places.
        return str(declared).rpartition("/")[2] == str(running).rpartition("/")[2]
    return bool(_local(declared) == _local(running) if key == "url" else declared == running)


def _local(url: Any) -> str:
    return str(url).replace("host.docker.internal", "localhost")


def _seconds(length: Any) -> int:
    found = _LENGTH.fullmatch(str(length))
    if not found:
        return -1
    return sum(int(count or 0) * size for count, size in zip(found.groups(), _SIZES, strict=True))


def _short(value: Any) -> str:
    text = " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

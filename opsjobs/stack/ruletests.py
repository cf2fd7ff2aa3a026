"""Unit tests of the alerting rules, in the format of promtool: each alert fires beyond its limit, and not at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opsjobs.model import Direction
from opsjobs.stack import values, watching
from opsjobs.stack.alerts import NO_DATA, NO_DATA_FOR, missed, rules
from opsjobs.stack.plan import Plan
from opsjobs.stack.rule import Absence, AlertRule, Budget, Limit, Members, Metrics
from opsjobs.vocabulary import seconds

_EVERY = 60
"""Seconds between two samples and two evaluations."""
_STALE = 300
"""Seconds for which a series is seen after its last sample."""
_SELECTOR = re.compile(r'(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<matchers>(?:\s*[A-Za-z_]\w*\s*=\s*"[^"\\]*"\s*,?)*)\})?')
_MATCHER = re.compile(r'([A-Za-z_]\w*)\s*=\s*"([^"\\]*)"')

Case = dict[str, Any]


def files(plan: Plan) -> Mapping[str, Any]:
    """The files of the tests, by their names."""
    made = rules(plan)
    tests = [case for rule in made for case in _cases(rule)]
    silent = [rule for rule in made if isinstance(rule.watch, Absence)]
    files = {"alerts.test.yml": _file("alerts.yml", [*tests, *_silence(silent)])}
    own = watching.rules(plan)
    if own:
        files["opsjobs.test.yml"] = _file(watching.FILE, [case for rule in own for case in _cases(rule)])
    return files


def _file(rules: str, tests: Sequence[Case]) -> dict[str, Any]:
    return {"rule_files": [rules], "evaluation_interval": f"{_EVERY}s", "tests": list(tests)}


def _cases(rule: AlertRule) -> Iterator[Case]:
    watch = rule.watch
    if isinstance(watch, Limit):
        yield from _limit_cases(rule, watch)
    elif isinstance(watch, Members):
        yield from _member_cases(rule, watch)
    elif isinstance(watch, Budget):
        yield from _budget_cases(rule, watch)
    elif isinstance(watch, Metrics):
        told = f"{rule.name} of {rule.labels['job_name']}" if "job_name" in rule.labels else rule.name
        yield _case(f"{told}: as it should be", rule, watch.well)
        yield _case(f"{told}: as it should not be", rule, watch.ill, fires=[(watch.labels, watch.found)])


def _limit_cases(rule: AlertRule, watch: Limit) -> Iterator[Case]:
    beyond = _beyond(watch.limit, up=watch.healthy is Direction.BELOW)
    yield _case(f"{rule.name}: at the limit it is well", rule, {watch.series: watch.limit})
    said = values.filled(watch.unit, beyond)
    yield _case(f"{rule.name}: beyond the limit it fires", rule, {watch.series: beyond}, fires=[({}, said)])


def _member_cases(rule: AlertRule, watch: Members) -> Iterator[Case]:
    wanted = [_selected(there) for there in watch.there]
    labels = [labels for _, labels in wanted]
    alone = [(each, missed(each)) for each in labels]
    yield _case(f"{rule.name}: what is not asked is not well", rule, {}, fires=alone)
    if any(name is None for name, _ in wanted):
        return
    # Who is named is there once; of the others there are as many as there have to be.
    count = (watch.count or 1) if len(wanted) == 1 else 1
    members = [
        (name or "", {"instance": f"member-{number}:80", **labels})
        for name, labels in wanted
        for number in range(count)
    ]
    well = {_series(*member): 1.0 for member in members}
    yield _case(f"{rule.name}: who is up is well", rule, well)
    last = members[-1]
    fires = [(last[1], missed(last[1]))]
    yield _case(f"{rule.name}: who is down is told", rule, {**well, _series(*last): 0.0}, fires=fires)
    if len(members) > 1:
        fewer = dict(list(well.items())[:-1])
        gone = {} if len(wanted) == 1 else wanted[-1][1]
        yield _case(f"{rule.name}: who has vanished is missed", rule, fewer, fires=[(gone, missed(gone))])


def _budget_cases(rule: AlertRule, watch: Budget) -> Iterator[Case]:
    for long, short, limit in watch.pairs:
        beyond = _beyond(limit, up=True)
        said = values.filled("ratio", beyond)
        yield _case(f"{rule.name}: {long} at the limit is well", rule, {long: limit, short: limit})
        yield _case(f"{rule.name}: {long} that is over is well", rule, {long: beyond, short: limit})
        yield _case(f"{rule.name}: {long} beyond it fires", rule, {long: beyond, short: beyond}, fires=[({}, said)])


def _silence(silent: Sequence[AlertRule]) -> Iterator[Case]:
    """All series end at once, since each that is not there is told."""
    if not silent:
        return
    minutes = 10
    held = seconds(NO_DATA_FOR)
    last = minutes * 60 + _STALE
    series = [rule.watch.series for rule in silent if isinstance(rule.watch, Absence)]
    yield {
        "name": f"{NO_DATA}: what was there is missed when it is gone",
        "interval": "1m",
        "input_series": [{"series": each, "values": f"1x{minutes}"} for each in series],
        "alert_rule_test": [
            {"eval_time": f"{last + held - 60}s", "alertname": NO_DATA, "exp_alerts": []},
            {
                "eval_time": f"{last + held + 60}s",
                "alertname": NO_DATA,
                "exp_alerts": [_expected(rule, {}, "") for rule in silent],
            },
        ],
    }


def _case(
    name: str, rule: AlertRule, series: Mapping[str, float], *, fires: Sequence[tuple[Mapping[str, str], str]] = ()
) -> Case:
    """Constant series: firing as soon as they have lasted, and not before; or never."""
    held = -(-(seconds(rule.held) if rule.held else 0) // _EVERY)
    points = held + 4
    expected = [_expected(rule, labels, said) for labels, said in fires]
    checks = [{"eval_time": f"{held * _EVERY}s", "alertname": rule.name, "exp_alerts": expected}]
    if held and fires:
        checks.insert(0, {"eval_time": f"{(held - 1) * _EVERY}s", "alertname": rule.name, "exp_alerts": []})
    return {
        "name": name,
        "interval": f"{_EVERY}s",
        "input_series": [{"series": key, "values": f"{value!r}x{points}"} for key, value in series.items()],
        "alert_rule_test": checks,
    }


def _expected(rule: AlertRule, labels: Mapping[str, str], said: str) -> dict[str, Any]:
    return {
        "exp_labels": {**labels, **rule.labels},
        "exp_annotations": {key: text.replace(values.HERE, said) for key, text in rule.said.items()},
    }


def _beyond(limit: float, *, up: bool) -> float:
    """The next value beyond a limit that still reads well."""
    step = max(abs(limit), 0.001) / 1000
    return round(limit + step if up else limit - step, 12)


def _selected(up: str) -> tuple[str | None, dict[str, str]]:
    """The metric of a selector and the labels that it asks for; no metric where it is more than a plain selector."""
    found = _SELECTOR.fullmatch(up.strip())
    if not found:
        return None, {}
    return found["name"], dict(_MATCHER.findall(found["matchers"] or ""))


def _series(name: str, labels: Mapping[str, str]) -> str:
    inside = ", ".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{inside}}}"

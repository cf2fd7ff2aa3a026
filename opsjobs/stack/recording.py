"""What the rules record: each indicator as one series, and of each objective the share that failed in each window.

Alerts are about these series, so that an alert, a report and a year of history speak of the same number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from opsjobs import promql
from opsjobs.errors import ConfigError
from opsjobs.stack.burn import windows
from opsjobs.stack.plan import Plan
from opsjobs.system import System
from opsjobs.vocabulary import seconds

_STEP = 300
"""For which `$step` stands in the query of an alert, in seconds."""
_LONG = 7200
"""What reads further back than this, in seconds, changes slowly and costs much."""
_OFTEN, _SELDOM = "1m", "4m"
"""How often a rule is evaluated: a series is seen for five minutes after its last sample."""


class Recording(NamedTuple):
    """A rule that records a series."""

    group: str
    record: str
    query: str

    @property
    def interval(self) -> str:
        """How often it is evaluated."""
        return _SELDOM if promql.lookback(self.query) > _LONG else _OFTEN


def indicator_series(name: str) -> str:
    """What an indicator is recorded as."""
    return f"indicator:{_word(name)}"


def query_series(alert: str) -> str:
    """What the query of an alert is recorded as."""
    return f"alert:{_word(alert)}"


def failed_series(slo: str, window: str) -> str:
    """What the share of an objective that failed in a window is recorded as."""
    return f"slo:{_word(slo)}:failed_{window}"


def recorded(system: System) -> list[Recording]:
    """Every rule that records, in the order of the profile. Raises `ConfigError` when two would record the same."""
    rules = [*_indicators(system), *_queries(system), *_objectives(system)]
    names = [rule.record for rule in rules]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(
            f"two names of the profile become one series: {min(twice)}",
            advice="Names that differ in nothing but signs cannot be recorded apart: rename one.",
        )
    return rules


def files(plan: Plan) -> Mapping[str, Any]:
    """The files of the recording rules, by their name."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for rule in recorded(plan.system):
        said = {"record": rule.record, "expr": promql.pretty(rule.query)}
        groups.setdefault((rule.group, rule.interval), []).append(said)
    return {
        "recording.yml": {
            "groups": [
                {
                    "name": f"{group}, every {interval}",
                    "interval": interval,
                    "rules": rules,
                }
                for (group, interval), rules in groups.items()
            ]
        }
    }


def _indicators(system: System) -> Iterator[Recording]:
    for name, group, spec in system.indicators:
        if spec.store == "prometheus":
            yield Recording(group, indicator_series(name), spec.number)


def _queries(system: System) -> Iterator[Recording]:
    for name, alert in system.alerts.items():
        if alert.query:
            yield Recording("Alerts", query_series(name), promql.at_step(alert.query, _STEP))


def _objectives(system: System) -> Iterator[Recording]:
    for name, spec in system.slos.items():
        for window in windows():
            yield Recording("Objectives", failed_series(name, window), f"1 - ({spec.share(seconds(window))}\n)")


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII)

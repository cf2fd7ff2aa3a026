r"""DECLARE the stack: from a system's profile, the files that Prometheus, Alertmanager, Grafana and the others run on.

    plan          what is rendered, and how its parts reach each other
    parts         the parts that a stack can be made of
    recording     rules that record: indicators, objectives      \
    burn          how fast an error budget may burn               |  prometheus/
    rule          an alerting rule, and what one can watch        |
    alerts        rules that tell                                 |
    watching      rules that tell of opsjobs itself               |
    values        the value of an alert in words                  |
    ruletests     their unit tests                                |
    scraping      what is scraped                                /
    alertmanager  who is told, and when                             alertmanager/
    panels        the panels of a dashboard                      \
    grafana       data sources, folder, dashboards               /  grafana/
    exporters     blackbox, Loki, Promtail                          blackbox/, loki/, promtail/
    secrets       which files with secrets have to be there
    compose       all of it in containers                           compose.yml

All of it is pure: the same profile gives the same bytes. To add a part: its name in `system/inventory.py`, a row in
`parts.py`, and what is its own in `compose.py`. To add a file: a function `files` and a row in `_FOLDERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opsjobs.declaration import written
from opsjobs.stack import alertmanager, alerts, compose, exporters, grafana, recording, ruletests, scraping, watching
from opsjobs.stack.plan import Own, Plan

__all__ = ["Own", "Plan", "render"]

_FOLDERS: tuple[tuple[str, Callable[[Plan], Mapping[str, Any]]], ...] = (
    ("prometheus/", scraping.files),
    ("prometheus/rules/", recording.files),
    ("prometheus/rules/", alerts.files),
    ("prometheus/rules/", watching.files),
    ("prometheus/rules/", ruletests.files),
    ("alertmanager/", alertmanager.files),
    ("grafana/", grafana.files),
    ("", exporters.files),
    ("", lambda _: {".gitignore": _IGNORED}),
)
_IGNORED = """\
# What is secret, and what a stack that runs keeps beside what was rendered.
/secrets/
/data/
/logs/
/running.json
"""


def render(plan: Plan) -> dict[str, str]:
    """Every file of the stack, its text by its path. Raises `ConfigError` where the profile cannot be rendered."""
    return dict(_files(plan))


def _files(plan: Plan) -> Iterator[tuple[str, str]]:
    # What only runs in containers is of no use to programs.
    folders = _FOLDERS if plan.folder or not plan.system.stack.parts else (*_FOLDERS, ("", compose.files))
    for folder, make in folders:
        for name, content in make(plan).items():
            yield f"{folder}{name}", content if isinstance(content, str) else f"{_head(plan)}{written(content)}"


def _head(plan: Plan) -> str:
    return f"# From the profile of {plan.name}, by `opsjobs stack render`: change the profile, not this file.\n"

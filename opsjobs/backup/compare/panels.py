"""A panel, wherever it stands: in a dashboard or in a library.

To give a value of panels a name: a line in `NAMES`.
"""

from __future__ import annotations

from typing import Any

from opsjobs.backup.compare import queries
from opsjobs.backup.compare.difference import Telling, bare, plain, said, short
from opsjobs.backup.compare.forms import cleaned, within, without, word

_NOISE = ("id", "pluginVersion", "gridPos", "targets", "datasource", "libraryPanel")
"""Without those that are numbers of a server, and those that have a form of their own."""
_LIBRARY = ("uid", "name")
"""What says which library panel it is; Grafana 8 repeats all that the library knows of it."""
_NAMED = 60


def _steps(value: Any) -> str:
    """Thresholds: green, orange 70, red 90."""
    steps = within(value, "steps") if isinstance(value, dict) else value
    if not isinstance(steps, list):
        return plain(value)
    told = (
        f"{word(within(step, 'color') or within(step, 'colorMode'))} {word(within(step, 'value'))}" for step in steps
    )
    return ", ".join(each.strip() for each in told)


FIELDS: dict[str, Telling] = {
    "defaults.unit": bare("unit"),
    "defaults.thresholds": bare("thresholds", _steps),
    "defaults.min": bare("min"),
    "defaults.max": bare("max"),
    "defaults.decimals": bare("decimals"),
    "overrides": bare("overrides"),
}
NAMES: dict[str, Telling] = {
    "title": said("title"),
    "type": bare("type"),
    "description": said("description"),
    "datasource": bare("data source", queries.source, absent="default"),
    "libraryPanel": bare("library panel", queries.source),
    "transparent": queries.state("transparent", "no", "yes"),
    "collapsed": queries.state("collapsed", "no", "yes"),
    "collapse": queries.state("collapsed", "no", "yes"),
    **{f"fieldConfig.{path}": tell for path, tell in FIELDS.items()},
    "format": bare("unit"),
    "yaxes[0].format": bare("unit"),
    "yaxes[0].min": bare("min"),
    "yaxes[0].max": bare("max"),
    "yaxes[1].format": bare("unit of the right axis"),
    "thresholds": bare("thresholds", _steps),
    "decimals": bare("decimals"),
    "transformations": bare("transformations"),
    "timeFrom": bare("time override"),
    "timeShift": bare("time shift"),
    "interval": bare("interval"),
    "repeat": bare("repeat"),
    "links": bare("links"),
}
LIBRARY_NAMES = {f"model.{path}": tell for path, tell in NAMES.items()}


def called(noun: str, title: Any, number: Any) -> str:
    """A panel by its title, or by its number where it has none."""
    if word(title):
        return f"{noun} '{short(word(title), _NAMED)}'"
    return f"{noun} {short(word(number), _NAMED)}" if word(number) else f"{noun} without a title"


def keys(number: Any, title: Any, kind: Any) -> tuple[tuple[str, ...] | None, ...]:
    """What tells that two panels are the same one. A number may have been dealt out anew, so it is not enough."""
    number, title, kind = word(number), word(title), word(kind)
    return (
        (number, title) if number and title else None,
        (title, kind) if title else None,
        (number, kind) if number else None,
        (title, kind),
    )


def content(panel: Any) -> Any:
    """A panel without where it stands."""
    made = cleaned(panel)
    if not isinstance(panel, dict):
        return made
    asked = queries.source_form(panel.get("datasource"))
    kept = without(made, _NOISE)
    if asked:
        kept["datasource"] = asked
    if "libraryPanel" in made:
        library = made["libraryPanel"]
        known = isinstance(library, dict) and "uid" in library
        kept["libraryPanel"] = {key: library[key] for key in _LIBRARY if key in library} if known else library
    targets = panel.get("targets")
    if isinstance(targets, list) and targets:
        kept["targets"] = queries.of_panel(targets, asked)
    elif "targets" in made:
        kept["targets"] = made["targets"]
    return kept
